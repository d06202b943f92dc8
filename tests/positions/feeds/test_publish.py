"""Running a made-up market: what is stored follows the portfolio's clock, step by step or not, and stays small."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from positions.market.calendar import new_york_instant
from positions.market.clock import market_now
from positions.market.feeds.base import QuoteTick
from positions.market.feeds.simulated import SimulatedFeed
from positions.market.feeds.world import NAMES, World
from positions.market_selectors import option_chain, quoted_contracts, underlying_prices, vix_at
from positions.models import (
    ClockKind,
    ExchangeSession,
    Instrument,
    MarketClock,
    OpenInterest,
    OptionContract,
    OptionQuote,
    OptionTradeBar,
    Portfolio,
    UnderlyingBar,
    VixReading,
)
from positions.services.portfolio import ClockSetting
from positions.services.simulated import Published, publish_simulated, resume_simulated
from tests import factories
from tests.positions.feeds.calendar import CALENDAR, DAYS, MONDAY, WORLD

pytestmark = pytest.mark.django_db

WALL = datetime(2026, 3, 2, 20, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(days=1)
TEN, CLOSE = new_york_instant(MONDAY, time(10)), new_york_instant(MONDAY, time(16))
FEED = SimulatedFeed(WORLD, CALENDAR)
Run = Callable[..., Portfolio]


@pytest.fixture(autouse=True)
def sessions() -> None:
    ExchangeSession.objects.bulk_create(
        ExchangeSession(
            exchange="XNYS",
            session_on=each.day,
            open_at=each.opens_at,
            close_at=each.closes_at,
            is_early=each.closes_early,
        )
        for day in DAYS
        if (each := CALENDAR.by_day.get(day))
    )


def running(starts: datetime = TEN, speed: str = "1", **changes: Any) -> Portfolio:
    """A portfolio in the made-up market, from market time `starts` at wall time WALL."""
    clock = ClockSetting(
        kind=ClockKind.SIMULATED, market_started_at=starts, speed=Decimal(speed), label="SIMULATED market"
    )
    return factories.portfolio(**{"clock": clock, "quote_source": WORLD.source, "now": WALL} | changes)


def step(*seconds: float) -> Published:
    """Steps at these wall seconds after WALL; what the last one did."""
    done = Published()
    for second in seconds:
        done = publish_simulated(now=WALL + timedelta(seconds=second))
    return done


def known(at: datetime) -> dict[str, QuoteTick]:
    """Each contract's last quote by then, as stored."""
    found = OptionQuote.objects.filter(source=WORLD.source, quoted_at__lte=at).order_by("contract_id", "-quoted_at")
    rows = found.distinct("contract_id").values_list(
        "contract__occ_symbol", "bid", "bid_size", "ask", "ask_size", "confirmed_at"
    )
    return {row[0]: QuoteTick(*row) for row in rows}


def told(at: datetime) -> dict[str, QuoteTick]:
    """The same as the feed says it."""
    return {tick.contract: tick for tick in FEED.latest(at - timedelta(minutes=1), at).quotes}


# ---- What is known ----


def test_the_first_step_lists_the_chain_and_quotes_all_of_it() -> None:
    running()
    chain = FEED.chain(MONDAY)
    assert step(0) == Published(portfolios=1, quotes=len(chain))
    assert OptionContract.objects.count() == len(chain)
    assert known(TEN) == told(TEN)
    assert OpenInterest.objects.filter(as_of_on=MONDAY, source=WORLD.source).count() == len(chain)
    assert {bar.bar_at for bar in OptionTradeBar.objects.all()} <= {TEN - timedelta(minutes=15), TEN}
    assert Instrument.objects.filter(symbol__in=NAMES).count() == len(NAMES)


@pytest.mark.parametrize("seconds", [range(31), (0, 30), (0, 7, 8, 8, 8.5, 29, 30.9), (30,), (0, 20, 10, 30)], ids=str)
def test_however_it_is_stepped_the_same_quotes_are_known(seconds: Any) -> None:
    running()
    step(*seconds)
    at = TEN + timedelta(seconds=30)
    assert known(at) == told(at)


@pytest.mark.parametrize("speed", ["0.5", "2", "5"])
def test_at_any_speed_the_same_quotes_are_known(speed: str) -> None:
    running(speed=speed)
    step(0, 1, 2, 3, 4, 60 / float(speed))
    at = TEN + timedelta(minutes=1)
    assert known(at) == told(at)


def test_the_portfolio_sees_its_market() -> None:
    portfolio = running()
    step(0, 1, 2, 3)
    at, source = TEN + timedelta(seconds=3), portfolio.quote_source
    chain = option_chain("NVDA", MONDAY + timedelta(days=7), source=source, now=at)
    assert len(chain) == 18
    assert all(row.open_interest and row.volume_today is not None for row in chain)
    assert all(timedelta(0) <= at - row.confirmed_at < timedelta(seconds=5) for row in chain)
    prices = underlying_prices(Instrument.objects.values_list("id", flat=True), source=source, now=at)
    assert {price.known_at for price in prices.values()} == {at}
    level = vix_at(at, clock_kind="simulated", source=source)
    assert level is not None
    assert at - level.known_at < timedelta(seconds=15)


def test_a_step_twice_changes_nothing() -> None:
    running()
    step(0, 5)
    before = list(OptionQuote.objects.order_by("id").values())
    step(5, 5.3)
    assert list(OptionQuote.objects.order_by("id").values()) == before


def test_two_portfolios_in_one_world_share_its_quotes() -> None:
    running()
    running(slug="behind", starts=TEN - timedelta(seconds=10))
    assert step(0, 20).portfolios == 2
    assert known(TEN + timedelta(seconds=20)) == told(TEN + timedelta(seconds=20))


def test_worlds_do_not_touch_each_other() -> None:
    running()
    other = World(MONDAY, 8)
    running(slug="other", quote_source=other.source)
    step(0)
    counts = [OptionQuote.objects.filter(source=source).count() for source in (WORLD.source, other.source)]
    assert counts == [len(FEED.chain(MONDAY)), len(SimulatedFeed(other, CALENDAR).chain(MONDAY))]


# ---- Who is served ----


def test_recorded_and_live_portfolios_are_left_alone() -> None:
    factories.portfolio(now=WALL)
    factories.portfolio(now=WALL, clock=ClockSetting(kind=ClockKind.RECORDED, market_started_at=TEN, label="recorded"))
    assert step(0, 1) == Published()
    assert not OptionQuote.objects.exists()


def test_a_simulated_clock_on_a_source_that_is_no_world_is_left_alone() -> None:
    running(quote_source="vendor")
    assert step(0) == Published()


def test_where_the_calendar_ends_one_market_stands_still_and_the_others_go_on() -> None:
    far = World(date(2031, 3, 3), 7)
    running(slug="far", quote_source=far.source, starts=new_york_instant(far.first_day, time(10)))
    running()
    assert step(0).portfolios == 1
    assert OptionQuote.objects.filter(source=WORLD.source).exists()


def test_nothing_is_told_before_the_world_begins() -> None:
    running(starts=TEN - timedelta(days=7))
    assert step(0).quotes == 0


# ---- The close, the night, the next day ----


def test_at_the_close_the_last_price_is_told_and_then_nothing() -> None:
    running(starts=CLOSE - timedelta(seconds=2))
    step(0, 1, 2, 3, 60)
    spy = Instrument.objects.get(symbol="SPY")
    assert UnderlyingBar.objects.filter(instrument=spy).latest("bar_at").bar_at == CLOSE
    assert OptionQuote.objects.latest("confirmed_at").confirmed_at <= CLOSE


def test_the_night_is_left_out_and_the_next_session_opens() -> None:
    portfolio = running(starts=CLOSE)
    step(0, 599)
    assert clock_of(portfolio, 599) == CLOSE + timedelta(seconds=599)
    step(601)
    wakes = new_york_instant(TUESDAY, time(9, 29))
    assert clock_of(portfolio, 601) == wakes
    step(601 + 90)
    at = wakes + timedelta(seconds=90)
    assert told(at).items() <= known(at).items()  # and the last quotes of what expired
    assert OpenInterest.objects.filter(as_of_on=TUESDAY).exists()
    assert UnderlyingBar.objects.filter(bar_at=new_york_instant(TUESDAY, time(9, 30))).count() == len(NAMES)


def test_a_paused_market_waits_through_the_night() -> None:
    portfolio = running(starts=CLOSE + timedelta(hours=1), speed="0")
    step(0, 3600)
    assert clock_of(portfolio, 3600) == CLOSE + timedelta(hours=1)


def clock_of(portfolio: Portfolio, seconds: float) -> datetime:
    return market_now(MarketClock.objects.get(portfolio=portfolio), WALL + timedelta(seconds=seconds))


# ---- Small ----


def test_what_is_older_than_half_an_hour_goes_and_every_last_quote_stays() -> None:
    running()
    step(0, 10, 20)
    contracts = OptionContract.objects.count()
    step(3600, 3660)
    at = TEN + timedelta(seconds=3660)
    oldest = OptionQuote.objects.filter(confirmed_at__lt=at - timedelta(minutes=30))
    assert oldest.count() == 0
    assert OptionQuote.objects.values("contract").distinct().count() == contracts
    assert not VixReading.objects.filter(read_at__lt=at - timedelta(minutes=30)).exists()
    assert UnderlyingBar.objects.filter(bar_at=TEN).count() == len(NAMES)  # a full minute of today
    assert not UnderlyingBar.objects.filter(bar_at=TEN + timedelta(seconds=10)).exists()


def test_a_recordings_rows_are_never_pruned() -> None:
    running()
    contract = factories.contract()
    old = TEN - timedelta(days=30)
    for minutes in (0, 1):
        at = old + timedelta(minutes=minutes)
        OptionQuote.objects.create(
            contract=contract, source="recording", quoted_at=at, bid=1, ask=2, changed_at=at, confirmed_at=at
        )
    step(0, 3600)
    assert len(quoted_contracts([contract.pk], source="recording", now=TEN)) == 1
    assert OptionQuote.objects.filter(source="recording").count() == 2


def test_a_step_takes_few_statements_however_long_it_was_since_the_last() -> None:
    running()
    step(0)

    def statements(second: float) -> int:
        with CaptureQueriesContext(connection) as captured:
            step(second)
        return len(captured)

    assert statements(1) <= 12
    assert statements(50) <= 12


# ---- After a stop ----


def test_while_nothing_runs_it_the_market_stands_still() -> None:
    portfolio = running()
    step(0, 10)
    later = WALL + timedelta(days=3)
    assert resume_simulated(now=later) == [portfolio]
    clock = MarketClock.objects.get(portfolio=portfolio)
    assert market_now(clock, later) == TEN + timedelta(seconds=11)
    publish_simulated(now=later + timedelta(seconds=5))
    at = TEN + timedelta(seconds=16)
    assert known(at) == told(at)


def test_a_market_that_runs_is_not_set_back() -> None:
    running()
    step(0, 10)
    assert resume_simulated(now=WALL + timedelta(seconds=40)) == []


def test_a_paused_one_and_one_never_run_are_left_alone() -> None:
    running()
    running(slug="paused", speed="0")
    assert resume_simulated(now=WALL + timedelta(days=1)) == []
