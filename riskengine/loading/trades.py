"""Closed positions as columns: what every figure of a record is computed from.

USD; times are int64 microseconds since 1970 of the portfolio's market time. NaN is not known.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

import numpy as np
from django.db import connection

from positions.market.calendar import new_york_date
from riskengine.calculators.columns import BoolColumn, FloatColumn, IntColumn
from riskengine.loading.book import microseconds

_CLOSED = """
    SELECT p.portfolio_id, p.id, p.entry_at, p.closed_at, i.symbol, c.occ_symbol, c."right", p.regime, p.close_cause,
           d.confidence::float8, p.quantity_opened, c.multiplier, p.average_entry_price::float8, p.entry_cost::float8,
           p.exit_proceeds::float8, p.fees::float8, p.realised_pnl::float8,
           nullif(p.min_size_at_entry, 0)::float8, p.scale_multiplier::float8, s.equity_start_of_day::float8,
           p.revision_id
    FROM positions_position p
    JOIN positions_optioncontract c ON c.id = p.contract_id
    JOIN positions_instrument i ON i.id = c.underlying_id
    LEFT JOIN positions_decision d ON d.id = p.decision_id
    LEFT JOIN positions_equitysnapshot s ON s.portfolio_id = p.portfolio_id
        AND s.session_on = (p.entry_at AT TIME ZONE 'America/New_York')::date
    WHERE p.portfolio_id = ANY(%s) AND p.status = 'closed' AND p.closed_at <= %s
    ORDER BY p.portfolio_id, p.closed_at, p.id
"""


@dataclass(frozen=True, slots=True, eq=False)
class Trades:
    """Closed positions, shape (n,), by portfolio and the time they closed.

    `right` is C or P. `confidence` is the signal's own, NaN where the trade was adopted from the broker. `opened`
    contracts; `entry_price` USD a share; `pnl` is after `fees`. `minimum` is the minimum bet at the entry, `scale` the
    multiple of it, `equity` the account's at the start of the entry's day.
    """

    portfolio_id: IntColumn
    position_id: IntColumn
    entry_at: IntColumn
    closed_at: IntColumn
    closed_on: tuple[date, ...]
    underlying: tuple[str, ...]
    contract: tuple[str, ...]
    right: tuple[str, ...]
    regime: tuple[str, ...]
    close_cause: tuple[str, ...]
    confidence: FloatColumn
    opened: IntColumn
    multiplier: IntColumn
    entry_price: FloatColumn
    cost: FloatColumn
    proceeds: FloatColumn
    fees: FloatColumn
    pnl: FloatColumn
    minimum: FloatColumn
    scale: FloatColumn
    equity: FloatColumn
    revision_id: IntColumn

    def __len__(self) -> int:
        return len(self.position_id)

    @property
    def gain(self) -> FloatColumn:
        """P&L after fees per dollar paid. NaN where nothing was paid: such a trade says nothing of odds."""
        return np.divide(self.pnl, self.cost, out=np.full(len(self), np.nan), where=self.cost > 0.0)

    @property
    def fraction(self) -> FloatColumn:
        """What was paid as a share of the account."""
        return np.divide(self.cost, self.equity, out=np.full(len(self), np.nan), where=self.equity > 0.0)

    def take(self, mask: BoolColumn) -> "Trades":
        """Those where `mask` (n,) says so."""
        rows = np.flatnonzero(mask)
        taken: dict[str, Any] = {each.name: _taken(getattr(self, each.name), rows) for each in fields(self)}
        return Trades(**taken)


def closed_trades(portfolio_ids: Sequence[int], *, until: datetime | None = None) -> Trades:
    """Every position of these portfolios that had closed by market time `until`. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(_CLOSED, [list(portfolio_ids), until or "infinity"])
        rows = cursor.fetchall()
    columns = list(zip(*rows, strict=True)) if rows else [()] * 21
    given: list[Any] = []
    for place, column in enumerate(columns):
        if place in _TIMES:
            given.append(np.array([microseconds(each) for each in column], np.int64))
        elif place in _WORDS:
            given.append(tuple(column))
        elif place in _WHOLE:
            given.append(np.array(column, np.int64))
        else:
            given.append(np.array([np.nan if each is None else each for each in column], np.float64))
    given.insert(4, tuple(new_york_date(each) for each in columns[3]))
    return Trades(*given)


_TIMES, _WORDS, _WHOLE = {2, 3}, {4, 5, 6, 7, 8}, {0, 1, 10, 11, 20}


def _taken(column: Any, rows: IntColumn) -> Any:
    return column[rows] if isinstance(column, np.ndarray) else tuple(column[row] for row in rows)
