"""How the prices of closed bets went, as blocks that other ladders can be walked on (calculators.paths).

The minutes that were kept of each position (riskengine.models.PositionMark), from its entry to the end of its contract:
also after it was sold, as far as somebody quoted it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from positions.market.contracts import TICK_TABLES
from positions.market.ticks import tick_columns
from riskengine.calculators import stops, take_profit
from riskengine.calculators.columns import IntColumn
from riskengine.calculators.limits import Limits
from riskengine.calculators.paths import Bets, Looks
from riskengine.loading.copying import BIGINT, INSTANT, INTEGER, MICROS, Columns, Fields, copy_columns

SECOND = 1_000_000
FIRST_DAY = "1970-01-01"

_BETS = Fields(
    {
        "position": BIGINT,
        "entry": MICROS,
        "quantity": INTEGER,
        "multiplier": INTEGER,
        "initial_stop": MICROS,
        "tick_class": INTEGER,
        "expires": INTEGER,
        "entry_at": INSTANT,
    }
)
_READ_BETS = f"""
    SELECT p.id, p.average_entry_price, p.quantity_opened, c.multiplier, p.initial_stop,
           array_position(%(tick_classes)s::text[], c.tick_class::text), c.expiration_on - date '{FIRST_DAY}',
           p.entry_at
    FROM positions_position p JOIN positions_optioncontract c ON c.id = p.contract_id
    WHERE p.id = ANY(%(ids)s::bigint[])
"""  # noqa: S608

# A contract that was split is another one from then on: its minutes cannot be put beside one another.
_LOOKS = Fields({"position": BIGINT, "at": INSTANT, "bid": MICROS, "ask": MICROS})
_READ_LOOKS = """
    SELECT m.position_id, m.marked_at, m.bid, m.ask
    FROM riskengine_positionmark m JOIN positions_position p ON p.id = m.position_id AND p.split_factor = 1
    WHERE m.position_id = ANY(%(ids)s::bigint[]) AND m.marked_at >= p.entry_at
"""

_SESSIONS = Fields({"day": INTEGER, "opens_at": INSTANT, "closes_at": INSTANT})
_READ_SESSIONS = f"""
    SELECT session_on - date '{FIRST_DAY}', open_at, close_at FROM positions_exchangesession
    WHERE exchange = 'XNYS' AND close_at >= to_timestamp(%(first)s) AND open_at <= to_timestamp(%(last)s)
"""  # noqa: S608


@dataclass(frozen=True, slots=True, eq=False)
class PricePaths:
    """By position in the order asked for, shape (n,) and (n, m). `ends_at`: the last look, int64 microseconds; 0 where
    no minute was kept. After it nothing is known."""

    bets: Bets
    looks: Looks
    entry_at: IntColumn
    ends_at: IntColumn


def price_paths(position_ids: Sequence[int], limits: Limits, *, seven_day: bool) -> PricePaths:
    """The kept minutes of closed positions of one system, with what `limits` make of time. Three statements."""
    ids = list(position_ids)
    bets = copy_columns(_READ_BETS, _BETS, {"ids": ids, "tick_classes": list(TICK_TABLES)})
    order = np.argsort(bets["position"])[np.argsort(np.argsort(ids))]
    bets = {name: column[order] for name, column in bets.items()}
    looks = copy_columns(_READ_LOOKS, _LOOKS, {"ids": ids})
    row = _places(ids, looks["position"])
    sessions = _sessions(bets, looks)
    which = np.searchsorted(sessions["opens_at"], looks["at"], "right") - 1
    inside = (which >= 0) & (looks["at"] < sessions["closes_at"][np.maximum(which, 0)]) if len(which) else which >= 0
    kept = np.flatnonzero(inside)
    kept = kept[np.lexsort((looks["at"][kept], row[kept]))]
    looks = {name: column[kept] for name, column in looks.items()}
    return _blocks(bets, looks, row[kept], sessions, which[kept], limits, seven_day)


def _places(ids: Sequence[int], positions: IntColumn) -> IntColumn:
    by_id = np.argsort(ids)
    places: IntColumn = by_id[np.searchsorted(ids, positions, sorter=by_id)] if len(ids) else positions
    return places


def _sessions(bets: Columns, looks: Columns) -> Columns:
    """Those from the first entry to the last look, in order."""
    times = np.concatenate((bets["entry_at"], looks["at"]))
    first, last = (float(times.min()) / SECOND, float(times.max()) / SECOND) if len(times) else (0.0, 0.0)
    found = copy_columns(_READ_SESSIONS, _SESSIONS, {"first": first, "last": last})
    order = np.argsort(found["opens_at"])
    return {name: column[order] for name, column in found.items()}


def _blocks(
    bets: Columns,
    looks: Columns,
    row: IntColumn,
    sessions: Columns,
    which: IntColumn,
    limits: Limits,
    seven_day: bool,
) -> PricePaths:
    n = len(bets["entry"])
    counts = np.bincount(row, minlength=n)
    m = int(counts.max()) if n else 0
    place = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    where = row, place
    at = looks["at"]
    entry_at = bets["entry_at"][row]
    to_close = (sessions["closes_at"][which] - at) // SECOND if len(which) else at
    days = (bets["expires"][row] - sessions["day"][which]) if len(which) else at
    if seven_day:
        factor = take_profit.dte_decay(days.astype(np.float64), limits.dte_factor).factor
    else:
        since = (at - entry_at) // SECOND
        factor = take_profit.time_decay(to_close, since, limits.time_factor, limits.elapsed_factor).factor
    forced = stops.forced_close_due(
        to_close.astype(np.float64), np.full(len(at), np.nan), days == 0, limits.forced_close_minutes
    )
    clock = _clock(sessions, at) - _clock(sessions, entry_at)

    def block(column: np.ndarray, empty: float, kind: type = np.float64) -> np.ndarray:
        made: np.ndarray = np.full((n, m), empty, kind)
        made[where] = column
        return made

    under, from_three = tick_columns(list(TICK_TABLES.values()))
    ticks = bets["tick_class"] - 1
    ends_at = np.zeros(n, np.int64)
    np.maximum.at(ends_at, row, at)
    return PricePaths(
        Bets(
            entry=bets["entry"],
            quantity=bets["quantity"],
            multiplier=bets["multiplier"].astype(np.float64),
            initial_stop=bets["initial_stop"],
            tick_under=under[ticks],
            tick_from_three=from_three[ticks],
        ),
        Looks(
            seen=block(np.ones(len(at), np.bool_), False, np.bool_),
            at=block(at, 0, np.int64),
            clock=block(clock, 0.0),
            bid=block(looks["bid"], np.nan),
            ask=block(looks["ask"], np.nan),
            factor=block(factor, np.nan),
            forced=block(forced, False, np.bool_),
        ),
        bets["entry_at"],
        ends_at,
    )


def _clock(sessions: Columns, at: IntColumn) -> np.ndarray:
    """Seconds of sessions before `at` since the first of them opened: no night counts."""
    if not len(sessions["day"]):
        return np.zeros(len(at))
    lengths = sessions["closes_at"] - sessions["opens_at"]
    before = np.cumsum(lengths) - lengths
    which = np.maximum(np.searchsorted(sessions["opens_at"], at, "right") - 1, 0)
    within = np.clip(at - sessions["opens_at"][which], 0, lengths[which])
    return (before[which] + within) / SECOND
