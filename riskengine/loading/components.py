"""What the built-in generators look at: closes, the day's first half hour, volatility, fundamentals, as columns.

Everything is read as it was known at a market time; what is not on record is NaN, never a stand-in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
from django.db import connection
from django.db.models import Max

from positions.market.calendar import Calendar, Session
from positions.market_selectors import closes_before, fundamentals_at, vix_at
from positions.models import EarningsDate, Fundamental, Instrument, Portfolio
from riskengine.calculators.columns import FloatColumn
from riskengine.loading import market

CLOSES = 61  # 60 returns; the longest average needs 50
VIX_SESSIONS = 252  # a year
HALF_HOUR = timedelta(minutes=30)
FIRST_BY = timedelta(minutes=5)  # after the open: what began later moved for less than half an hour
OF_A_DAY = 252**-0.5 / 100.0  # VIX in points a year, as a fraction a day


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Shape (n,) by underlying, `closes` (n, 61) adjusted, oldest first, `vix_history` (252,) daily closes in points.

    `half_hour` is the return of the session's first half hour, `volatility` that of a day, both fractions; `figures`
    the fundamentals (None where none), `surprise_age` the calendar days since the earnings they speak of.
    """

    instruments: tuple[Instrument, ...]
    closes: FloatColumn
    half_hour: FloatColumn
    volatility: FloatColumn
    vix: float
    vix1d: float
    vix_history: FloatColumn
    figures: tuple[Fundamental | None, ...]
    surprise_age: FloatColumn


def look(
    portfolio: Portfolio, instruments: Sequence[Instrument], calendar: Calendar, session: Session, at: datetime
) -> Seen:
    """What was known of these underlyings at market time `at`. Seven statements."""
    ids = [each.pk for each in instruments]
    days = [calendar.back(session.day, count).day for count in range(CLOSES, 0, -1)]
    closes = market.close_matrix(closes_before(ids, before=session.day, sessions=CLOSES, calendar=calendar), ids, days)
    figures = fundamentals_at(ids, on=session.day)
    found = tuple(figures.get(pk) for pk in ids)
    vix = _level(portfolio, at, "VIX")
    return Seen(
        instruments=tuple(instruments),
        closes=closes,
        half_hour=_half_hour(ids, portfolio.quote_source, session, at),
        volatility=_volatility(closes, vix),
        vix=vix,
        vix1d=_level(portfolio, at, "VIX1D"),
        vix_history=_history(calendar, session),
        figures=found,
        surprise_age=_surprise_age(ids, found, session),
    )


def _surprise_age(ids: Sequence[int], found: Sequence[Fundamental | None], session: Session) -> FloatColumn:
    """Days since the last earnings on record; since the row, where no date is. A row that is written anew each day
    would otherwise keep an old surprise new."""
    reported = EarningsDate.objects.filter(instrument_id__in=ids, reports_on__lt=session.day)
    last = dict(reported.order_by().values_list("instrument_id").annotate(last=Max("reports_on")))
    since = [None if row is None else last.get(pk, row.as_of_on) for pk, row in zip(ids, found, strict=True)]
    return market.column([None if day is None else (session.day - day).days for day in since])


def _level(portfolio: Portfolio, at: datetime, index: str) -> float:
    found = vix_at(at, clock_kind=portfolio.clock.kind, source=portfolio.quote_source, index=index)
    return float(found.level) if found else np.nan


def _history(calendar: Calendar, session: Session) -> FloatColumn:
    days = [calendar.back(session.day, count).day for count in range(VIX_SESSIONS, 0, -1)]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT session_on, close FROM positions_vixreading
            WHERE index = 'VIX' AND kind = 'daily' AND session_on >= %s AND session_on < %s
            """,
            [days[0], session.day],
        )
        known = dict(cursor.fetchall())
    return market.column([known.get(day) for day in days])


def _half_hour(ids: Sequence[int], source: str, session: Session, at: datetime) -> FloatColumn:
    """Log return from the first price of the session to the one half an hour in; NaN before that, or where one is
    missing. Not from the close before: a split over night would look like a crash."""
    until = session.opens_at + HALF_HOUR
    if at < until:
        return np.full(len(ids), np.nan)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT DISTINCT ON (instrument_id) instrument_id, open FROM positions_underlyingbar
            WHERE instrument_id = ANY(%(ids)s) AND source = %(source)s AND bar_at > %(open)s AND bar_at <= %(first)s
            ORDER BY instrument_id, bar_at
            """,
            {"ids": list(ids), "source": source, "open": session.opens_at, "first": session.opens_at + FIRST_BY},
        )
        first: dict[int, Decimal] = dict(cursor.fetchall())
        cursor.execute(
            """
            SELECT DISTINCT ON (instrument_id) instrument_id, close FROM positions_underlyingbar
            WHERE instrument_id = ANY(%(ids)s) AND source = %(source)s
              AND bar_at > %(from)s AND bar_at <= %(until)s
            ORDER BY instrument_id, bar_at DESC
            """,
            {"ids": list(ids), "source": source, "from": until - timedelta(minutes=2), "until": until},
        )
        last: dict[int, Decimal] = dict(cursor.fetchall())
    opened, reached = (market.column([prices.get(pk) for pk in ids]) for prices in (first, last))
    with np.errstate(divide="ignore", invalid="ignore"):
        moved: FloatColumn = np.log(reached / np.where(opened > 0, opened, np.nan))
    return moved


def _volatility(closes: FloatColumn, vix: float) -> FloatColumn:
    """Of the last 20 daily returns; where there are none, what VIX says of the whole market."""
    with np.errstate(invalid="ignore"):
        returns = np.diff(np.log(closes[:, -21:]), axis=1)
    own = returns.std(axis=1, ddof=1)
    return np.where(np.isnan(own), vix * OF_A_DAY, own)
