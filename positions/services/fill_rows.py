"""What the booking of fills reads and writes: the locked rows, and one statement a table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Model

from accounts.models import RiskProfileRevision
from positions.models import Decision, ExitSlice, OptionContract, Portfolio, Position
from positions.models.order import WHOLE_POSITION
from positions.services.portfolio import SYSTEM_NAME

_ORDERS = """
    SELECT o.client_order_id, o.id, o.position_id, o.decision_id, o.intent, o.status, o.quantity, o.filled_quantity,
           c.multiplier, p.id, p.status, p.quantity, p.filled_quantity, p.next_step_at
    FROM positions_order o
    JOIN positions_order p ON p.id = o.parent_id
    JOIN positions_optioncontract c ON c.id = o.contract_id
    WHERE o.portfolio_id = %(portfolio)s AND o.client_order_id = ANY(%(ids)s)
    ORDER BY o.id
    FOR NO KEY UPDATE OF o, p
"""

_UPDATE_ORDERS = """
    UPDATE positions_order o SET
        filled_quantity = w.filled, status = w.status, position_id = w.position_id, next_step_at = w.next_step_at,
        submitted_at = CASE WHEN o.parent_id IS NULL THEN o.submitted_at ELSE coalesce(o.submitted_at, w.at) END,
        finished_at = CASE WHEN w.status = 'filled' THEN w.at ELSE o.finished_at END
    FROM unnest(%(ids)s::bigint[], %(filled)s::int[], %(status)s::text[], %(position)s::bigint[],
                %(next)s::timestamptz[], %(at)s::timestamptz[])
        AS w(id, filled, status, position_id, next_step_at, at)
    WHERE o.id = w.id
"""

# All but the long JSON columns, which only a reader of the decision wants.
_LONG = ("inputs", "trace", "gates", "warnings")
_DECISION_COLUMNS = [field.column for field in Decision._meta.concrete_fields if field.name not in _LONG]

POSITION_COLUMNS = {
    "status": "text",
    "quantity_opened": "int",
    "quantity_open": "int",
    "average_entry_price": "numeric",
    "entry_cost": "numeric",
    "exit_proceeds": "numeric",
    "fees": "numeric",
    "realised_pnl": "numeric",
    "initial_stop": "numeric",
    "current_stop": "numeric",
    "high_water": "numeric",
    "closed_at": "timestamptz",
    "close_cause": "text",
}


@dataclass(slots=True)
class Parent:
    """The intent whose child was filled."""

    order_id: int
    status: str
    quantity: int
    filled: int
    next_step_at: datetime | None
    filled_at: datetime | None = None


@dataclass(slots=True)
class Child:
    """An order at the broker, as it is booked against."""

    parent: Parent
    client_order_id: str
    order_id: int
    position_id: int | None
    decision_id: int | None
    intent: str
    status: str
    quantity: int
    filled: int
    multiplier: int
    filled_at: datetime | None = None


def booked(execution_ids: Sequence[str]) -> set[str]:
    """Those of the executions that are booked already."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT execution_id FROM positions_fill WHERE execution_id = ANY(%s)", [list(execution_ids)])
        return {execution_id for (execution_id,) in cursor.fetchall()}


def lock_positions(client_order_ids: Sequence[str]) -> dict[int, Position]:
    """The positions these orders belong to, locked by ascending id."""
    locked = Position.objects.raw(
        """
        SELECT * FROM positions_position
        WHERE id IN (SELECT position_id FROM positions_order WHERE client_order_id = ANY(%s))
        ORDER BY id FOR NO KEY UPDATE
        """,
        [list(client_order_ids)],
    )
    return {row.pk: row for row in locked}


def lock_slices(position_ids: Iterable[int]) -> dict[int, list[ExitSlice]]:
    """Pending slices by the order that fills them, the lowest first."""
    wanted = list(position_ids)
    if not wanted:
        return {}
    found: dict[int, list[ExitSlice]] = {}
    for row in ExitSlice.objects.raw(
        "SELECT * FROM positions_exitslice WHERE position_id = ANY(%s) AND state = 'pending' "
        "ORDER BY id FOR NO KEY UPDATE",
        [wanted],
    ):
        found.setdefault(row.order_id, []).append(row)
    for each in found.values():
        each.sort(key=lambda row: row.number)
    return found


def lock_orders(portfolio_id: int, client_order_ids: Sequence[str]) -> dict[str, Child]:
    """The children by client id, each with its intent."""
    children: dict[str, Child] = {}
    parents: dict[int, Parent] = {}
    with connection.cursor() as cursor:
        cursor.execute(_ORDERS, {"portfolio": portfolio_id, "ids": list(client_order_ids)})
        for row in cursor.fetchall():
            parent = parents.setdefault(row[9], Parent(*row[9:]))
            children[row[0]] = Child(parent, *row[:9])
    return children


def decisions_behind(portfolio: Portfolio, children: Iterable[Child]) -> dict[int | None, Decision]:
    """The decisions behind openings. Contracts and revisions are shared objects: many bets stand on few of them."""
    wanted = {child.decision_id for child in children if child.decision_id is not None}
    if not wanted:
        return {}
    found = {
        each.pk: each
        for each in Decision.objects.raw(
            f"SELECT {', '.join(_DECISION_COLUMNS)} FROM positions_decision WHERE id = ANY(%s)",  # noqa: S608 (ours)
            [list(wanted)],
        )
    }
    contracts = _by_key(OptionContract, {each.contract_id for each in found.values()})
    revisions = _by_key(RiskProfileRevision, {each.revision_id for each in found.values()})
    for each in found.values():
        each.portfolio = portfolio
        each.contract, each.revision = contracts[each.contract_id], revisions[each.revision_id]
    return dict(found)


def _by_key(model: type[Model], keys: set[int]) -> dict[int, Any]:
    rows = model.objects.raw(f'SELECT * FROM "{model._meta.db_table}" WHERE id = ANY(%s)', [list(keys)])  # noqa: S608
    return {row.pk: row for row in rows}


def update_orders(children: Iterable[Child], at: datetime) -> None:
    """Fills, status and position of children and their intents."""
    rows: dict[int, tuple[Any, ...]] = {}
    for child in children:
        rows[child.order_id] = (child.filled, child.status, child.position_id, None, child.filled_at or at)
        parent = child.parent
        rows[parent.order_id] = (
            parent.filled,
            parent.status,
            child.position_id,
            parent.next_step_at,
            parent.filled_at or at,
        )
    ids = sorted(rows)
    columns = list(zip(*(rows[order_id] for order_id in ids), strict=True))
    with connection.cursor() as cursor:
        cursor.execute(
            _UPDATE_ORDERS,
            {"ids": ids}
            | {
                name: list(column)
                for name, column in zip(("filled", "status", "position", "next", "at"), columns, strict=True)
            },
        )


def update_cash(portfolio: Portfolio) -> None:
    """Cash and settled cash of a portfolio that is locked."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE positions_portfolio SET cash = %s, settled_cash = %s WHERE id = %s",
            [portfolio.cash, portfolio.settled_cash, portfolio.pk],
        )


def update_positions(positions: Sequence[Position]) -> None:
    """Quantities, money and prices of positions; each version rises by one."""
    if not positions:
        return
    changes = ", ".join(f"{name} = w.{name}" for name in POSITION_COLUMNS)
    # What the broker confirmed moves with what is bought and sold since (NULL where the two agree).
    changes += (
        ", broker_quantity = greatest(p.broker_quantity + (w.quantity_open - p.quantity_open), 0 * p.broker_quantity)"
    )
    arrays = ", ".join(f"%({name})s::{kind}[]" for name, kind in POSITION_COLUMNS.items())
    names = ", ".join(POSITION_COLUMNS)
    parameters: dict[str, list[Any]] = {name: [getattr(p, name) for p in positions] for name in POSITION_COLUMNS}
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE positions_position p SET version = p.version + 1, {changes} "  # noqa: S608 (columns are ours)
            f"FROM unnest(%(ids)s::bigint[], {arrays}) AS w(id, {names}) WHERE p.id = w.id",
            parameters | {"ids": [p.pk for p in positions]},
        )


def update_slices(slices: Sequence[ExitSlice]) -> None:
    """What was filled of slices, and those that are filled wholly."""
    if not slices:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE positions_exitslice s SET
                state = w.state, contracts_pending = w.pending, contracts_filled = w.filled, changed_at = w.at
            FROM unnest(%(ids)s::bigint[], %(state)s::text[], %(pending)s::int[], %(filled)s::int[],
                        %(at)s::timestamptz[]) AS w(id, state, pending, filled, at)
            WHERE s.id = w.id
            """,
            {
                "ids": [s.pk for s in slices],
                "state": [s.state for s in slices],
                "pending": [s.contracts_pending for s in slices],
                "filled": [s.contracts_filled for s in slices],
                "at": [s.changed_at for s in slices],
            },
        )


_CHANGE_SLICES = """
    WITH changed AS (
        UPDATE positions_exitslice s SET
            state = %(state)s, contracts_pending = 0, changed_at = %(at)s,
            order_id = CASE WHEN %(state)s = 'armed' THEN NULL ELSE s.order_id END
        FROM positions_exitslice old
        WHERE old.id = s.id AND {where}
        RETURNING s.position_id, s.number, old.state AS before, s.state AS after, old.contracts_pending
    )
    INSERT INTO positions_positionevent (position_id, happened_at, kind, actor_name, before, after, detail)
    SELECT position_id, %(at)s, %(kind)s, %(actor)s, jsonb_build_object('state', before, 'pending', contracts_pending),
           jsonb_build_object('state', after, 'slice', number), '{{}}'::jsonb
    FROM changed ORDER BY position_id, number
    RETURNING position_id
"""


def cancel_slices(position_ids: Sequence[int], at: datetime) -> None:
    """Nothing is left to take profit on: what is not filled is cancelled."""
    _change_slices(
        "s.position_id = ANY(%(ids)s) AND s.state NOT IN ('filled', 'cancelled')",
        position_ids,
        "cancelled",
        at,
    )


def rearm_cancelled_slices(position_ids: Sequence[int], at: datetime) -> None:
    """Of positions that were closed and are open again."""
    _change_slices("s.position_id = ANY(%(ids)s) AND s.state = 'cancelled'", position_ids, "armed", at)


def rearm_slices_of(order_ids: Sequence[int], at: datetime) -> None:
    """Slices whose order ended before they were filled: armed again, what was filled stays with them (B-32)."""
    _change_slices("s.order_id = ANY(%(ids)s) AND s.state = 'pending'", order_ids, "armed", at)


def _change_slices(where: str, ids: Sequence[int], state: str, at: datetime) -> None:
    kind = "slice_rearmed" if state == "armed" else f"slice_{state}"
    with connection.cursor() as cursor:
        cursor.execute(
            _CHANGE_SLICES.format(where=where),
            {"ids": list(ids), "state": state, "at": at, "kind": kind, "actor": SYSTEM_NAME},
        )


def enlarge_whole_closes(bought: dict[int, int]) -> None:
    """Contracts that came in late are sold by the close that is already working (by position id)."""
    if not bought:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE positions_order o SET quantity = o.quantity + w.bought
            FROM unnest(%(ids)s::bigint[], %(bought)s::int[]) AS w(position_id, bought)
            WHERE o.position_id = w.position_id AND o.parent_id IS NULL AND o.intent = ANY(%(whole)s)
              AND o.status IN ('planned', 'submitting', 'working', 'cancelling', 'unknown')
            """,
            {"ids": list(bought), "bought": list(bought.values()), "whole": list(WHOLE_POSITION)},
        )
