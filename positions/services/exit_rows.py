"""What placing exits reads and writes, a statement each for any number of them: a thousand stops at once must not take
a second to be written down."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import connection
from django.db.models.fields import NOT_PROVIDED

from positions.models import Order
from positions.models.order import LIVE
from positions.services.order_changes import as_json
from positions.services.portfolio import SYSTEM_NAME

# (order, its slices as (ExitSlice id, number, contracts))
Placed = tuple[Order, list[tuple[int, int, int]]]


@dataclass(slots=True)
class Held:
    """A position as its exits are placed against it. `quantity_open` is at most what the broker last confirmed where
    the two differ (A-02); `promised` is what live intents may still sell of it."""

    position_id: int
    portfolio_id: int
    slug: str
    contract_id: int
    tick_class: str
    quantity_open: int
    promised: int = 0
    whole_close: bool = False
    target: bool = False


class LiveIntent(NamedTuple):
    order_id: int
    position_id: int
    intent: str
    status: str
    quantity: int
    filled: int


def held(position_ids: Sequence[int]) -> dict[int, Held]:
    """Those of the positions that are open, by id."""
    rows = _rows(
        """
        SELECT p.id, p.portfolio_id, f.slug, p.contract_id, c.tick_class,
               least(p.quantity_open, p.broker_quantity)
        FROM positions_position p
        JOIN positions_portfolio f ON f.id = p.portfolio_id
        JOIN positions_optioncontract c ON c.id = p.contract_id
        WHERE p.id = ANY(%(ids)s) AND p.status = 'open' AND p.quantity_open > 0
        ORDER BY p.id
        """,
        ids=position_ids,
    )
    return {row[0]: Held(*row) for row in rows}


def live_intents(position_ids: Sequence[int]) -> list[LiveIntent]:
    """Their intents that may still fill."""
    rows = _rows(
        """
        SELECT id, position_id, intent, status, quantity, filled_quantity FROM positions_order
        WHERE position_id = ANY(%(ids)s) AND parent_id IS NULL AND status = ANY(%(live)s) ORDER BY id
        """,
        ids=position_ids,
        live=list(LIVE),
    )
    return [LiveIntent(*row) for row in rows]


def sequences(position_ids: Sequence[int]) -> dict[tuple[int, str], int]:
    """The last sequence used, by position id and intent."""
    rows = _rows(
        """
        SELECT position_id, intent, max(sequence) FROM positions_order
        WHERE position_id = ANY(%(ids)s) AND parent_id IS NULL GROUP BY position_id, intent
        """,
        ids=position_ids,
    )
    return {(position_id, intent): last for position_id, intent, last in rows}


def lock_free_slices(slice_ids: Sequence[int]) -> dict[int, int]:
    """The numbers of those slices that may be ordered, by id, locked. No statement for none."""
    if not slice_ids:
        return {}
    rows = _rows(
        """
        SELECT id, number FROM positions_exitslice WHERE id = ANY(%(ids)s) AND state IN ('armed', 'deferred')
        ORDER BY id FOR NO KEY UPDATE
        """,
        ids=slice_ids,
    )
    return dict(rows)


def _rows(text: str, **parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(text, {name: list(value) for name, value in parameters.items()})
        return cursor.fetchall()


_FIELDS = [field.attname for field in Order._meta.concrete_fields]
_EMPTY = {
    field.attname: None if field.default is NOT_PROVIDED and field.null else field.get_default()
    for field in Order._meta.concrete_fields
}


def order(**given: Any) -> Order:
    """A new order, not yet written. By position: by name Django takes four times as long to make one."""
    values = _EMPTY | given
    return Order(*[values[name] for name in _FIELDS])


_PLACE = """
    WITH wanted AS (
        SELECT * FROM unnest(
            %(portfolio)s::bigint[], %(contract)s::bigint[], %(position)s::bigint[], %(slice)s::bigint[],
            %(intent)s::text[], %(sequence)s::int[], %(client_id)s::text[], %(quantity)s::int[], %(worst)s::numeric[],
            %(pace)s::text[], %(mid)s::numeric[], %(quote_at)s::timestamptz[], %(verdict)s::text[],
            %(at)s::timestamptz[], %(kind)s::text[], %(after)s::text[]
        ) WITH ORDINALITY AS w(portfolio, contract, position, slice, intent, sequence, client_id, quantity, worst,
                               pace, mid, quote_at, verdict, at, kind, after, place)
    ), made AS (
        INSERT INTO positions_order (portfolio_id, contract_id, position_id, slice_id, intent, side, sequence,
            client_order_id, broker_order_id, quantity, filled_quantity, limit_price, worst_price, pace, pace_step,
            next_step_at, reference_mid, quote_at, status, verdict, reject_reason, created_at)
        SELECT portfolio, contract, position, slice, intent, 'sell', sequence, client_id, '', quantity, 0, worst, worst,
            pace, 0, at, mid, quote_at, 'planned', verdict::jsonb, '', at
        FROM wanted ORDER BY place
        RETURNING id, client_order_id, quantity, worst_price, created_at
    ), told AS (
        INSERT INTO positions_orderevent (order_id, happened_at, from_status, to_status, actor_name, detail)
        SELECT id, created_at, '', 'planned', %(actor)s,
            jsonb_build_object('contracts', quantity, 'worst_price', worst_price::text)
        FROM made ORDER BY id
    ), pending AS (
        UPDATE positions_exitslice s
        SET state = 'pending', order_id = m.id, contracts_pending = c.count, changed_at = m.created_at
        FROM unnest(%(slices)s::bigint[], %(slice_orders)s::text[], %(counts)s::int[]) AS c(id, client_id, count)
        JOIN made m ON m.client_order_id = c.client_id
        WHERE s.id = c.id
    ), risen AS (
        UPDATE positions_position SET version = version + 1 WHERE id IN (SELECT position FROM wanted)
    ), said AS (
        INSERT INTO positions_positionevent (position_id, happened_at, kind, actor_name, before, after, detail)
        SELECT position, at, kind, %(actor)s, '{}', after::jsonb, verdict::jsonb FROM wanted ORDER BY place
    )
    SELECT client_order_id, id FROM made
"""


def write(placed: Sequence[Placed]) -> None:
    """The orders (which get their ids), an event of each order and of its position, slices pending, versions raised."""
    orders = [order for order, _ in placed]
    covered = [(order, each) for order, slices in placed for each in slices]
    parameters = {
        "portfolio": [order.portfolio_id for order in orders],
        "contract": [order.contract_id for order in orders],
        "position": [order.position_id for order in orders],
        "slice": [order.slice_id for order in orders],
        "intent": [order.intent for order in orders],
        "sequence": [order.sequence for order in orders],
        "client_id": [order.client_order_id for order in orders],
        "quantity": [order.quantity for order in orders],
        "worst": [order.worst_price for order in orders],
        "pace": [order.pace for order in orders],
        "mid": [order.reference_mid for order in orders],
        "quote_at": [order.quote_at for order in orders],
        "verdict": [as_json(order.verdict) for order in orders],
        "at": [order.created_at for order in orders],
        "kind": ["slice_pending" if slices else f"{order.intent}_ordered" for order, slices in placed],
        "after": [as_json(_after(order, slices)) for order, slices in placed],
        "slices": [slice_id for _, (slice_id, _, _) in covered],
        "slice_orders": [order.client_order_id for order, _ in covered],
        "counts": [count for _, (_, _, count) in covered],
        "actor": SYSTEM_NAME,
    }
    with connection.cursor() as cursor:
        cursor.execute(_PLACE, parameters)
        ids = dict(cursor.fetchall())
    for order in orders:
        order.pk = ids[order.client_order_id]
        order._state.adding = False


def _after(order: Order, slices: list[tuple[int, int, int]]) -> dict[str, Any]:
    sold = [{"number": number, "contracts": count} for _, number, count in slices]
    return {"order": order.client_order_id, "contracts": order.quantity, "slices": sold}
