"""How the price of each bet went, minute by minute, and what its fills cost against the mid. USD; NaN is not known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from django.db import connection

from riskengine.calculators.attribution import Marks
from riskengine.calculators.columns import BoolColumn, FloatColumn, IntColumn
from riskengine.loading.book import microseconds

# A contract that was split is another one from then on: its minutes cannot be put beside one another.
_PATHS = """
    SELECT w.place - 1, m.marked_at, m.bid::float8, m.ask::float8, m.spot::float8, c.strike::float8, c."right" = 'C',
           extract(epoch FROM s.close_at - m.marked_at)::float8, held.contracts * c.multiplier::float8,
           p.closed_at IS NULL OR m.marked_at <= p.closed_at
    FROM unnest(%s::bigint[]) WITH ORDINALITY AS w(position_id, place)
    JOIN positions_position p ON p.id = w.position_id AND p.split_factor = 1
    JOIN positions_optioncontract c ON c.id = p.contract_id
    LEFT JOIN positions_exchangesession s ON s.exchange = 'XNYS' AND s.session_on = c.expiration_on
    JOIN riskengine_positionmark m ON m.position_id = p.id AND (%s OR p.closed_at IS NULL OR m.marked_at <= p.closed_at)
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(CASE o.side WHEN 'buy' THEN f.quantity ELSE -f.quantity END), 0) AS contracts
        FROM positions_fill f JOIN positions_order o ON o.id = f.order_id
        WHERE f.position_id = p.id AND f.filled_at <= m.marked_at
    ) held
    ORDER BY w.place, m.marked_at
"""

# The intent's mid is what was decided on; the quote at the fill is what it was executed against.
_COSTS = """
    SELECT f.position_id, o.side,
           sum(f.quantity * c.multiplier * (f.price - coalesce(t.reference_mid, o.reference_mid)))::float8,
           sum(f.quantity * c.multiplier * (f.price - (f.quote_bid + f.quote_ask) / 2))::float8,
           bool_and(coalesce(t.reference_mid, o.reference_mid) IS NOT NULL),
           bool_and(f.quote_bid IS NOT NULL AND f.quote_ask IS NOT NULL)
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
    `spread`: against the mids at the fills; what settled at its expiration has paid none on its way out.
    """

    entry_slippage: FloatColumn
    exit_slippage: FloatColumn
    spread: FloatColumn


def paths_of(position_ids: Sequence[int], *, while_held: bool = False) -> Paths:
    """Every minute that was kept of these positions, or those until each was closed. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(_PATHS, [list(position_ids), not while_held])
        rows = cursor.fetchall()
    columns = list(zip(*rows, strict=True)) if rows else [()] * 10
    bid, ask, spot, strike, seconds, held = (
        np.array([np.nan if each is None else each for each in columns[k]], np.float64) for k in (2, 3, 4, 5, 7, 8)
    )
    return Paths(
        trade=np.array(columns[0], np.int64),
        at=np.array([microseconds(each) for each in columns[1]], np.int64),
        bid=bid,
        ask=ask,
        spot=spot,
        strike=strike,
        call=np.array(columns[6], np.bool_),
        seconds=seconds,
        held=held,
        while_held=np.array(columns[9], np.bool_),
    )


def costs_of(position_ids: Sequence[int]) -> Costs:
    """What the fills of these positions cost against the mid. One statement."""
    place = {position_id: k for k, position_id in enumerate(position_ids)}
    n = len(place)
    slipped = {"buy": np.full(n, np.nan), "sell": np.full(n, np.nan)}
    spread = {"buy": np.full(n, np.nan), "sell": np.zeros(n)}
    with connection.cursor() as cursor:
        cursor.execute(_COSTS, [list(position_ids)])
        for position_id, side, against_decision, against_quote, decided, quoted in cursor.fetchall():
            sign = 1.0 if side == "buy" else -1.0
            if decided:
                slipped[side][place[position_id]] = sign * against_decision
            spread[side][place[position_id]] = sign * against_quote if quoted else np.nan
    return Costs(slipped["buy"], slipped["sell"], spread["buy"] + spread["sell"])
