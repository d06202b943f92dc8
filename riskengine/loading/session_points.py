"""How deep a session went in between: what the five-minute readings of an account come to by session (P-22).

A session without readings is left out: what happened between its start and its end nobody saw.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import NamedTuple

from django.db import connection

# The day's P&L as a share of what was there to lose at that moment: the start of the day and what was paid in by then.
_POINTS = """
    SELECT s.session_on, count(*), min(r.equity)::float8,
           min(r.day_pnl / nullif(s.equity_start_of_day + greatest(
               r.equity - s.equity_start_of_day - r.day_pnl, 0), 0))::float8,
           avg(r.exposure / nullif(r.equity, 0))::float8, avg(r.effective_exposure / nullif(r.exposure, 0))::float8,
           count(*) FILTER (WHERE r.exposure IS NOT NULL)
    FROM riskengine_readingpoint r
    JOIN positions_equitysnapshot s ON s.portfolio_id = r.portfolio_id
        AND s.session_on = (r.market_at AT TIME ZONE 'America/New_York')::date
    WHERE r.portfolio_id = %s AND r.market_at <= %s
    GROUP BY s.session_on ORDER BY s.session_on
"""


class SessionPoints(NamedTuple):
    """One session. `worst_return` is its lowest P&L as a fraction, `lowest` its lowest equity, USD. `exposed` is the
    mean exposure as a share of equity over the `known` points at which it was known, `as_one` the mean share of it that
    remains when what moves together counts as one; None is not known."""

    points: int
    lowest: float
    worst_return: float | None
    exposed: float | None
    as_one: float | None
    known: int


def session_points(portfolio_id: int, *, until: datetime) -> Mapping[date, SessionPoints]:
    """By session, up to market time `until`. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(_POINTS, [portfolio_id, until])
        return {day: SessionPoints(*row) for day, *row in cursor.fetchall()}
