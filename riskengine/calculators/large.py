"""What of a large position a person is told (P-23): how much of the premium is gone, how near the stop is, how wide the
spread, how little time is left, how many shares it stands for.

Each condition is a column of stages: 0 nothing, then one a threshold; and a column that says where it is over. What
lies between is neither, so that a number that wavers about a threshold is not told again and again. USD a share unless
said otherwise; NaN is not known, and says nothing.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from riskengine.calculators.columns import BoolColumn, FloatColumn, above, at_least, at_most, below

LARGE_BETS = 1.5  # minimum bets
LOSSES = (0.05, 0.10, 0.15)  # of the premium
STOP_WAY = 0.75  # of the way from the entry to the stop
MAX_SPREAD = 0.10  # of the mid
MINUTES_LEFT = (60.0, 30.0)  # to the close of the day it expires on
MOST_EQUITIES = 10.0  # share notional, in equities of the account

# Where a condition is over, well inside its threshold.
LOSS_OVER, STOP_WAY_OVER, SPREAD_OVER, EQUITIES_OVER = 0.025, 0.60, 0.08, 9.0

StageColumn = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Positions:
    """Columns of shape (n,). `bid` and `ask` are of a usable quote, NaN otherwise; `minutes` to the close, NaN where it
    does not expire today or no session is open; `notional` USD, contracts x multiplier x price of the underlying."""

    cost: FloatColumn
    minimum: FloatColumn
    entry: FloatColumn
    stop: FloatColumn
    bid: FloatColumn
    ask: FloatColumn
    minutes: FloatColumn
    notional: FloatColumn
    equity: FloatColumn


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """One condition of every row: what was measured, how far it has come, and whether it is over."""

    value: FloatColumn
    stage: StageColumn
    over: BoolColumn


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    loss: Condition
    stop: Condition
    spread: Condition
    close: Condition
    notional: Condition


def is_large(cost: FloatColumn, minimum: FloatColumn) -> BoolColumn:
    """At least 1.5 minimum bets of premium, USD. Without a known minimum it counts as large: it is then watched."""
    return at_least(cost, LARGE_BETS * minimum) | ~(minimum > 0.0)


def judge(positions: Positions) -> Told:
    """Every condition of every position. A position that is not large is told nothing of, and all of it is over."""
    p = positions
    large = is_large(p.cost, p.minimum)
    with np.errstate(divide="ignore", invalid="ignore"):
        loss = (p.entry - p.bid) / p.entry
        way = np.where(p.entry > p.stop, (p.entry - p.bid) / (p.entry - p.stop), np.nan)
        spread = (p.ask - p.bid) / ((p.ask + p.bid) / 2.0)
        equities = np.where(
            p.equity > 0.0, p.notional / p.equity, np.where((p.equity <= 0.0) & (p.notional > 0.0), np.inf, np.nan)
        )
    return Told(
        loss=_condition(loss, _steps(loss, LOSSES), below(loss, LOSS_OVER), large),
        stop=_condition(way, at_least(way, STOP_WAY), below(way, STOP_WAY_OVER), large),
        spread=_condition(spread, above(spread, MAX_SPREAD), at_most(spread, SPREAD_OVER), large),
        close=_condition(p.minutes, _steps(-p.minutes, [-each for each in MINUTES_LEFT]), np.isnan(p.minutes), large),
        notional=_condition(
            equities, above(equities, MOST_EQUITIES) | np.isposinf(equities), at_most(equities, EQUITIES_OVER), large
        ),
    )


def _steps(value: FloatColumn, thresholds: tuple[float, ...] | list[float]) -> StageColumn:
    """How many of the rising thresholds are reached."""
    stages = np.zeros(value.shape, np.int8)
    for threshold in thresholds:
        stages += at_least(value, threshold)
    return stages


def _condition(value: FloatColumn, stage: BoolColumn | StageColumn, over: BoolColumn, large: BoolColumn) -> Condition:
    return Condition(value, np.where(large, stage, 0).astype(np.int8), over | ~large)
