"""What the options held over night are worth at the next open, wherever it opens (P-18).

    value  = contracts x multiplier x price(S (1 + x), v (1 + y), T - night)
    P&L    = value - contracts x multiplier x price(S, v, T)

No stop works while the market is closed: this is what a position can become before anything can be done about it. The
night itself costs time value, so the P&L of no move is a loss. An option that expires before the next open is then
worth its intrinsic value. A dividend of the night is not taken out of the spot; its date is shown beside.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from riskengine.calculators.columns import BoolColumn, FloatColumn, Number
from riskengine.calculators.greeks import greeks

SPOT_MOVES = np.array([-0.10, -0.05, -0.03, 0.0, 0.03, 0.05, 0.10])
VOLATILITY_MOVES = np.array([-0.20, 0.0, 0.20])  # of itself: 0.20 becomes 0.16, 0.20 and 0.24
SPOT_MOVES.flags.writeable = VOLATILITY_MOVES.flags.writeable = False

_MOVES = (len(VOLATILITY_MOVES), len(SPOT_MOVES))
_AS_IT_IS = int(np.flatnonzero(VOLATILITY_MOVES == 0.0)[0]), int(np.flatnonzero(SPOT_MOVES == 0.0)[0])


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Night:
    """One position a row, USD; NaN where it cannot be priced, 0 where no contract is open.

    `value` and `pnl`, shape (n, 3, 7), at the next open after each move of volatility and spot; `value_now` the model's
    value, which P&L is counted from, and `marked` the market's, shape (n,). `theta_night` is what the night alone
    costs, `notional` what exercise or assignment would pay, `shares` how many shares would change hands.
    """

    value: FloatColumn
    pnl: FloatColumn
    value_now: FloatColumn
    marked: FloatColumn
    theta_night: FloatColumn
    notional: FloatColumn
    shares: FloatColumn


def overnight(
    *,
    contracts: FloatColumn,
    multiplier: FloatColumn,
    mark: FloatColumn,
    spot: FloatColumn,
    strike: FloatColumn,
    seconds_to_expiry: FloatColumn,
    seconds_of_night: Number,
    volatility: FloatColumn,
    rate: Number,
    dividend_yield: Number,
    call: BoolColumn,
) -> Night:
    """What each position becomes by the next open.

    Parameters
    ----------
    contracts, multiplier : (n,), open contracts (long) and shares per contract.
    mark : (n,), USD per share; only `marked` needs it.
    spot, strike, seconds_to_expiry, volatility, rate, dividend_yield, call : as `greeks` takes them, as of now.
    seconds_of_night : from now to the next open, at least 0; one number or (n,).

    Returns
    -------
    Night. A row with an unusable input, or one that has expired already, is NaN in what needs the price.

    Raises
    ------
    ValueError
        Where the columns are not of one length.

    Source: P-18.
    """
    n = len(contracts)
    held = contracts * multiplier
    now = greeks(spot, strike, seconds_to_expiry, volatility, rate, dividend_yield, call).price
    night = np.broadcast_to(np.asarray(seconds_of_night, np.float64), (n,))
    left = np.where(night >= 0.0, seconds_to_expiry - night, np.nan)
    opens = spot[:, None, None] * (1.0 + SPOT_MOVES)
    wild = volatility[:, None, None] * (1.0 + VOLATILITY_MOVES[:, None])

    def every_move(column: Any) -> Any:
        """Of shape (n,), (n, 1, 7) or (n, 3, 1), or one number: a row for every position and move."""
        column = np.asarray(column)
        column = column[:, None, None] if column.ndim == 1 else column
        return np.broadcast_to(column, (n, *_MOVES)).ravel()

    alive = greeks(*map(every_move, (opens, strike, left, wild, rate, dividend_yield, call))).price.reshape(n, *_MOVES)
    direction = np.where(call, 1.0, -1.0)[:, None, None]
    intrinsic = np.maximum(direction * (opens - strike[:, None, None]), 0.0)
    price = np.where(left[:, None, None] <= 0.0, intrinsic, alive)
    # What cannot be priced now has no P&L, though its intrinsic value might be known.
    price = np.where(np.isfinite(now)[:, None, None], price, np.nan)
    value = _nothing_held(contracts[:, None, None], held[:, None, None] * price)
    value_now = _nothing_held(contracts, held * now)
    pnl = value - value_now[:, None, None]
    return Night(
        value=value,
        pnl=pnl,
        value_now=value_now,
        marked=_nothing_held(contracts, held * mark),
        theta_night=0.0 - pnl[:, *_AS_IT_IS],
        notional=_nothing_held(contracts, held * strike),
        shares=_nothing_held(contracts, held),
    )


def _nothing_held(contracts: FloatColumn, term: FloatColumn) -> FloatColumn:
    """A closed position is worth nothing, also where its price is unknown: it must not make the book unknown."""
    return np.where(contracts == 0.0, 0.0, term)


def book(night: Night) -> FloatColumn:
    """The P&L of all positions after each move, shape (3, 7), USD: every underlying moves alike. NaN throughout where
    one position cannot be priced: what is left out would pass for safe. 0 for an empty book."""
    total: FloatColumn = night.pnl.sum(axis=0)
    return total


def worst_at(night_total: FloatColumn, move: float) -> float:
    """The worst P&L of a book, or of one position, after one spot move, whatever volatility does.

    `night_total`, shape (3, 7), as `book`; `move` one of SPOT_MOVES, a fraction (-0.05). NaN where not known. Raises
    ValueError for a move that was not reckoned.
    """
    column = np.flatnonzero(np.isclose(SPOT_MOVES, move, rtol=0.0, atol=1e-9))
    if not len(column):
        raise ValueError(f"{move} is none of the spot moves")
    return float(night_total[:, column[0]].min())
