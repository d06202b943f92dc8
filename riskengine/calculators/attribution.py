"""What a bet's profit came from: the move of the underlying, its curvature, time, volatility, the spread, fees.

From minute to minute, with the Greeks at the start of each,

    d mid = delta dS + gamma dS^2 / 2 + theta dt + vega d sigma + what is left over

sigma being what the mid implies. What is left over, and whatever a minute does not show, stays "unexplained", so that
the parts always add up to the profit.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from riskengine.calculators import greeks
from riskengine.calculators.columns import BoolColumn, FloatColumn, IntColumn

SECONDS_A_DAY = 86_400.0
ENOUGH = 0.9  # of a trade's minutes must be priced, or its parts are not known


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """Minutes of trades, shape (m,), ordered by trade and time.

    `trade` is the place of the trade; `mid` USD a share; `spot`, `strike` USD; `seconds` to the expiration; `held`
    shares' worth of contracts held in the minute that follows (contracts x multiplier). NaN is not known.
    """

    trade: IntColumn
    mid: FloatColumn
    spot: FloatColumn
    strike: FloatColumn
    seconds: FloatColumn
    call: BoolColumn
    held: FloatColumn


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """USD by trade, shape (n,); NaN where too few minutes are priced."""

    delta: FloatColumn
    gamma: FloatColumn
    theta: FloatColumn
    vega: FloatColumn

    @property
    def known(self) -> BoolColumn:
        return ~np.isnan(self.delta)

    @property
    def total(self) -> FloatColumn:
        return self.delta + self.gamma + self.theta + self.vega


def greek_parts(marks: Marks, n: int, *, rate: float = 0.0, dividend_yield: float = 0.0) -> Parts:
    """The four parts of each of `n` trades, on the clock of A-14 (calendar seconds of 365 days). Source: P-29."""
    implied = greeks.implied_volatility(
        marks.mid, marks.spot, marks.strike, marks.seconds, rate, dividend_yield, marks.call
    )
    found = greeks.greeks(marks.spot, marks.strike, marks.seconds, implied, rate, dividend_yield, marks.call)
    step = (marks.trade[:-1] == marks.trade[1:]) & (marks.held[:-1] > 0.0)
    priced = step & np.isfinite(implied[:-1]) & np.isfinite(implied[1:]) & np.isfinite(found.delta[:-1])
    trade, held = marks.trade[:-1][priced], marks.held[:-1][priced]
    moved = np.diff(marks.spot)[priced]
    days = -np.diff(marks.seconds)[priced] / SECONDS_A_DAY
    points = 100.0 * np.diff(implied)[priced]
    steps = np.bincount(marks.trade[:-1][step], minlength=n)
    enough = (steps > 0) & (np.bincount(trade, minlength=n) >= ENOUGH * steps)

    def by_trade(each: FloatColumn) -> FloatColumn:
        summed = np.bincount(trade, weights=held * each, minlength=n).astype(np.float64, copy=False)
        return np.where(enough, summed, np.nan)

    at = {name: getattr(found, name)[:-1][priced] for name in ("delta", "gamma", "theta_per_day", "vega_per_point")}
    return Parts(
        delta=by_trade(at["delta"] * moved),
        gamma=by_trade(0.5 * at["gamma"] * moved**2),
        theta=by_trade(at["theta_per_day"] * days),
        vega=by_trade(at["vega_per_point"] * points),
    )


def to_the_cent(parts: Mapping[str, FloatColumn], profit: FloatColumn) -> dict[str, FloatColumn]:
    """The parts of each trade in whole cents, and "unexplained" as one more: together they are exactly its profit.

    `parts` by name and `profit`, (n,) USD. A trade of which a part is NaN has none.
    """
    whole = np.round(profit * 100.0)
    cents = {name: np.round(each * 100.0) for name, each in parts.items()}
    rest = whole - sum(cents.values())
    told = np.isfinite(rest)
    return {name: np.where(told, each, np.nan) for name, each in (cents | {"unexplained": rest}).items()}
