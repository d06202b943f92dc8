"""Signals over the API: sent all or none and once, and read with what became of them."""

import json
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from accounts.models import Scope, User
from accounts.services import issue_token
from positions.models import Decision
from riskengine.models import Handling, Signal, SignalSource, SourceKind
from riskengine.services.signals.choosing import run_signals
from tests import factories
from tests.riskengine import market
from tests.riskengine.asking import errors
from tests.riskengine.counts import assert_counted
from tests.riskengine.market import Bet
from tests.riskengine.signals.sending import send, signed_in, source

pytestmark = pytest.mark.django_db

CONTRACT = "SPXW  210104C03700000"


def said(**changes: Any) -> dict[str, Any]:
    given = {"source": "model", "id": "1", "symbol": "SPX", "direction": "LONG_CALL", "confidence": "0.72"}
    return {name: value for name, value in (given | changes).items() if value is not None}


def post(bet: Bet, body: Any, client: Client | None = None, **headers: str) -> Any:
    address = f"/api/v1/portfolios/{bet.portfolio.slug}/signals/"
    return (client or signed_in()).post(address, json.dumps(body), content_type="application/json", headers=headers)


# ---- Sending ----


def test_one_is_taken_with_what_it_was_made_of(bet: Bet, model: SignalSource) -> None:
    components = [{"name": "trend", "value": 0.4, "weight": 0.3}, {"name": "news", "value": "good"}, {"name": "x"}]
    response = post(bet, said(components=components, note="Breadth.", symbol="spx"))
    assert response.status_code == 201
    body = response.json()
    assert body["created"] == [True]
    (row,) = body["signals"]
    assert (row["external_id"], row["source"], row["symbol"], row["confidence"]) == ("1", "model", "SPX", "0.720000")
    assert (row["state"], row["as_of"], row["expires_at"]) == ("new", "2021-01-04T15:42:07Z", "2021-01-04T15:57:07Z")
    assert Signal.objects.get().components == components


def test_a_repeat_is_answered_with_what_is_stored_and_changes_nothing(bet: Bet, model: SignalSource) -> None:
    first = post(bet, said())
    with time_machine.travel(bet.wall() + timedelta(hours=2), tick=False):
        again = post(bet, said())
    assert (first.status_code, again.status_code) == (201, 200)
    assert (again.json()["created"], again.json()["signals"]) == ([False], first.json()["signals"])
    assert Signal.objects.count() == 1
    both = post(bet, [said(), said(id="2")])
    assert (both.status_code, both.json()["created"]) == (201, [False, True])


def test_the_same_number_with_another_content_is_refused(bet: Bet, model: SignalSource) -> None:
    post(bet, said())
    for changes in ({"confidence": "0.73"}, {"direction": "LONG_PUT"}, {"symbol": "SPY"}, {"contract": CONTRACT}):
        response = post(bet, said(**changes))
        assert response.status_code == 422
        assert ("SIGNAL_CONFLICT", "id") in errors(response), changes


def test_of_a_list_every_problem_is_told_with_its_place_and_nothing_is_taken(bet: Bet, model: SignalSource) -> None:
    response = post(
        bet,
        [
            said(),
            said(id="2", symbol="NONE"),
            said(id="3", direction="SHORT_CALL"),
            said(id="4", as_of="2021-01-04T10:00:00-05:00"),
            said(id="5", as_of="2021-01-04T11:00:00-05:00"),
            said(id="6", contract="SPXW210104P03700000"),
            said(id="1"),
        ],
    )
    assert response.status_code == 422
    assert errors(response) == [
        ("UNKNOWN_SYMBOL", "1.symbol"),
        ("SHORT_NOT_SUPPORTED", "2.direction"),
        ("SIGNAL_EXPIRED", "3.expires_at"),
        ("IN_THE_FUTURE", "4.as_of"),
        ("UNKNOWN_CONTRACT", "5.contract"),
        ("SIGNAL_CONFLICT", "6.id"),
    ]
    assert not Signal.objects.exists()


@pytest.mark.parametrize(
    ("changes", "status", "code", "field"),
    [
        ({"id": None}, 400, "required", "id"),
        ({"id": "x" * 101}, 422, "NO_ID", "id"),
        ({"confidence": "1.01"}, 400, "max_value", "confidence"),
        ({"confidence": "NaN"}, 400, "invalid", "confidence"),
        ({"confidence": True}, 400, "invalid", "confidence"),
        ({"confidence": 1e400}, 400, "parse_error", ""),
        ({"confidense": "0.7"}, 400, "unknown_field", "confidense"),
        ({"as_of": "2021-01-04T10:42:05"}, 400, "unaware", "as_of"),
        ({"as_of": "9999-12-31T23:59:59Z"}, 422, "IN_THE_FUTURE", "as_of"),
        ({"as_of": "0001-01-01T00:00:00+14:00"}, 400, "overflow", "as_of"),
        ({"expires_at": "2021-01-20T10:42:05-05:00"}, 422, "TOO_LONG", "expires_at"),
        ({"note": "x" * 501}, 400, "max_length", "note"),
        ({"note": "\x00"}, 400, "null_characters_not_allowed", "note"),
        ({"source": "another"}, 422, "UNKNOWN_SOURCE", "source"),
        ({"components": [{"name": "a", "value": "\x00"}]}, 400, "null_characters_not_allowed", "components.0.value"),
        ({"components": [{"name": "a", "value": True}]}, 400, "invalid", "components.0.value"),
        ({"components": [{"name": "a", "value": 10**400}]}, 400, "invalid", "components.0.value"),
        ({"components": [{"name": "a", "value": {"deep": 1}}]}, 400, "invalid", "components.0.value"),
        ({"components": [{"name": "a"}] * 21}, 400, "max_length", "components.non_field_errors"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(
    bet: Bet, model: SignalSource, changes: dict[str, Any], status: int, code: str, field: str
) -> None:
    response = post(bet, said(**changes))
    assert response.status_code == status, response.content
    assert (code, field) in errors(response)
    assert not Signal.objects.exists()


@pytest.mark.parametrize("count", [0, 501])
def test_a_delivery_has_its_size(bet: Bet, model: SignalSource, count: int) -> None:
    response = post(bet, [said(id=str(number)) for number in range(count)])
    assert (response.status_code, errors(response)) == (422, [("TOO_MANY", "")])


def test_a_delivery_of_500_takes_as_many_statements_as_one(bet: Bet, model: SignalSource) -> None:
    owner = signed_in()
    for count in (1, 500):
        with assert_counted("api signals sent"):
            response = post(bet, [said(id=f"{count} {number}") for number in range(count)], owner)
        assert response.status_code == 201
    assert Signal.objects.count() == 501


def test_a_delivery_comes_from_one_source_that_programs_may_use(bet: Bet, model: SignalSource) -> None:
    other = market.seven_dte()
    source(bet, SourceKind.WEBHOOK, slug="hook", secret_hash="0" * 64)
    source(other, slug="theirs")
    assert errors(post(bet, [said(), said(id="2", source="hook")])) == [("SEVERAL_SOURCES", "1.source")]
    for slug in ("hook", "theirs"):
        assert errors(post(bet, said(source=slug))) == [("UNKNOWN_SOURCE", "source")]
    SignalSource.objects.filter(pk=model.pk).update(enabled=False)
    assert errors(post(bet, said())) == [("SOURCE_DISABLED", "source")]


def test_a_token_that_sends_signals_reads_and_places_nothing(bet: Bet, model: SignalSource) -> None:
    def bearer(*scopes: Scope) -> dict[str, str]:
        user = User.objects.get(username="owner")
        _, secret = issue_token(user=user, name="x", scopes=scopes, now=bet.wall(), valid_for=timedelta(days=1))
        return {"Authorization": f"Bearer {secret}"}

    sender = bearer(Scope.SIGNALS)
    assert post(bet, said(), Client(), **sender).status_code == 201
    assert post(bet, said(id="2"), Client(), **bearer(Scope.TRADE)).status_code == 403
    signal = Signal.objects.get()
    address = f"/api/v1/signals/{signal.pk}/"
    assert Client().get(address, headers=sender).status_code == 403
    assert Client().get(address, headers=bearer(Scope.READ)).status_code == 200
    body = json.dumps({"contract": CONTRACT})
    sent = Client().post(f"{address}place/", body, content_type="application/json", headers=sender)
    assert sent.status_code == 403
    assert not Decision.objects.exists()


def test_while_another_delivery_is_taken_one_is_told_to_come_again(
    bet: Bet, model: SignalSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    from riskengine.api import signals
    from riskengine.services.decide.entries import PortfolioBusy

    def busy(*_: Any, **__: Any) -> None:
        raise PortfolioBusy("Another delivery of this source is being taken. Nothing was done; send it again.")

    monkeypatch.setattr(signals, "receive", busy)
    response = post(bet, said())
    assert (response.status_code, errors(response)) == (409, [("busy", "")])


# ---- Reading ----


def test_signals_are_listed_filtered_and_paged(bet: Bet, model: SignalSource) -> None:
    market.bar("SPY", bet.at)
    other = source(bet, slug="other")
    post(bet, [said(id=str(number)) for number in range(3)])
    send(bet, "0.30", of=other)
    run_signals(now=bet.wall())
    owner, address = signed_in(), f"/api/v1/portfolios/{bet.portfolio.slug}/signals/"

    def found(**which: Any) -> int:
        return len(owner.get(address, which).json()["results"])

    assert (found(), found(source="other"), found(source="model")) == (4, 1, 3)
    assert (found(symbol="SPX"), found(symbol="SPY")) == (4, 0)
    assert found(state="dropped") >= 1
    assert owner.get(address, {"state": "odd"}).status_code == 400
    page = owner.get(address, {"page_size": 3}).json()
    assert len(page["results"]) == 3
    assert len(owner.get(page["next"]).json()["results"]) == 1
    with assert_counted("api signals"):
        owner.get(address)


def test_one_is_read_with_what_the_selection_saw_and_what_became_of_it(bet: Bet) -> None:
    signal = send(bet, of=source(bet, handling=Handling.ENTER, slug="enters"))
    run_signals(now=bet.wall())
    owner = signed_in()
    with assert_counted("api signal"):
        response = owner.get(f"/api/v1/signals/{signal.pk}/")
    body = response.json()
    assert body["decision"] == Decision.objects.get().pk
    assert (body["state"], body["dropped"], body["portfolio"]) == ("accepted", None, bet.portfolio.slug)
    assert body["selection"]["contract"] == CONTRACT
    assert [each["state"] for each in body["events"]] == ["new", "accepted"]


def test_a_dropped_one_says_why(bet: Bet, model: SignalSource) -> None:
    signal = send(bet, "0.30", of=model)
    run_signals(now=bet.wall())
    dropped = signed_in().get(f"/api/v1/signals/{signal.pk}/").json()["dropped"]
    assert dropped == {
        "code": "MIN_CONFIDENCE",
        "sentence": "Confidence 0.30 is under 0.65, the lowest that is traded.",
    }


def test_a_stranger_finds_none(bet: Bet, model: SignalSource) -> None:
    signal = send(bet, of=model)
    factories.user("stranger")
    stranger = signed_in("stranger")
    assert stranger.get(f"/api/v1/signals/{signal.pk}/").status_code == 404
    assert stranger.get(f"/api/v1/portfolios/{bet.portfolio.slug}/signals/").status_code == 404
    body = json.dumps({"contract": CONTRACT})
    sent = stranger.post(f"/api/v1/signals/{signal.pk}/place/", body, content_type="application/json")
    assert sent.status_code == 404
    assert post(bet, said(), stranger).status_code == 404
    assert not Decision.objects.exists()
