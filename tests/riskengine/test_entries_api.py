"""Entries over the API: who may ask, what is answered, what a repeat gets, and the records to read afterwards."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from accounts.models import Scope, User
from positions.models import Decision, ExchangeSession, Order
from riskengine.services.decide import entries
from tests import factories
from tests.riskengine.asking import (
    ASKED,
    DECISIONS,
    ENTRIES,
    HOME,
    ORDERS,
    POSITIONS,
    errors,
    held,
    owners_bet,
    post,
    signed_in,
    token,
    waits,
)
from tests.riskengine.market import Bet

pytestmark = pytest.mark.django_db


@pytest.fixture
def bet() -> Iterator[Bet]:
    factories.user("stranger")
    factories.user("staff", is_staff=True)
    with owners_bet() as made:
        yield made


@pytest.fixture
def owner(bet: Bet) -> Client:
    return signed_in("owner")


# ---- Ask ----


def test_an_approved_entry_is_a_201_with_the_decision_and_its_order(bet: Bet, owner: Client) -> None:
    response = post(owner)
    answer, order = response.json(), Order.objects.get()
    assert response.status_code == 201
    assert (answer["approved"], answer["refusal"], answer["waits_for_confirmation"]) == (True, None, False)
    assert (answer["contracts"], answer["dollars"], answer["limit_price"]) == (3, "13320.00", "44.8000")
    assert (answer["contract"], answer["confidence"]) == ("SPXW  210104C03700000", "0.700000")
    assert answer["order"]["client_order_id"] == order.client_order_id
    assert (answer["order"]["quantity"], answer["order"]["worst_price"], answer["order"]["pace"]) == (
        3,
        "44.8000",
        "normal",
    )
    assert all(gate["passed"] for gate in answer["gates"])
    decision = Decision.objects.get()
    assert (decision.requested_by.username, decision.requested_by_name) == ("owner", "owner")


def test_a_refused_entry_is_a_201_with_code_and_sentence(bet: Bet, owner: Client) -> None:
    response = post(owner, body=ASKED | {"confidence": 0.6})
    answer = response.json()
    assert response.status_code == 201
    assert answer["refusal"] == {
        "code": "MIN_CONFIDENCE",
        "sentence": "Confidence 0.6 is under 0.65, the lowest tradable.",
    }
    assert (answer["approved"], answer["contracts"], answer["dollars"], answer["order"]) == (False, 0, "0.00", None)
    assert [gate["rule"] for gate in answer["gates"] if not gate["passed"]] == ["MIN_CONFIDENCE"]


def test_number_and_pace_may_be_asked_for(bet: Bet, owner: Client) -> None:
    answer = post(owner, body=ASKED | {"contracts": 4, "pace": "patient", "confirmed": True}).json()
    assert (answer["order"]["quantity"], answer["order"]["pace"]) == (4, "patient")
    assert Decision.objects.get().confirmed_by.username == "owner"


def test_staff_may_enter_for_the_owner(bet: Bet) -> None:
    assert post(signed_in("staff")).json()["approved"]


def test_a_trading_token_may_and_a_reading_one_may_not(bet: Bet) -> None:
    refused = post(Client(), **token(Scope.READ))
    assert (refused.status_code, errors(refused)) == (403, [("token_scope", "")])
    assert not Decision.objects.exists()
    assert post(Client(), **token(Scope.TRADE)).status_code == 201


def test_a_session_without_its_csrf_token_places_nothing(bet: Bet) -> None:
    response = post(signed_in("owner", enforce_csrf_checks=True))
    assert (response.status_code, errors(response)) == (403, [("permission_denied", "")])
    assert not Decision.objects.exists()


def test_who_says_no_name_gets_nothing(bet: Bet) -> None:
    assert post(Client()).status_code == 401
    for path in (DECISIONS, ORDERS, POSITIONS):
        assert Client().get(path).status_code == 401


def test_a_stranger_learns_no_more_than_of_what_does_not_exist(bet: Bet, owner: Client) -> None:
    waits(bet)
    waiting, position = post(owner).json()["id"], held(bet)
    order = bet.order(bet.contract, 3, "44.80")
    stranger = signed_in("stranger")
    posts = (
        ENTRIES,
        f"{ENTRIES}{waiting}/confirm/",
        f"{POSITIONS}{position.pk}/close/",
        f"{ORDERS}{order.pk}/cancel/",
    )
    gets = (DECISIONS, f"{DECISIONS}{waiting}/", ORDERS, POSITIONS, f"{POSITIONS}{position.pk}/")
    for path in posts:
        mine, missing = (post(stranger, each, {}) for each in (path, path.replace("owners", "missing")))
        assert mine.status_code == missing.status_code == 404
        assert mine.json() == missing.json()
    for path in gets:
        mine, missing = (stranger.get(each) for each in (path, path.replace("owners", "missing")))
        assert mine.status_code == missing.status_code == 404
        assert mine.json() == missing.json()
    assert Decision.objects.filter(requested_by__username="stranger").count() == 0


def test_a_row_of_another_portfolio_is_not_found_in_this_one(bet: Bet) -> None:
    factories.portfolio(slug="anothers", owner=User.objects.get(username="owner"))
    position, order = held(bet), bet.order(bet.contract, 3, "44.80")
    client = signed_in("owner")
    another = HOME.replace("owners", "anothers")
    for path in (f"decisions/{order.decision_id}/", f"positions/{position.pk}/"):
        assert client.get(HOME + path).status_code == 200
        assert errors(client.get(another + path)) == [("not_found", "")]
    for path in (
        f"entries/{order.decision_id}/confirm/",
        f"positions/{position.pk}/close/",
        f"orders/{order.pk}/cancel/",
    ):
        assert errors(post(client, another + path, {})) == [("not_found", "")]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, [("required", "contract"), ("required", "confidence")]),
        (ASKED | {"contract": "SPXW210104C09999000"}, [("unknown_contract", "contract")]),
        (ASKED | {"contract": "nonsense"}, [("not_an_occ_symbol", "contract")]),
        (ASKED | {"contract": None}, [("null", "contract")]),
        (ASKED | {"contracts": 0}, [("min_value", "contracts")]),
        (ASKED | {"contracts": 1_000_001}, [("max_value", "contracts")]),
        (ASKED | {"contracts": True}, [("invalid", "contracts")]),
        (ASKED | {"contracts": 3.0}, [("invalid", "contracts")]),
        (ASKED | {"contracts": "many"}, [("invalid", "contracts")]),
        (ASKED | {"pace": "urgent"}, [("invalid_choice", "pace")]),
        (ASKED | {"pace": ["fast"]}, [("invalid_choice", "pace")]),
        (ASKED | {"confirmed": "yes"}, [("invalid", "confirmed")]),
        (ASKED | {"confirmed": 1}, [("invalid", "confirmed")]),
        (ASKED | {"confirmed": None}, [("null", "confirmed")]),
        (ASKED | {"confidence": 1.1}, [("max_value", "confidence")]),
        (ASKED | {"confidence": True}, [("invalid", "confidence")]),
        (ASKED | {"waive_gates": True}, [("unknown_field", "waive_gates")]),
        ([ASKED], [("invalid", "")]),
        ("{", [("parse_error", "")]),
    ],
    ids=str,
)
def test_a_wrong_question_says_what_to_mend_and_decides_nothing(
    bet: Bet, owner: Client, body: Any, expected: list[tuple[str, str]]
) -> None:
    response = post(owner, body=body)
    assert (response.status_code, errors(response)) == (400, expected)
    assert not Decision.objects.exists()


def test_a_market_time_outside_the_calendar_is_an_error(bet: Bet, owner: Client) -> None:
    ExchangeSession.objects.all().delete()
    response = post(owner)
    assert (response.status_code, errors(response)) == (422, [("SESSION_CLOSED", "")])


def test_a_portfolio_that_is_being_changed_says_try_again(
    bet: Bet, owner: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> Any:
        raise entries.PortfolioBusy("The portfolio is being changed just now.")

    monkeypatch.setattr(entries, "lock_portfolio", busy)
    response = post(owner)
    assert (response.status_code, errors(response)) == (409, [("busy", "")])


# ---- The key ----


def test_a_repeat_under_the_same_key_is_the_same_answer(bet: Bet, owner: Client) -> None:
    first = post(owner, **{"Idempotency-Key": "a key"})
    bet.quote(bid=None)
    again = post(owner, body=ASKED | {"confidence": 0.7, "pace": "normal"}, **{"Idempotency-Key": "a key"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert Order.objects.count() == 1


def test_another_body_under_the_same_key_is_a_conflict(bet: Bet, owner: Client) -> None:
    post(owner, **{"Idempotency-Key": "a key"})
    response = post(owner, body=ASKED | {"contracts": 4}, **{"Idempotency-Key": "a key"})
    assert (response.status_code, errors(response)) == (422, [("IDEMPOTENCY_CONFLICT", "")])
    assert Decision.objects.count() == 1


@pytest.mark.parametrize("key", ["", "x" * 101, "caf\u00e9", "a\tb"])
def test_a_key_that_cannot_be_kept_is_refused(bet: Bet, owner: Client, key: str) -> None:
    response = post(owner, **{"Idempotency-Key": key})
    assert (response.status_code, errors(response)) == (400, [("invalid", "Idempotency-Key")])


def test_without_a_key_a_second_request_is_a_second_bet(bet: Bet, owner: Client) -> None:
    assert {post(owner).status_code for _ in range(2)} == {201}
    assert Decision.objects.count() == 2


# ---- Confirm ----


def test_a_waiting_entry_is_confirmed_once(bet: Bet, owner: Client) -> None:
    waits(bet)
    first = post(owner).json()
    assert (first["approved"], first["order"], first["waits_for_confirmation"]) == (True, None, True)
    path = f"{ENTRIES}{first['id']}/confirm/"
    done, again = post(owner, path, {}), post(owner, path, {})
    assert (done.status_code, again.status_code) == (201, 200)
    assert done.json() == again.json()
    assert done.json()["order"]["quantity"] == 3
    assert not owner.get(f"{DECISIONS}{first['id']}/").json()["waits_for_confirmation"]
    assert Order.objects.count() == 1


def test_a_late_confirmation_is_refused_as_expired(bet: Bet, owner: Client) -> None:
    waits(bet)
    first = post(owner).json()
    with time_machine.travel(bet.wall() + timedelta(seconds=61), tick=False):
        late = post(owner, f"{ENTRIES}{first['id']}/confirm/", {})
        assert not owner.get(f"{DECISIONS}{first['id']}/").json()["waits_for_confirmation"]
    assert (late.status_code, late.json()["refusal"]["code"]) == (201, "DECISION_EXPIRED")


def test_what_does_not_wait_cannot_be_confirmed(bet: Bet, owner: Client) -> None:
    placed = post(owner).json()
    response = post(owner, f"{ENTRIES}{placed['id']}/confirm/", {})
    assert (response.status_code, errors(response)) == (422, [("NOTHING_TO_CONFIRM", "")])


# ---- Cancel and close ----


def test_an_opening_is_cancelled_by_asking_once_or_twice(bet: Bet, owner: Client) -> None:
    order = post(owner).json()["order"]
    path = f"{ORDERS}{order['id']}/cancel/"
    once, again = post(owner, path, {}), post(owner, path, {})
    assert (once.status_code, again.status_code) == (200, 200)
    assert once.json() == again.json()
    assert once.json()["status"] == "cancelling"
    events = Order.objects.get().events.order_by("id")
    assert [(event.to_status, event.actor_name) for event in events] == [("planned", "owner"), ("cancelling", "owner")]


def test_what_has_ended_and_what_closes_is_not_cancelled(bet: Bet, owner: Client) -> None:
    ended = bet.order(bet.contract, 3, "44.80", status="filled", finished_at=bet.at)
    stop = factories.exit_order(held(bet))
    for order in (ended, stop):
        response = post(owner, f"{ORDERS}{order.pk}/cancel/", {})
        assert (response.status_code, errors(response)) == (422, [("NOT_CANCELLABLE", "")])
    stop.refresh_from_db()
    assert stop.status == "working"


def test_a_position_is_closed_by_one_order_however_often_it_is_asked(bet: Bet, owner: Client) -> None:
    position = held(bet)
    path = f"{POSITIONS}{position.pk}/close/"
    once, again = post(owner, path, {}), post(owner, path, {})
    assert (once.status_code, again.status_code) == (201, 200)
    assert once.json() == again.json()
    assert (once.json()["intent"], once.json()["quantity"]) == ("manual_close", 3)
    assert Order.objects.filter(position=position).count() == 1


def test_what_is_closed_already_cannot_be_closed(bet: Bet, owner: Client) -> None:
    position = bet.hold(bet.contract, 3, "44.40", quantity_open=0, status="closed", closed_at=bet.at)
    response = post(owner, f"{POSITIONS}{position.pk}/close/", {})
    assert (response.status_code, errors(response)) == (422, [("NOT_CLOSABLE", "")])


def test_a_body_where_none_is_taken_is_refused(bet: Bet, owner: Client) -> None:
    response = post(owner, f"{POSITIONS}{held(bet).pk}/close/", {"contracts": 1})
    assert (response.status_code, errors(response)) == (400, [("unknown_field", "contracts")])
