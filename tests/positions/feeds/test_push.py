"""Pushing market data: all rows or none, every wrong row named, and nobody who may not."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import Scope, User
from accounts.services import issue_token
from positions import recorded
from positions.models import ClockKind, OptionContract, OptionQuote, UnderlyingBar, VixReading
from positions.services.portfolio import ClockSetting
from tests import factories

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 2, 15, 30, tzinfo=UTC)
URL = "/api/v1/quotes/"
CALL = "AAPL260306C00230000"
QUOTE = {"contract": CALL, "bid": "4.95", "bid_size": 40, "ask": 5.00, "ask_size": 35, "at": "2026-03-02T15:29:59.5Z"}
PRICE = {"symbol": "AAPL", "price": 230.12, "at": "2026-03-02T15:29:59Z"}
LEVEL = {"level": 17.2, "at": "2026-03-02T10:29:00-05:00"}
Push = Callable[..., Any]


@pytest.fixture(autouse=True)
def moment() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def feeder() -> User:
    user = factories.user("feeder")
    user.user_permissions.add(Permission.objects.get(codename="add_optionquote"))
    return user


@pytest.fixture
def push(feeder: User) -> Push:
    """A push by a token that may; the answer's status and body."""
    _, secret = issue_token(user=feeder, name="feed", scopes=[Scope.FEED], now=NOW, valid_for=timedelta(days=1))

    def send(body: Any = None, *, secret: str = secret, **changes: Any) -> tuple[int, Any]:
        whole = {"source": "vendor", "quotes": [QUOTE]} if body is None else body
        whole = whole | changes if isinstance(whole, dict) else whole
        answer = Client().post(
            URL, whole, content_type="application/json", headers={"Authorization": f"Bearer {secret}"}
        )
        return answer.status_code, answer.json()

    return send


def codes(answer: tuple[int, Any]) -> list[tuple[str, str]]:
    status, body = answer
    assert status == 400, body
    assert not OptionQuote.objects.exists()
    assert all(error["message"] for error in body["errors"])
    return [(error["field"], error["code"]) for error in body["errors"]]


# ---- What is stored ----


def test_a_push_is_stored_and_its_contracts_are_listed(push: Push) -> None:
    status, body = push(underlyings=[PRICE], vix=[LEVEL])
    assert (status, body) == (200, {"quotes": 1, "confirmed": 0, "late": 0, "prices": 1, "volatility": 1})
    row = OptionQuote.objects.select_related("contract").get()
    assert (row.source, row.bid, row.bid_size, row.ask, row.ask_size) == ("vendor", Decimal("4.95"), 40, 5, 35)
    assert row.quoted_at == row.confirmed_at == datetime(2026, 3, 2, 15, 29, 59, 500_000, tzinfo=UTC)
    contract = OptionContract.objects.get()
    assert (str(contract), contract.tick_class, contract.settlement) == ("AAPL 2026-03-06 230C", "penny", "pm_physical")
    assert UnderlyingBar.objects.get().close == Decimal("230.12")
    assert VixReading.objects.get().read_at == datetime(2026, 3, 2, 15, 29, tzinfo=UTC)


def test_the_same_push_twice_changes_nothing(push: Push) -> None:
    push(underlyings=[PRICE], vix=[LEVEL])
    before = list(OptionQuote.objects.values())
    assert push(underlyings=[PRICE], vix=[LEVEL])[1] == {
        "quotes": 0, "confirmed": 0, "late": 3, "prices": 0, "volatility": 0,
    }  # fmt: skip
    assert list(OptionQuote.objects.values()) == before


def test_a_late_row_is_counted_and_no_fault(push: Push) -> None:
    push()
    late = QUOTE | {"bid": "1.00", "at": "2026-03-02T15:29:58Z"}
    assert push(quotes=[late])[1]["late"] == 1
    assert OptionQuote.objects.get().bid == Decimal("4.95")


@pytest.mark.parametrize(
    "sides",
    [
        {"bid": "5.05", "ask": "5.00"},
        {"bid": None, "bid_size": 0},
        {"ask": None, "ask_size": 0},
        {"bid": 0, "bid_size": 0},
    ],
    ids=str,
)
def test_crossed_and_one_sided_quotes_are_facts(push: Push, sides: dict[str, Any]) -> None:
    assert push(quotes=[QUOTE | sides])[0] == 200
    assert OptionQuote.objects.count() == 1


def test_a_side_may_be_left_out(push: Push) -> None:
    assert push(quotes=[{"contract": CALL, "ask": 5, "ask_size": 1, "at": QUOTE["at"]}])[0] == 200
    row = OptionQuote.objects.get()
    assert (row.bid, row.bid_size, row.ask) == (None, 0, 5)


def test_a_clock_one_second_ahead_is_forgiven(push: Push) -> None:
    assert push(quotes=[QUOTE | {"at": "2026-03-02T15:30:01Z"}])[0] == 200


# ---- What is refused, whole ----

BAD_QUOTES: dict[str, tuple[dict[str, Any], str, str]] = {
    "a future time": ({"at": "2026-03-02T15:30:01.1Z"}, "at", "in_the_future"),
    "a time without offset": ({"at": "2026-03-02T15:29:00"}, "at", "unaware"),
    "no time": ({"at": None}, "at", "null"),
    "a text for a price": ({"bid": "cheap"}, "bid", "invalid"),
    "NaN": ({"bid": "NaN"}, "bid", "invalid"),
    "infinite": ({"ask": "Infinity"}, "ask", "invalid"),
    "beyond float": ({"ask": "1e400"}, "ask", "max_value"),
    "true for a price": ({"bid": True}, "bid", "invalid"),
    "a negative price": ({"bid": "-0.05"}, "bid", "min_value"),
    "an absurd price": ({"ask": "1000000.01"}, "ask", "max_value"),
    "five decimals": ({"ask": "5.00001"}, "ask", "max_decimal_places"),
    "a negative size": ({"ask_size": -1}, "ask_size", "min_value"),
    "half a contract": ({"ask_size": 1.5}, "ask_size", "invalid"),
    "a size without a price": ({"bid": None}, "bid_size", "size_without_price"),
    "no symbol": ({"contract": "AAPL"}, "contract", "not_an_occ_symbol"),
    "an unknown class": ({"contract": "ZZZZ260306C00230000"}, "contract", "unknown_contract"),
    "an adjusted contract nobody listed": ({"contract": "AAPL1260306C00230000"}, "contract", "unknown_contract"),
    "an expired contract": ({"contract": "AAPL260227C00230000"}, "contract", "expired"),
    "a misspelt field": ({"ask_sise": 5}, "ask_sise", "unknown_field"),
}


@pytest.mark.parametrize(("change", "field", "code"), BAD_QUOTES.values(), ids=BAD_QUOTES)
def test_one_bad_quote_refuses_all_and_is_named(push: Push, change: dict[str, Any], field: str, code: str) -> None:
    other = QUOTE | {"contract": "AAPL260306P00230000"}
    answer = push(quotes=[other, QUOTE | change])
    if code == "max_value":
        assert codes(answer)[0][0] == f"quotes.1.{field}"
    else:
        assert codes(answer) == [(f"quotes.1.{field}", code)]


def test_every_bad_row_is_named_at_once(push: Push) -> None:
    expired = QUOTE | {"contract": "AAPL260227C00230000", "at": "2026-03-02T16:00:00Z"}
    answer = push(quotes=[QUOTE, expired, QUOTE], underlyings=[PRICE | {"symbol": "NOPE"}], vix=[LEVEL, LEVEL])
    assert codes(answer) == [
        ("quotes.1.at", "in_the_future"),
        ("quotes.1.contract", "expired"),
        ("quotes.2.at", "duplicate_row"),
        ("underlyings.0.symbol", "unknown_symbol"),
        ("vix.1.at", "duplicate_row"),
    ]
    assert not VixReading.objects.exists()


def test_at_most_two_thousand_rows(push: Push) -> None:
    assert codes(push(quotes=[QUOTE] * 2_001)) == [("quotes.non_field_errors", "max_length")]
    assert codes(push(quotes=[QUOTE] * 2_000, vix=[LEVEL])) == [("", "row_count")]
    assert codes(push(quotes=[])) == [("", "row_count")]


def test_two_thousand_rows_are_stored(push: Push) -> None:
    moments = [NOW - timedelta(seconds=2_000 - number) for number in range(2_000)]
    rows = [QUOTE | {"at": at.isoformat(), "bid_size": number} for number, at in enumerate(moments)]
    assert push(quotes=rows) == (200, {"quotes": 2_000, "confirmed": 0, "late": 0, "prices": 0, "volatility": 0})


@pytest.mark.parametrize("body", [[], "text", 5, {"quotes": "all"}, {"source": "vendor", "quotes": [5]}], ids=str)
def test_what_is_no_push_is_refused_in_the_one_shape(push: Push, body: Any) -> None:
    assert codes(push(body))


@pytest.mark.parametrize("source", [recorded.OPTIONS_SOURCE, "simulated", "Simulated 2026-03-02 #7", "", "x" * 41])
def test_recordings_and_simulations_are_not_pushed_into(push: Push, source: str) -> None:
    assert codes(push(source=source))[0][0] == "source"


def test_a_source_that_a_recorded_portfolio_reads_is_not_pushed_into(push: Push) -> None:
    clock = ClockSetting(kind=ClockKind.RECORDED, market_started_at=NOW, label="recorded")
    factories.portfolio(quote_source="vendor", clock=clock)
    assert codes(push()) == [("source", "reserved_source")]


def test_a_source_that_a_live_portfolio_reads_is_what_pushing_is_for(push: Push) -> None:
    factories.portfolio(quote_source="vendor")
    assert push()[0] == 200


# ---- Who may ----


def test_strangers_are_told_nothing(push: Push) -> None:
    assert Client().post(URL, {}, content_type="application/json").status_code == 401
    assert push(secret="bsz_unknown")[0] == 401


@pytest.mark.parametrize("scope", [Scope.READ, Scope.TRADE, Scope.RISK])
def test_another_scope_is_not_enough(push: Push, feeder: User, scope: Scope) -> None:
    _, secret = issue_token(user=feeder, name="other", scopes=[scope], now=NOW, valid_for=timedelta(days=1))
    status, body = push(secret=secret)
    assert (status, body["errors"][0]["code"]) == (403, "token_scope")
    assert not OptionQuote.objects.exists()


def test_the_scope_does_not_give_more_than_its_user_may(push: Push) -> None:
    owner = factories.portfolio(quote_source="vendor").owner
    _, secret = issue_token(user=owner, name="feed", scopes=[Scope.FEED], now=NOW, valid_for=timedelta(days=1))
    status, body = push(secret=secret)
    assert (status, body["errors"][0]["code"]) == (403, "not_permitted")
    assert not OptionQuote.objects.exists()


def test_pushing_reads_nothing_back(push: Push) -> None:
    assert Client().get(URL).status_code == 401
