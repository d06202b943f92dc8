"""What take-profit tiers did: how often each was reached, what it took, and what the same contracts were worth when
the rest of the position was sold (P-29).

    taken   contracts x multiplier x (price of the slice - entry)
    held    contracts x multiplier x (price of the position's last closing order - entry)

Fees are the same either way and are left out. Columns have shape (n,), one row a slice of a closed position; prices USD
a share.
"""

from dataclasses import dataclass

import numpy as np

from riskengine.calculators.columns import BoolColumn, FloatColumn, IntColumn
from riskengine.calculators.performance import Expectancy, expectancy, wilson_interval


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ClosedSlices:
    """Slices of closed positions. `contracts` were sold by it, 0 where it was not reached; `deferred`: it was crossed
    and too small to sell one. `final` is NaN where nothing can be compared: the slice itself ended the position."""

    contracts: IntColumn
    deferred: BoolColumn
    entry: FloatColumn
    price: FloatColumn
    final: FloatColumn
    multiplier: FloatColumn

    @property
    def hit(self) -> BoolColumn:
        return self.contracts > 0

    @property
    def reached(self) -> BoolColumn:
        """Sold of, or crossed and too small to sell of: leaving those out would leave out only positions that came as
        far, and the rate of the others would be too low."""
        return self.hit | self.deferred

    @property
    def paid(self) -> FloatColumn:
        """What the contracts of the slice had cost, USD."""
        return self.contracts * self.multiplier * self.entry

    @property
    def taken(self) -> FloatColumn:
        """The gain the slice took, USD; NaN where it was not reached."""
        return np.where(self.hit, self.contracts * self.multiplier * (self.price - self.entry), np.nan)

    @property
    def kept(self) -> FloatColumn:
        """What the same contracts would have gained at the position's final exit, USD; NaN where that says nothing."""
        return np.where(self.hit, self.contracts * self.multiplier * (self.final - self.entry), np.nan)

    def take(self, rows: BoolColumn) -> "ClosedSlices":
        return ClosedSlices(
            contracts=self.contracts[rows],
            deferred=self.deferred[rows],
            entry=self.entry[rows],
            price=self.price[rows],
            final=self.final[rows],
            multiplier=self.multiplier[rows],
        )


@dataclass(frozen=True, slots=True)
class Effect:
    """One tier. `positions` had it, `hits` reached it, the `deferred` of them without selling: `low` to `high` is the
    Wilson interval of that rate, NaN without any. Of the `compared` ones the differences are taken less held, USD and
    per dollar the slice had cost, each with its mean and 95% interval. `gain` is what was taken per dollar that what
    was sold had cost."""

    positions: int
    hits: int
    deferred: int
    low: float
    high: float
    gain: Expectancy
    taken: float
    compared: int
    compared_taken: float
    held: float
    dollars: Expectancy
    per_dollar: Expectancy

    @property
    def difference(self) -> float:
        """Taken less held of all that can be compared, USD."""
        return self.compared_taken - self.held

    @property
    def sure(self) -> bool:
        """Whether the interval of the dollars lies on one side of nothing."""
        low, high = self.dollars.low, self.dollars.high
        return low is not None and high is not None and (low > 0.0 or high < 0.0)


def effect(slices: ClosedSlices) -> Effect:
    """What the slices of one tier did together."""
    hit = slices.hit
    positions, hits = len(hit), int(slices.reached.sum())
    low, high = wilson_interval(np.array([hits]), np.array([positions]))
    taken, held = slices.taken, slices.kept
    compared = hit & np.isfinite(held)
    difference = (taken - held)[compared]
    return Effect(
        positions=positions,
        hits=hits,
        deferred=int((slices.deferred & ~hit).sum()),
        low=float(low[0]),
        high=float(high[0]),
        gain=expectancy((slices.price / slices.entry - 1.0)[hit]),
        taken=float(taken[hit].sum()),
        compared=int(compared.sum()),
        compared_taken=float(taken[compared].sum()),
        held=float(held[compared].sum()),
        dollars=expectancy(difference),
        per_dollar=expectancy(difference / slices.paid[compared]),
    )
