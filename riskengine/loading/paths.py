"""How the price of each bet went, minute by minute, and what its fills cost against the mid. USD; NaN is not known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from django.db import connection

from riskengine.calculators.attribution import Marks
from riskengine.calculators.columns import BoolColumn, FloatColumn, IntColumn
from riskengine.loading.copying import (
    BIGINT,
    BOOLEAN,
    INSTANT,
    INTEGER,
    MICROS,
    NEVER,
    Columns,
    Fields,
    copy_columns,
)
from riskengine.loading.exposed import MICROSECONDS

# A contract that was split is another one from then on: its minutes cannot be put beside one another.
_MINUTES = """
    SELECT w.place - 1, m.marked_at, m.bid, m.ask, m.spot, c.strike, c."right" = 'C', s.close_at, c.multiplier,
           p.closed_at
    FROM unnest(%(ids)s::bigint[]) WITH ORDINALITY AS w(position_id, place)
    JOIN positions_position p ON p.id = w.position_id AND p.split_factor = 1
    JOIN positions_optioncontract c ON c.id = p.contract_id
    LEFT JOIN positions_exchangesession s ON s.exchange = 'XNYS' AND s.session_on = c.expiration_on
    JOIN riskengine_positionmark m ON m.position_id = p.id
        AND (NOT %(while_held)s::bool OR p.closed_at IS NULL OR m.marked_at <= p.closed_at)
    ORDER BY w.place, m.marked_at
"""
_MINUTE = Fields(
    {
        "trade": BIGINT, "at": INSTANT, "bid": MICROS, "ask": MICROS, "spot": MICROS, "strike": MICROS,
        "call": BOOLEAN, "close_at": INSTANT, "multiplier": INTEGER, "closed_at": INSTANT,
    }
)  # fmt: skip

_CHANGES = """
    SELECT w.place - 1, f.filled_at, CASE o.side WHEN 'buy' THEN f.quantity ELSE -f.quantity END
    FROM unnest(%(ids)s::bigint[]) WITH ORDINALITY AS w(position_id, place)
    JOIN positions_fill f ON f.position_id = w.position_id
    JOIN positions_order o ON o.id = f.order_id
"""
_CHANGE = Fields({"trade": BIGINT, "at": INSTANT, "contracts": BIGINT})

# The intent's mid is what was decided on; the quote at the fill is what it was executed against.
_COSTS = """
    SELECT f.position_id, o.side,
           sum(f.quantity * c.multiplier * (f.price - coalesce(t.reference_mid, o.reference_mid)))::float8,
           sum(f.quantity * c.multiplier * (f.price - (f.quote_bid + f.quote_ask) / 2))::float8,
           bool_and(coalesce(t.reference_mid, o.reference_mid) IS NOT NULL),
           bool_and(f.quote_bid IS NOT NULL AND f.quote_ask IS NOT NULL), min(f.price)::float8, max(f.price)::float8
    FROM positions_fill f
    JOIN positions_order o ON o.id = f.order_id
    LEFT JOIN positions_order t ON t.id = o.parent_id
    JOIN positions_optioncontract c ON c.id = o.contract_id
    WHERE f.position_id = ANY(%s)
    GROUP BY f.position_id, o.side
"""


@dataclass(frozen=True, slots=True, eq=False)
class Paths:
    """Shape (m,), by position in the order asked for, and time. `trade` is its place; `at` int64 microseconds.

    `held` shares' worth of contracts after that minute's fills; `while_held`: not after it was closed.
    """

    trade: IntColumn
    at: IntColumn
    bid: FloatColumn
    ask: FloatColumn
    spot: FloatColumn
    strike: FloatColumn
    call: BoolColumn
    seconds: FloatColumn
    held: FloatColumn
    while_held: BoolColumn

    @property
    def marks(self) -> Marks:
        mid = (self.bid + self.ask) / 2.0
        return Marks(self.trade, mid, self.spot, self.strike, self.seconds, self.call, self.held)


@dataclass(frozen=True, slots=True, eq=False)
class Costs:
    """USD by position, shape (n,), a cost above 0; NaN where a fill's mid is not known.

    `entry_slippage`, `exit_slippage`: against the mid that was decided on, NaN also where nothing was bought or sold.
    `sold`: whether anything was; what settled at its expiration was not. `spread`: against the mids at the fills; what
    settled has paid none on its way out. `lowest_sale`, `highest_sale`: USD a share, NaN where nothing was sold.
    """

    entry_slippage: FloatColumn
    exit_slippage: FloatColumn
    sold: BoolColumn
    lowest_sale: FloatColumn
    highest_sale: FloatColumn
    spread: FloatColumn


def paths_of(position_ids: Sequence[int], *, while_held: bool = False) -> Paths:
    """Every minute that was kept of these positions, or those until each was closed. Two statements."""
    ids = list(position_ids)
    found = copy_columns(_MINUTES, _MINUTE, {"ids": ids, "while_held": while_held})
    at, closes, closed = found["at"], found["close_at"], found["closed_at"]
    return Paths(
        trade=found["trade"],
        at=at,
        bid=found["bid"],
        ask=found["ask"],
        spot=found["spot"],
        strike=found["strike"],
        call=found["call"],
        seconds=np.where(closes == NEVER, np.nan, (closes - at) / MICROSECONDS),
        held=_held(found["trade"], at, copy_columns(_CHANGES, _CHANGE, {"ids": ids})) * found["multiplier"],
        while_held=(closed == NEVER) | (at <= closed),
    )


def _held(trade: IntColumn, at: IntColumn, changes: Columns) -> FloatColumn:
    """Contracts held after the fills up to each minute, that moment's own included."""
    n = len(changes["trade"])
    whose, contracts = np.concatenate((changes["trade"], trade)), np.concatenate((changes["contracts"], 0 * trade))
    is_minute = np.arange(len(whose)) >= n
    order = np.lexsort((is_minute, np.concatenate((changes["at"], at)), whose))
    running = np.empty(len(whose), np.float64)
    running[order] = np.cumsum(contracts[order])
    # The sum runs through all trades: what those before came to is not held in this one.
    traded = np.bincount(whose, weights=contracts) if len(whose) else np.zeros(0)
    before = np.cumsum(traded) - traded
    held: FloatColumn = running[n:] - before[trade]
    return held


def costs_of(position_ids: Sequence[int]) -> Costs:
    """What the fills of these positions cost against the mid. One statement."""
    place = {position_id: k for k, position_id in enumerate(position_ids)}
    n = len(place)
    slipped = {"buy": np.full(n, np.nan), "sell": np.full(n, np.nan)}
    spread = {"buy": np.full(n, np.nan), "sell": np.zeros(n)}
    lowest, highest = np.full(n, np.nan), np.full(n, np.nan)
    with connection.cursor() as cursor:
        cursor.execute(_COSTS, [list(position_ids)])
        for position_id, side, against_decision, against_quote, decided, quoted, low, high in cursor.fetchall():
            sign = 1.0 if side == "buy" else -1.0
            if side == "sell":
                lowest[place[position_id]], highest[place[position_id]] = low, high
            if decided:
                slipped[side][place[position_id]] = sign * against_decision
            spread[side][place[position_id]] = sign * against_quote if quoted else np.nan
    sold, spreads = np.isfinite(highest), spread["buy"] + spread["sell"]
    return Costs(slipped["buy"], slipped["sell"], sold, lowest, highest, spreads)
