"""What a group of closed trades came to, and how sure one can be of it. Win rate never stands alone (A-07, P-29)."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from riskengine.calculators.columns import FloatColumn
from riskengine.calculators.performance import expectancy, wilson_interval
from riskengine.loading.trades import Trades
from riskengine.services.decide.inputs import known
from riskengine.services.study.luck_words import FEW as ESTABLISHES_NOTHING

LUCK, ABOVE, BELOW, FEW, ONE, NONE = "luck", "above", "below", "few", "one", "none"


def rates(trades: Trades) -> dict[str, Any]:
    """Plain data: money USD to the cent, rates and gains fractions, gains per dollar paid and after fees.

    `n` closed trades; `wins` of the `rated` ones, those that something was paid for. `payoff` is the average gain over
    the average loss, per dollar; `profit_factor` dollars gained over dollars lost. `verdict`: whether the 95% interval
    of the expectancy lies above nothing, below it, or around it (luck); few where it lies on one side but 30 trades or
    fewer say so (W14): two losses at one stop have a narrow interval. None: nothing to average.
    """
    gain = trades.gain
    gain = gain[np.isfinite(gain)]
    wins, rated = int((gain > 0.0).sum()), len(gain)
    low, high = (float(end[0]) for end in wilson_interval(np.array([wins]), np.array([rated])))
    per_dollar = expectancy(gain)
    won, lost = trades.pnl[trades.pnl > 0.0], trades.pnl[trades.pnl < 0.0]
    average_win, average_loss = mean(gain[gain > 0.0]), mean(-gain[gain <= 0.0])
    return {
        "n": len(trades),
        "rated": rated,
        "wins": wins,
        "win_rate": known(wins / rated) if rated else None,
        "low": known(low),
        "high": known(high),
        "expectancy": known(per_dollar.mean),
        "expectancy_low": known(per_dollar.low),
        "expectancy_high": known(per_dollar.high),
        "verdict": _verdict(rated, per_dollar.low, per_dollar.high),
        "average_win": known(average_win),
        "average_loss": known(average_loss),
        "payoff": known(ratio(average_win, average_loss)),
        "profit_factor": known(ratio(float(won.sum()), -float(lost.sum()))),
        "gained": dollars(won.sum()),
        "lost": dollars(lost.sum()),
        "best": dollars(trades.pnl.max()) if len(trades) else None,
        "worst": dollars(trades.pnl.min()) if len(trades) else None,
        "pnl": dollars(trades.pnl.sum()),
        "fees": dollars(trades.fees.sum()),
        "cost": dollars(trades.cost.sum()),
    }


def by(trades: Trades, keys: Sequence[Any], order: Callable[[Any], Any], label: Callable[[Any], str]) -> list[Any]:
    """Rates by key, in this order of the keys. `keys` has one for each trade."""
    column = np.empty(len(keys), object)
    column[:] = list(keys)
    return [
        {"key": each, "label": label(each), **rates(trades.take(column == each))}
        for each in sorted(distinct(keys), key=order)
    ]


def distinct(keys: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(keys))


def mean(column: FloatColumn) -> float | None:
    return float(column.mean()) if len(column) else None


def ratio(numerator: float | None, denominator: float | None) -> float | None:
    """None where there is no denominator: no loss yet is not an infinite payoff."""
    return numerator / denominator if numerator is not None and denominator else None


def dollars(value: Any) -> float:
    """To the cent, free of the dust of a sum of floats."""
    return round(float(value), 2) + 0.0


def _verdict(rated: int, low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return ONE if rated else NONE
    if low <= 0.0 <= high:
        return LUCK
    if rated <= ESTABLISHES_NOTHING:
        return FEW
    return ABOVE if low > 0.0 else BELOW
