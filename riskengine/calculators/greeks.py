"""Black-Scholes-Merton prices, Greeks and implied volatilities of European options with a dividend yield.

    T  = seconds / (365 x 86,400)                      one year clock everywhere (A-14)
    d1 = (ln(S / K) + (r - q + v^2 / 2) T) / (v sqrt(T))       d2 = d1 - v sqrt(T)

Time runs in seconds: on the day that matters whole days would be 0, and the Greeks 0 or infinite (SPEC section 9).
American options are priced as European ones; for long calls without a dividend the two are equal.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from riskengine.calculators.columns import BoolColumn, FloatColumn, Number

SECONDS_PER_YEAR = 365.0 * 86_400.0
DAYS_PER_YEAR = 365.0
POINTS_PER_UNIT = 100.0  # a volatility point is 0.01

_SQRT_2PI = np.sqrt(2.0 * np.pi)
# Rows judged at once: about twenty temporaries of this length stay in a core's cache, twice as fast as whole columns.
_BLOCK = 16_384


@dataclass(frozen=True, slots=True, eq=False)
class Greeks:
    """One option a row, per share of the underlying: arrays of shape (n,), NaN where an input is unusable.

    `price` USD; `delta` USD per USD of the underlying; `gamma` delta per USD; `theta_per_day` USD per calendar day
    (1/365 of a year); `vega_per_point` USD per volatility point (0.01).
    """

    price: FloatColumn
    delta: FloatColumn
    gamma: FloatColumn
    theta_per_day: FloatColumn
    vega_per_point: FloatColumn


def greeks(
    spot: FloatColumn,
    strike: FloatColumn,
    seconds_to_expiry: FloatColumn,
    volatility: FloatColumn,
    rate: Number,
    dividend_yield: Number,
    call: BoolColumn,
) -> Greeks:
    """Price and Greeks of every row.

    Parameters
    ----------
    spot, strike : (n,), USD per share, above 0.
    seconds_to_expiry : (n,), seconds, above 0.
    volatility : (n,), annual as a fraction (0.20), above 0.
    rate, dividend_yield : one number or (n,), annual, continuously compounded, as fractions.
    call : (n,), False is a put.

    Returns
    -------
    Greeks of shape (n,). A row with a NaN, an infinite or an out-of-range input is NaN throughout: there is no default.

    Raises
    ------
    ValueError
        Where the columns are not of one length.

    Source: R. C. Merton, "Theory of Rational Option Pricing" (1973); Hull, chapters 17 and 19; SPEC A-14, section 9.
    """
    n = len(spot)
    columns = [
        np.broadcast_to(np.asarray(column, dtype=np.float64), (n,))
        for column in (spot, strike, seconds_to_expiry, volatility, rate, dividend_yield)
    ]
    sign = np.broadcast_to(np.where(call, 1.0, -1.0), (n,))
    out = np.empty((5, n))
    with np.errstate(all="ignore"):  # an unusable row makes NaN on its way, and is NaN in the result
        for start in range(0, n, _BLOCK):
            rows = slice(start, start + _BLOCK)
            _fill(out[:, rows], sign[rows], *(column[rows] for column in columns))
    return Greeks(*out)


def _fill(
    out: FloatColumn,
    sign: FloatColumn,
    spot: FloatColumn,
    strike: FloatColumn,
    seconds: FloatColumn,
    volatility: FloatColumn,
    rate: FloatColumn,
    dividend_yield: FloatColumn,
) -> None:
    """One block of rows into `out`, shape (5, block). `sign` is 1 for a call, -1 for a put."""
    price, delta, gamma, theta, vega = out
    years = seconds / SECONDS_PER_YEAR
    root = np.sqrt(years)
    deviation = volatility * root
    d1 = (np.log(spot / strike) + (rate - dividend_yield) * years) / deviation + 0.5 * deviation
    held = spot * np.exp(-dividend_yield * years)  # what one share delivered at expiry costs today
    owed = strike * np.exp(-rate * years)
    density = held * np.exp(-0.5 * d1 * d1) / _SQRT_2PI
    share = held * (sign * ndtr(sign * d1))
    cash = owed * (sign * ndtr(sign * (d1 - deviation)))
    np.subtract(share, cash, out=price)
    np.divide(share, spot, out=delta)
    np.divide(density, spot * spot * deviation, out=gamma)
    theta[:] = (dividend_yield * share - rate * cash - density * volatility / (2.0 * root)) / DAYS_PER_YEAR
    np.multiply(density, root / POINTS_PER_UNIT, out=vega)
    # Deep out of the money the difference can round to -1e-17; a price is never below zero, but NaN stays NaN.
    np.maximum(price, 0.0, out=price)
    usable = (spot > 0.0) & (strike > 0.0) & (years > 0.0) & (volatility > 0.0) & np.isfinite(out.sum(axis=0))
    out[:, ~usable] = np.nan


def implied_volatility(
    price: FloatColumn,
    spot: FloatColumn,
    strike: FloatColumn,
    seconds_to_expiry: FloatColumn,
    rate: Number,
    dividend_yield: Number,
    call: BoolColumn,
) -> FloatColumn:
    """The volatility at which the Black-Scholes-Merton price is `price`, on the same clock as `greeks`.

    Each row is solved as its out-of-the-money twin (put-call parity), whose price is all time value, so that an
    in-the-money option loses no digits; Newton steps inside a bracket that every step narrows, so no row can diverge.

    Parameters
    ----------
    price : (n,), USD per share, the mid of a usable quote.
    spot, strike, seconds_to_expiry, rate, dividend_yield, call : as in `greeks`.

    Returns
    -------
    (n,), annual as a fraction. NaN where no volatility has that price: at or outside the no-arbitrage bounds
    (max(0, +-(S e^-qT - K e^-rT)) < price < S e^-qT for a call, K e^-rT for a put), where no time is left, and where
    an input is unusable. A price nearer to its lower bound than float64 can tell counts as at it.

    Raises
    ------
    ValueError
        Where the columns are not of one length.

    Source: Manaster and Koehler, "The Calculation of Implied Variances from the Black-Scholes Model" (1982) for the
    point of largest vega; SPEC A-14.
    """
    n = len(price)
    price, spot, strike, seconds, rate_column, yield_column = (
        np.broadcast_to(np.asarray(column, dtype=np.float64), (n,))
        for column in (price, spot, strike, seconds_to_expiry, rate, dividend_yield)
    )
    with np.errstate(all="ignore"):
        years = seconds / SECONDS_PER_YEAR
        held = spot * np.exp(-yield_column * years)
        owed = strike * np.exp(-rate_column * years)
        intrinsic = np.where(call, held - owed, owed - held)
        time_value = price - np.maximum(intrinsic, 0.0)
        smaller, larger = np.minimum(held, owed), np.maximum(held, owed)
        lost_digits = np.where(intrinsic > 0.0, 8.0 * np.spacing(larger), 0.0)
        solvable = (spot > 0.0) & (strike > 0.0) & (years > 0.0) & np.isfinite(larger)
        solvable &= (time_value > lost_digits) & (time_value < smaller)
        deviation = np.full(n, np.nan)
        deviation[solvable] = _total_deviation(
            time_value[solvable] / smaller[solvable], np.log(larger[solvable] / smaller[solvable])
        )
        return np.asarray(deviation / np.sqrt(years))


_LARGEST_DEVIATION = 40.0  # at v sqrt(T) = 40 the price equals its upper bound in float64
_STEPS = 100  # bisection alone would end within 60; nearly every row ends within 8


def _total_deviation(target: FloatColumn, log_moneyness: FloatColumn) -> FloatColumn:
    """v sqrt(T) of out-of-the-money options whose price is `target` x the smaller of forward and strike.

    With x = ln(larger / smaller) >= 0 the price in that unit is N(d) - e^x N(d - s), d = s/2 - x/s, from 0 to 1 as s
    goes from 0 to infinity; its slope n(d) is largest at s = sqrt(2x), which parts the tail from the rest.
    """
    start = np.sqrt(2.0 * log_moneyness)
    at_start = ndtr(0.0 * start) - np.exp(log_moneyness) * ndtr(-start)
    tail = target < at_start
    low = np.where(tail, 0.0, start)
    high = np.where(tail, start, _LARGEST_DEVIATION)
    # Far from the money -ln price is about x^2 / 2 s^2; at the money the price is about s / sqrt(2 pi).
    deviation = np.where(tail, np.minimum(log_moneyness / np.sqrt(-2.0 * np.log(target)), start), start)
    deviation = np.where(start > 0.0, deviation, np.minimum(target * _SQRT_2PI, _LARGEST_DEVIATION))
    result = np.empty_like(target)
    rows = np.arange(len(target))
    for _ in range(_STEPS):
        d = 0.5 * deviation - log_moneyness / deviation
        near = ndtr(d)
        value = near - np.exp(log_moneyness) * ndtr(d - deviation)
        high = np.where(value > target, deviation, high)
        low = np.where(value < target, deviation, low)
        slope = np.exp(-0.5 * d * d) / _SQRT_2PI
        following = deviation - np.where(tail, _tail_step(value, target), value - target) / slope
        inside = (following > low) & (following < high)
        following = np.where(inside, following, 0.5 * (low + high))
        # Within its own rounding error (d is rounded before it is squared) the price says no more about s.
        done = np.abs(value - target) <= 2.0 * np.spacing(near) * (1.0 + d * d)
        done |= np.abs(following - deviation) <= 2.0 * np.spacing(deviation)
        result[rows] = np.where(done, deviation, following)
        if done.all():
            break
        rows, target, log_moneyness, low, high, deviation, tail = (
            column[~done] for column in (rows, target, log_moneyness, low, high, following, tail)
        )
    return result


def _tail_step(value: FloatColumn, target: FloatColumn) -> FloatColumn:
    """The Newton step x slope on (-ln price)^(-1/2), which far from the money is nearly a straight line in s.

    A step on the price itself would crawl there: the price falls as exp(-x^2 / 2 s^2).
    """
    distance, aim = -np.log(value), -np.log(target)
    return 2.0 * value * distance * (1.0 - np.sqrt(distance / aim))
