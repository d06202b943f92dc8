"""Choosing a ladder on earlier trades and judging the choice on later ones (P-29).

    folds     the first half of the trades is only learned from; the rest is tested in blocks, each with a ladder that
              was chosen on the trades whose outcome was known before the block began
    chosen    the best mean gain per dollar, if it beats the present ladder by its standard error; else the present one
    judged    gain of the chosen less gain of the present ladder on the same later trades, with its 95% interval

What is best of many on the trades it was chosen on is flattered by the choice; only the later trades say what it is
worth. Deterministic: of equals the first wins.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from riskengine.calculators.columns import FloatColumn, IntColumn
from riskengine.calculators.performance import Expectancy, expectancy

FEWEST = 50  # trades, P-29
FOLDS = 5
SCALES = (0.6, 0.75, 0.9, 1.0, 1.15, 1.35, 1.6)  # of the thresholds
THRESHOLD_PLACES, SHARE_PLACES = 4, 2

Rows = tuple[tuple[float, float], ...]  # (threshold, share of the opened contracts) from the nearest tier on


def grid(present: Rows) -> list[Rows]:
    """Ladders around the present one, which comes first: its thresholds scaled, its shares as they are, equal, more at
    the near end, more at the far end, and half of each so that more is left to run."""
    found: dict[Rows, None] = {present: None}
    thresholds, shares = (np.array(part) for part in zip(*present, strict=True))
    for scale in SCALES:
        scaled = np.round(thresholds * scale, THRESHOLD_PLACES)
        for shape in _shapes(shares):
            found.setdefault(tuple(zip(scaled.tolist(), shape, strict=True)))
    return list(found)


def _shapes(shares: FloatColumn) -> list[list[float]]:
    """Shares in whole per cent. All but the last sell as much as the present ones."""
    k, total = len(shares), float(shares.sum())
    falling = np.arange(k, 0, -1, dtype=np.float64)
    shapes = [_percents(weights, total) for weights in (np.ones(k), falling, falling[::-1])]
    return [shares.tolist(), *shapes, _percents(shares, total / 2.0)]


def _percents(weights: FloatColumn, total: float) -> list[float]:
    """`total` parted by weights into whole per cent, what is lost by rounding at the far end."""
    percents = np.maximum(np.floor(100.0 * total * weights / weights.sum() + 1e-9), 1.0)
    percents[-1] = max(round(100.0 * total) - percents[:-1].sum(), 1.0)
    return [round(each / 100.0, SHARE_PLACES) for each in percents.tolist()]


@dataclass(frozen=True, slots=True)
class Fold:
    """Trades `first` to `last` (excluded) tested under ladder `chosen`, learned from `learned` trades."""

    learned: int
    first: int
    last: int
    chosen: int


@dataclass(frozen=True, slots=True)
class WalkForward:
    """`tested` trades: the gains under what was chosen for each, under the present ladder, and the difference, per
    dollar paid. `suggested` is chosen on all trades; `in_sample` is its flattered difference there. 0 is the present
    ladder."""

    folds: tuple[Fold, ...]
    tested: int
    chosen_gain: Expectancy
    present_gain: Expectancy
    difference: Expectancy
    suggested: int
    in_sample: Expectancy

    @property
    def holds(self) -> bool:
        """Whether the later trades confirm the choosing: their interval lies above nothing."""
        return self.difference.low is not None and self.difference.low > 0.0


def walk_forward(gain: FloatColumn, entered_at: IntColumn, known_at: IntColumn) -> WalkForward:
    """Judge the choosing among ladders.

    Parameters
    ----------
    gain : (ladders, n), per dollar paid after fees, every one known; the first row is the present ladder.
    entered_at, known_at : (n,), when each trade began, ascending, and when all its outcomes were known.

    Raises
    ------
    ValueError
        With fewer than FEWEST trades, or where a gain is not known.
    """
    n = gain.shape[1]
    if n < FEWEST:
        raise ValueError(f"a choice is judged on at least {FEWEST} trades")
    if not np.isfinite(gain).all():
        raise ValueError("every gain is known")
    edges = np.linspace(n // 2, n, FOLDS + 1).astype(int).tolist()
    folds = []
    chosen = np.zeros(n, np.int64)
    for first, last in pairwise(edges):
        learned = np.arange(n) < first
        learned &= known_at <= entered_at[first]
        picked = choose(gain[:, learned])
        chosen[first:last] = picked
        folds.append(Fold(int(learned.sum()), first, last, picked))
    tested = np.arange(edges[0], n)
    of_chosen, of_present = gain[chosen[tested], tested], gain[0, tested]
    suggested = choose(gain)
    return WalkForward(
        folds=tuple(folds),
        tested=len(tested),
        chosen_gain=expectancy(of_chosen),
        present_gain=expectancy(of_present),
        difference=expectancy(of_chosen - of_present),
        suggested=suggested,
        in_sample=expectancy(gain[suggested] - gain[0]),
    )


def choose(gain: FloatColumn) -> int:
    """The ladder, a row of (ladders, n), with the best mean, if it beats the first by the standard error of the
    difference; else the first."""
    n = gain.shape[1]
    if n < 2:
        return 0
    best = int(gain.mean(axis=1).argmax())
    difference = gain[best] - gain[0]
    error = float(difference.std(ddof=1)) / np.sqrt(n)
    return best if float(difference.mean()) > max(error, 1e-12) else 0
