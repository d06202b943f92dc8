"""Quotes of a provider: a fact of the market is stored at its own time, what cannot be true is not."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest

from positions.market.calendar import new_york_instant
from positions.market.providers.base import Asked
from positions.market.providers.judge import judge_quotes
from positions.models import OptionQuote, Portfolio, ProviderRun, VixReading
from positions.services.portfolio import ClockSetting
from positions.services.refresh import refresh
from tests import factories
from tests.positions.providers import answers
from tests.positions.providers import played as play
from tests.positions.providers.asking import NAME, generic, run
from tests.positions.providers.played import Stage
from tests.riskengine import market

pytestmark = pytest.mark.django_db

FRIDAY = date(2014, 6, 6)
NOON = new_york_instant(FRIDAY, time(12))
CALL, COMPACT = "AAPL  140613C00645000", "AAPL140613C00645000"


@pytest.fixture(autouse=True)
def held() -> Portfolio:
    """AAPL 645 calls, in a live portfolio that reads the provider."""
    answers.sessions_2014()
    live = factories.portfolio(quote_source=NAME, clock=ClockSetting(kind="live"), now=NOON)
    contract = market.stock("AAPL", "645", expires=date(2014, 6, 13))
    factories.position(live, contract=contract, entry_at=NOON - timedelta(hours=1))
    return live


def quote(**changes: Any) -> dict[str, Any]:
    """As recorded on 2014-06-06 at eleven."""
    row = {"bid": {"price": 12.2, "size": 45}, "ask": {"price": 12.35, "size": 38}, "time": "2014-06-06T16:00:00Z"}
    return {"quotes": {COMPACT: row | changes}}


def told(here: Stage, document: Any, levels: Any = (), now: datetime = NOON) -> ProviderRun:
    if not here.scripts:
        generic(here, "quotes")
    here.play("/quotes", play.says(document))
    here.play("/indices", play.says(list(levels)))
    return run(now)


def last() -> OptionQuote:
    return OptionQuote.objects.get(contract__occ_symbol=CALL, source=NAME)


def test_what_is_held_is_asked_for_and_stored_at_the_provider_s_own_time(played: Stage) -> None:
    made = told(played, quote())
    assert (made.outcome, made.new, made.gaps) == ("ok", 1, {"AAPL": []})
    assert [query for path, query, _ in played.asked if path == "/quotes"] == [{"contracts": COMPACT}]
    found = last()
    assert (found.bid, found.bid_size, found.ask, found.ask_size) == (Decimal("12.2"), 45, Decimal("12.35"), 38)
    assert found.quoted_at == found.confirmed_at == NOON


def test_a_later_stamp_of_the_same_quote_confirms_it_and_an_older_one_is_late(played: Stage) -> None:
    told(played, quote())
    later = NOON + timedelta(seconds=10)
    made = told(played, quote(time="2014-06-06T16:00:10Z"), now=later)
    assert (made.new, made.known, made.late, last().confirmed_at) == (0, 1, 0, later)
    made = told(played, quote(time="2014-06-06T15:00:00Z", bid={"price": 1.0, "size": 1}), now=later)
    assert (made.new, made.known, made.late) == (0, 0, 1)
    assert (last().bid, last().confirmed_at) == (Decimal("12.2"), later)


def test_asked_again_without_a_newer_stamp_it_grows_old(played: Stage) -> None:
    """A provider whose clock stands still would otherwise keep its last quote fresh for ever."""
    told(played, quote())
    made = told(played, quote(), now=NOON + timedelta(minutes=5))
    assert (made.new, made.known, made.late) == (0, 0, 1)
    assert last().confirmed_at == NOON


def test_a_crossed_quote_and_a_missing_side_are_facts_of_the_market(played: Stage) -> None:
    told(played, quote(bid={"price": 12.5, "size": 1}))
    assert last().bid > last().ask
    made = told(played, quote(bid=None, time="2014-06-06T16:00:01Z"), now=NOON + timedelta(seconds=2))
    assert made.new == 1
    assert OptionQuote.objects.latest("quoted_at").bid is None


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"time": "2014-06-06T16:00:05Z"}, "at has not come yet"),
        ({"time": "2014-06-06T12:00:00"}, "at has no offset"),
        ({"time": "noon"}, "at is no time"),
        ({"time": None}, "at is missing"),
        ({"time": 1e300}, "at is no text"),
        ({"bid": {"price": float("nan"), "size": 1}}, "bid is not a finite number"),
        ({"ask": {"price": float("inf"), "size": 1}}, "ask is not a finite number"),
        ({"ask": {"price": 0, "size": 1}}, "ask is zero"),
        ({"bid": {"price": -1, "size": 1}}, "bid is negative"),
        ({"bid": {"price": "lots", "size": 1}}, "bid is no number"),
        ({"bid": {"price": 12.2, "size": 1.5}}, "bid_size is no whole number"),
        ({"bid": {"price": 12.2, "size": 10**12}}, "bid_size is over 2,147,483,647"),
        ({"ask": {"price": None, "size": 3}}, "ask is missing and its size is not"),
        ({"ask": {"price": 2e6, "size": 3}}, "ask is over 1,000,000"),
    ],
)
def test_a_quote_that_cannot_be_true_is_not_stored(played: Stage, changed: dict[str, Any], reason: str) -> None:
    made = told(played, quote(**changed))
    assert (made.outcome, made.new, made.reasons) == ("ok", 0, {reason: 1})
    assert not OptionQuote.objects.exists()


def test_a_number_as_large_as_a_number_can_be_written_is_named_and_takes_no_memory(played: Stage) -> None:
    generic(played, "quotes")
    text = (
        f'{{"quotes": {{"{COMPACT}": {{"bid": {{"price": 1e999999999, "size": 1}}, "time": "2014-06-06T16:00:00Z"}}}}}}'
    )
    played.play("/quotes", play.body(text.encode()))
    played.play("/indices", play.body(b'[{"name": "VIX", "level": 17, "at": 1e999999}]'))
    assert run(NOON).reasons == {"bid is over 1,000,000": 1, "at is no text": 1}


@pytest.mark.parametrize(
    ("contract", "reason"),
    [
        ("AAPL140613C00650000", "contract was not asked for"),
        ("AAPL140530C00645000", "contract was not asked for"),
        ("AAPL", "contract is no OCC symbol"),
        ("", "contract is missing"),
    ],
)
def test_a_contract_that_nobody_asked_for_is_left_out(played: Stage, contract: str, reason: str) -> None:
    made = told(played, {"quotes": {contract: quote()["quotes"][COMPACT]}})
    assert made.reasons == {reason: 1}
    assert not OptionQuote.objects.exists()


def test_a_contract_that_had_expired_is_left_out() -> None:
    asked = Asked("quotes", (), (CALL,), FRIDAY, FRIDAY)
    row = {"contract": COMPACT, "bid": 1, "ask": 2, "at": "2014-06-16T16:00:00Z"}
    batch, reasons = judge_quotes([row], asked, now=NOON + timedelta(days=30))
    assert (len(batch.quotes), dict(reasons)) == (0, {"contract had expired": 1})


def test_volatility_comes_in_numbers_of_time(played: Stage) -> None:
    at = int(NOON.timestamp() * 1000)
    made = told(played, quote(), [{"name": "VIX", "level": 10.73, "at": at}])
    assert made.new == 2
    reading = VixReading.objects.get()
    assert (reading.index, reading.close, reading.read_at, reading.source) == ("VIX", Decimal("10.73"), NOON, NAME)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"level": 0}, "level is zero"),
        ({"level": float("nan")}, "level is not a finite number"),
        ({"level": 1001}, "level is over 1,000"),
        ({"name": "VVIX"}, "index is none of VIX, VIX1D"),
        ({"at": True}, "at is no text"),
    ],
)
def test_a_level_that_cannot_be_is_left_out(played: Stage, changed: dict[str, Any], reason: str) -> None:
    level = {"name": "VIX", "level": 10.73, "at": int(NOON.timestamp() * 1000)} | changed
    assert told(played, {"quotes": {}}, [level]).reasons == {reason: 1}
    assert not VixReading.objects.exists()


def test_while_the_exchange_is_closed_nobody_is_asked_for_quotes(played: Stage) -> None:
    provider = generic(played, "quotes")
    refresh(now=new_york_instant(FRIDAY, time(20)))
    assert played.asked == []
    supply = provider.supplies.get()
    assert (supply.next_at, supply.leased_until) == (new_york_instant(date(2014, 6, 9), time(9, 30)), None)
