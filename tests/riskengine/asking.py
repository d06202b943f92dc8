"""Asking for entries over the API as one person or another."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import time_machine
from django.test import Client
from django.utils import timezone

from accounts.models import Scope, User
from accounts.services import issue_token
from positions.models import Portfolio, Position
from tests import factories
from tests.riskengine import market
from tests.riskengine.entering import checked
from tests.riskengine.market import Bet

HOME = "/api/v1/portfolios/owners/"
ENTRIES, DECISIONS, ORDERS, POSITIONS = (f"{HOME}{name}/" for name in ("entries", "decisions", "orders", "positions"))
ASKED = {"contract": "SPXW210104C03700000", "confidence": "0.70"}


@contextmanager
def owners_bet() -> Iterator[Bet]:
    """A bet that passes, in the account `owners` of the user `owner`, at its own time."""
    made = checked(market.zero_dte(owner=factories.user("owner"), slug="owners"))
    with time_machine.travel(made.wall(), tick=False):
        yield made


def signed_in(username: str, **options: Any) -> Client:
    client = Client(**options)
    client.force_login(User.objects.get(username=username), backend="django.contrib.auth.backends.ModelBackend")
    return client


def token(*scopes: Scope) -> dict[str, str]:
    user = User.objects.get(username="owner")
    _, secret = issue_token(user=user, name="test", scopes=scopes, now=timezone.now(), valid_for=timedelta(days=1))
    return {"Authorization": f"Bearer {secret}"}


def post(client: Client, path: str = ENTRIES, body: Any = None, **headers: str) -> Any:
    data = body if isinstance(body, str) else json.dumps(ASKED if body is None else body)
    return client.post(path, data, content_type="application/json", headers=headers)


def errors(response: Any) -> list[tuple[str, str]]:
    body = response.json()
    assert set(body) == {"errors"}
    assert all(set(error) == {"code", "message", "field"} and error["message"] for error in body["errors"])
    return [(error["code"], error["field"]) for error in body["errors"]]


def waits(bet: Bet) -> None:
    Portfolio.objects.update(mode="live-manual", broker="alpaca")


def held(bet: Bet) -> Position:
    position = bet.hold(bet.contract, 3, "44.40")
    for number in (1, 2, 3):
        factories.exit_slice(position, number)
    return position
