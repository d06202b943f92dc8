"""Comparisons on the pages and over the API: asked for, looked at, cancelled, taken as files, and nobody else's."""

import csv
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.defaults import SMART_0DTE
from positions.models import Portfolio
from riskengine.models import Comparison, Replay, ReplayState
from tests import factories
from tests.riskengine.counts import assert_counted
from tests.riskengine.study.compared import finished_comparison, replay_report

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 2, 15, 50, tzinfo=UTC)
MONDAY = date(2021, 1, 4)
API = "/api/v1/comparisons/"
FORM = {"days": ["2021-01-04"], "revision_a": "1", "revision_b": "1", "asked_by": "examples"}


@pytest.fixture
def portfolio() -> Portfolio:
    return factories.portfolio(of=factories.profile(SMART_0DTE))


@pytest.fixture
def owner(portfolio: Portfolio) -> Client:
    return signed_in(portfolio)


def signed_in(of: Portfolio) -> Client:
    client = Client()
    client.force_login(of.owner)
    return client


def text(answer: Any) -> str:
    assert answer.status_code == 200
    return " ".join(unescape(answer.content.decode()).split())


def post(client: Client, path: str, body: Any) -> Any:
    return client.post(path, json.dumps(body), content_type="application/json")


def address(of: Portfolio, *more: object) -> str:
    return f"/portfolios/{of.slug}/comparisons/" + "".join(f"{each}/" for each in more)


def test_a_comparison_is_asked_for_on_the_page(portfolio: Portfolio, owner: Client) -> None:
    page = text(owner.get(address(portfolio)))
    assert "1, 2021-01-04, in force" in page
    assert 'name="days" value="2021-01-04" checked' in page
    changes = "stop_fraction = 0.30\nconfidence_scaling = raw\n\ntake_profit_late = [[0.05, 1]]"
    answer = owner.post(address(portfolio), FORM | {"changes_b": changes, "cash": "70000.50", "waive": "on"})
    made = Comparison.objects.get()
    assert answer["Location"] == address(portfolio, made.pk)
    assert json.loads(made.changes_b) == {
        "stop_fraction": "0.30", "confidence_scaling": "raw", "take_profit_late": [["0.05", "1"]],
    }  # fmt: skip
    assert (made.cash, made.gates, made.requested_by) == (Decimal("70000.50"), False, portfolio.owner)
    assert [each.side for each in made.replays.order_by("id")] == ["A", "B"]
    page = text(owner.get(address(portfolio, made.pk)))
    assert "data-unfinished" in page
    assert "Cancel what is not done" in page
    assert "Revision 1 beside changed revision 1" in page


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"days": []}, "Choose 1 to 5 recorded days."),
        ({"days": ["2021-01-04", "2015-12-24"]}, "different recordings"),
        ({"changes_b": "stop_fraction 0.3"}, "Line 1 is 'stop_fraction 0.3': write a name, =, and the value."),
        ({"changes_b": "stop_fraction = 7"}, "stop_fraction is 7: it must be from"),
        ({"asked_by": "entries", "entries": "at,contract,confidence\r\n09:40,X,2\r\n"}, "line 2"),
        ({"asked_by": "decisions"}, "was asked for no entry on 2021-01-04"),
        ({"cash": "lots"}, "Give the cash in USD"),
        ({"asked_by": "signals", "signals": "as_of,symbol,direction,confidence\n09:45,SPX,LONG_CALL,0.7\n",
          "waive": "on"}, "no gate is waived"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_beside_what_was_typed(
    portfolio: Portfolio, owner: Client, changes: dict[str, Any], sentence: str
) -> None:
    answer = owner.post(address(portfolio), FORM | changes)
    assert answer.status_code == 422
    assert sentence in unescape(answer.content.decode())
    assert not Comparison.objects.exists()


def test_both_sides_stand_beside_one_another(portfolio: Portfolio, owner: Client) -> None:
    comparison = finished_comparison(portfolio, NOW, MONDAY)
    second = comparison.replays.get(side="B")
    report = replay_report(MONDAY)
    refused = {"approved": False, "contracts": 0, "dollars": 0.0, "refusal": "SPREAD_TOO_WIDE",
               "sentence": "=cmd", "failed_gates": ["SPREAD_TOO_WIDE"]}  # fmt: skip
    report["decisions"] = [report["decisions"][0] | refused]
    report |= {"positions": [], "stops": [], "fills": []}
    report["end"] |= {"start": 90_000.0, "equity": 90_000.0, "fees": 0.0}  # another account size
    second.report = json.dumps(report)
    second.save()
    page = text(owner.get(address(portfolio, comparison.pk)))
    assert "Under B (revision 1) the 09:49 entry of SPXW 3,800P is refused (SPREAD_TOO_WIDE); under A" in page
    assert "it made −$1,204 (stop, 10:02)." in page
    assert "B makes $1,204 more than A over 1 day; 1 of 1 decision differs." in page
    assert "0 of 1, 0.0%" in page
    assert "not known: no trade" in page
    assert "data-unfinished" not in page
    files = {"sides", "differences", "decisions", "signals", "events", "equity"}
    for name in files:
        answer = owner.get(address(portfolio, comparison.pk) + f"?format=csv&table={name}")
        rows = list(csv.reader(io.StringIO(answer.content.decode())))
        assert len(rows) >= (1 if name in ("differences", "signals") else 2), name
    answer = owner.get(address(portfolio, comparison.pk) + "?format=csv&table=decisions")
    (row,) = csv.DictReader(io.StringIO(answer.content.decode()))
    assert (row["A_pnl"], row["B_pnl"], row["B_sentence"]) == ("-1203.9", "", "'=cmd")


def test_a_failed_side_says_why(portfolio: Portfolio, owner: Client) -> None:
    comparison = finished_comparison(portfolio, NOW, MONDAY)
    comparison.replays.filter(side="B").update(
        state=ReplayState.FAILED, report=None, error="It ran too long.", error_code="TIME_LIMIT"
    )
    page = text(owner.get(address(portfolio, comparison.pk)))
    assert "It ran too long." in page
    assert "No day is done on both sides" in page


def test_while_it_runs_it_is_looked_at_and_can_be_cancelled(portfolio: Portfolio, owner: Client) -> None:
    owner.post(address(portfolio), FORM)
    made = Comparison.objects.get()
    assert "first: one runs at a time" not in text(owner.get(address(portfolio, made.pk)))
    owner.post(address(portfolio), FORM)
    assert "2 other replays come first: one runs at a time." in text(owner.get(address(portfolio, made.pk + 1)))
    first = made.replays.order_by("id").first()
    Replay.objects.filter(pk=first.pk).update(
        state="running", attempts=1, started_at=timezone.now(), share=0.25, reached_at=factories.NOW
    )
    live = text(owner.get(address(portfolio, made.pk, "live")))
    assert '<progress max="1" value="0.2500"' in live
    assert "running, market time 10:42" in live
    assert owner.get(address(portfolio, made.pk, "cancel")).status_code == 405
    assert owner.post(address(portfolio, made.pk, "cancel"))["Location"] == address(portfolio, made.pk)
    assert [each.state for each in made.replays.order_by("id")] == ["running", "cancelled"]
    live = text(owner.get(address(portfolio, made.pk, "live")))
    assert "What runs ends within a second or two." in live
    assert "Cancel what is not done" not in live


def test_the_page_lists_what_is_kept_and_replays_asked_for_alone(portfolio: Portfolio, owner: Client) -> None:
    finished_comparison(portfolio, NOW, MONDAY)
    alone = factories.finished_replay(portfolio.owner, NOW, MONDAY)
    page = text(owner.get(address(portfolio)))
    assert "A (revision 1), B (revision 1)" in page
    assert f"/api/v1/replays/{alone.pk}/report/" in page


def test_another_s_comparison_is_not_there(portfolio: Portfolio, owner: Client) -> None:
    theirs = factories.portfolio()
    comparison = finished_comparison(theirs, NOW, MONDAY)
    places = [(), (comparison.pk,), (comparison.pk, "live")]
    for client, of in ((owner, theirs), (owner, portfolio), (signed_in(portfolio), theirs)):
        for place in places[1:] if of is portfolio else places:
            assert client.get(address(of, *place)).status_code == 404, place
        assert client.post(address(of, comparison.pk, "cancel")).status_code == 404
    assert Client().get(address(theirs)).status_code == 302
    assert owner.post(address(theirs), FORM).status_code == 404


def test_a_program_asks_as_a_person_does(portfolio: Portfolio, owner: Client) -> None:
    asked = {"portfolio": portfolio.slug, "days": ["2021-01-04"], "revision_a": 1, "revision_b": 1}
    row = {"at": "2021-01-04 09:49:04", "contract": "SPXW210104P03800000", "confidence": "0.66"}
    answer = post(owner, API, asked | {"changes_b": {"stop_fraction": "0.30"}, "asked_by": "entries", "entries": [row]})
    assert answer.status_code == 202
    made = answer.json()
    assert (made["state"], made["b"]["name"], made["b"]["changes"]) == (
        "queued", "changed revision 1", {"stop_fraction": "0.30"},
    )  # fmt: skip
    found = owner.get(f"{API}{made['id']}/").json()
    assert [each["name"] for each in found["differences"]] == ["stop_fraction"]
    assert found["result"] is None
    assert owner.get(f"/api/v1/replays/{made['a']['days'][0]['replay']}/").json()["comparison"] == made["id"]
    assert post(owner, f"{API}{made['id']}/cancel/", {}).json()["state"] == "cancelled"
    refused = post(owner, API, asked | {"revision_b": 9})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "NO_SUCH_REVISION")
    assert post(owner, API, asked | {"portfolio": factories.portfolio().slug}).status_code == 404


def test_a_replay_alone_takes_signals_too(owner: Client) -> None:
    body = {"date": "2015-12-24", "portfolio": "mag7-7dte"}
    signals = "as_of,symbol,direction,confidence\n09:45:04,GOOG,LONG_CALL,0.72\n"
    assert post(owner, "/api/v1/replays/", body | {"signals": signals}).status_code == 202
    assert (Replay.objects.get().signals, Replay.objects.get().entries) == (signals, "")
    for given, code in (
        ({}, "NOTHING_TO_REPLAY"),
        ({"signals": "as_of\n1"}, "BAD_SIGNALS"),
        ({"signals": signals, "gates": False}, "GATES_NOT_WAIVED"),
    ):
        assert post(owner, "/api/v1/replays/", body | given).json()["errors"][0]["code"] == code


def test_each_takes_few_statements(portfolio: Portfolio, owner: Client) -> None:
    comparison = finished_comparison(portfolio, NOW, MONDAY)
    for name, path in (
        ("page comparisons", address(portfolio)),
        ("page comparison", address(portfolio, comparison.pk)),
        ("api comparisons", API),
        ("api comparison", f"{API}{comparison.pk}/"),
    ):
        with assert_counted(name):
            assert owner.get(path).status_code == 200
