"""What a bet can cost: at the stop, at zero, in fees and spread, on exercise, a move and an hour (SPEC 7.1, A-06).

Money USD, premiums USD a share, every array of shape (n,). Unknown in, NaN out: nothing shown is invented.
"""

from dataclasses import dataclass

import numpy as np

from riskengine.calculators.columns import FloatColumn
from riskengine.calculators.greeks import Greeks
from riskengine.calculators.limits import Limits


@dataclass(frozen=True, slots=True, eq=False)
class Consequences:
    """`*_fraction` are shares of `equity`; `day_limit_share` and `budget_multiple` compare the loss at the stop.

    `loss_at_stop` holds if the stop fills where it stands. `half_spread` and `fees` are what entering at the ask and
    one round trip cost. `one_percent_move` is the gain or loss of delta on a 1% move of the underlying.
    `recovery_gain` is the gain on what is left that makes a total loss good.
    """

    loss_at_stop: FloatColumn
    loss_at_stop_fraction: FloatColumn
    total_loss: FloatColumn
    total_loss_fraction: FloatColumn
    day_limit_share: FloatColumn
    budget_multiple: FloatColumn
    half_spread: FloatColumn
    fees: FloatColumn
    round_trip_cost: FloatColumn
    exercise_shares: FloatColumn
    exercise_notional: FloatColumn
    share_delta: FloatColumn
    one_percent_move: FloatColumn
    theta_per_hour: FloatColumn
    equity_after_total_loss: FloatColumn
    recovery_gain: FloatColumn


def consequences(
    *,
    contracts: FloatColumn,
    bid: FloatColumn,
    ask: FloatColumn,
    stop: FloatColumn,
    multiplier: FloatColumn,
    spot: FloatColumn,
    greeks: Greeks,
    equity: FloatColumn,
    basis: FloatColumn,
    risk_budget: FloatColumn,
    limits: Limits,
) -> Consequences:
    """The consequences of buying `contracts` at the ask. `risk_budget` USD; `equity` at the start of the
    day, `basis` what the loss limits are shares of."""
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = contracts * multiplier
        loss_at_stop = shares * (ask - stop)
        total_loss = shares * ask
        fees = 2.0 * contracts * limits.fee_per_contract
        left = equity - total_loss
        return Consequences(
            loss_at_stop=loss_at_stop,
            loss_at_stop_fraction=loss_at_stop / equity,
            total_loss=total_loss,
            total_loss_fraction=total_loss / equity,
            day_limit_share=loss_at_stop / (limits.max_daily_loss * basis),
            budget_multiple=loss_at_stop / risk_budget,
            half_spread=shares * (ask - bid) / 2.0,
            fees=fees,
            round_trip_cost=ask - bid + 2.0 * limits.fee_per_contract / multiplier,
            exercise_shares=shares,
            exercise_notional=shares * spot,
            share_delta=shares * greeks.delta,
            one_percent_move=shares * greeks.delta * spot * 0.01,
            theta_per_hour=shares * greeks.theta_per_day / 24.0,
            equity_after_total_loss=left,
            recovery_gain=np.where(left > 0.0, total_loss / np.where(left > 0.0, left, 1.0), np.inf),
        )
