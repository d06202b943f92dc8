"""What an account was worth from session to session, marked to the market, with what was paid in and out.

A day of the record runs from the start of its session to the start of the next one: the night belongs to the session
before it, as the book that is held over it does. USD.
"""

from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
from django.db import connection

from riskengine.calculators.columns import FloatColumn, IntColumn
from riskengine.loading.book import microseconds

# What was paid in or out between two looks at the account belongs to the first of them: also on a weekend, when no
# session's own snapshot counts it. What came after the close was not there to lose in that session.
_DAYS = """
    SELECT s.session_on, s.equity_start_of_day::float8, n.equity_start_of_day::float8, coalesce(f.amount, 0)::float8,
           coalesce(f.by_close, 0)::float8
    FROM positions_equitysnapshot s
    LEFT JOIN positions_exchangesession x ON x.exchange = 'XNYS' AND x.session_on = s.session_on
    LEFT JOIN LATERAL (
        SELECT equity_start_of_day, taken_at FROM positions_equitysnapshot n
        WHERE n.portfolio_id = s.portfolio_id AND n.session_on > s.session_on AND n.taken_at <= %(until)s
        ORDER BY n.session_on LIMIT 1
    ) n ON true
    LEFT JOIN LATERAL (
        SELECT sum(amount) AS amount,
               sum(amount) FILTER (WHERE x.close_at IS NULL OR m.moved_at < x.close_at) AS by_close
        FROM positions_cashmovement m
        WHERE m.portfolio_id = s.portfolio_id AND m.kind IN ('deposit', 'withdrawal') AND m.moved_at > s.taken_at
          AND m.moved_at <= coalesce(n.taken_at, %(until)s)
    ) f ON true
    WHERE s.portfolio_id = %(portfolio)s AND s.taken_at <= %(until)s
    ORDER BY s.session_on
"""
# What was paid in or out since the last check is cash, and no loss or gain until the next one. By their times alone it
# cannot be told whether the check had it: a check lasts, and who books has a clock of his own. So the profit of the
# running date is what the check itself found; of a night or weekend, in which no date runs, it is told by the times.
_NOW = """
    SELECT CASE WHEN (r.market_at AT TIME ZONE 'America/New_York')::date = %(day)s THEN r.day_pnl END::float8,
           r.equity::float8 + coalesce((
        SELECT sum(amount) FROM positions_cashmovement m
        WHERE m.portfolio_id = r.portfolio_id AND m.kind IN ('deposit', 'withdrawal') AND m.moved_at > r.market_at
          AND m.moved_at <= %(until)s), 0)::float8
    FROM riskengine_reading r
    WHERE r.portfolio_id = %(portfolio)s AND r.state = 'known' AND r.market_at <= %(until)s AND r.market_at >= (
        SELECT max(taken_at) FROM positions_equitysnapshot
        WHERE portfolio_id = r.portfolio_id AND taken_at <= %(until)s)
"""


_MOVES = """
    SELECT m.moved_at, m.amount::float8 FROM positions_cashmovement m
    WHERE m.portfolio_id = %(portfolio)s AND m.kind IN ('deposit', 'withdrawal') AND m.moved_at <= %(until)s
      AND m.moved_at > (SELECT min(taken_at) FROM positions_equitysnapshot WHERE portfolio_id = %(portfolio)s)
    ORDER BY m.moved_at
"""


@dataclass(frozen=True, slots=True, eq=False)
class CashMoves:
    """What was paid in or out after the account's first look, by time, shape (n,). `at` int64 microseconds."""

    at: IntColumn
    amount: FloatColumn


@dataclass(frozen=True, slots=True, eq=False)
class EquityDays:
    """One row a session, shape (n,). `end` of the running one is what the last risk check found and what was paid in
    since, NaN when that is not known. `by_close`: of the deposits, those made before the session closed. `runs`: the
    last row is still going on, and its numbers will change."""

    day: tuple[date, ...]
    start: FloatColumn
    end: FloatColumn
    deposits: FloatColumn
    by_close: FloatColumn
    runs: bool

    def __len__(self) -> int:
        return len(self.day)

    @property
    def profit(self) -> FloatColumn:
        """What was made or lost: never what was paid in or out."""
        return self.end - self.start - self.deposits

    @property
    def basis(self) -> FloatColumn:
        """What was there to lose: the day's start, and what was paid in before its close."""
        return self.start + np.maximum(self.by_close, 0.0)

    @property
    def returns(self) -> FloatColumn:
        """Profit as a share of what was there to lose."""
        return np.divide(self.profit, self.basis, out=np.full(len(self), np.nan), where=self.basis > 0.0)

    @property
    def index(self) -> FloatColumn:
        """One dollar from the first day on, after each day: time-weighted, so that deposits do not show. A day on which
        nothing was there to lose, and nothing was made, leaves it."""
        idle = (self.basis <= 0.0) & (self.profit == 0.0)
        return np.cumprod(np.where(idle, 1.0, 1.0 + self.returns)).astype(np.float64, copy=False)

    def take(self, first: date | None, last: date | None) -> "EquityDays":
        """The days from `first` to `last`, both included."""
        rows = [
            place
            for place, day in enumerate(self.day)
            if (first is None or day >= first) and (last is None or day <= last)
        ]
        return EquityDays(
            tuple(self.day[row] for row in rows),
            self.start[rows],
            self.end[rows],
            self.deposits[rows],
            self.by_close[rows],
            self.runs and bool(rows) and rows[-1] == len(self) - 1,
        )


def equity_days(portfolio_id: int, *, until: datetime) -> EquityDays:
    """The account's days up to market time `until`. Two statements."""
    with connection.cursor() as cursor:
        cursor.execute(_DAYS, {"portfolio": portfolio_id, "until": until})
        rows = cursor.fetchall()
        cursor.execute(_NOW, {"portfolio": portfolio_id, "until": until, "day": rows[-1][0] if rows else None})
        read = cursor.fetchone()
    start, end, deposits, by_close = (
        np.array([np.nan if row[k] is None else row[k] for row in rows], np.float64) for k in (1, 2, 3, 4)
    )
    if rows and read is not None:
        profit, equity = read
        end[-1] = equity if profit is None else start[-1] + deposits[-1] + profit
    return EquityDays(tuple(row[0] for row in rows), start, end, deposits, by_close, bool(rows))


def cash_moves(portfolio_id: int, *, until: datetime) -> CashMoves:
    """What was paid in or out up to market time `until`. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(_MOVES, {"portfolio": portfolio_id, "until": until})
        rows = cursor.fetchall()
    return CashMoves(
        np.array([microseconds(moved_at) for moved_at, _ in rows], np.int64),
        np.array([amount for _, amount in rows], np.float64),
    )
