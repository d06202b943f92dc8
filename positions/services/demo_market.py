"""The made-up market of the demo's weekly portfolio: no recent quotes of the seven stocks are openly licensed.

It starts at 10:00 New York on a session near the day the demo is made, always one that a weekly of exactly seven days
is listed on, so that every newcomer sees the same morning whatever the date.
"""

from datetime import date, datetime, time, timedelta
from decimal import Decimal

from positions import recorded
from positions.market.calendar import Calendar, Session, new_york_date, new_york_instant
from positions.market.feeds.chain import EXPIRES_ON
from positions.market.feeds.world import STOCKS, World
from positions.models import EarningsDate, EarningsTiming, Fundamental, Instrument
from positions.services.portfolio import ClockSetting
from positions.services.quotes import list_instruments

SEED = 56365  # a morning on which TSLA jumps within the first minute after ten: searched for, not found by luck
STARTS = time(10)
WEEK = timedelta(days=7)
FIGURES_KNOWN_FOR = timedelta(days=14)
NEXT_REPORT_IN = 6 * WEEK  # whole weeks: companies do not report on a Saturday


def first_day(calendar: Calendar, now: datetime) -> date:
    """The last whole session up to today (or up to the end of the table) with a whole session a week later that the
    seven stocks' weeklies expire on. ValueError when the table has none."""
    today = min(new_york_date(now), calendar.last - WEEK)
    while today >= calendar.first:
        sessions = [calendar.session(day) for day in (today, today + WEEK)]
        if today.weekday() in EXPIRES_ON and all(_is_whole(session) for session in sessions):
            return today
        today -= timedelta(days=1)
    raise ValueError("The exchange calendar has no week in which a made-up market could start. Import sessions.")


def _is_whole(session: Session | None) -> bool:
    return session is not None and not session.closes_early


def world(calendar: Calendar, now: datetime) -> World:
    """The demo's world when it is made now (wall time)."""
    return World(first_day(calendar, now), SEED)


def clock(of: World) -> ClockSetting:
    """Market time from ten o'clock of its first session; it stands until `demo.start_markets`."""
    label = f"SIMULATED market, not real prices: made-up quotes of the seven stocks from {of.first_day} on"
    starts_at = new_york_instant(of.first_day, STARTS)
    return ClockSetting(kind="simulated", market_started_at=starts_at, speed=Decimal(0), label=label)


def record_figures(of: World) -> None:
    """Illustrative fundamentals and next earnings dates of the seven stocks, known at the start of the made-up market:
    without a next earnings date on record every weekly entry is refused."""
    list_instruments(STOCKS)
    stocks = {stock.symbol: stock for stock in Instrument.objects.filter(symbol__in=STOCKS)}
    figures = Fundamental.objects.filter(instrument__symbol__in=STOCKS, is_illustrative=True)
    latest = {row.instrument_id: row for row in figures.order_by("instrument_id", "as_of_on")}
    Fundamental.objects.bulk_create(
        [
            Fundamental(
                instrument_id=row.instrument_id,
                as_of_on=of.first_day - FIGURES_KNOWN_FOR,
                earnings_surprise_percent=row.earnings_surprise_percent,
                analyst_buy_percent=row.analyst_buy_percent,
                analyst_sell_percent=row.analyst_sell_percent,
                pe_ratio=row.pe_ratio,
                sector_pe_ratio=row.sector_pe_ratio,
                source=recorded.ILLUSTRATIVE_SOURCE,
                is_illustrative=True,
            )
            for row in latest.values()
        ],
        ignore_conflicts=True,
    )
    EarningsDate.objects.bulk_create(
        [
            EarningsDate(
                instrument=stocks[symbol],
                reports_on=of.first_day + NEXT_REPORT_IN,
                timing=EarningsTiming.UNKNOWN,
                source=recorded.ILLUSTRATIVE_SOURCE,
                is_illustrative=True,
            )
            for symbol in sorted(stocks)
        ],
        ignore_conflicts=True,
    )
