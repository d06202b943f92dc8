"""What a book would gain or lose at once if its underlyings and their volatilities moved (SPEC section 7).

    P&L = sum of contracts x multiplier x (price(S (1 + x), v (1 + y)) - price(S, v))

Every underlying moves by the same fraction x and every implied volatility by the same fraction of itself y; time stands
still. Both prices are the model's, so that at x = y = 0 nothing is gained.
"""

from typing import Any

import numpy as np

from riskengine.calculators.columns import BoolColumn, FloatColumn, Number
from riskengine.calculators.greeks import greeks

SPOT_MOVES = np.array([-0.10, -0.075, -0.05, -0.025, -0.01, 0.0, 0.01, 0.025, 0.05, 0.075, 0.10])
VOLATILITY_MOVES = np.array([0.20, 0.10, 0.0, -0.10, -0.20])


def scenario_pnl(
    *,
    contracts: FloatColumn,
    multiplier: FloatColumn,
    spot: FloatColumn,
    strike: FloatColumn,
    seconds_to_expiry: FloatColumn,
    volatility: FloatColumn,
    rate: Number,
    dividend_yield: Number,
    call: BoolColumn,
    spot_moves: FloatColumn = SPOT_MOVES,
    volatility_moves: FloatColumn = VOLATILITY_MOVES,
) -> FloatColumn:
    """USD gained or lost by the book, shape (volatility moves, spot moves).

    Parameters
    ----------
    contracts, multiplier, spot, strike, seconds_to_expiry, volatility, call : (n,), one long option a row, as `greeks`
        takes them.
    spot_moves, volatility_moves : fractions above -1.

    Returns
    -------
    NaN throughout where one option cannot be priced: what is left out would pass for safe. 0 for an empty book.
    """
    n, shape = len(contracts), (len(volatility_moves), len(spot_moves))
    up, wild = (
        np.repeat(each.ravel(), n)
        for each in np.broadcast_arrays(1.0 + spot_moves[None, :], 1.0 + volatility_moves[:, None])
    )

    def repeated(column: Any) -> Any:
        return np.tile(column, shape[0] * shape[1])

    def price(spots: FloatColumn, volatilities: FloatColumn) -> FloatColumn:
        return greeks(
            spots,
            repeated(strike),
            repeated(seconds_to_expiry),
            volatilities,
            rate,
            dividend_yield,
            repeated(call),
        ).price

    now = greeks(spot, strike, seconds_to_expiry, volatility, rate, dividend_yield, call).price
    then = price(repeated(spot) * up, repeated(volatility) * wild)
    gained = repeated(contracts * multiplier) * (then - repeated(now))
    pnl: FloatColumn = gained.reshape(*shape, n).sum(axis=2)
    return pnl
