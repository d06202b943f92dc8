"""Take-profit slices of closed positions beside the price at which the rest of each position was sold."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.db import connection

from riskengine.calculators.columns import FloatColumn, IntColumn
from riskengine.calculators.slices import ClosedSlices

SETTLED = ["settled", "expired"]  # causes of positions.services.settlement: no order sold what was left

# A slice that was crossed and too small to sell a contract is cancelled with the rest when its position closes: only
# its event still says so. The last order that sold of a position, with what it sold at on average; what was settled at
# its expiration has a price of its own. A slice that this order sold itself is not compared with it. After a split
# prices are those of another contract.
_SLICES = """
    WITH closed AS MATERIALIZED (
        SELECT p.id, p.regime, p.average_entry_price, p.quantity_opened, p.exit_proceeds, p.close_cause, c.multiplier
        FROM positions_position p JOIN positions_optioncontract c ON c.id = p.contract_id
        WHERE p.portfolio_id = %(portfolio)s AND p.status = 'closed' AND p.closed_at <= %(until)s
          AND p.origin = 'engine' AND p.split_factor = 1
    ), sold AS MATERIALIZED (
        SELECT f.position_id, coalesce(o.parent_id, o.id) AS root, sum(f.quantity) AS contracts,
               sum(f.quantity * f.price) AS worth, max(f.id) AS last_fill, max(f.filled_at) AS last_at
        FROM closed JOIN positions_fill f ON f.position_id = closed.id
        JOIN positions_order o ON o.id = f.order_id AND o.side = 'sell'
        GROUP BY 1, 2
    ), last AS (
        SELECT DISTINCT ON (position_id) position_id, root, worth / contracts AS price
        FROM sold ORDER BY position_id, last_at DESC, last_fill DESC
    ), together AS (
        SELECT position_id, sum(contracts) AS contracts, sum(worth) AS worth FROM sold GROUP BY 1
    ), taken AS (
        SELECT t.slice_id, sum(t.contracts) AS contracts, sum(t.contracts * t.price) / sum(t.contracts) AS price,
               array_agg(DISTINCT coalesce(o.parent_id, o.id)) AS roots
        FROM closed JOIN positions_partialprofittaking t ON t.position_id = closed.id
        JOIN positions_fill f ON f.id = t.fill_id JOIN positions_order o ON o.id = f.order_id
        GROUP BY 1
    ), carried AS (
        SELECT DISTINCT e.position_id, e.after->>'number' AS number
        FROM closed JOIN positions_positionevent e ON e.position_id = closed.id AND e.kind = 'slice_deferred'
    )
    SELECT p.id, p.regime, s.number, s.threshold::float8, coalesce(t.contracts, 0), d.number IS NOT NULL,
           p.average_entry_price::float8, t.price::float8,
           CASE WHEN p.close_cause = ANY(%(settled)s) THEN
                    (p.exit_proceeds / p.multiplier - coalesce(g.worth, 0))
                    / nullif(p.quantity_opened - coalesce(g.contracts, 0), 0)
                WHEN l.root = ANY(t.roots) THEN NULL
                ELSE l.price END::float8,
           p.multiplier
    FROM closed p JOIN positions_exitslice s ON s.position_id = p.id
    LEFT JOIN taken t ON t.slice_id = s.id
    LEFT JOIN carried d ON d.position_id = p.id AND d.number = s.number::text
    LEFT JOIN last l ON l.position_id = p.id
    LEFT JOIN together g ON g.position_id = p.id
    ORDER BY p.id, s.number
"""


@dataclass(frozen=True, slots=True, eq=False)
class SliceRows:
    """One row a slice, shape (n,): of which position, under which ladder, the number of the tier and its threshold, a
    fraction of the entry price before any factor."""

    position: IntColumn
    regime: tuple[str, ...]
    number: IntColumn
    threshold: FloatColumn
    slices: ClosedSlices


def closed_slices(portfolio_id: int, *, until: datetime) -> SliceRows:
    """The slices of every position opened here that had closed by market time `until`. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(_SLICES, {"portfolio": portfolio_id, "until": until, "settled": SETTLED})
        rows = cursor.fetchall()
    columns: Sequence[Sequence[object]] = list(zip(*rows, strict=True)) if rows else [()] * 10

    def numbers(place: int) -> FloatColumn:
        return np.array([np.nan if each is None else float(each) for each in columns[place]], np.float64)  # type: ignore[arg-type]

    return SliceRows(
        position=np.array(columns[0], np.int64),
        regime=tuple(str(each) for each in columns[1]),
        number=np.array(columns[2], np.int64),
        threshold=numbers(3),
        slices=ClosedSlices(
            contracts=np.array(columns[4], np.int64),
            deferred=np.array(columns[5], np.bool_),
            entry=numbers(6),
            price=numbers(7),
            final=numbers(8),
            multiplier=numbers(9),
        ),
    )
