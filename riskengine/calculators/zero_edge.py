"""What the stated exits come to on an option that is fairly priced: no edge at all, only the shape of the exits.

An at-the-money call is bought at the ask and held under the rules of every day (`take_profit`, `stops`): its ladder
with the factors that lower it, its stop, the forced close of its last day. The underlying wanders without drift, and
the option is always worth its Black-Scholes value, so that before costs a dollar bet gains nothing on average whatever
the exits (optional stopping); what they change is how often one wins and how much. Small targets win most coin flips.

    spot      ln S moves by  -v^2 dt / 2 + v sqrt(dt) Z,  dt in shares of a year of 252 sessions
    0DTE      T = seconds of trading to 16:00 / (252 x 23,400), a look every 30 s
    7DTE      bought at 10:00 seven days before a Friday's expiration, a look every half hour of six sessions; a night
              holds a quarter of its day's variance (a weekend no more), and no stop acts in it
    ask, bid  value x (1 +- half spread), rates and dividends 0, no jumps: real stops do worse

A position is many contracts, so that a third of it is a third. Source: SPEC 7.4 (0DTE); the seven-day model is our own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from scipy.special import ndtr

from riskengine.calculators import stops, take_profit
from riskengine.calculators.columns import FloatColumn, IntColumn, Steps, at_most
from riskengine.calculators.limits import Limits
from riskengine.calculators.take_profit import Slices

SESSIONS_A_YEAR = 252
SESSION_SECONDS = 23_400
CHECK_SECONDS = 30  # 0DTE: the looks of SPEC 7.4
HALF_HOUR = 1800  # 7DTE
ENTRY_7DTE_SECONDS = 1800  # after the open: 10:00
NIGHT_SHARE = 0.25  # of a day's variance, from its close to the next open
DAYS_7DTE = (7, 4, 3, 2, 1, 0)  # calendar days left in each of the six sessions
CONTRACTS = 10_000
ROUNDING = 0.001  # USD: what rounding to four places cannot reach
ENTRY_USD = 40.0  # the value at entry is set to this: prices are judged to four places, as in a book
NO_STOP = 1.0  # as a stop fraction


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Exits:
    """The exits that are held to: thresholds and shares of the slices, and the stop as a share of the entry.

    `limits` give what lowers the thresholds and, of the seven-day system, risk-reward and locks.
    """

    limits: Limits
    ladder: Steps
    stop_fraction: float
    seven_day: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What is assumed of the option: annual volatility, and half its spread as a share of its value."""

    volatility: float
    half_spread: float


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """When a position is looked at, shape (m,), the entry not among them.

    `variance` is what passes before each look and `left` what remains of it to expiration, both in years; seconds to
    the close of the session and since the entry; `days` calendar days to expiration; `forced` the forced close.
    """

    variance: FloatColumn
    left: FloatColumn
    to_close: IntColumn
    since_entry: IntColumn
    days: FloatColumn
    forced: Sequence[bool]

    @property
    def at_entry(self) -> float:
        """Years of variance from the entry to expiration."""
        return float(self.left[0] + self.variance[0])


def looks_0dte(seconds_to_close: int, forced_close_minutes: float) -> Looks:
    """From an entry so many seconds before the close, every 30 s to the forced close. Where that has come already, what
    is bought is sold at once."""
    last = min(int(forced_close_minutes * 60), seconds_to_close)
    to_close = np.arange(seconds_to_close - CHECK_SECONDS, last - 1, -CHECK_SECONDS, dtype=np.int64)
    if not len(to_close) or to_close[-1] > last:
        to_close = np.append(to_close, last)
    year = SESSIONS_A_YEAR * SESSION_SECONDS
    return Looks(
        variance=-np.diff(to_close, prepend=seconds_to_close) / year,
        left=to_close / year,
        to_close=to_close,
        since_entry=seconds_to_close - to_close,
        days=np.zeros(len(to_close)),
        forced=(to_close <= last).tolist(),
    )


def looks_7dte(forced_close_minutes: float) -> Looks:
    """Every half hour of six sessions, the last look at the forced close of the last one."""
    last = int(forced_close_minutes * 60)
    to_close, days, clock = [], [], []
    day = 1.0 / SESSIONS_A_YEAR
    for number, left in enumerate(DAYS_7DTE):
        begins = ENTRY_7DTE_SECONDS + HALF_HOUR if number == 0 else 0
        times = [SESSION_SECONDS - passed for passed in range(begins, SESSION_SECONDS + 1, HALF_HOUR)]
        if left == 0:
            times = [each for each in times if each > last] + [last]
        to_close += times
        days += [left] * len(times)
        clock += [day * (number + (1 - NIGHT_SHARE) * (1 - each / SESSION_SECONDS)) for each in times]
    begun = day * (1 - NIGHT_SHARE) * ENTRY_7DTE_SECONDS / SESSION_SECONDS
    whole = day * (len(DAYS_7DTE) - NIGHT_SHARE)  # it expires at a close: the last night is not its own
    passed = np.array(clock)
    return Looks(
        variance=np.diff(passed, prepend=begun),
        left=whole - passed,
        to_close=np.array(to_close, np.int64),
        since_entry=np.zeros(len(passed), np.int64),  # no rule of 7DTE asks for it
        days=np.array(days, np.float64),
        forced=[left == 0 and each <= last for left, each in zip(days, to_close, strict=True)],
    )


@dataclass(slots=True, eq=False)
class _Held:
    """The paths that still hold something, shape (n,): `row` says whose result they are."""

    row: IntColumn
    spot: FloatColumn  # ln of its share of the strike
    closable: IntColumn
    received: FloatColumn
    high_water: FloatColumn
    stop: FloatColumn
    slices: Slices

    def take(self, keep: Any) -> "_Held":
        rows = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "slices"}
        kept = {each.name: getattr(self.slices, each.name)[keep] for each in fields(self.slices)}
        return _Held(**{name: column[keep] for name, column in rows.items()}, slices=Slices(**kept))


def simulate(exits: Exits, looks: Looks, market: Market, *, paths: int, seed: int) -> FloatColumn:
    """What each of `paths` positions gains per dollar paid, shape (paths,), as a fraction.

    A single look at or under the stop sells, at the bid of that look. `seed` is a whole number of at least 0; the same
    one gives the same gains on every machine.
    """
    random = np.random.Generator(np.random.PCG64(seed))
    scale = ENTRY_USD / float(_value(np.zeros(1), market.volatility, looks.at_entry)[0])
    entry = ENTRY_USD * (1.0 + market.half_spread)
    stop = entry * (1.0 - exits.stop_fraction)
    held = _Held(
        row=np.arange(paths),
        spot=np.zeros(paths),
        closable=np.full(paths, CONTRACTS, np.int64),
        received=np.zeros(paths),
        high_water=np.full(paths, entry),
        stop=np.full(paths, stop),
        slices=take_profit.arm([exits.ladder], np.zeros(paths, np.int64)),
    )
    received = np.zeros(paths)
    for look, forced in enumerate(looks.forced):
        deviation = market.volatility * np.sqrt(looks.variance[look])
        held.spot = held.spot + random.standard_normal(len(held.spot)) * deviation - 0.5 * deviation**2
        bid = _value(held.spot, market.volatility, looks.left[look]) * scale * (1.0 - market.half_spread)
        sold = held.closable if forced else _judge(held, exits, looks, look, bid, entry, stop)
        held.received = held.received + sold * bid
        held.closable = held.closable - sold
        over = held.closable == 0
        if over.mean() > 0.1 or look == len(looks.forced) - 1:
            received[held.row] = held.received
            held = held.take(~over)
        if not len(held.row):
            break
    return received / (entry * CONTRACTS) - 1.0


def _value(spot: FloatColumn, volatility: float, years: float) -> FloatColumn:
    """An at-the-money call by Black and Scholes, per dollar of strike; `spot` is ln of S / K."""
    deviation = volatility * np.sqrt(years)
    d1 = spot / deviation + 0.5 * deviation
    value: FloatColumn = np.exp(spot) * ndtr(d1) - ndtr(d1 - deviation)
    return np.maximum(value, 0.0)


def _judge(
    held: _Held, exits: Exits, looks: Looks, look: int, bid: FloatColumn, entry: float, stop: float
) -> IntColumn:
    """How many contracts each path sells at this look, as an exit check would say. Moves stops and slices."""
    n, limits, this = len(bid), exits.limits, slice(look, look + 1)
    entries, no = np.full(n, entry), np.zeros(n, np.bool_)
    target = no
    if exits.seven_day:
        held.high_water = np.maximum(held.high_water, bid)
        dynamic = stops.dynamic_stop(
            entry=entries,
            price=bid,
            high_water=held.high_water,
            initial_stop=np.full(n, stop),
            previous_stop=held.stop,
            stop_fraction=limits.stop_fraction,
            risk_reward=limits.risk_reward,
            profit_lock=limits.profit_lock,
        )
        held.stop = dynamic.stop
        target = dynamic.action == stops.CLOSE_TARGET
        decay = take_profit.dte_decay(looks.days[this], limits.dte_factor)
    else:
        decay = take_profit.time_decay(
            looks.to_close[this], looks.since_entry[this], limits.time_factor, limits.elapsed_factor
        )
    stopped = at_most(bid, held.stop) & (held.stop > 0.0)
    sold = np.where(stopped, held.closable, 0)
    held.slices = take_profit.lower(held.slices, np.broadcast_to(decay.factor, n))
    # Under the lowest threshold nothing can cross: most looks sell nothing, and their slices are not asked.
    lowest = float(held.slices.threshold.min())
    asked = np.flatnonzero((bid >= entry * (1.0 + lowest) - ROUNDING) & ~stopped | target)
    if not len(asked):
        return sold
    orders = take_profit.judge_slices(
        Slices(**{each.name: getattr(held.slices, each.name)[asked] for each in fields(Slices)}),
        entry=entries[asked],
        bid=bid[asked],
        quantity=np.full(len(asked), CONTRACTS, np.int64),
        closable=held.closable[asked],
    )
    sold[asked] = take_profit.judge_exits(
        orders,
        emergency=no[asked],
        forced_close=no[asked],
        stop=no[asked],
        target=target[asked],
        quantity=np.full(len(asked), CONTRACTS, np.int64),
        quantity_open=held.closable[asked],
    ).contracts
    held.slices.state[asked] = orders.after.state
    held.slices.contracts[asked] = orders.after.contracts
    return sold


@dataclass(frozen=True, slots=True)
class BaseRate:
    """What positions without an edge came to. `average_loss` is a positive number; None where none lost or won.
    `error` is the standard error of `expectancy`, the mean gain per dollar paid."""

    paths: int
    win_rate: float
    average_win: float | None
    average_loss: float | None
    expectancy: float
    error: float


def base_rate(gains: FloatColumn) -> BaseRate:
    """The figures of `gains`, shape (n,), two or more."""
    won = gains > 0.0
    return BaseRate(
        paths=len(gains),
        win_rate=float(won.mean()),
        average_win=float(gains[won].mean()) if won.any() else None,
        average_loss=float(-gains[~won].mean()) if not won.all() else None,
        expectancy=float(gains.mean()),
        error=float(gains.std(ddof=1) / np.sqrt(len(gains))),
    )


def sample(gains: FloatColumn, size: int) -> FloatColumn:
    """`size` gains that stand for all, shape (size,): the means of as many equal parts of the gains in order of size.
    Their mean is that of all, which drawing some would not keep. `size` divides their number."""
    parts: FloatColumn = np.sort(gains).reshape(size, -1).mean(axis=1)
    return parts
