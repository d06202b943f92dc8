"""Where luck alone would have taken an account: many random histories of as many bets, of the sizes that were made.

After each bet wealth is multiplied by 1 + fraction x gain, the gain drawn from what is assumed (a projection, the
account's own trades again, exits without any edge), the fraction that of the account's own bet. Nothing follows ruin.
Bets are independent; those held together are worse. Seeded: the same question gets the same answer.
"""

import math
from dataclasses import dataclass

import numpy as np

from riskengine.calculators.columns import TOLERANCE, FloatColumn, IntColumn
from riskengine.calculators.performance import NORMAL_95

PERCENTILES = (5.0, 25.0, 50.0, 75.0, 95.0)
POWER_80 = 0.8416212335729143  # the normal distribution's 80% point
MOST_POINTS = 240  # of a band: more do not fit a picture
_DRAWS = 4_000_000  # paths x bets walked together


@dataclass(frozen=True, slots=True, eq=False)
class Walks:
    """`after` which bets the percentiles are of, (m,), 0 first; `percentiles` of wealth as a multiple, (5, m).

    By path: `final` wealth, and `lowest` share of its running peak, shape (paths,).
    """

    after: tuple[int, ...]
    percentiles: FloatColumn
    final: FloatColumn
    lowest: FloatColumn

    def fell(self, depth: float) -> float:
        """The share of paths that ever fell by at least `depth` from their peak."""
        return float((self.lowest <= (1.0 - depth) * (1.0 + TOLERANCE)).mean())

    @property
    def drawdowns(self) -> FloatColumn:
        """The deepest fall of each path, (paths,), from 0 to 1."""
        return 1.0 - self.lowest


def walk(
    gains: FloatColumn,
    fractions: FloatColumn,
    *,
    paths: int,
    seed: int,
    which: IntColumn | None = None,
    drawn: bool = True,
) -> Walks:
    """Random histories of len(fractions) bets.

    Parameters
    ----------
    gains : (k,), per dollar bet, each as likely; two outcomes by `two_outcomes`. Or (r, k), rows of such gains.
    fractions : (n,), the share of wealth of each bet, in order. None: the walks end where they begin.
    paths : at least 1.
    which : (n,), the row of `gains` that each bet is drawn from; the first where it is not given.
    drawn : percentiles after every bet, which a picture needs; else after the last one only.
    """
    rows = np.atleast_2d(gains)
    random = np.random.Generator(np.random.PCG64(seed))
    n = len(fractions)
    after = _points(n) if drawn else tuple(sorted({0, n}))
    wealth, from_peak, lowest = (np.ones(paths) for _ in range(3))
    percentiles = np.ones((len(PERCENTILES), len(after)))
    place = {bet: column for column, bet in enumerate(after)}
    for bet in range(1, n + 1):
        mine = rows[0 if which is None else which[bet - 1]]
        gain = mine[random.integers(0, len(mine), paths)]
        factor = np.maximum(1.0 + fractions[bet - 1] * gain, 0.0)
        wealth *= factor
        from_peak = np.minimum(from_peak * factor, 1.0)
        np.minimum(lowest, from_peak, out=lowest)
        if bet in place:
            percentiles[:, place[bet]] = np.percentile(wealth, PERCENTILES)
    return Walks(after, percentiles, wealth, lowest)


def paths_for(bets: int, most: int = 10_000) -> int:
    """How many paths are walked, so that an account with many bets waits no longer than one with few."""
    return max(500, min(most, _DRAWS // max(bets, 1)))


def _points(n: int) -> tuple[int, ...]:
    if n <= MOST_POINTS:
        return tuple(range(n + 1))
    return tuple(sorted({round(k * n / MOST_POINTS) for k in range(MOST_POINTS + 1)}))


def two_outcomes(win_rate: float, gain: float, loss: float, size: int = 1_000) -> FloatColumn:
    """Gains to draw from, (size,): `gain` with the probability `win_rate` to the thousandth, else minus `loss`."""
    wins = round(win_rate * size)
    return np.concatenate([np.full(wins, gain), np.full(size - wins, -loss)])


def history(gains: FloatColumn, fractions: FloatColumn) -> FloatColumn:
    """What one dollar became after each bet, (n + 1,), 1 first."""
    factors = np.maximum(1.0 + fractions * gains, 0.0)
    return np.concatenate([np.ones(1), np.cumprod(factors)])


def at_least_as_well(final: FloatColumn, actual: float) -> float:
    """The share of paths that end at `actual` or above it."""
    return float((final >= actual * (1.0 - TOLERANCE)).mean())


def standing(final: FloatColumn, actual: float) -> float:
    """The share of paths that end under `actual`, those that end at it counted half: 0.5 is the middle of the band."""
    under = float((final < actual * (1.0 - TOLERANCE)).mean())
    return under + 0.5 * (at_least_as_well(final, actual) - float((final > actual * (1.0 + TOLERANCE)).mean()))


def trades_needed(expectancy: float, deviation: float) -> int | None:
    """How many trades tell `expectancy` from nothing: its 95% interval lies above 0 in four of five such records.

        n = ((1.960 + 0.842) deviation / expectancy)^2

    `deviation` is of the gains per dollar bet. None where the expectancy is not above 0, or a trillion would not do.
    Source: the sample size of a two-sided z test at 95% with a power of 80%.
    """
    if not expectancy > 0.0 or not deviation >= 0.0 or not math.isfinite(deviation):
        return None
    root = (NORMAL_95 + POWER_80) * deviation / expectancy
    return max(2, math.ceil(root**2)) if root < 1e6 else None


def resampled_kelly(gains: FloatColumn, *, resamples: int, seed: int) -> tuple[float, float]:
    """The 95% interval of Kelly's fraction of `gains`, (n,), by drawing n of them again and again (bootstrap).

    The ends are 0 where such a record has no edge and infinite where it lost nothing.
    """
    random = np.random.Generator(np.random.PCG64(seed))
    n = len(gains)
    rows = max(1, min(resamples, _DRAWS // n))
    drawn = gains[random.integers(0, n, (rows, n))]
    fractions = growth_optimal_fractions(drawn)
    low, high = np.percentile(fractions, (2.5, 97.5), method="nearest")
    return float(low), float(high)


def growth_optimal_fractions(gains: FloatColumn) -> FloatColumn:
    """Kelly's fraction of each record, rows of (r, n) equally likely gains: 0 without an edge, infinite without a loss.

    `kelly.growth_optimal_fraction` to 1e-9 of the largest fraction that cannot ruin, many rows at once.
    """
    worst = gains.min(axis=1)
    edge = gains.sum(axis=1) > 1e-15 * np.abs(gains).sum(axis=1)
    solved = edge & (worst < 0.0)
    found = np.where(edge, np.inf, 0.0)
    if not solved.any():
        return found
    rows = gains[solved]
    low, high = np.zeros(len(rows)), -1.0 / worst[solved]
    for _ in range(30):
        middle = 0.5 * (low + high)
        with np.errstate(divide="ignore"):
            rises = (rows / (1.0 + middle[:, None] * rows)).sum(axis=1) > 0.0
        low, high = np.where(rises, middle, low), np.where(rises, high, middle)
    found[solved] = 0.5 * (low + high)
    return found
