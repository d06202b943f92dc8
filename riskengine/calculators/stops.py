"""Stops: where they stand, how they rise, and when they fire (SPEC section 6, P-09, P-10, A-03, A-05).

    0DTE      stop = entry x (1 - 25%)
    7DTE      stop = entry x (1 - min(20%, 10% x V / position value)), then from the high-water mark h
              target = entry + initial risk x RR          RR 1.5 | 2 | 3 from a gain of 0 | 15% | 30% of entry
              lock   = entry + share x (h - entry)        share 25% | 50% above a gain of 15% | 30%
              stop   = max(initial stop, lock, previous stop)

Every array has shape (n,), prices are USD per share. Stops only rise. A computation that cannot be made keeps the
stored stop and says so: it never widens one (B-43, B-44).
"""

from dataclasses import dataclass
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
    at_most,
    below,
    contracts_reaching,
    half_up_places,
)
from riskengine.calculators.limits import Limits
from riskengine.calculators.rules import CodeColumn
from riskengine.calculators.sizing import LARGEST, SMALLEST

ActionColumn: TypeAlias = npt.NDArray[np.int8]

HOLD, CLOSE_STOP, CLOSE_TARGET = range(3)
ACTIONS = ("hold", "close_stop", "close_target")

NEVER = int(np.iinfo(np.int64).min)  # a time before every other

# How far a quote may lie after `now` and still be fresh: a quote confirmed while a check was starting is not from the
# future. Further ahead a clock is wrong, and an age that cannot be told is no freshness.
CLOCK_SKEW_SECONDS = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class InitialStop:
    """The immutable stop of a new position. NaN where `refusal` is set; `target` is NaN where none was asked for."""

    stop: FloatColumn
    fraction: FloatColumn
    target: FloatColumn
    refusal: CodeColumn


def initial_stop_0dte(entry: FloatColumn, tick: FloatColumn, stop_fraction: Number) -> InitialStop:
    """Smart-0DTE: `stop_fraction` (25%) of the premium under it (P-09). There is no fixed target.

    The stop is rounded up to the tick, as P-10 says for 7DTE: P-09 is silent, and up is the earlier stop.
    """
    return _initial_stop(entry, np.broadcast_to(stop_fraction, entry.shape).astype(np.float64), tick, np.nan)


def initial_stop_7dte(
    entry: FloatColumn, position_value: FloatColumn, equity: FloatColumn, tick: FloatColumn, limits: Limits
) -> InitialStop:
    """Mag7-7DTE: min(20%, 10% x V / position value), so that a stop never costs more than 10% of V (P-10).

    `position_value` and `equity` (V, start of day) in USD; unknown or not above 0: INVALID_INPUT.
    target = entry + risk x the first risk-reward ratio.
    """
    sized = (position_value >= SMALLEST) & (equity >= SMALLEST)
    budget = limits.stop_account_risk * equity / np.where(sized, position_value, np.nan)
    fraction = np.where(sized, np.minimum(limits.stop_fraction, budget), np.nan)
    return _initial_stop(entry, fraction, tick, limits.risk_reward.at(np.zeros_like(entry)))


@np.errstate(invalid="ignore", over="ignore")
def _initial_stop(entry: FloatColumn, fraction: FloatColumn, tick: FloatColumn, ratio: Number) -> InitialStop:
    entry = half_up_places(entry, PRICE_PLACES)
    usable = (entry >= SMALLEST) & (entry <= LARGEST) & (fraction >= 0.0) & (fraction <= 1.0) & (tick >= SMALLEST)
    stop = round_up_to_tick(entry * (1.0 - fraction), np.where(usable, tick, np.nan))
    refusal = _refusal(usable, above(stop, 0.0) & below(stop, entry))
    refused = refusal != codes.NONE
    return InitialStop(
        stop=np.where(refused, np.nan, stop),
        fraction=np.where(refused, np.nan, fraction),
        target=np.where(refused, np.nan, entry + (entry - stop) * ratio),
        refusal=refusal,
    )


def _refusal(usable: BoolColumn, stop_is_between: BoolColumn) -> CodeColumn:
    """INVALID_INPUT before INVALID_STOP: a stop is only judged against usable numbers."""
    return np.where(
        ~usable,
        np.int16(codes.INDEX["INVALID_INPUT"]),
        np.where(~stop_is_between, np.int16(codes.INDEX["INVALID_STOP"]), np.int16(codes.NONE)),
    )


def round_up_to_tick(price: FloatColumn, tick: FloatColumn) -> FloatColumn:
    """The smallest multiple of the tick that is at least the price."""
    return half_up_places(contracts_reaching(price, tick) * tick, PRICE_PLACES)


@dataclass(frozen=True, slots=True, eq=False)
class DynamicStop:
    """The stop and target of a check. Where refused, `stop` is the stored stop, the action HOLD, the rest NaN."""

    initial_risk: FloatColumn
    risk_reward: FloatColumn
    take_profit: FloatColumn
    stop: FloatColumn
    action: ActionColumn
    refusal: CodeColumn


@np.errstate(invalid="ignore", over="ignore")
def dynamic_stop(
    *,
    entry: FloatColumn,
    price: FloatColumn,
    high_water: FloatColumn,
    initial_stop: FloatColumn,
    previous_stop: FloatColumn,
    stop_fraction: Number,
    risk_reward: Steps,
    profit_lock: Steps,
) -> DynamicStop:
    """Mag7-7DTE: stop and target from the high-water mark h = max(high_water, price) (SPEC section 6, B-43..B-47).

    `initial_stop` NaN is the default, entry x (1 - stop_fraction); `previous_stop` NaN is none yet. Ladder thresholds
    are gains as a share of the entry and are multiplied by it; a lock share of 0 leaves the initial stop.
    Price <= stop closes before price >= target. An unusable entry, price, high-water mark or negative previous stop is
    INVALID_INPUT; an initial stop not between 0 and the entry is INVALID_STOP.
    """
    entry, price, high_water = (half_up_places(column, PRICE_PLACES) for column in (entry, price, high_water))
    default = entry * (1.0 - stop_fraction)
    initial = np.where(np.isnan(initial_stop), default, half_up_places(initial_stop, PRICE_PLACES))
    usable = (entry >= SMALLEST) & (entry <= LARGEST)
    for given in (price, high_water, np.where(np.isnan(previous_stop), 0.0, previous_stop)):
        usable &= (given >= 0.0) & (given <= LARGEST)
    refusal = _refusal(usable, above(initial, 0.0) & below(initial, entry))
    refused = refusal != codes.NONE

    gain = np.maximum(high_water, price) - entry
    ratio = risk_reward.at(gain, entry)
    share = profit_lock.at(gain, entry)
    lock = np.where(above(share, 0.0), entry + share * gain, initial)
    stop = np.fmax(np.maximum(initial, lock), previous_stop)
    target = entry + (entry - initial) * ratio
    action = np.where(at_most(price, stop), CLOSE_STOP, np.where(at_least(price, target), CLOSE_TARGET, HOLD))
    return DynamicStop(
        initial_risk=np.where(refused, np.nan, entry - initial),
        risk_reward=np.where(refused, np.nan, ratio),
        take_profit=np.where(refused, np.nan, target),
        stop=np.where(refused, previous_stop, stop),
        action=np.where(refused, HOLD, action).astype(np.int8),
        refusal=refusal,
    )


def raise_high_water(high_water: FloatColumn, bid: FloatColumn, usable: BoolColumn) -> FloatColumn:
    """The high-water mark after a quote: it only rises, and an unusable quote leaves it (A-05)."""
    return np.where(usable, np.fmax(high_water, bid), high_water)


def fresh(age_seconds: FloatColumn, expires_today: BoolColumn, recorded: BoolColumn, limits: Limits) -> BoolColumn:
    """Quotes young enough to act on: 5 s live expiring today, 30 s live otherwise, 60 s recorded (A-05).

    The age counts from the feed's last confirmation. Unknown (NaN) or more than a second in the future is not fresh.
    """
    live = np.where(expires_today, limits.quote_max_age_expiring_seconds, limits.quote_max_age_seconds)
    oldest = np.where(recorded, limits.recorded_quote_max_age_seconds, live)
    return at_most(age_seconds, oldest) & at_least(age_seconds, -CLOCK_SKEW_SECONDS)


def usable_for_exit(
    bid: FloatColumn, ask: FloatColumn, tick: FloatColumn, is_fresh: BoolColumn, limits: Limits
) -> BoolColumn:
    """Fresh, bid > 0, ask > bid, and a spread of at most 10% of the mid or of at most 3 ticks: a cheap option could not
    be sold otherwise (A-05). NaN on either side is unusable."""
    few_ticks = at_most(ask - bid, limits.exit_spread_ticks * tick)
    return _two_sided(bid, ask) & is_fresh & (_narrow(bid, ask, limits) | few_ticks)


def _two_sided(bid: FloatColumn, ask: FloatColumn) -> BoolColumn:
    return above(bid, 0.0) & above(ask, bid) & (ask <= LARGEST)


def _narrow(bid: FloatColumn, ask: FloatColumn, limits: Limits) -> BoolColumn:
    return at_most(ask - bid, limits.max_spread * (bid + ask) / 2.0)


def confirmed_stop(
    stop: FloatColumn, bids: FloatColumn, seen_at: IntColumn, judged: BoolColumn, limits: Limits
) -> BoolColumn:
    """Whether the last usable quotes confirm the stop: 2 distinct ones at or under it, or one at or under 90% (A-03).

    `bids`, `seen_at` and `judged` have shape (n, m): the last m looks at each position, newest first, with the bid, the
    time the feed confirmed it, and whether it was usable; m is at least the confirmations asked for. Unusable looks are
    passed over. Looks at one confirmation are one quote, while a quote confirmed again is a second witness, so that a
    bid resting under the stop fires it. The quotes are consecutive: a usable one above the stop in between starts
    again, or one bad tick in the morning and one in the afternoon would sell a sound position. The 90% counts on the
    newest usable quote alone.
    """
    confirmations = np.broadcast_to(limits.stop_confirmations, stop.shape)
    count = np.zeros(stop.shape)
    unbroken = np.ones(stop.shape, np.bool_)
    deep = np.zeros(stop.shape, np.bool_)
    newest = np.ones(stop.shape, np.bool_)
    last_seen = np.full(stop.shape, np.iinfo(np.int64).max)
    for look in range(bids.shape[1]):
        usable, bid = judged[:, look], bids[:, look]
        distinct = usable & (seen_at[:, look] < last_seen)
        deep |= usable & newest & at_most(bid, limits.stop_deep_fraction * stop)
        unbroken &= ~usable | at_most(bid, stop)
        count += distinct & unbroken
        newest &= ~usable
        last_seen = np.where(distinct, seen_at[:, look], last_seen)
    return (count >= confirmations) | deep


@dataclass(frozen=True, slots=True, eq=False)
class StopStreak:
    """Whether the stop fires now, and what to carry to the next look: how many distinct quotes in a row were at or
    under it, and when the newest of them was confirmed (`NEVER` without any)."""

    fires: BoolColumn
    count: IntColumn
    last_at: IntColumn


def stop_streak(
    stop: FloatColumn,
    bid: FloatColumn,
    seen_at: IntColumn,
    usable: BoolColumn,
    count: IntColumn,
    last_at: IntColumn,
    limits: Limits,
) -> StopStreak:
    """`confirmed_stop` from look to look, for a caller who keeps a count instead of the last quotes (A-03).

    `seen_at` is when the feed confirmed the quote, int64 in one unit with `last_at`. A quote that is not newer than
    the last one counted adds nothing and ends nothing, so that a doubled or late look changes nothing. An unusable
    quote is passed over. A NaN stop never fires.
    """
    under = usable & at_most(bid, stop)
    newer = seen_at > last_at
    counts, ends = under & newer, usable & ~under & newer
    after = np.where(ends, 0, count + counts)
    deep = under & (seen_at >= last_at) & at_most(bid, limits.stop_deep_fraction * stop)
    return StopStreak(
        fires=(under & (after >= limits.stop_confirmations)) | deep,
        count=after,
        last_at=np.where(ends, NEVER, np.where(counts, seen_at, last_at)),
    )


def blind_stop(
    stop: FloatColumn,
    bid: FloatColumn,
    ask: FloatColumn,
    is_fresh: BoolColumn,
    seconds_without_usable: FloatColumn,
    limits: Limits,
) -> BoolColumn:
    """Whether a stop fires without usable quotes (A-05): an unusable quote never suspends the stop.

    At once when a fresh ask is at or under it: nobody values the option above the stop. After 10 s without a usable
    quote when the mid is at or under it; a missing bid beside a fresh ask is worth 0, and a bid without an ask stands
    for the mid, being the only price there is. With neither price nothing fires: there is nothing to compare, and the
    caller alerts. NaN is a missing side; an ask of 0 is none.
    """
    has_bid, has_ask = bid >= 0.0, above(ask, 0.0)
    worth = np.where(has_bid, bid, np.where(is_fresh, 0.0, np.nan))
    mid = np.where(has_ask, (worth + ask) / 2.0, np.where(has_bid, bid, np.nan))
    asked_under = has_ask & is_fresh & at_most(ask, stop)
    return asked_under | (at_least(seconds_without_usable, limits.stop_blind_seconds) & at_most(mid, stop))


def forced_close_due(
    seconds_to_close: FloatColumn, seconds_to_cutoff: FloatColumn, expires_today: BoolColumn, minutes: Number
) -> BoolColumn:
    """Positions expiring today whose forced close has come (A-17, B-51).

    15 minutes before the earlier of that session's close and the broker's cutoff for expiring positions; a NaN cutoff
    is none (the paper broker).
    """
    return expires_today & at_most(np.fmin(seconds_to_close, seconds_to_cutoff), minutes * 60.0)
