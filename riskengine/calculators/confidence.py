"""Whether the confidence of past bets came true, and the confidence a bet may be scaled with.

    w          = n / (n + prior_trades)                          n closed trades of the account
    base       = wins / n
    iso        = the non-decreasing curve nearest to the realised wins, by confidence
    calibrated = (1 - w) raw + w (w iso + (1 - w) base)          n under certain_trades: kept between raw and base
    scaling    = min(raw, calibrated)                            calibration may only lower

Without trades there is no evidence, and the raw confidence stands. The first trades say something about the account as
a whole, but nothing yet about one confidence against another: a curve through five wins and losses is noise. So the
weight w moves the raw figure to the base rate first, and w squared, which grows later, to the curve. Until there are
`certain_trades` the curve cannot carry the result past the base rate or back over the raw figure.

Confidence counts to 6 places (P-13). Wins are counted as whole numbers for each confidence, so that the order of the
trades changes not one bit.
"""

from dataclasses import dataclass

import numpy as np

from riskengine.calculators.columns import (
    CONFIDENCE_PLACES,
    BoolColumn,
    FloatColumn,
    IntColumn,
    at_least,
    below,
    half_up_places,
)
from riskengine.calculators.performance import wilson_interval


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Calibration:
    """What an account's closed trades say of its confidence.

    `trades` n, `base` the realised win rate (NaN without trades), `weight` w; `at` and `fit`, shape (k,), the distinct
    confidences ascending and the isotonic win rate at each; `certain` once there are `certain_trades`.
    """

    trades: int
    base: float
    weight: float
    at: FloatColumn
    fit: FloatColumn
    certain: bool

    def of(self, raw: FloatColumn) -> FloatColumn:
        """The calibrated confidence of each `raw`, shape (n,), from 0 to 1, non-decreasing in raw.

        NaN stays NaN, and a figure outside 0 and 1 stays as it is: both are refused where confidence enters.
        """
        if not self.trades:
            return raw.copy()
        usable = (raw >= 0.0) & (raw <= 1.0)
        evidence = self.weight * self.isotonic(raw) + (1.0 - self.weight) * self.base
        found = np.clip((1.0 - self.weight) * raw + self.weight * evidence, 0.0, 1.0)
        if not self.certain:
            found = np.clip(found, np.minimum(raw, self.base), np.maximum(raw, self.base))
        return np.where(usable, found, raw)

    def isotonic(self, raw: FloatColumn) -> FloatColumn:
        """The fit at each `raw`, shape (n,): straight lines between the confidences traded, constant outside them."""
        # An interpolated point may round past the end of its own line, and the curve would fall by that much after it.
        left = np.clip(np.searchsorted(self.at, raw, "right") - 1, 0, len(self.at) - 1)
        right = np.minimum(left + 1, len(self.at) - 1)
        return np.clip(np.interp(raw, self.at, self.fit), self.fit[left], self.fit[right])


def calibrate(confidence: FloatColumn, won: BoolColumn, *, prior_trades: float, certain_trades: int) -> Calibration:
    """What the closed trades of one account say of its confidence.

    Parameters
    ----------
    confidence : (n,), the raw confidence of each trade at its entry, 0 to 1.
    won : (n,), whether the trade ended above its cost after fees.
    prior_trades : how many trades the raw confidence is worth; at so many, w is a half. Above 0.
    certain_trades : from so many on the result may leave the span between raw and base.

    Raises
    ------
    ValueError
        Where a confidence is NaN or outside 0 and 1, the shapes differ, or `prior_trades` is not above 0.

    Source: A-21, P-13. Shrinkage by n / (n + prior): Efron and Morris, "Stein's Estimation Rule and Its Competitors"
    (1973). Isotonic calibration: Zadrozny and Elkan, "Transforming Classifier Scores into Accurate Multiclass
    Probability Estimates" (2002).
    """
    if not 0.0 < prior_trades < np.inf:
        raise ValueError("prior_trades is a number above 0")
    _check_trades(confidence, won)
    n = len(confidence)
    if n == 0:
        return Calibration(trades=0, base=np.nan, weight=0.0, at=np.empty(0), fit=np.empty(0), certain=False)
    # Here and not above: it takes 26 MB, which a process that never sizes a bet (each worker is one) need not have.
    from scipy.optimize import isotonic_regression

    at, group = np.unique(half_up_places(confidence, CONFIDENCE_PLACES), return_inverse=True)
    trades = np.bincount(group, minlength=len(at))
    wins = np.bincount(group[won], minlength=len(at))
    # Averages of averages may round by an ulp out of order or over 1.
    fit = np.clip(np.maximum.accumulate(isotonic_regression(wins / trades, weights=trades).x), 0.0, 1.0)
    return Calibration(
        trades=n,
        base=int(wins.sum()) / n,
        weight=n / (n + prior_trades),
        at=at,
        fit=fit,
        certain=n >= certain_trades,
    )


def _check_trades(confidence: FloatColumn, won: BoolColumn) -> None:
    if confidence.ndim != 1 or confidence.shape != won.shape:
        raise ValueError("confidence and won are columns of one length")
    if not ((confidence >= 0.0) & (confidence <= 1.0)).all():
        raise ValueError("a confidence is a number from 0 to 1")


def scaling_confidence(raw: FloatColumn, calibration: Calibration) -> FloatColumn:
    """The confidence that scales a bet, shape (n,): the smaller of raw and calibrated; NaN where raw is.

    The entry gate reads the raw figure and not this one: shrinkage alone must not stop an account from ever trading.

    Source: A-21.
    """
    return np.minimum(raw, calibration.of(raw))


def brier(confidence: FloatColumn, won: BoolColumn) -> float | None:
    """The mean of (confidence - won)^2, from 0 (always right and certain) to 1; None without trades.

    Raises ValueError as `calibrate`. Source: G. W. Brier, "Verification of Forecasts Expressed in Terms of Probability"
    (1950).
    """
    _check_trades(confidence, won)
    return float(np.mean((confidence - won) ** 2)) if len(won) else None


def brier_of_base(won: BoolColumn) -> float | None:
    """base (1 - base): the Brier score of saying the win rate every time; None without trades.

    A confidence that scores more than this says nothing.
    """
    if not len(won):
        return None
    base = int(won.sum()) / len(won)
    return base * (1.0 - base)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Reliability:
    """How each tier of confidence did, arrays of shape (tiers,), lowest tier first. Rates and shares are fractions.

    `low` and `high` are the ends of the 95% interval of `win_rate`; `average_gain` of the winners and `average_loss` of
    the losers (a positive number) are dollars per dollar paid, and `expectancy` is the mean of all. `break_even` is the
    win rate at which that gain and that loss even out. NaN where there is nothing to average. `under_break_even` marks
    a tier that scales at 1.0 until it is reviewed.
    """

    edges: FloatColumn
    trades: IntColumn
    wins: IntColumn
    win_rate: FloatColumn
    low: FloatColumn
    high: FloatColumn
    mean_confidence: FloatColumn
    average_gain: FloatColumn
    average_loss: FloatColumn
    expectancy: FloatColumn
    break_even: FloatColumn
    under_break_even: BoolColumn


def tier_of(confidence: FloatColumn, edges: FloatColumn) -> IntColumn:
    """The tier of each confidence, shape (n,): the last edge it reaches; the first tier under all of them or for NaN.

    `edges`, shape (tiers,), ascend.
    """
    rounded = half_up_places(confidence, CONFIDENCE_PLACES)
    tier: IntColumn = at_least(rounded[:, None], edges[None, 1:]).sum(axis=1)
    return tier


def reliability(
    confidence: FloatColumn, won: BoolColumn, gain: FloatColumn, edges: FloatColumn, *, certain_trades: int
) -> Reliability:
    """How the closed trades of one account did by the tier of their confidence.

    Parameters
    ----------
    confidence, won : (n,), as `calibrate`.
    gain : (n,), P&L after fees / cost of each trade; above 0 where it won and nowhere else.
    edges : (tiers,), ascending: the lower thresholds of the confidence ladder.
    certain_trades : with fewer trades in the whole account no tier is marked.

    Returns
    -------
    Reliability. A tier without losers breaks even at 0, without winners at 1.

    Raises
    ------
    ValueError
        As `calibrate`; and where a gain is not finite or contradicts `won`, or the edges do not ascend.

    Source: P-13.
    """
    _check_trades(confidence, won)
    if gain.shape != won.shape or not np.isfinite(gain).all() or ((gain > 0.0) != won).any():
        raise ValueError("a gain is a finite number, above 0 where the trade won and nowhere else")
    if edges.ndim != 1 or not len(edges) or not (np.diff(edges) > 0.0).all():
        raise ValueError("edges is an ascending column")
    tier, tiers = tier_of(confidence, edges), len(edges)
    trades = np.bincount(tier, minlength=tiers)
    wins = np.bincount(tier[won], minlength=tiers)

    def mean(values: FloatColumn, among: BoolColumn, count: IntColumn) -> FloatColumn:
        return np.bincount(tier[among], weights=values[among], minlength=tiers) / np.where(count > 0, count, np.nan)

    everything = np.ones(len(won), bool)
    average_gain, average_loss = mean(gain, won, wins), mean(-gain, ~won, trades - wins)
    # A loser may have lost nothing; the sum is above 0 wherever the formula is used, as there is a winner.
    formula = average_loss / (average_gain + average_loss)
    break_even = np.where(wins == 0, 1.0, np.where(wins == trades, 0.0, formula))
    break_even = np.where(trades == 0, np.nan, break_even)
    low, high = wilson_interval(wins, trades)
    return Reliability(
        edges=edges,
        trades=trades,
        wins=wins,
        win_rate=wins / np.where(trades > 0, trades, np.nan),
        low=low,
        high=high,
        mean_confidence=mean(confidence, everything, trades),
        average_gain=average_gain,
        average_loss=average_loss,
        expectancy=mean(gain, everything, trades),
        break_even=break_even,
        under_break_even=below(high, break_even) & (len(won) >= certain_trades),
    )
