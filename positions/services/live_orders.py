"""Live orders as plain rows: what a pass over the working orders reads, the same with and without locks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.db import connection

from positions.market.contracts import TICK_TABLES
from positions.market.ticks import TickTable
from positions.models.order import BUYING, LIVE, WHOLE_POSITION

_COLUMNS = """
    o.id, o.portfolio_id, o.contract_id, o.position_id, o.parent_id, o.intent, o.pace, o.pace_step, o.client_order_id,
    o.quantity, o.filled_quantity, o.limit_price, o.worst_price, o.status, o.next_step_at, o.reference_mid,
    o.created_at, c.tick_class, c.expiration_on, c.settlement, c.right, c.strike, c.underlying_id
"""
_LIVE = f"""
    SELECT {_COLUMNS} FROM positions_order o JOIN positions_optioncontract c ON c.id = o.contract_id
    WHERE o.status = ANY(%(live)s) AND (%(portfolios)s::bigint[] IS NULL OR o.portfolio_id = ANY(%(portfolios)s))
    ORDER BY o.portfolio_id, o.id
"""  # noqa: S608 (columns are ours)


@dataclass(slots=True)
class LiveOrder:
    """An intent, or (with `parent_id`) what is at the broker under it. Prices USD a share, market times."""

    order_id: int
    portfolio_id: int
    contract_id: int
    position_id: int | None
    parent_id: int | None
    intent: str
    pace: str
    pace_step: int
    client_order_id: str
    quantity: int
    filled: int
    limit_price: Decimal
    worst_price: Decimal
    status: str
    next_step_at: datetime | None
    reference_mid: Decimal | None
    created_at: datetime
    tick_class: str
    expires_on: date
    settlement: str
    right: str
    strike: Decimal
    underlying_id: int
    rejected: str = ""  # why the broker just refused its child

    @property
    def open_quantity(self) -> int:
        return self.quantity - self.filled

    @property
    def buys(self) -> bool:
        return self.intent in BUYING

    @property
    def is_urgent(self) -> bool:
        return self.intent in WHOLE_POSITION

    @property
    def priority(self) -> int:
        """In the outbox: 0 urgent exits, 10 exits, 20 entries."""
        if self.buys:
            return 20
        return 0 if self.is_urgent else 10

    @property
    def ticks(self) -> TickTable:
        return TICK_TABLES[self.tick_class]


@dataclass(slots=True)
class Holding:
    """What is open of a position, contracts and USD."""

    position_id: int
    quantity_open: int
    entry_cost: Decimal
    min_size: Decimal


def live_orders(portfolio_ids: Sequence[int] | None, *, lock: bool = False) -> list[LiveOrder]:
    """Live intents and children of these portfolios (None: of all), by portfolio and id. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            _LIVE + (" FOR NO KEY UPDATE OF o" if lock else ""),
            {"live": list(LIVE), "portfolios": None if portfolio_ids is None else list(portfolio_ids)},
        )
        return [LiveOrder(*row) for row in cursor.fetchall()]


_HOLDINGS = """
    SELECT id, quantity_open, entry_cost, min_size_at_entry FROM positions_position
    WHERE id IN (SELECT position_id FROM positions_order WHERE portfolio_id = %(portfolio)s AND status = ANY(%(live)s))
    ORDER BY id
"""


def holdings(portfolio_id: int, *, lock: bool = False) -> dict[int, Holding]:
    """The positions with live orders, those closed meanwhile included; locked by ascending id when asked."""
    with connection.cursor() as cursor:
        cursor.execute(
            _HOLDINGS + (" FOR NO KEY UPDATE" if lock else ""), {"portfolio": portfolio_id, "live": list(LIVE)}
        )
        return {row[0]: Holding(*row) for row in cursor.fetchall()}
