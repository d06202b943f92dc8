"""A request that changes something and is sent again under its Idempotency-Key is answered again, and done once."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import IdempotentRequest, User
from positions.models import Order, PortfolioStateChange, Position
from riskengine.services.decide import closing
from tests import factories
from tests.riskengine import market
from tests.riskengine.entering import checked
from tests.riskengine.market import Bet
from tests.riskengine.threads import at_once


@pytest.fixture
def bet(db: None) -> Bet:
    return checked(market.zero_dte(owner=factories.user("owner")))


@pytest.fixture
def held(bet: Bet, monkeypatch: pytest.MonkeyPatch) -> Position:
    """A position whose session is open at the wall time of the request."""
    monkeypatch.setattr(closing, "market_now", lambda clock, now: bet.at)
    return bet.hold(bet.contract, 2, "44.00")


def owner() -> Client:
    client = Client()
    client.force_login(User.objects.get(username="owner"))
    return client


def post(address: str, body: dict[str, Any] | None = None, key: str = "a key", client: Client | None = None) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return (client or owner()).post(
        f"/api/v1/{address}", json.dumps(body or {}), content_type="application/json", headers=headers
    )


def kill(bet: Bet, reason: str = "A drill.", **given: Any) -> Any:
    return post(f"portfolios/{bet.portfolio.slug}/kill/", {"reason": reason}, **given)


def close(position: Position, **given: Any) -> Any:
    return post(f"portfolios/{position.portfolio.slug}/positions/{position.pk}/close/", **given)


def code(response: Any) -> str:
    return response.json()["errors"][0]["code"]


def test_a_repeat_gets_the_first_answer_and_changes_nothing(held: Position) -> None:
    first = close(held)
    Order.objects.filter(intent="manual_close").update(status="filled", filled_quantity=2, finished_at=timezone.now())
    again = close(held)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert Order.objects.filter(intent="manual_close").count() == 1


def test_another_body_under_the_key_is_refused(bet: Bet) -> None:
    assert kill(bet).status_code == 200
    response = kill(bet, "Something else.")
    assert (response.status_code, code(response)) == (422, "IDEMPOTENCY_CONFLICT")


def test_the_key_of_another_person_and_of_another_address_is_another_key(bet: Bet) -> None:
    staff = Client()
    staff.force_login(factories.user("staff", is_staff=True, is_superuser=True))
    assert kill(bet).status_code == 200
    assert kill(bet, "Mine.", client=staff).status_code == 200
    assert post("kill/", {"reason": "All."}).status_code == 200
    assert IdempotentRequest.objects.count() == 3


def test_what_was_refused_may_be_mended_under_its_key(bet: Bet) -> None:
    response = kill(bet, "")
    assert response.status_code == 400
    assert kill(bet).status_code == 200


def test_while_the_first_is_being_answered_a_repeat_waits(bet: Bet) -> None:
    kill(bet)
    IdempotentRequest.objects.update(response_status=None)
    response = kill(bet)
    assert (response.status_code, code(response)) == (409, "busy")


def test_a_key_whose_answer_died_is_free_again_after_a_minute(bet: Bet) -> None:
    kill(bet)
    died = timezone.now() - timedelta(seconds=61)
    IdempotentRequest.objects.update(response_status=None, requested_at=died)
    assert kill(bet).status_code == 200
    assert PortfolioStateChange.objects.filter(to_state="REDUCING").count() == 1


def test_a_key_is_forgotten_after_a_week(bet: Bet) -> None:
    kill(bet)
    IdempotentRequest.objects.update(requested_at=timezone.now() - timedelta(days=8))
    assert kill(bet, "Another week.").status_code == 200
    assert IdempotentRequest.objects.count() == 1


@pytest.mark.parametrize("key", ["", "x" * 101, "\x7f", "ключ"])
def test_a_key_that_cannot_be_kept_is_refused(bet: Bet, key: str) -> None:
    response = owner().post(
        f"/api/v1/portfolios/{bet.portfolio.slug}/kill/",
        json.dumps({"reason": "A drill."}),
        content_type="application/json",
        headers={"Idempotency-Key": key},
    )
    assert response.status_code == 400
    assert not IdempotentRequest.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_is_carried_out(monkeypatch: pytest.MonkeyPatch) -> None:
    bet = checked(market.zero_dte(owner=factories.user("owner")))
    monkeypatch.setattr(closing, "market_now", lambda clock, now: bet.at)
    position = bet.hold(bet.contract, 2, "44.00")
    answers = at_once(*[lambda: close(position).status_code] * 8)
    assert set(answers) <= {201, 409}
    assert 201 in answers
    assert Order.objects.filter(intent="manual_close").count() == 1
