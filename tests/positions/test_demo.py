"""The demo: what it makes, that it is made once, and that it is whole or not there."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction

from accounts.defaults import MAG7_7DTE, SMART_0DTE
from accounts.models import User
from accounts.selectors import latest_revision
from positions import market_selectors as market
from positions import recorded
from positions.market.calendar import new_york_instant
from positions.market.clock import market_now
from positions.market.feeds.world import STOCKS
from positions.models import (
    EarningsDate,
    EquitySnapshot,
    ExchangeSession,
    Fundamental,
    Instrument,
    OptionQuote,
    Portfolio,
)
from positions.services.demo import SPEEDS, Demo, load_demo
from positions.services.demo_market import SEED

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def whole(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[Demo]:
    """The whole demo, loaded once for the tests that only read it."""
    with django_db_blocker.unblock(), transaction.atomic():
        demo = load_demo(now=NOW)
        assert demo is not None
        yield demo
        transaction.set_rollback(True)
    connection.close()


RECORDED, MADE_UP = date(2021, 1, 4), date(2026, 11, 23)  # a Monday: the day of NOW itself


@pytest.mark.parametrize(
    ("slug", "cash", "day", "starts", "kind"),
    [
        (SMART_0DTE, Decimal(60_000), RECORDED, time(9, 49), "recorded"),
        (MAG7_7DTE, Decimal(100_000), MADE_UP, time(10), "simulated"),
    ],
)
def test_two_portfolios_each_on_its_own_clock(
    whole: Demo, slug: str, cash: Decimal, day: date, starts: time, kind: str
) -> None:
    portfolio = Portfolio.objects.select_related("clock", "profile", "owner").get(slug=slug)
    assert (portfolio.cash, portfolio.system, portfolio.profile.system) == (cash, slug, slug)
    assert (portfolio.mode, portfolio.is_demo, portfolio.owner.username) == ("paper", True, "demo")
    assert market_now(portfolio.clock, NOW) == new_york_instant(day, starts)
    assert portfolio.clock.kind == kind
    assert str(day) in portfolio.clock.label
    snapshot = EquitySnapshot.objects.get(portfolio=portfolio)
    assert (snapshot.session_on, snapshot.equity_start_of_day) == (day, cash)


def test_the_market_of_the_0dte_portfolio_is_there_at_its_start(whole: Demo) -> None:
    portfolio = Portfolio.objects.select_related("clock").get(slug=SMART_0DTE)
    now, source = market_now(portfolio.clock, NOW), portfolio.quote_source
    chain = market.option_chain("SPX", date(2021, 1, 4), source=source, now=now)
    assert [row.occ_symbol[12:] for row in chain] == ["C03700000", "P03700000", "C03800000", "P03800000"]
    assert all(now - row.quoted_at <= timedelta(minutes=1) for row in chain)
    assert [row.open_interest for row in chain] == [1732, 3515, 1949, None]  # the waived one
    assert all(row.volume_today is not None for row in chain)
    spx = Instrument.objects.get(symbol="SPX")
    assert market.underlying_prices([spx.id], source=source, now=now)[spx.id].known_at == now
    assert market.recorded_vix(now).level == Decimal("23.04")


def test_labels_say_what_is_recorded_what_is_made_up_and_how_fast(whole: Demo) -> None:
    labels = dict(Portfolio.objects.values_list("slug", "clock__label"))
    assert labels[SMART_0DTE] == "Demo: recorded market of 2021-01-04 (SPXW), at 2 times its speed"
    assert labels[MAG7_7DTE].startswith("SIMULATED market, not real prices")
    assert SPEEDS[MAG7_7DTE] == 1


def test_the_made_up_market_is_there_at_its_start(whole: Demo) -> None:
    portfolio = Portfolio.objects.select_related("clock").get(slug=MAG7_7DTE)
    now, source = market_now(portfolio.clock, NOW), portfolio.quote_source
    assert source == f"simulated {MADE_UP} #{SEED}"
    assert MADE_UP + timedelta(days=7) in market.expirations("TSLA", source=source, now=now)
    chain = market.option_chain("TSLA", MADE_UP + timedelta(days=7), source=source, now=now)
    assert len(chain) == 18
    assert all(now - row.confirmed_at < timedelta(seconds=5) for row in chain)
    assert all(row.open_interest and row.volume_today is not None for row in chain)
    level = market.vix_at(now, clock_kind="simulated", source=source)
    assert level is not None
    assert market.live_vix(now) is None  # a live portfolio never reads it


def test_the_recording_of_goog_stays_in_the_database(whole: Demo) -> None:
    now, source = new_york_instant(date(2015, 12, 24), time(9, 38)), recorded.OPTIONS_SOURCE
    assert market.expirations("GOOG", source=source, now=now) == [date(2015, 12, 24), date(2015, 12, 31)]
    assert len(market.option_chain("GOOG", date(2015, 12, 24), source=source, now=now)) > 100
    assert len(market.option_chain("GOOG", date(2015, 12, 31), source=source, now=now)) == 194
    calendar = market.calendar_around(now)
    assert calendar.session(date(2015, 12, 24)).closes_at == new_york_instant(date(2015, 12, 24), time(13))
    assert market.recorded_vix(now) is not None


def test_figures_are_known_on_the_made_up_day_and_labelled(whole: Demo) -> None:
    stocks = dict(Instrument.objects.filter(symbol__in=STOCKS).values_list("id", "symbol"))
    figures = market.fundamentals_at(stocks, on=MADE_UP)
    assert sorted(stocks[pk] for pk in figures) == sorted(STOCKS)
    assert all(row.is_illustrative and (MADE_UP - row.as_of_on).days == 14 for row in figures.values())
    dates = EarningsDate.objects.filter(instrument__in=stocks)
    assert {row.reports_on for row in dates} == {MADE_UP + timedelta(weeks=6)}
    assert all(row.is_illustrative for row in dates)


def test_goog_reads_the_closes_of_googl_labelled(whole: Demo) -> None:
    goog = Instrument.objects.select_related("closes_alias").get(symbol="GOOG")
    assert goog.closes_alias.symbol == "GOOGL"
    day = date(2015, 12, 24)
    closes = market.closes_before([goog.id], before=day, sessions=61, calendar=market.exchange_calendar())
    assert len(closes[goog.id].days) == 61
    assert closes[goog.id].days[-1] == date(2015, 12, 23)
    assert "GOOGL" in closes[goog.id].label


def test_fundamentals_are_labelled_illustrative(whole: Demo) -> None:
    symbols = Fundamental.objects.values_list("instrument__symbol", flat=True)
    assert set(symbols) == {"AAPL", "AMZN", "GOOG", "GOOGL", "META", "MSFT", "NVDA", "TSLA"}
    assert not Fundamental.objects.exclude(is_illustrative=True, source="illustrative, not real").exists()


def test_only_what_the_recording_lacks_is_waived_and_the_revision_says_so(whole: Demo) -> None:
    zero = latest_revision(Portfolio.objects.get(slug=SMART_0DTE).profile)
    assert (zero.number, zero.waive_open_interest_unknown, zero.waive_volume_unknown) == (2, True, False)
    assert "no open interest for the 3,800 put" in zero.reason
    seven = latest_revision(Portfolio.objects.get(slug=MAG7_7DTE).profile)
    assert (seven.number, seven.waive_open_interest_unknown, seven.waive_volume_unknown) == (1, False, False)


def test_every_recorded_row_is_imported(whole: Demo) -> None:
    assert whole.rows_imported == 151_532
    assert OptionQuote.objects.filter(source=recorded.OPTIONS_SOURCE).count() == 19_656 + 73_691
    assert ExchangeSession.objects.count() == 4_526


def test_the_user_may_change_parameters_but_not_users(whole: Demo) -> None:
    user = User.objects.get(username=whole.username)
    assert user.is_staff
    assert not user.is_superuser
    assert user.has_perm("accounts.change_riskprofile")
    assert not user.has_perm("accounts.add_user")
    assert user.check_password(whole.password)
    assert whole.password not in user.password
