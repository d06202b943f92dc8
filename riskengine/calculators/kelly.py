"""The bet that makes wealth grow fastest, and how fast a given one makes it grow.

A bet of the fraction f of wealth with outcomes of probability p and payoff b per dollar bet (+1 doubles it, -1 loses
it) multiplies wealth by 1 + f b. Its growth per bet is

    g(f) = sum p ln(1 + f b)                 Kelly's fraction f* maximises it
    f*   = (p b - q a) / (a b)               two outcomes: gain b with p, loss a with q = 1 - p

Twice f* grows about nothing, more shrinks wealth even with the edge. Source: J. L. Kelly, "A New Interpretation of
Information Rate" (1956); E. O. Thorp, "The Kelly Criterion in Blackjack, Sports Betting, and the Stock Market" (2006).
"""

import math

import numpy as np

from riskengine.calculators.columns import BoolColumn, FloatColumn, Number, above


def two_outcome_fraction(win_probability: Number, gain: Number, loss: Number) -> FloatColumn:
    """(p b - q a) / (a b) of bets that gain `gain` or lose `loss` per dollar bet; 0 without an edge.

    One number or columns of shape (n,). NaN where the probability is outside 0 and 1 or an amount is not above 0.
    """
    p, b, a = np.asarray(win_probability), np.asarray(gain), np.asarray(loss)
    usable = (p >= 0.0) & (p <= 1.0) & (b > 0.0) & (a > 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        fraction = (p * b - (1.0 - p) * a) / (a * b)
    return np.where(usable, np.maximum(fraction, 0.0), np.nan)


def ruins(probability: FloatColumn, payoff: FloatColumn, fraction: float) -> BoolColumn:
    """Which outcomes, shape (k,), can happen and leave nothing of wealth."""
    with np.errstate(over="ignore"):
        return np.asarray((probability > 0.0) & ~above(1.0 + fraction * payoff, 0.0))


def expected_log_growth(probability: FloatColumn, payoff: FloatColumn, fraction: float) -> float:
    """g(f), the expected natural log of wealth's multiplier per bet; minus infinity where ruin is possible.

    Parameters
    ----------
    probability, payoff : (k,), outcomes; payoffs in dollars per dollar bet.
    fraction : the share of wealth bet, at least 0.
    """
    if ruins(probability, payoff, fraction).any():
        return -math.inf
    happens = probability > 0.0
    with np.errstate(over="ignore"):
        return math.fsum(probability[happens] * np.log1p(fraction * payoff[happens]))


def growth_optimal_fraction(probability: FloatColumn, payoff: FloatColumn) -> float:
    """Kelly's fraction of a bet with any number of outcomes.

    Returns 0 where the expected payoff is not above 0, infinity where nothing can be lost. Between them the root of
    g'(f) = sum p b / (1 + f b), which falls throughout 0 < f < 1 / (largest loss); found by bisection to the last
    digit. A fraction above 1 borrows.

    Parameters
    ----------
    probability, payoff : (k,), outcomes; payoffs in dollars per dollar bet.
    """
    happens = probability > 0.0
    p, b = probability[happens], payoff[happens]
    expected = math.fsum(p * b)
    # A fair bet's expectation may round to 1e-17; an edge that small is none.
    if expected <= 1e-15 * math.fsum(p * np.abs(b)):
        return 0.0
    if b.min() >= 0.0:
        return math.inf
    low, high = 0.0, -1.0 / float(b.min())
    middle = 0.5 * high
    # One digit from ruin 1 + f b may round to 0: growth falls without end there.
    with np.errstate(divide="ignore", over="ignore"):
        while low < middle < high:
            if math.fsum(p * b / (1.0 + middle * b)) > 0.0:
                low = middle
            else:
                high = middle
            middle = 0.5 * (low + high)
    return middle
