"""What a series of returns came to, and how sure one can be of it.

Win rate never stands without its interval and the expectancy: exits with small targets win most bets on a coin flip
while losing money (SPEC section 7.4).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from riskengine.calculators.columns import FloatColumn, IntColumn

NORMAL_95 = 1.959963984540054  # two-sided 95% point of the normal distribution
_TAIL = 0.05


@dataclass(frozen=True, slots=True)
class Metrics:
    """Figures of one series as fractions (0.10 is 10%), ratios annual. None where a figure is not defined."""

    total_return: float | None
    annual_return: float | None
    volatility: float | None
    max_drawdown: float | None
    sharpe: float | None
    sortino: float | None
    calmar: float | None
    win_rate: float | None
    profit_factor: float | None
    var_95: float | None
    cvar_95: float | None


def metrics(returns: FloatColumn, periods_per_year: float) -> Metrics:
    """The eleven figures of one series, with r the returns, n of them, P periods a year.

    - total_return = prod(1 + r) - 1;  annual_return = (1 + total)^(P / n) - 1
    - volatility = sd(r) sqrt(P), n - 1 in the denominator
    - max_drawdown = min(wealth / its running maximum - 1) <= 0, wealth starting at 1
    - sharpe = mean / sd x sqrt(P);  sortino = mean P / (sqrt(mean(min(r, 0)^2)) sqrt(P)), both without a risk-free rate
    - calmar = annual_return / |max_drawdown|
    - win_rate = gains / (gains + losses), zeros left out;  profit_factor = sum of gains / |sum of losses|
    - var_95 = 5th percentile of r, linear;  cvar_95 = mean of the k + 1 smallest, k = floor(0.05 (n - 1))

    Parameters
    ----------
    returns : (n,), fractions of the wealth at the start of each period, in order of time.
    periods_per_year : 252 for sessions; for trades, how many a year.

    Returns
    -------
    Metrics; a figure is None where it is not defined: a division by zero, too few returns, a wealth under zero raised
    to a power, a number beyond float64. No returns: all None.

    Raises
    ------
    ValueError
        Where a return is NaN or infinite, `returns` is not one series, or `periods_per_year` is not above 0.

    Source: P-29, cases/README.md.
    """
    if returns.ndim != 1 or not np.isfinite(returns).all():
        raise ValueError("returns is one series of finite numbers")
    if not periods_per_year > 0.0:
        raise ValueError("periods_per_year is above 0")
    if not len(returns):
        return Metrics(*[None] * 11)
    with np.errstate(all="ignore"):  # what overflows is not defined
        return _metrics(returns, periods_per_year)


def _metrics(returns: FloatColumn, periods_per_year: float) -> Metrics:
    n, root = len(returns), np.sqrt(periods_per_year)
    wealth = np.cumprod(1.0 + returns)
    total = wealth[-1] - 1.0
    # Debt has no rate: that a whole exponent still gives a number is an accident of P / n.
    annual = wealth[-1] ** (periods_per_year / n) - 1.0 if wealth[-1] >= 0.0 else np.nan
    deviation = _standard_deviation(returns)
    drawdown = np.min(wealth / np.maximum(np.maximum.accumulate(wealth), 1.0) - 1.0)
    mean = returns.mean()
    downside = np.sqrt(np.mean(np.minimum(returns, 0.0) ** 2))
    gains, losses = returns[returns > 0.0], returns[returns < 0.0]
    worst = np.sort(returns)[: (n - 1) // 20 + 1]  # whole numbers: 0.05 (n - 1) may round to under its floor
    return Metrics(
        total_return=_defined(total),
        annual_return=_defined(annual),
        volatility=_defined(deviation * root),
        max_drawdown=_defined(drawdown),
        sharpe=_ratio(mean * root, deviation),
        sortino=_ratio(mean * periods_per_year, downside * root),
        calmar=_ratio(annual, abs(drawdown)),
        win_rate=_ratio(len(gains), len(gains) + len(losses)),
        profit_factor=_ratio(gains.sum(), abs(losses.sum())),
        var_95=_defined(np.percentile(returns, 100.0 * _TAIL)),
        cvar_95=_defined(worst.mean()),
    )


def _standard_deviation(returns: FloatColumn) -> float:
    """The sample's; NaN for one return. Exactly 0 for a constant series: its rounded mean would leave 1e-17 instead,
    and a Sharpe ratio of 1e16."""
    if len(returns) < 2:
        return np.nan
    return 0.0 if returns.max() == returns.min() else float(returns.std(ddof=1))


def _ratio(numerator: float, denominator: float) -> float | None:
    return _defined(numerator / denominator) if denominator != 0.0 and np.isfinite(denominator) else None


def _defined(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def wilson_interval(wins: IntColumn, trades: IntColumn) -> tuple[FloatColumn, FloatColumn]:
    """The 95% interval of the win rates behind `wins` of `trades`, lower and upper ends of shape (n,).

        (p + z^2 / 2n +- z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)

    Never outside 0 and 1, and honest at 0 or n wins, where p +- 2 standard errors would be certain. NaN without trades.

    Raises
    ------
    ValueError
        Where `wins` is under 0 or over `trades`.

    Source: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference" (1927); P-13, P-29.
    """
    wins, trades = np.asarray(wins), np.asarray(trades)
    if (wins < 0).any() or (wins > trades).any():
        raise ValueError("wins lie between 0 and trades")
    n = np.where(trades > 0, trades, np.nan)
    square = NORMAL_95**2 / n
    p = wins / n
    centre = p + square / 2.0
    half = np.sqrt(square * (p * (1.0 - p) + square / 4.0))
    low = np.where(wins == 0, np.where(trades > 0, 0.0, np.nan), (centre - half) / (1.0 + square))
    high = np.where(wins == trades, np.where(trades > 0, 1.0, np.nan), (centre + half) / (1.0 + square))
    return low, high


@dataclass(frozen=True, slots=True)
class Expectancy:
    """Mean gain per dollar bet with its 95% interval, as fractions. None where the sample says nothing."""

    mean: float | None
    low: float | None
    high: float | None
    trades: int


def expectancy(returns: FloatColumn) -> Expectancy:
    """The mean of `returns`, shape (n,): each closed bet's net gain divided by the dollars bet on it.

    The interval is Student's, mean +- t(0.975, n - 1) sd / sqrt(n); it needs two trades, the mean one.

    Raises
    ------
    ValueError
        Where a return is NaN or infinite.

    Source: P-28, P-29, A-07.
    """
    if not np.isfinite(returns).all():
        raise ValueError("returns are finite numbers")
    n = len(returns)
    if n == 0:
        return Expectancy(None, None, None, 0)
    mean = float(returns.mean())
    if n == 1:
        return Expectancy(mean, None, None, 1)
    half = float(stdtrit(n - 1, 1.0 - _TAIL / 2.0)) * _standard_deviation(returns) / float(np.sqrt(n))
    return Expectancy(mean, mean - half, mean + half, n)
