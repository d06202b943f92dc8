"""Propose and place over the API: a decision without an order, and its order by a call of its own."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from positions.models import Decision, Order, Portfolio
from tests.riskengine.asking import owners_bet
from tests.riskengine.market import Bet

pytestmark = pytest.mark.django_db

ENTRIES = "/api/v1/portfolios/owners/entries/"
ASKED = {"contract": "SPXW210104C03700000", "confidence": "0.70"}


@pytest.fixture
def bet() -> Iterator[Bet]:
    with owners_bet() as made:
        yield made


@pytest.fixture
def owner(bet: Bet) -> Client:
    client = Client()
    client.force_login(bet.portfolio.owner)
    return client


def post(client: Client, path: str = ENTRIES, body: Any = None, **headers: str) -> Any:
    return client.post(path, json.dumps(body), content_type="application/json", headers=headers)


def errors(response: Any) -> list[tuple[str, str]]:
    return [(each["code"], each["field"]) for each in response.json()["errors"]]


def test_what_is_proposed_is_decided_and_placed_by_its_confirmation_alone(bet: Bet, owner: Client) -> None:
    proposed = post(owner, body=ASKED | {"propose": True})
    answer = proposed.json()
    assert (proposed.status_code, answer["approved"], answer["order"]) == (201, True, None)
    assert (answer["waits_for_confirmation"], answer["contracts"], answer["limit_price"]) == (True, 3, "44.8000")
    assert answer["warnings"][0]["code"] == "WAITS_FOR_CONFIRMATION"
    assert "proposed" in answer["warnings"][0]["text"]
    assert answer["gates"]
    assert not Order.objects.exists()
    placed = post(owner, f"{ENTRIES}{answer['id']}/confirm/", {})
    assert placed.status_code == 201
    assert (placed.json()["order"]["quantity"], placed.json()["order"]["worst_price"]) == (3, "44.8000")
    assert Order.objects.get().decision.inputs["confirms"] == answer["id"]


def test_a_proposal_that_has_expired_is_not_placed(bet: Bet, owner: Client) -> None:
    answer = post(owner, body=ASKED | {"propose": True}).json()
    seconds = 1 + (Decision.objects.get().expires_at - bet.at).total_seconds()
    with time_machine.travel(bet.wall(bet.at + timedelta(seconds=seconds)), tick=False):
        late = post(owner, f"{ENTRIES}{answer['id']}/confirm/", {}).json()
    assert (late["approved"], late["refusal"]["code"]) == (False, "DECISION_EXPIRED")
    assert not Order.objects.exists()


def test_a_proposal_reserves_nothing_and_is_judged_again(bet: Bet, owner: Client) -> None:
    first, second = (post(owner, body=ASKED | {"propose": True}).json() for _ in range(2))
    assert first["contracts"] == second["contracts"] == 3
    Portfolio.objects.update(state="REDUCING")
    refused = post(owner, f"{ENTRIES}{first['id']}/confirm/", {}).json()
    assert (refused["approved"], refused["order"]) == (False, None)


def test_the_key_of_a_proposal_is_not_that_of_an_entry(bet: Bet, owner: Client) -> None:
    post(owner, body=ASKED | {"propose": True}, **{"Idempotency-Key": "k"})
    again = post(owner, body=ASKED | {"propose": True}, **{"Idempotency-Key": "k"})
    assert (again.status_code, Decision.objects.count()) == (200, 1)
    conflict = post(owner, body=ASKED, **{"Idempotency-Key": "k"})
    assert (conflict.status_code, errors(conflict)) == (422, [("IDEMPOTENCY_CONFLICT", "")])


def test_what_is_proposed_is_not_confirmed_in_one_breath(bet: Bet, owner: Client) -> None:
    response = post(owner, body=ASKED | {"propose": True, "confirmed": True})
    assert (response.status_code, errors(response)) == (400, [("proposed_and_confirmed", "propose")])
