"""The referee of the exits: SPEC section 6 and B-30..B-45 word by word, one position at a time, in exact fractions.

It shares nothing with the calculators: no arrays, no tolerance, no table. Where it and they differ, one of them is
wrong about the specification.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from math import floor

MORNING = [
    (Fraction("0.05"), Fraction("0.33")),
    (Fraction("0.10"), Fraction("0.33")),
    (Fraction("0.15"), Fraction("0.34")),
]
MIDDAY = [
    (Fraction("0.03"), Fraction("0.33")),
    (Fraction("0.07"), Fraction("0.33")),
    (Fraction("0.12"), Fraction("0.34")),
]
LATE = [(Fraction("0.05"), Fraction(1))]
PARTIAL = [
    (Fraction("0.20"), Fraction("0.25")),
    (Fraction("0.35"), Fraction("0.25")),
    (Fraction("0.50"), Fraction("0.25")),
]

HOUR = 3600


def regime(hour: int) -> str:
    if hour < 11:
        return "morning"
    if hour < 14:
        return "midday"
    return "late"


def time_factor(seconds_to_close: int, seconds_open: int) -> Fraction | str:
    if seconds_open < 0:
        return "CLOCK"
    if seconds_to_close < 0:
        return "EXPIRED"
    if seconds_to_close < 1 * HOUR:
        factor = Fraction("0.5")
    elif seconds_to_close < 2 * HOUR:
        factor = Fraction("0.7")
    elif seconds_to_close < 3 * HOUR:
        factor = Fraction("0.8")
    else:
        factor = Fraction(1)
    return factor * Fraction("0.9") if seconds_open > 3 * HOUR else factor


def dte_factor(days: int) -> Fraction | str:
    if days < 0:
        return "EXPIRED"
    for at_most, factor in ((1, "0.4"), (2, "0.6"), (3, "0.75"), (5, "0.9")):
        if days <= at_most:
            return Fraction(factor)
    return Fraction(1)


def half_up(value: Fraction) -> int:
    return floor(value + Fraction(1, 2))


@dataclass
class Tier:
    threshold: Fraction
    share: Fraction
    taken: bool = False
    deferred: bool = False
    contracts: int = 0


@dataclass
class Position:
    """One position and its slices; orders stay pending until rejected."""

    entry: Fraction
    quantity: int
    ladder: list[tuple[Fraction, Fraction]]
    tiers: list[Tier] = field(init=False)

    def __post_init__(self) -> None:
        self.tiers = [Tier(threshold, share) for threshold, share in self.ladder]

    @property
    def committed(self) -> int:
        return sum(tier.contracts for tier in self.tiers)

    @property
    def remaining(self) -> int:
        return self.quantity - self.committed

    def closed_after(self, k: int) -> int:
        """Contracts closed in all once slices 0..k are: cumulative half up, one kept while the plan is unfinished."""
        cumulative = sum((tier.share for tier in self.tiers[: k + 1]), Fraction(0))
        if cumulative == 1:
            return self.quantity
        wanted = half_up(self.quantity * cumulative)
        return min(wanted, self.quantity - 1) if self.quantity >= 2 else wanted

    def check(self, bid: Fraction, factor: Fraction) -> tuple[list[int], int] | None:
        """The slices crossed (from 1) and the contracts of their one order; None when nothing is crossed."""
        for tier, (base, _) in zip(self.tiers, self.ladder, strict=True):
            tier.threshold = min(tier.threshold, base * factor)
        if self.remaining == 0:
            return None
        crossed = [
            k
            for k, tier in enumerate(self.tiers)
            if not tier.taken and not tier.deferred and bid >= self.entry * (1 + tier.threshold)
        ]
        if not crossed:
            return None
        # Never more in all than the plan of the highest slice reached, and no slice speaks for one that has not been.
        reached = max([k for k, tier in enumerate(self.tiers) if tier.taken] + crossed)
        order = 0
        for k in crossed:
            below = sum(tier.contracts for tier in self.tiers[: k + 1])
            owed = min(self.closed_after(k) - below, self.closed_after(reached) - self.committed)
            self.tiers[k].contracts += max(owed, 0)
            order += max(owed, 0)
        for k in crossed:
            self.tiers[k].taken, self.tiers[k].deferred = order > 0, order == 0
        return [k + 1 for k in crossed], order

    def reject(self, numbers: list[int]) -> None:
        for k in numbers:
            tier = self.tiers[k - 1]
            if tier.taken:
                tier.taken, tier.contracts = False, 0


@dataclass(frozen=True)
class Stop:
    stop: Fraction
    risk_reward: Fraction
    take_profit: Fraction
    action: str


def dynamic_stop(
    entry: Fraction, price: Fraction, high_water: Fraction, initial: Fraction | None, previous: Fraction | None
) -> Stop | str:
    if entry <= 0 or price < 0 or high_water < 0:
        return "INVALID_INPUT"
    initial = entry * Fraction("0.8") if initial is None else initial
    if not 0 < initial < entry:
        return "INVALID_STOP"
    h = max(high_water, price)
    if h < entry * Fraction("1.15"):
        ratio = Fraction("1.5")
    elif h < entry * Fraction("1.30"):
        ratio = Fraction(2)
    else:
        ratio = Fraction(3)
    if h > entry * Fraction("1.30"):
        lock = entry + (h - entry) / 2
    elif h > entry * Fraction("1.15"):
        lock = entry + (h - entry) / 4
    else:
        lock = initial
    stop = max(initial, lock) if previous is None else max(initial, lock, previous)
    target = entry + (entry - initial) * ratio
    action = "close_stop" if price <= stop else "close_target" if price >= target else "hold"
    return Stop(stop, ratio, target, action)
