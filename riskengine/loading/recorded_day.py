"""Quotes of a recorded day as columns, and what was held through it: float64 and int64 microseconds since 1970."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from django.db import connection

from positions.market.contracts import TICK_TABLES
from positions.market.ticks import TICK_CHANGES_AT, tick_columns
from positions.models import OptionContract, Portfolio
from riskengine.calculators.columns import FloatColumn, IntColumn

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(instant: datetime) -> int:
    """An aware instant as whole microseconds since 1970."""
    return (instant - _EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, eq=False)
class DayQuotes:
    """One contract's quotes in the order of their times, shape (n,); NaN is a missing side. USD a share."""

    known_at: IntColumn
    bid: FloatColumn
    ask: FloatColumn
    tick: FloatColumn


@dataclass(frozen=True, slots=True, eq=False)
class Holding:
    """Contracts held of one option over the day: after `changed_at[k]` there are `contracts[k]`."""

    multiplier: int
    changed_at: IntColumn
    contracts: IntColumn


@dataclass(frozen=True, slots=True, eq=False)
class Ledger:
    """What the account held: by contract id, and its cash after each movement in USD."""

    holdings: dict[int, Holding]
    moved_at: IntColumn
    cash: FloatColumn


def quotes_of_day(contract_ids: Collection[int], *, source: str) -> dict[int, DayQuotes]:
    """Every quote of these contracts from a source, in one statement."""
    if not contract_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT contract_id, quoted_at, bid::float8, ask::float8 FROM positions_optionquote
            WHERE contract_id = ANY(%s) AND source = %s ORDER BY contract_id, quoted_at
            """,
            [sorted(contract_ids), source],
        )
        rows = cursor.fetchall()
    classes = dict(OptionContract.objects.filter(pk__in=contract_ids).order_by("pk").values_list("pk", "tick_class"))
    found = {}
    ids = np.array([row[0] for row in rows], np.int64)
    times = np.array([microseconds(row[1]) for row in rows], np.int64)
    bids, asks = (np.array([np.nan if row[k] is None else row[k] for row in rows], np.float64) for k in (2, 3))
    for contract_id, tick_class in classes.items():
        mine = ids == contract_id
        under, from_three = tick_columns([TICK_TABLES[tick_class]])
        tick = np.where(bids[mine] < float(TICK_CHANGES_AT), under[0], from_three[0])
        found[contract_id] = DayQuotes(times[mine], bids[mine], asks[mine], tick)
    return found


def ledger_of(portfolio: Portfolio) -> Ledger:
    """Holdings and cash of an account over all its fills, settlements and movements, in three statements."""
    moves = portfolio.cash_movements.order_by("moved_at", "id").values_list("moved_at", "amount")
    total, moved_at, cash = 0, [], []
    for instant, amount in moves:
        total += int(amount * 100)
        moved_at.append(microseconds(instant))
        cash.append(total / 100)
    return Ledger(_holdings(portfolio), np.array(moved_at, np.int64), np.array(cash, np.float64))


def _holdings(portfolio: Portfolio) -> dict[int, Holding]:
    positions = portfolio.positions.order_by("id").values_list("id", "contract_id", "contract__multiplier", "closed_at")
    known = {row[0]: row[1:] for row in positions}
    changes: dict[int, list[tuple[int, int]]] = {}
    left = dict.fromkeys(known, 0)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT f.position_id, f.filled_at, CASE o.side WHEN 'buy' THEN f.quantity ELSE -f.quantity END
            FROM positions_fill f JOIN positions_order o ON o.id = f.order_id
            WHERE o.portfolio_id = %s ORDER BY f.filled_at, f.id
            """,
            [portfolio.pk],
        )
        for position_id, filled_at, quantity in cursor.fetchall():
            left[position_id] += quantity
            changes.setdefault(known[position_id][0], []).append((microseconds(filled_at), quantity))
    for position_id, (contract_id, _, closed_at) in known.items():
        if closed_at is not None and left[position_id]:  # settled: gone without a fill
            changes[contract_id].append((microseconds(closed_at), -left[position_id]))
    multipliers = {contract_id: multiplier for contract_id, multiplier, _ in known.values()}
    found = {}
    for contract_id, rows in sorted(changes.items()):
        rows.sort(key=lambda row: row[0])
        times, counts = (np.array(column, np.int64) for column in zip(*rows, strict=True))
        found[contract_id] = Holding(multipliers[contract_id], times, np.cumsum(counts))
    return found
