"""Fundamentals over the API: rows that cannot be true are refused whole, and a row belongs to who told it first."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from positions.models import Fundamental, InstrumentKind
from positions.services.push import RECORDED_SOURCES
from tests import factories

pytestmark = pytest.mark.django_db

ADDRESS = "/api/v1/fundamentals/"
YESTERDAY = (timezone.now() - timedelta(days=2)).date().isoformat()


@pytest.fixture
def client() -> Client:
    keeper = factories.user("keeper")
    keeper.user_permissions.add(Permission.objects.get(codename="add_fundamental"))
    factories.instrument("AAPL", InstrumentKind.STOCK)
    signed_in = Client()
    signed_in.force_login(keeper)
    return signed_in


def push(client: Client, *rows: dict[str, Any], source: str = "my-data", **headers: str) -> Any:
    body = {"source": source, "rows": list(rows)}
    return client.post(ADDRESS, body, content_type="application/json", headers=headers)


def row(**changes: Any) -> dict[str, Any]:
    return {"symbol": "aapl", "as_of_on": YESTERDAY, "earnings_surprise_percent": "11.5"} | changes


def codes(answer: Any) -> set[str]:
    return {each["code"] for each in answer.json()["errors"]}


def test_rows_are_stored_with_their_source_and_known_again(client: Client) -> None:
    assert push(client, row()).json() == {"new": 1, "changed": 0, "known": 0}
    assert push(client, row()).json() == {"new": 0, "changed": 0, "known": 1}
    assert push(client, row(earnings_surprise_percent="4")).json() == {"new": 0, "changed": 1, "known": 0}
    stored = Fundamental.objects.get()
    assert (stored.source, stored.is_illustrative, stored.earnings_surprise_percent) == ("my-data", False, 4)


def test_another_source_changes_nothing_that_stands(client: Client) -> None:
    push(client, row())
    assert push(client, row(earnings_surprise_percent="4"), source="another").json()["changed"] == 0
    assert Fundamental.objects.get().source == "my-data"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"symbol": "NOPE"}, "unknown_symbol"),
        ({"as_of_on": (date.today() + timedelta(days=3)).isoformat()}, "in_the_future"),  # noqa: DTZ011
        ({"earnings_surprise_percent": None}, "empty_row"),
        ({"earnings_surprise_percent": "NaN"}, "invalid"),
        ({"analyst_buy_percent": "70", "analyst_sell_percent": "40"}, "ratings_over_100"),
        ({"analyst_buy_percent": "101"}, "max_value"),
        ({"surprise": "11"}, "unknown_field"),
    ],
)
def test_what_cannot_be_true_is_refused_by_code(client: Client, changes: dict[str, Any], code: str) -> None:
    answer = push(client, row(), row(**changes))
    assert answer.status_code == 400
    assert code in codes(answer)
    assert not Fundamental.objects.exists(), "the good row neither"


def test_one_company_is_told_once_a_date(client: Client) -> None:
    assert codes(push(client, row(), row(pe_ratio="30"))) == {"duplicate_row"}


@pytest.mark.parametrize("source", sorted(RECORDED_SOURCES))
def test_a_recording_is_not_pushed_into(client: Client, source: str) -> None:
    assert codes(push(client, row(), source=source)) == {"reserved_source"}


def test_a_key_makes_a_push_once(client: Client) -> None:
    key = {"Idempotency-Key": "figures-1"}
    assert push(client, row(), **key).json() == push(client, row(), **key).json() == {
        "new": 1, "changed": 0, "known": 0,
    }  # fmt: skip
    assert push(client, row(pe_ratio="30"), **key).status_code == 422


def test_the_list_is_of_one_company_newest_first(client: Client) -> None:
    older = (timezone.now() - timedelta(days=90)).date().isoformat()
    push(client, row(as_of_on=older), row())
    found = client.get(ADDRESS, {"symbol": "AAPL"}).json()["results"]
    assert [each["as_of_on"] for each in found] == [YESTERDAY, older]
    assert client.get(ADDRESS, {"symbol": "MSFT"}).json()["count"] == 0
