"""What a portfolio holds over a night, as columns, with the hours of that night and the dates ahead (P-18).

    hours_of     which session closes and which opens next: read from the calendar, never a fixed hour
    load_night   what is held beyond that close, priced, and what it becomes by the open

Options trade in sessions only, so what is asked before the open or on a weekend is priced as of the last close: by then
each quote is hours old, and an account whose every bet is "not known" each morning would teach nobody anything.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import NamedTuple

import numpy as np
from django.db import connection

from positions.market.calendar import Calendar, OutsideCalendar, Session, new_york_date
from positions.market_selectors import quoted_contracts, underlying_prices
from positions.models import Portfolio
from riskengine.calculators import overnight
from riskengine.calculators.columns import BoolColumn, FloatColumn
from riskengine.calculators.limits import Limits
from riskengine.loading import account
from riskengine.loading.pricing import DIVIDEND_YIELD, RATE
from riskengine.models import NightMoment

BEFORE_OPEN = timedelta(hours=1)  # the second report is made in this hour: early enough to be read
SETTLES_AT_THE_OPEN = "am_cash"

# ---- Hours ----


@dataclass(frozen=True, slots=True)
class Hours:
    """One night: from the session that closes (the last that has opened) to the one that opens next. `opening` is None
    where the table of sessions ends."""

    closing: Session
    opening: Session | None

    def report_at(self, minutes: float) -> datetime:
        """When the report before the close is made; not before the session has opened."""
        return max(self.closing.closes_at - timedelta(minutes=minutes), self.closing.opens_at)

    def due(self, at: datetime, minutes: float) -> tuple[str, date] | None:
        """The report whose moment this is, with the session it is of; None between the moments. A report is made late
        as long as its moment lasts: to the close, or to the open."""
        if self.report_at(minutes) <= at < self.closing.closes_at:
            return str(NightMoment.BEFORE_CLOSE), self.closing.day
        if self.opening is not None and self.opening.opens_at - BEFORE_OPEN <= at < self.opening.opens_at:
            return str(NightMoment.BEFORE_OPEN), self.opening.day
        return None


def hours_of(calendar: Calendar, at: datetime) -> Hours:
    """The night after the last session to have opened by market time `at`. OutsideCalendar when there is none."""
    session = calendar.on_or_before(new_york_date(at))
    if at < session.opens_at:
        session = calendar.previous(session.day)
    try:
        return Hours(session, calendar.next(session.day))
    except OutsideCalendar:
        return Hours(session, None)


# ---- Dates ahead ----


class Ahead(NamedTuple):
    """The next dates of an underlying that a holder of its options meets. None is not on record. Amount USD a share."""

    kind: str
    reports_on: date | None
    timing: str | None
    is_illustrative: bool | None
    ex_on: date | None
    dividend: float | None

    def reports_before_expiry(self, expires_on: date) -> bool:
        """Whether the report moves an option that expires then. One whose hour is not known does."""
        if self.reports_on is None:
            return False
        return self.reports_on < expires_on or (self.reports_on == expires_on and self.timing != "after_close")

    def reports_in(self, hours: Hours) -> bool:
        """Whether it reports within the night, when nothing can be sold."""
        if self.reports_on is None or hours.opening is None:
            return False
        opens_on = hours.opening.day
        return self.reports_on < opens_on or (self.reports_on == opens_on and self.timing != "after_close")


def _ahead(underlyings: Collection[int], closes_on: date) -> dict[int, Ahead]:
    """Earnings that the session closing then has not traded on, and the next ex-dividend date after it. One statement.

    What is reported after that day's close, or at an hour not known, is still ahead: its price is not made yet.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT i.id, i.kind, e.reports_on, e.timing, e.is_illustrative, x.ex_on, x.amount_per_share::float8
            FROM positions_instrument i
            LEFT JOIN LATERAL (
                SELECT * FROM positions_earningsdate e WHERE e.instrument_id = i.id
                AND (e.reports_on > %(day)s OR (e.reports_on = %(day)s AND e.timing <> 'before_open'))
                ORDER BY e.reports_on LIMIT 1
            ) e ON true
            LEFT JOIN LATERAL (
                SELECT * FROM positions_exdividenddate x WHERE x.instrument_id = i.id AND x.ex_on > %(day)s
                ORDER BY x.ex_on LIMIT 1
            ) x ON true
            WHERE i.id = ANY(%(ids)s) ORDER BY i.id
            """,
            {"ids": list(underlyings), "day": closes_on},
        )
        return {underlying: Ahead._make(rest) for underlying, *rest in cursor.fetchall()}


# ---- What is held ----


@dataclass(frozen=True, slots=True, eq=False)
class Book:
    """What is held beyond the close, the oldest first: one position a row, shape (n,). USD and USD a share; NaN is not
    known.

    `at` is market time, `priced_at` what the prices are of: now, or the last close. `equity` is that of the start of
    the day, which limits are shares of (A-15). `openings` are contracts still being bought: they may be held too.
    """

    portfolio: Portfolio
    limits: Limits
    at: datetime
    priced_at: datetime
    hours: Hours
    equity: float
    position_ids: tuple[int, ...]
    held: account.Held
    usable: BoolColumn
    spot: FloatColumn
    seconds_to_expiry: FloatColumn
    volatility: FloatColumn
    night: overnight.Night
    ahead: Mapping[int, Ahead]
    openings: int


def load_night(portfolio: Portfolio, *, calendar: Calendar, limits: Limits, hours: Hours, at: datetime) -> Book:
    """The night of a portfolio at market time `at`. Six statements, three where nothing is held over it.

    `calendar` reaches to the expirations of what is held; one beyond it cannot be priced.
    """
    priced_at = min(at, hours.closing.closes_at)
    ledger = account.read_ledger(portfolio, calendar.on_or_before(new_york_date(at)).day)
    live = portfolio.clock.kind == "live"
    oldest = limits.quote_max_age_seconds if live else limits.recorded_quote_max_age_seconds
    spot_max_age = timedelta(seconds=float(oldest))
    source = portfolio.quote_source
    ids = sorted({each.contract_id for each in ledger.positions})
    rows = quoted_contracts(ids, source=source, now=priced_at) if ids else []
    beyond = [row for row in rows if row.expires_on > hours.closing.day]
    kept = {row.contract_id for row in beyond}
    mine = tuple(each for each in ledger.positions if each.contract_id in kept)
    underlyings = sorted({row.underlying_id for row in beyond})
    marks = account.marks_of(
        beyond,
        underlying_prices(underlyings, source=source, now=priced_at) if underlyings else {},
        calendar,
        session_on=hours.closing.day,
        at=priced_at,
        live=live,
        limits=limits,
        spot_max_age=spot_max_age,
    )
    held = account.account_of(replace(ledger, positions=mine, openings=()), marks).held
    priced, places = marks.priced, held.places
    return Book(
        portfolio=portfolio,
        limits=limits,
        at=at,
        priced_at=priced_at,
        hours=hours,
        equity=float(ledger.snapshot.equity_start_of_day) if ledger.snapshot else np.nan,
        position_ids=tuple(each.position_id for each in mine),
        held=held,
        usable=marks.usable[places],
        spot=priced.spot[places],
        seconds_to_expiry=priced.seconds[places],
        volatility=priced.volatility[places],
        night=overnight.overnight(
            contracts=held.contracts,
            multiplier=held.quotes.multiplier,
            mark=held.mark,
            spot=priced.spot[places],
            strike=held.quotes.strike,
            seconds_to_expiry=priced.seconds[places],
            seconds_of_night=_seconds_of_night(held, priced.seconds[places], hours, priced_at),
            volatility=priced.volatility[places],
            rate=RATE,
            dividend_yield=DIVIDEND_YIELD,
            call=held.quotes.call,
        ),
        ahead=_ahead(underlyings, hours.closing.day) if underlyings else {},
        openings=sum(each.contracts for each in ledger.openings),
    )


def _seconds_of_night(
    held: account.Held, seconds_to_expiry: FloatColumn, hours: Hours, priced_at: datetime
) -> FloatColumn:
    """From the prices to the next open, a position a row; NaN where the calendar does not know that open. What settles
    on its opening quotation lives no longer: at the open it is worth its intrinsic value."""
    n = len(held.contracts)
    if hours.opening is None:
        return np.full(n, np.nan)
    opens_on = hours.opening.day
    at_the_open = np.array(
        [row.settlement == SETTLES_AT_THE_OPEN and row.expires_on == opens_on for row in held.quotes.rows], bool
    )
    night = np.full(n, (hours.opening.opens_at - priced_at).total_seconds())
    return np.where(at_the_open, seconds_to_expiry, night)
