"""Which of several signals become bets when they say much the same (P-15).

    score = confidence x factor      factor from the average |rho| with what is open and what is already accepted

The most confident is judged first, and each one that is accepted counts as open for the next. A candidate is dropped
when it would double a bet: |rho| over the limit, and both gaining from the same move (rho x d_i x d_j > 0). What is
dropped says for which other bet and at which rho.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from riskengine.calculators.columns import (
    CONFIDENCE_PLACES,
    BoolColumn,
    FloatColumn,
    IntColumn,
    Steps,
    above,
    half_up_places,
)
from riskengine.calculators.correlation import absolute_correlation, factor_of

NOT_DROPPED, OPEN, ACCEPTED = 0, 1, 2  # dropped_for
NOBODY = -1  # dropped_index


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Selection:
    """What became of the candidates. `order` holds the accepted rows, most confident first; the rest has shape (n,).

    `average_rho` and `factor` are those of each candidate's turn, `score` confidence x factor; NaN for a row that is no
    candidate (no confidence or no direction), `average_rho` also where no pair was measured. `dropped_for` (int8) is
    NOT_DROPPED, OPEN or ACCEPTED, `dropped_index` the column of the open position or the row of the accepted candidate
    (NOBODY where not dropped) and `dropped_rho` the correlation with it, signed.
    """

    order: IntColumn
    accepted: BoolColumn
    score: FloatColumn
    factor: FloatColumn
    average_rho: FloatColumn
    dropped_for: npt.NDArray[np.int8]
    dropped_index: IntColumn
    dropped_rho: FloatColumn


def select(
    *,
    confidence: FloatColumn,
    direction: IntColumn,
    underlying: IntColumn,
    rho_open: FloatColumn,
    open_direction: IntColumn,
    same_open: BoolColumn,
    rho_each: FloatColumn,
    correlation_factor: Steps,
    correlation_missing_factor: float,
    high_pair_correlation: float,
    skip_same_open: bool,
) -> Selection:
    """Select among the candidates of one portfolio.

    Parameters
    ----------
    confidence : (n,), raw, 0 to 1; NaN is no candidate.
    direction : (n,), +1 for a long call, -1 for a long put; 0 is no candidate.
    underlying : (n,), its id.
    rho_open : (n, k), the correlation of each candidate with each open position; NaN where not measurable.
    open_direction : (k,), +1 or -1.
    same_open : (n, k), whether the position is in the candidate's underlying: rho is 1 there, measured or not.
    rho_each : (n, n), of the candidates with each other; 1 for two in one underlying, measured or not.
    correlation_factor, correlation_missing_factor : as Mag7-7DTE's sizing reads them (`factor_of`).
    high_pair_correlation : above so much |rho| in the same direction two bets are one.
    skip_same_open : leave positions in the candidate's own underlying out altogether: Smart-0DTE has a limit of
        positions per symbol for them (P-01). Two candidates in one underlying are compared all the same.

    Returns
    -------
    Selection. Candidates of equal confidence (to 6 places) are judged in the order given. A pair that is not measurable
    drops nobody; it lowers the factor (B-23). Of several reasons to drop, the one with the largest |rho| is named,
    an open position before an accepted candidate.

    Raises
    ------
    ValueError
        Where the shapes do not fit.

    Source: P-15, SPEC 69, B-23, B-24.
    """
    n, k = len(confidence), len(open_direction)
    if rho_open.shape != (n, k) or same_open.shape != (n, k) or rho_each.shape != (n, n):
        raise ValueError("rho_open and same_open are tables of candidates and positions, rho_each of candidates")
    if direction.shape != (n,) or underlying.shape != (n,):
        raise ValueError("confidence, direction and underlying are columns of one length")
    confidence = half_up_places(confidence, CONFIDENCE_PLACES)
    same_each = underlying[:, None] == underlying[None, :]
    # Open positions first, candidates after them: one row of `rho` is all that a candidate can be compared with.
    rho = np.hstack((np.where(same_open, 1.0, rho_open), np.where(same_each, 1.0, rho_each)))
    rho = np.copysign(half_up_places(np.abs(rho), CONFIDENCE_PLACES), rho)
    beside = np.concatenate((open_direction, direction))
    compared = ~(same_open & skip_same_open)
    found = Selection(
        order=np.empty(0, np.int64),
        accepted=np.zeros(n, bool),
        score=np.full(n, np.nan),
        factor=np.full(n, np.nan),
        average_rho=np.full(n, np.nan),
        dropped_for=np.full(n, NOT_DROPPED, np.int8),
        dropped_index=np.full(n, NOBODY),
        dropped_rho=np.full(n, np.nan),
    )
    order: list[int] = []
    for row in np.argsort(-confidence, kind="stable").tolist():
        if not np.isfinite(confidence[row]) or direction[row] == 0:
            continue
        # Accepted ones in the order of acceptance: the same sum to the last bit however the candidates were given.
        others = np.concatenate((np.flatnonzero(compared[row]), k + np.array(order, np.int64)))
        near = rho[row, others]
        pairs = absolute_correlation(np.zeros(len(near), np.int64), near, 1)
        factor = factor_of(pairs, correlation_factor, correlation_missing_factor)[0]
        found.factor[row] = factor
        found.score[row] = confidence[row] * factor
        if pairs.measured[0]:
            found.average_rho[row] = pairs.total[0] / pairs.measured[0]
        doubles = above(np.abs(near), high_pair_correlation) & (near * direction[row] * beside[others] > 0)
        if doubles.any():
            worst = int(np.argmax(np.where(doubles, np.abs(near), -1.0)))
            other = int(others[worst])
            found.dropped_for[row], found.dropped_index[row] = (OPEN, other) if other < k else (ACCEPTED, other - k)
            found.dropped_rho[row] = near[worst]
        else:
            found.accepted[row] = True
            order.append(row)
    return replace(found, order=np.array(order, np.int64))
