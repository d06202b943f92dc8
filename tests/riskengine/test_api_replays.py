"""Replays over the API: asked for and queued, refused with what to mend, seen by their owner, taken back."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from riskengine.models import Replay, ReplayState
from riskengine.services.study import asking
from tests import factories
from tests.riskengine.threads import at_once

pytestmark = pytest.mark.django_db

REPLAYS = "/api/v1/replays/"
CALL = "SPXW210104C03700000"
ROW = {"at": "09:40", "contract": CALL, "confidence": "0.7", "contracts": 3}
ASKED: dict[str, Any] = {"date": "2021-01-04", "portfolio": "smart-0dte", "entries": [ROW]}
NOW = datetime(2026, 3, 2, 15, 50, tzinfo=UTC)


@pytest.fixture
def owner() -> Client:
    return signed_in(factories.user("owner"))


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def post(client: Client, body: Any, path: str = REPLAYS, key: str = "") -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(path, json.dumps(body), content_type="application/json", headers=headers)


def ask(client: Client, **changes: Any) -> Any:
    return post(client, ASKED | changes)


def errors(response: Any) -> list[tuple[str, str]]:
    return [(each["code"], each["field"]) for each in response.json()["errors"]]


def stored(user: User | None = None, **fields: Any) -> Replay:
    given: dict[str, Any] = {"day": date(2021, 1, 4), "portfolio": "smart-0dte", "entries": "at", "requested_at": NOW}
    return Replay.objects.create(requested_by=user or User.objects.get(username="owner"), **given | fields)


def running(**fields: Any) -> Replay:
    return stored(state=ReplayState.RUNNING, attempts=1, started_at=NOW, **fields)


def done(**fields: Any) -> Replay:
    return stored(state=ReplayState.DONE, finished_at=NOW, report='{"end": {}}\n', share=1, **fields)


# ---- Asking ----


def test_a_replay_is_queued_and_answered_with_its_number(owner: Client) -> None:
    response = ask(owner, parameters={"stop_fraction": 0.25}, gates=False, cash="250000.50")
    assert response.status_code == 202
    answer, row = response.json(), Replay.objects.get()
    assert (answer["id"], answer["state"], answer["share"], answer["error"]) == (row.pk, "queued", 0.0, None)
    assert (answer["parameters"], answer["cash"]) == ({"stop_fraction": 0.25}, "250000.50")
    assert row.entries == f"at,contract,side,confidence,contracts\n09:40,{CALL},,0.7,3\n"
    assert (row.gates, row.cash, row.requested_by.username) == (False, Decimal("250000.50"), "owner")
    assert owner.get(f"{REPLAYS}{row.pk}/").json() == answer


def test_entries_may_be_the_text_of_a_file(owner: Client) -> None:
    text = f"at,contract,confidence\r\n09:40,{CALL},0.7\r\n"
    assert ask(owner, entries=text).status_code == 202
    assert Replay.objects.get().entries == text


@pytest.mark.parametrize(
    ("changes", "code", "field", "says"),
    [
        ({"date": "2021-01-08"}, "NO_RECORDING", "date", "2021-01-04, 2021-01-05"),
        ({"date": "2015-12-24"}, "BAD_ENTRIES", "entries", "the replay is of 2015-12-24"),
        ({"entries": "at,contract\n09:40,x\n"}, "BAD_ENTRIES", "entries", "lacks the columns confidence"),
        ({"entries": f"at,contract,confidence\n25:99,{CALL},7\n"}, "BAD_ENTRIES", "entries", "entries.csv, line 2"),
        ({"entries": [ROW | {"side": "sell"}]}, "BAD_ENTRIES", "entries", "never sold short"),
        ({"parameters": {"stop_fractoin": 0.3}}, "BAD_PARAMETERS", "parameters", "stop_fractoin is no parameter"),
        ({"parameters": {"stop_fraction": 3}}, "BAD_PARAMETERS", "parameters", "from 0.01 to 0.99"),
        ({"parameters": {"\ud800\x00": 1}}, "BAD_PARAMETERS", "parameters", "is no parameter"),
        ({"parameters": {"x" * 60_000: 1}}, "PARAMETERS_TOO_LARGE", "parameters", "50,000"),
        ({"cash": "0"}, "CASH_OUT_OF_RANGE", "cash", "above 0"),
        ({"cash": "1e13"}, "CASH_OUT_OF_RANGE", "cash", "below"),
    ],
)  # fmt: skip
def test_what_cannot_be_replayed_is_refused_before_it_is_queued(
    owner: Client, changes: dict[str, Any], code: str, field: str, says: str
) -> None:
    if "2015" in str(changes):
        changes = changes | {"entries": [ROW | {"at": "2021-01-04 09:40"}]}
    response = ask(owner, **changes)
    assert (response.status_code, errors(response)) == (422, [(code, field)])
    assert says in response.json()["errors"][0]["message"]
    assert not Replay.objects.exists()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"date": "yesterday"}, "date"),
        ({"portfolio": "mine"}, "portfolio"),
        ({"entries": []}, "entries"),
        ({"entries": ""}, "entries"),
        ({"entries": 7}, "entries"),
        ({"entries": "at\x00"}, "entries"),
        ({"entries": [ROW | {"confidance": 1}]}, "entries.0.confidance"),
        ({"entries": [ROW | {"confidence": True}]}, "entries.0.confidence"),
        ({"parameters": []}, "parameters"),
        ({"gates": "no"}, "gates"),
        ({"cash": "1.005"}, "cash"),
        ({"cash": "1e-400"}, "cash"),
        ({"speed": 3}, "speed"),
    ],
)
def test_a_wrong_body_says_which_field(owner: Client, changes: dict[str, Any], field: str) -> None:
    response = ask(owner, **changes)
    assert (response.status_code, [where for _, where in errors(response)]) == (400, [field])


def test_numbers_that_are_no_numbers_are_refused(owner: Client) -> None:
    body = json.dumps(ASKED | {"parameters": {"stop_fraction": 0.25}})
    for text in ("1e999", "NaN", "[" * 900 + "]" * 900, "9" * 4000):
        response = owner.post(REPLAYS, body.replace("0.25", text), content_type="application/json")
        assert response.status_code in (400, 422), text


def test_a_repeat_under_its_key_is_the_same_replay(owner: Client) -> None:
    first, again = post(owner, ASKED, key="k"), post(owner, ASKED, key="k")
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()
    assert Replay.objects.count() == 1
    assert errors(post(owner, ASKED | {"gates": False}, key="k")) == [("IDEMPOTENCY_CONFLICT", "")]


def test_only_so_many_may_wait(owner: Client) -> None:
    running()
    for _ in range(asking.MOST_UNFINISHED - 1):
        stored()
    done()
    response = ask(owner)
    assert (response.status_code, errors(response)) == (422, [("TOO_MANY_REPLAYS", "")])
    assert "5 replays of yours are queued or running; at most 5 may be" in response.json()["errors"][0]["message"]
    assert ask(signed_in(factories.user("another"))).status_code == 202
    post(owner, {}, f"{REPLAYS}{Replay.objects.filter(state='queued').first().pk}/cancel/")
    assert ask(owner).status_code == 202


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_no_more_than_so_many_are_queued() -> None:
    factories.user("owner")
    user = User.objects.get(username="owner")
    answers = at_once(*[lambda: ask(signed_in(user)).status_code] * 8)
    assert sorted(answers) == [202] * asking.MOST_UNFINISHED + [422] * (8 - asking.MOST_UNFINISHED)


def test_the_oldest_that_have_ended_make_room(owner: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "KEPT", 3)
    old = [done().pk for _ in range(4)]
    waiting = stored().pk
    made = ask(owner).json()["id"]
    assert set(Replay.objects.values_list("pk", flat=True)) == {*old[2:], waiting, made}


# ---- Looking ----


def test_how_far_it_is_and_why_it_failed_are_told(owner: Client) -> None:
    row = running(reached_at=datetime(2021, 1, 4, 16, 12, tzinfo=UTC), share=0.25)
    answer = owner.get(f"{REPLAYS}{row.pk}/").json()
    assert (answer["reached"], answer["share"], answer["attempts"]) == ("2021-01-04T16:12:00Z", 0.25, 1)
    row = stored(state="failed", finished_at=NOW, error_code="NOT_REPLAYED", error="There is no session.")
    assert owner.get(f"{REPLAYS}{row.pk}/").json()["error"] == {"code": "NOT_REPLAYED", "sentence": row.error}


def test_the_list_is_filtered_and_comes_in_pages(owner: Client) -> None:
    made = [done(), stored(portfolio="mag7-7dte"), stored(day=date(2015, 12, 24))]
    stored(factories.user("another"))
    first = owner.get(REPLAYS, {"page_size": 2}).json()
    assert [each["id"] for each in first["results"]] == [made[2].pk, made[1].pk]
    assert [each["id"] for each in owner.get(first["next"]).json()["results"]] == [made[0].pk]
    for asked, found in (
        ({"state": "done"}, made[0]),
        ({"portfolio": "mag7-7dte"}, made[1]),
        ({"date": "2015-12-24"}, made[2]),
    ):
        assert [each["id"] for each in owner.get(REPLAYS, asked).json()["results"]] == [found.pk]


def test_the_report_is_there_when_it_is_done(owner: Client) -> None:
    response = owner.get(f"{REPLAYS}{done().pk}/report/")
    assert (response.status_code, response.content, response["Content-Type"]) == (
        200,
        b'{"end": {}}\n',
        "application/json",
    )


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "is queued: it has no report yet"),
        ({"state": "running", "attempts": 1, "started_at": NOW, "share": 0.26}, "is running, 26% of the day are done"),
        ({"state": "failed", "finished_at": NOW, "error_code": "X", "error": "No session."}, "No session."),
        ({"state": "cancelled", "finished_at": NOW}, "was cancelled"),
    ],
)
def test_one_that_is_not_done_says_why_it_has_no_report(owner: Client, fields: dict[str, Any], says: str) -> None:
    response = owner.get(f"{REPLAYS}{stored(**fields).pk}/report/")
    assert (response.status_code, errors(response)) == (422, [("REPLAY_NOT_DONE", "")])
    assert says in response.json()["errors"][0]["message"]


def test_what_is_a_stranger_s_reads_as_absent_and_staff_see_it(owner: Client) -> None:
    row = done()
    paths = [f"{REPLAYS}{row.pk}/", f"{REPLAYS}{row.pk}/report/"]
    stranger, staff = signed_in(factories.user("stranger")), signed_in(factories.user("staff", is_staff=True))
    assert [stranger.get(path).status_code for path in paths] == [404, 404]
    assert post(stranger, {}, f"{REPLAYS}{row.pk}/cancel/").status_code == 404
    assert stranger.get(paths[0]).json() == stranger.get(f"{REPLAYS}{row.pk + 1}/").json()
    assert stranger.get(REPLAYS).json()["results"] == []
    assert [staff.get(path).status_code for path in paths] == [200, 200]


# ---- Cancelling ----


def test_a_queued_one_is_cancelled_at_once_and_a_repeat_changes_nothing(owner: Client) -> None:
    path = f"{REPLAYS}{stored().pk}/cancel/"
    first, again = post(owner, {}, path), post(owner, {}, path)
    assert first.json()["state"] == "cancelled"
    assert first.json() == again.json()


def test_one_that_runs_is_told_to_end(owner: Client) -> None:
    answer = post(owner, {}, f"{REPLAYS}{running().pk}/cancel/").json()
    assert answer["state"] == "running"
    assert answer["cancel_requested_at"] is not None


def test_one_that_has_ended_is_left_as_it_is(owner: Client) -> None:
    row = done()
    answer = post(owner, {}, f"{REPLAYS}{row.pk}/cancel/").json()
    assert (answer["state"], answer["cancel_requested_at"]) == ("done", None)
