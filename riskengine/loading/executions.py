"""Every purchase and sale of positions, for matching them: fills, and what settled at its expiration.

Money crosses as whole cents. Contracts are those of today: what was traded before a split counts as what it became.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from django.db import connection

from riskengine.calculators.lots import Trade

_FILLS = """
    SELECT p.id, c.occ_symbol, p.status, p.close_cause, p.closed_at, p.quantity_opened,
           (p.exit_proceeds * 100)::bigint, o.side, t.intent, f.filled_at, f.quantity * coalesce(s.times, 1),
           round(f.price * f.quantity * was.multiplier * 100)::bigint, (f.fee * 100)::bigint
    FROM positions_position p
    JOIN positions_optioncontract c ON c.id = p.contract_id
    JOIN positions_fill f ON f.position_id = p.id
    JOIN positions_order o ON o.id = f.order_id
    JOIN positions_order t ON t.id = coalesce(o.parent_id, o.id)
    JOIN positions_optioncontract was ON was.id = o.contract_id
    LEFT JOIN LATERAL (
        SELECT exp(sum(ln((e.detail ->> 'new_shares')::numeric / (e.detail ->> 'old_shares')::numeric)))::int AS times
        FROM positions_positionevent e
        WHERE e.position_id = p.id AND e.kind = 'split' AND e.happened_at > f.filled_at
          AND (e.detail ->> 'new_shares')::int %% (e.detail ->> 'old_shares')::int = 0
    ) s ON true
    WHERE p.portfolio_id = %(portfolio)s AND f.filled_at <= %(until)s
    ORDER BY p.id, f.filled_at, f.id
"""
SETTLED = ("settled", "expired")


@dataclass(frozen=True, slots=True)
class Held:
    """One position's purchases and sales in order, and how each sale came about: the intent of its order, or how it
    ended at its expiration."""

    position_id: int
    contract: str
    purchases: Sequence[Trade]
    sales: Sequence[Trade]
    causes: Sequence[str]


def executions_of(portfolio_id: int, *, until: datetime) -> Iterator[Held]:
    """Every position that was ever bought by market time `until`, in the order of their ids. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(_FILLS, {"portfolio": portfolio_id, "until": until})
        rows = cursor.fetchall()
    for position_id, group in groupby(rows, key=lambda row: row[0]):
        mine = list(group)
        purchases = [Trade(*row[9:]) for row in mine if row[7] == "buy"]
        sales = [Trade(*row[9:]) for row in mine if row[7] == "sell"]
        causes = [row[8] for row in mine if row[7] == "sell"]
        _, contract, status, cause, closed_at, opened, proceeds, *_ = mine[0]
        left = opened - sum(each.contracts for each in sales)
        if status == "closed" and cause in SETTLED and closed_at <= until and left > 0:
            sales.append(Trade(closed_at, left, proceeds - sum(each.cents for each in sales), 0))
            causes.append(cause)
        yield Held(position_id, contract, purchases, sales, causes)
