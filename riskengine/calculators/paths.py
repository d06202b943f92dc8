"""What trades would have come to under another take-profit ladder, on the prices that were recorded.

Recorded looks at each trade are judged by the rules of every day: `stops` says which quotes are usable, how the stop
rises and when it fires, when the forced close has come and where the target lies; `take_profit` says what a ladder
sells. Nothing of that depends on the ladder but the slices, so stops, closes and targets are judged once and only the
looks at which some ladder can cross are walked for each.

A sale is at the bid less one tick (P-28), at the look that asks for it or the next that has a bid. What is not sold
when the record ends is not known: nothing is guessed. Blocks have shape (n, m): one row a trade, its looks in order of
time. Prices USD a share.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from riskengine.calculators import codes, stops, take_profit
from riskengine.calculators.columns import (
    PRICE_PLACES,
    BoolColumn,
    FloatColumn,
    IntColumn,
    Steps,
    above,
    at_least,
    at_most,
    half_up_places,
)
from riskengine.calculators.limits import Limits

CHEAP = 3.0  # USD: from here on the tick is another one
NO_TIER = Steps.of([(1e6, 0.0, True)])  # nothing is taken on the way: a gain of a million times the price is never seen


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Bets:
    """What was bought, shape (n,). `initial_stop` NaN: none. Contracts are those opened."""

    entry: FloatColumn
    quantity: IntColumn
    multiplier: FloatColumn
    initial_stop: FloatColumn
    tick_under: FloatColumn
    tick_from_three: FloatColumn

    def __len__(self) -> int:
        return len(self.entry)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Looks:
    """Recorded looks, (n, m). `seen` false pads a shorter row at its end. `at` int64 microseconds, rising.

    `clock` are seconds of sessions since the entry, in which no night counts. `factor` is what the ladder's thresholds
    are multiplied by at that look, `forced` whether the forced close has come.
    """

    seen: BoolColumn
    at: IntColumn
    clock: FloatColumn
    bid: FloatColumn
    ask: FloatColumn
    factor: FloatColumn
    forced: BoolColumn


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Closes:
    """What happens to each trade whatever its ladder, shape (n,) and (n, m).

    `due`: the look at which everything is to be sold, m where none asks for it; `sold`: the look at which it is, m
    where the record ends before. `price` is what is then paid, NaN where it is not. `may_sell`: looks at which slices
    may sell; `target`: where the price stands at the target of seven-day trades.
    """

    due: IntColumn
    sold: IntColumn
    price: FloatColumn
    stopped: BoolColumn
    may_sell: BoolColumn
    target: BoolColumn


@np.errstate(invalid="ignore")
def closes(bets: Bets, looks: Looks, limits: Limits, *, seven_day: bool) -> Closes:
    """Stops, forced closes and targets of all trades."""
    n, m = looks.seen.shape
    tick = _tick(bets, looks.bid)
    usable = looks.seen & stops.usable_for_exit(looks.bid, looks.ask, tick, looks.seen, limits)
    stop, target = _rising(bets, looks, usable, limits) if seven_day else _standing(bets, m)
    fires = _fires(looks, usable, stop, limits)
    whole = looks.seen & (looks.forced | fires)
    due = _first(whole)
    columns = np.arange(m)
    asked = (columns >= due[:, None]) & above(looks.bid, 0.0) & looks.seen
    sold = _first(asked)
    rows = np.arange(n)
    inside = np.minimum(sold, max(m - 1, 0))
    price = np.where(sold < m, _sale(looks.bid[rows, inside], tick[rows, inside]), np.nan) if m else np.full(n, np.nan)
    at_due = np.minimum(due, max(m - 1, 0))
    forced = looks.forced[rows, at_due] if m else np.zeros(n, np.bool_)
    before = columns < due[:, None]
    return Closes(
        due=due,
        sold=sold,
        price=price,
        stopped=(due < m) & ~forced,
        may_sell=usable & before,
        target=usable & before & at_least(looks.bid, target) & ~at_most(looks.bid, stop),
    )


def _first(flags: BoolColumn) -> IntColumn:
    """The first look of each row with a flag; m without any."""
    m = flags.shape[1]
    return np.where(flags.any(axis=1), flags.argmax(axis=1), m).astype(np.int64) if m else np.zeros(len(flags), int)


def _tick(bets: Bets, bid: FloatColumn) -> FloatColumn:
    return np.where(bid < CHEAP, bets.tick_under[:, None], bets.tick_from_three[:, None])


def _sale(bid: FloatColumn, tick: FloatColumn) -> FloatColumn:
    """The bid less a tick, and never under one tick (P-28)."""
    return half_up_places(np.maximum(bid - tick, tick), PRICE_PLACES)


def _standing(bets: Bets, m: int) -> tuple[FloatColumn, FloatColumn]:
    """0DTE: the stop of the entry stands, and there is no target."""
    stop = np.broadcast_to(bets.initial_stop[:, None], (len(bets), m))
    return stop, np.full(stop.shape, np.inf)


def _rising(bets: Bets, looks: Looks, usable: BoolColumn, limits: Limits) -> tuple[FloatColumn, FloatColumn]:
    """7DTE: stop and target after each look, from the highest usable bid until then."""
    shape = looks.bid.shape
    bid = np.where(usable, looks.bid, np.nan)
    high_water = np.fmax.accumulate(np.fmax(bid, bets.entry[:, None]), axis=1) if shape[1] else bid

    def each(column: FloatColumn) -> FloatColumn:
        return np.broadcast_to(column[:, None], shape).ravel()

    judged = stops.dynamic_stop(
        entry=each(bets.entry),
        price=bid.ravel(),
        high_water=high_water.ravel(),
        initial_stop=each(bets.initial_stop),
        previous_stop=np.full(bid.size, np.nan),
        stop_fraction=limits.stop_fraction,
        risk_reward=limits.risk_reward,
        profit_lock=limits.profit_lock,
    )
    has_stop = ~np.isnan(bets.initial_stop)[:, None]
    told = np.where(judged.refusal == codes.NONE, half_up_places(judged.stop, PRICE_PLACES), np.nan).reshape(shape)
    stop = np.fmax.accumulate(np.fmax(told, bets.initial_stop[:, None]), axis=1) if shape[1] else told
    target = judged.take_profit.reshape(shape)
    return np.where(has_stop, stop, np.nan), np.where(has_stop & np.isfinite(target), target, np.inf)


def _fires(looks: Looks, usable: BoolColumn, stop: FloatColumn, limits: Limits) -> BoolColumn:
    """Looks at which the stop fires: confirmed by usable quotes, or blind (A-03, A-05)."""
    n, m = usable.shape
    fires = np.zeros((n, m), np.bool_)
    count, last = np.zeros(n, np.int64), np.full(n, stops.NEVER)
    low = usable & at_most(looks.bid, stop)
    for look in range(m):
        if not low[:, look].any() and not count.any():
            continue  # nothing is counted, and nothing ends
        streak = stops.stop_streak(
            stop[:, look], looks.bid[:, look], looks.at[:, look], usable[:, look], count, last, limits
        )
        fires[:, look], count, last = streak.fires, streak.count, streak.last_at
    blind = looks.seen & ~usable
    if blind.any():
        seen_usable = np.maximum.accumulate(np.where(usable, looks.clock, 0.0), axis=1)
        without = np.where(blind, looks.clock - seen_usable, np.nan)
        fires |= blind & stops.blind_stop(stop, looks.bid, looks.ask, looks.seen, without, limits)
    return fires


# ---- Ladders ----


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """What each trade comes to under each ladder, (ladders, n). `gain`: per dollar paid, after fees; NaN where not
    known. `known_at`: microseconds by which everything was sold, 0 where not known. `reached`: slices that sold, (k, n,
    8)."""

    gain: FloatColumn
    known_at: IntColumn
    reached: BoolColumn

    @property
    def known(self) -> BoolColumn:
        return np.isfinite(self.gain)


def outcomes(
    bets: Bets, looks: Looks, found: Closes, ladders: Sequence[Steps], limits: Limits, *, every_look: bool = False
) -> Outcomes:
    """Walk every trade under every ladder: rows of (threshold, share); `NO_TIER` holds to the end.

    `every_look` walks all looks and not only those where something can happen: slower, and the same.
    """
    n, m = looks.seen.shape
    cost_of_trip = 2.0 * limits.fee_per_contract / bets.multiplier
    factor = np.fmin.accumulate(np.where(looks.seen, looks.factor, np.nan), axis=1) if m else looks.factor
    where = _all(found) if every_look else _turning(bets, looks, found, factor, ladders, cost_of_trip)
    chosen = np.repeat(np.arange(len(ladders)), n)
    row = np.tile(np.arange(n), len(ladders))
    slices = take_profit.arm(list(ladders), chosen)
    entry, quantity, trip = bets.entry[row], bets.quantity[row], cost_of_trip[row]
    closable = quantity.copy()
    received, sold_at = np.zeros(len(row)), np.zeros(len(row), np.int64)
    reached = np.zeros(slices.mask.shape, np.bool_)
    tick = _tick(bets, looks.bid)
    for step in range(where.shape[1]):
        look = where[row, step]
        valid = look < m
        look = np.where(valid, look, 0)
        bid = np.where(valid & (closable > 0), looks.bid[row, look], np.nan)
        slices = take_profit.lower(slices, factor[row, look])
        orders = take_profit.judge_slices(
            slices, entry=entry, bid=bid, quantity=quantity, closable=closable, round_trip_cost=trip
        )
        no = np.zeros(len(row), np.bool_)
        exits = take_profit.judge_exits(
            orders,
            emergency=no,
            forced_close=no,
            stop=no,
            target=valid & found.target[row, look],
            quantity=quantity,
            quantity_open=closable,
        )
        sells = exits.contracts > 0
        price = _sale(bid, tick[row, look])
        received = received + np.where(sells, exits.contracts * price, 0.0)
        closable = closable - exits.contracts
        sold_at = np.where(sells, looks.at[row, look], sold_at)
        reached |= orders.contracts > 0
        # What crossed and closes nothing is carried into the next slice, also when another of this look sells.
        empty = orders.crossed & (orders.contracts == 0)
        state = np.where(empty, take_profit.DEFERRED, orders.after.state).astype(np.int8)
        slices = replace(orders.after, state=state)
    left = closable > 0
    received = received + np.where(left, closable * found.price[row], 0.0)  # NaN where nobody bought it
    if m:
        sold_at = np.where(left, looks.at[row, np.minimum(found.sold[row], m - 1)], sold_at)
    shares = bets.multiplier[row] * quantity
    paid = entry * shares
    gain = (received * bets.multiplier[row] - 2.0 * limits.fee_per_contract * quantity) / paid - 1.0
    shape = (len(ladders), n)
    gain = gain.reshape(shape)
    return Outcomes(
        gain=gain,
        known_at=np.where(np.isfinite(gain), sold_at.reshape(shape), 0),
        reached=reached.reshape(*shape, take_profit.MAX_SLICES),
    )


def _all(found: Closes) -> IntColumn:
    m = found.may_sell.shape[1]
    return np.where(found.may_sell, np.arange(m), m)


def _turning(
    bets: Bets,
    looks: Looks,
    found: Closes,
    factor: FloatColumn,
    ladders: Sequence[Steps],
    cost_of_trip: FloatColumn,
) -> IntColumn:
    """The looks of each trade at which some slice or the runner can sell, (n, k), in order; m fills up.

    Thresholds only fall and a slice crosses once: the first look at which each threshold is reached is enough. The
    target sells the runner at the first look after each of those, or the first of all.
    """
    n, m = looks.seen.shape
    entry = half_up_places(bets.entry, PRICE_PLACES)[:, None]
    gain = half_up_places(looks.bid, PRICE_PLACES) - entry
    pays = found.may_sell & above(gain, cost_of_trip[:, None])
    bases = np.unique(np.concatenate([each.thresholds[:, 0] for each in ladders]))
    turning = np.zeros((n, m), np.bool_)
    rows = np.arange(n)
    for base in bases:
        look = _first(pays & at_least(gain, entry * (base * factor)))
        inside = look < m
        turning[rows[inside], look[inside]] = True
    if found.target.any():
        # The first look at the target from each of them on, and the first of all.
        order = np.cumsum(found.target, axis=1)
        before = np.maximum.accumulate(np.where(turning, order - found.target, 0), axis=1)
        turning |= found.target & (order == before + 1)
    most = int(turning.sum(axis=1).max()) if n and m else 0
    places = np.argsort(~turning, axis=1, kind="stable")[:, :most]
    return np.where(np.take_along_axis(turning, places, axis=1), places, m)


def whole(looks: Looks, found: Closes, longest_gap: float) -> BoolColumn:
    """Trades whose record runs without a gap of more than `longest_gap` seconds of sessions from the entry to the look
    at which everything would be sold: what holding on comes to is known of them. Shape (n,)."""
    n, m = looks.seen.shape
    if not m:
        return np.zeros(n, np.bool_)
    gap = np.diff(looks.clock, axis=1, prepend=0.0)
    inside = (np.arange(m) <= found.sold[:, None]) & looks.seen
    known: BoolColumn = (found.sold < m) & (np.where(inside, gap, 0.0).max(axis=1) <= longest_gap)
    return known
