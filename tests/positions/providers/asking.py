"""Providers as they are configured, and one question to one of them."""

from datetime import datetime
from typing import Any

from django.db import connection

from positions.models import DataProvider, ProviderRun, Supply
from positions.services.refresh import refresh
from tests.positions.providers import answers
from tests.positions.providers.played import Stage

NAME = "a provider"


def generic(here: Stage, *brings: str, **changes: Any) -> DataProvider:
    """One that answers JSON, asked for AAPL."""
    given = {
        "name": NAME,
        "kind": "http_json",
        "base_url": here.url,
        "settings": {"endpoints": answers.ENDPOINTS},
        "symbols": "AAPL",
        "timeout_seconds": 2,
        "requests_per_minute": 6000,
        "enabled": True,
    }
    return _made(DataProvider(**given | changes), brings)


def alpaca(here: Stage, *brings: str, **changes: Any) -> DataProvider:
    """Alpaca, played; the variables of its credentials must be set."""
    given = {
        "name": "alpaca",
        "kind": "alpaca",
        "base_url": here.url,
        "key_variable": "APCA_API_KEY_ID",
        "secret_variable": "APCA_API_SECRET_KEY",
        "symbols": "AAPL",
        "timeout_seconds": 5,
        "requests_per_minute": 6000,
        "enabled": True,
    }
    return _made(DataProvider(**given | changes), brings)


def _made(provider: DataProvider, brings: tuple[str, ...]) -> DataProvider:
    provider.full_clean()
    provider.save()
    for what in brings:
        supply = Supply(provider=provider, what=what, interval_seconds=60)
        supply.full_clean()
        supply.save()
    return provider


def run(now: datetime) -> ProviderRun:
    """The one run of a pass; the schedule of no supply stands in its way."""
    Supply.objects.update(next_at=None)
    before = ProviderRun.objects.count()
    refresh(now=now)
    assert ProviderRun.objects.count() == before + 1
    return ProviderRun.objects.latest("id")


def idle_connections_in_transaction() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'"
        )
        return int(cursor.fetchone()[0])
