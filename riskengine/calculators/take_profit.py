"""Profit slices: which thresholds the bid has crossed, and how many contracts that closes (SPEC section 6, B-30..B-42).

    0DTE        effective threshold = entry-regime tier x time factor x elapsed factor
    7DTE        effective threshold = 20 / 35 / 50% x DTE factor
    crossed     bid - entry >= entry x effective threshold, and the bid pays the fees of the round trip (B-38)
    planned_k   half_up(Q x cumulative share_k), at most Q - 1 when Q >= 2; Q where the shares total 100%
    closed now  planned of the highest slice reached - what the slices have already committed

Blocks have shape (n, 8), one row a position and one column a slice; everything else has shape (n,). Loops run over the
slices, never over positions. Contracts are whole numbers throughout: percentages are for display (B-42).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from riskengine.calculators import codes
from riskengine.calculators.columns import (
    PRICE_PLACES,
    BoolColumn,
    FloatColumn,
    IntColumn,
    Number,
    Steps,
    above,
    at_least,
    half_up,
    half_up_places,
)
from riskengine.calculators.rules import CodeColumn
from riskengine.calculators.sizing import LARGEST, SMALLEST

StateColumn: TypeAlias = npt.NDArray[np.int8]

MAX_SLICES = 8
WHOLE = 10_000  # the whole position, in ten-thousandths
SECONDS_PER_HOUR = 3600.0

# Where a slice stands. PENDING counts as taken, so one threshold never orders twice (B-32). DEFERRED and CANCELLED
# never cross; what they would have closed is carried into the next slice.
ARMED, PENDING, FILLED, DEFERRED, CANCELLED = range(5)

# When a 0DTE position was entered; the index of its ladder.
MORNING, MIDDAY, LATE = range(3)
REGIMES = ("morning", "midday", "late")
MIDDAY_HOUR, LATE_HOUR = 11, 14


def regime(new_york_hour: IntColumn) -> StateColumn:
    """The entry regime by the hour of entry in New York: before 11 MORNING, before 14 MIDDAY, else LATE (B-30).

    An unknown hour, given as -1, is MORNING: its 5/10/15% are the source's base ladder (B-31).
    """
    return np.where(new_york_hour < MIDDAY_HOUR, MORNING, np.where(new_york_hour < LATE_HOUR, MIDDAY, LATE)).astype(
        np.int8
    )


@dataclass(frozen=True, slots=True, eq=False)
class Decay:
    """What the thresholds are multiplied by; NaN where `refusal` says why there is no factor."""

    factor: FloatColumn
    refusal: CodeColumn


def time_decay(
    seconds_to_close: IntColumn, seconds_open: IntColumn, time_factor: Steps, elapsed_factor: Steps
) -> Decay:
    """0DTE: time factor x elapsed factor, on whole seconds (rounded towards the past) to that session's close.

    Under 1 h left 0.5, under 2 h 0.7, under 3 h 0.8, else 1; x0.9 once open for more than 3 h. Exactly 1 h left is 0.7
    and exactly 3 h open is no cut (B-37). After the close EXPIRED; now before the entry CLOCK. Where both hold the
    clock is named, since a wrong clock cannot tell that an option has expired.
    """
    by_time = time_factor.at(seconds_to_close.astype(np.float64), SECONDS_PER_HOUR)
    by_age = elapsed_factor.at(seconds_open.astype(np.float64), SECONDS_PER_HOUR)
    refusal = np.where(
        seconds_open < 0,
        np.int16(codes.INDEX["CLOCK"]),
        np.where(seconds_to_close < 0, np.int16(codes.INDEX["EXPIRED"]), np.int16(codes.NONE)),
    )
    return Decay(np.where(refusal == codes.NONE, by_time * by_age, np.nan), refusal)


def dte_decay(days: FloatColumn, dte_factor: Steps) -> Decay:
    """7DTE: the factor by New York calendar days to expiration. Negative days EXPIRED, NaN NO_EXPIRY (B-39, B-40)."""
    refusal = np.where(
        np.isnan(days),
        np.int16(codes.INDEX["NO_EXPIRY"]),
        np.where(days < 0, np.int16(codes.INDEX["EXPIRED"]), np.int16(codes.NONE)),
    )
    return Decay(np.where(refusal == codes.NONE, dte_factor.at(days), np.nan), refusal)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Slices:
    """The exit slices of a book, blocks of shape (n, 8).

    `base` is the gain at entry as a fraction of the premium, `threshold` the lowest effective one so far, `cumulative`
    the share closed up to and including the slice in ten-thousandths, `contracts` what the slice has committed
    (pending or filled), `mask` which slices exist; where it is False thresholds are infinite.
    """

    base: FloatColumn
    threshold: FloatColumn
    cumulative: IntColumn
    state: StateColumn
    contracts: IntColumn
    mask: BoolColumn

    def __post_init__(self) -> None:
        blocks = (self.base, self.threshold, self.cumulative, self.state, self.contracts, self.mask)
        if any(block.shape != (len(self.base), MAX_SLICES) for block in blocks):
            raise ValueError(f"slices are blocks of shape (positions, {MAX_SLICES})")


def arm(ladders: Sequence[Steps], chosen: IntColumn | StateColumn) -> Slices:
    """Armed slices for new positions: row i gets the ladder `ladders[chosen[i]]` of threshold and share.

    Entry copies the ladder, so that a later revision or a restart changes no open position (B-31). Raises ValueError
    for a ladder that differs from row to row or has more than 8 steps.
    """
    thresholds = np.full((len(ladders), MAX_SLICES), np.inf)
    cumulative = np.zeros((len(ladders), MAX_SLICES), np.int64)
    for row, ladder in enumerate(ladders):
        steps, rows = ladder.thresholds.shape
        if rows != 1 or steps > MAX_SLICES:
            raise ValueError(f"a position's ladder has at most {MAX_SLICES} steps of one revision")
        thresholds[row, :steps] = ladder.thresholds[:, 0]
        cumulative[row, :steps] = np.minimum(np.rint(np.cumsum(ladder.values[:, 0]) * WHOLE), WHOLE)
    base = thresholds[chosen]
    return Slices(
        base=base,
        threshold=base,
        cumulative=cumulative[chosen],
        state=np.full(base.shape, ARMED, np.int8),
        contracts=np.zeros(base.shape, np.int64),
        mask=np.isfinite(base),
    )


def lower(slices: Slices, factor: FloatColumn) -> Slices:
    """The slices with threshold = min(threshold so far, base x factor): thresholds only fall (B-39).

    A NaN factor leaves a row as it was: an exit computation that fails keeps the stored thresholds in force.
    """
    return replace(slices, threshold=np.fmin(slices.threshold, slices.base * factor[:, None]))


def rearm(slices: Slices, rejected: BoolColumn, filled: IntColumn | None = None) -> Slices:
    """Pending slices whose order was rejected or cancelled are armed again (B-32); other slices stay as they are.

    `rejected` and `filled` are (n, 8) blocks, so that some tiers of one order may come back while the others stay.
    `filled` are contracts that did trade before the cancel: they stay committed, and a slice wholly filled is FILLED.
    """
    back = rejected & (slices.state == PENDING)
    traded = np.zeros_like(slices.contracts) if filled is None else np.minimum(filled, slices.contracts)
    done = back & (slices.contracts > 0) & (traded == slices.contracts)
    state = np.where(done, FILLED, np.where(back, ARMED, slices.state)).astype(np.int8)
    return replace(slices, state=state, contracts=np.where(back, traded, slices.contracts))


@dataclass(frozen=True, slots=True, eq=False)
class SliceOrders:
    """One check's verdict: what the crossed slices of each position close, in one order (B-33).

    `crossed` and `contracts` are (n, 8); `total` what the order closes, `remaining` what stays closable after it,
    `share` the crossed shares in ten-thousandths. `deferred` marks crossed slices that close nothing: no order, their
    share is carried into the next (A-20). `after` is the block to store once the order is.
    """

    crossed: BoolColumn
    contracts: IntColumn
    total: IntColumn
    remaining: IntColumn
    share: IntColumn
    deferred: BoolColumn
    closes_position: BoolColumn
    refusal: CodeColumn
    after: Slices


@np.errstate(invalid="ignore", over="ignore")
def judge_slices(
    slices: Slices,
    *,
    entry: FloatColumn,
    bid: FloatColumn,
    quantity: IntColumn,
    closable: IntColumn,
    round_trip_cost: Number = 0.0,
) -> SliceOrders:
    """Which slices the bid has crossed and the contracts of each.

    `entry` and `bid` are USD per share, `quantity` the contracts opened, `closable` open less pending exits (P-16),
    `round_trip_cost` the fees of both sides in USD per share. Rows with an unusable number cross nothing and are
    refused INVALID_INPUT; a position with nothing left to close crosses nothing. Slices of a suspended quote (A-05)
    are held back by the caller with a NaN bid.
    """
    usable = (entry >= SMALLEST) & (entry <= LARGEST) & (bid >= 0.0) & (bid <= LARGEST)
    usable &= (quantity > 0) & (closable >= 0)
    crossed = _crossed(slices, entry, bid, round_trip_cost) & (usable & (closable > 0))[:, None]
    contracts = _contracts(slices, crossed, quantity, closable)
    total = contracts.sum(axis=1)
    ordered = (total > 0)[:, None]
    state = np.where(crossed, np.where(ordered, PENDING, DEFERRED), slices.state).astype(np.int8)
    return SliceOrders(
        crossed=crossed,
        contracts=contracts,
        total=total,
        remaining=closable - total,
        share=(shares(slices) * crossed).sum(axis=1),
        deferred=crossed.any(axis=1) & (total == 0),
        closes_position=(total > 0) & (total == closable),
        refusal=np.where(usable, np.int16(codes.NONE), np.int16(codes.INDEX["INVALID_INPUT"])),
        after=replace(slices, state=state, contracts=slices.contracts + contracts),
    )


def shares(slices: Slices) -> IntColumn:
    """Each slice's own share in ten-thousandths, (n, 8)."""
    return np.diff(slices.cumulative, axis=1, prepend=0) * slices.mask


def _crossed(slices: Slices, entry: FloatColumn, bid: FloatColumn, round_trip_cost: Number) -> BoolColumn:
    """Armed slices whose threshold the gain has reached; gains are compared, not ratios, so nothing is divided."""
    entry, bid = half_up_places(entry, PRICE_PLACES), half_up_places(bid, PRICE_PLACES)
    gain = bid - entry
    needed = entry[:, None] * np.where(slices.mask, slices.threshold, 0.0)
    pays = above(gain, round_trip_cost)[:, None]
    crossed: BoolColumn = at_least(gain[:, None], needed) & pays & slices.mask & (slices.state == ARMED)
    return crossed


def planned(slices: Slices, quantity: IntColumn) -> IntColumn:
    """The contracts closed by the time each slice is, (n, 8), never falling from slice to slice.

    One contract is kept while the plan is unfinished (its shares do not yet total 100%) and there are two or more; the
    slice that completes 100% closes the rest (B-34).
    """
    whole = quantity[:, None]
    kept = whole - (whole >= 2)
    return np.where(slices.cumulative >= WHOLE, whole, np.minimum(half_up(whole, slices.cumulative), kept))


def _contracts(slices: Slices, crossed: BoolColumn, quantity: IntColumn, closable: IntColumn) -> IntColumn:
    """The contracts each crossed slice adds, low slices first.

    A slice owes its plan less what it and the slices under it have committed. Where a higher slice has already been
    taken (this one came back from a reject) the total still never passes the plan of the highest slice reached, so a
    share that was carried upwards is not closed twice.
    """
    plan = planned(slices, quantity)
    taken = (slices.state == PENDING) | (slices.state == FILLED)
    reached = (plan * taken).max(axis=1)
    held = np.cumsum(slices.contracts, axis=1)
    added = np.zeros_like(closable)
    contracts = np.zeros_like(slices.contracts)
    for k in np.flatnonzero(crossed.any(axis=0)):
        owed = np.minimum(plan[:, k] - held[:, k], np.maximum(reached, plan[:, k]) - held[:, -1]) - added
        adds = np.where(crossed[:, k], np.clip(owed, 0, closable - added), 0)
        contracts[:, k] = adds
        added = added + adds
    return contracts


def runner(slices: Slices, quantity: IntColumn, closable: IntColumn) -> IntColumn:
    """The contracts not promised to a slice that is still armed: all that a 3R target may close (A-19)."""
    armed = slices.mask & (slices.state == ARMED)
    highest = (planned(slices, quantity) * armed).max(axis=1)
    promised = np.maximum(highest - slices.contracts.sum(axis=1), 0)
    free: IntColumn = np.maximum(closable - promised, 0)
    return free


# Why a position is closed, in the order of judgement inside one check.
HOLD, EMERGENCY, FORCED_CLOSE, STOP, TARGET, SLICES = range(6)
REASONS = ("hold", "emergency", "forced_close", "stop", "target", "slices")


@dataclass(frozen=True, slots=True, eq=False)
class ExitOrders:
    """One order a position: the first reason that speaks, and the contracts of all that it closes together."""

    reason: StateColumn
    contracts: IntColumn
    cancels_pending: BoolColumn


def judge_exits(
    orders: SliceOrders,
    *,
    emergency: BoolColumn,
    forced_close: BoolColumn,
    stop: BoolColumn,
    target: BoolColumn,
    quantity: IntColumn,
    quantity_open: IntColumn,
) -> ExitOrders:
    """Emergency, forced close, stop, target, slices: one order for what they close together (A-19).

    The first three close everything that is open, and pending slices are cancelled first (A-09); the slices' new states
    in `orders.after` are then void. The target closes the runner besides the slices crossed in the same check.
    """
    runners = np.where(target, runner(orders.after, quantity, orders.remaining), 0)
    everything = emergency | forced_close | stop
    contracts = np.where(everything, quantity_open, orders.total + runners)
    speaks = [emergency, forced_close, stop, runners > 0, orders.total > 0]
    reason = np.select(speaks, [EMERGENCY, FORCED_CLOSE, STOP, TARGET, SLICES], HOLD)
    return ExitOrders(
        reason=np.where(contracts > 0, reason, HOLD).astype(np.int8),
        contracts=contracts,
        cancels_pending=everything & (quantity_open > 0),
    )
