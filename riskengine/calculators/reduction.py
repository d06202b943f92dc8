"""How few contracts must be sold so that a move costs no more than a limit (P-18, NEW).

    minimise sum(k)  with  sum((contracts - k) x pnl a contract) >= -limit  in every cell, 0 <= k <= contracts, whole

Selling what loses most first is right for one cell. A book of calls and puts has two columns, and a put sold against
the way up may be what the way down was covered by; so it is solved as the small whole-number problem that it is.
"""

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from riskengine.calculators.columns import FloatColumn, IntColumn, above

_TIGHTER = 1e-5  # of the limit: the solver keeps a constraint to a millionth only


def fewest_to_sell(pnl: FloatColumn, contracts: FloatColumn, limit: float) -> IntColumn | None:
    """Contracts to sell of each position: the fewest, and of those the ones that cost most.

    Parameters
    ----------
    pnl : (n, c), USD: what each position gains or loses in each cell that has to fit, all its contracts together.
    contracts : (n,), whole, at least 0.
    limit : USD that the book may lose in a cell; under 0 counts as 0.

    Returns
    -------
    (n,) int64; zeros where everything fits already. None where a number is not known: nothing can be proposed.

    Source: P-18, DESIGN (NEW).
    """
    limit = max(limit, 0.0)
    if not (np.isfinite(pnl).all() and np.isfinite(limit)):
        return None
    nothing = np.zeros(len(contracts), np.int64)
    if not _too_much(pnl, contracts, nothing, limit):
        return nothing
    for allowed in (limit, limit * (1.0 - _TIGHTER)):
        found = _solve(pnl, contracts, allowed)
        if found is not None and not _too_much(pnl, contracts, found, limit):
            return found
    return contracts.astype(np.int64)  # nothing held loses nothing


def _each(pnl: FloatColumn, contracts: FloatColumn) -> FloatColumn:
    """Of one contract, (n, c)."""
    each: FloatColumn = pnl / np.maximum(contracts, 1.0)[:, None]
    return each


def _too_much(pnl: FloatColumn, contracts: FloatColumn, sold: IntColumn, limit: float) -> bool:
    left = (_each(pnl, contracts) * (contracts - sold)[:, None]).sum(axis=0)
    return bool(np.any(above(-left, limit)))


def _solve(pnl: FloatColumn, contracts: FloatColumn, limit: float) -> IntColumn | None:
    """The fewest; then, of that many, the ones that together cost most in their own worst cell."""
    each = _each(pnl, contracts)
    scale = max(float(np.abs(pnl).max()), 1.0)
    fits = LinearConstraint(each.T / scale, ub=(pnl.sum(axis=0) + limit) / scale)
    whole = {"integrality": np.ones(len(contracts)), "bounds": Bounds(0, contracts), "options": {"mip_rel_gap": 0.0}}
    fewest = milp(np.ones(len(contracts)), constraints=[fits], **whole)
    if fewest.x is None:
        return None
    count = float(np.rint(fewest.x).sum())
    cost = each.min(axis=1) / scale
    so_many = LinearConstraint(np.ones((1, len(contracts))), lb=count, ub=count)
    costliest = milp(cost, constraints=[fits, so_many], **whole)
    best = fewest.x if costliest.x is None else costliest.x
    found: IntColumn = np.rint(best).astype(np.int64)
    return found
