"""Correlations of the underlyings, and what they say about a bet beside the open ones.

The matrix is Pearson's on daily returns over a window, pair by pair on the dates both returns exist (P-12). A pair with
too few common returns, or in which one side does not move, is NaN: not measurable. It stays that one pair's NaN; what a
missing pair costs is said by the two readers, the correlation risk of Smart-0DTE (P-01) and the average |rho| of
Mag7-7DTE (SPEC 69, B-23).
"""

from dataclasses import dataclass

import numpy as np

from riskengine.calculators.columns import BoolColumn, FloatColumn, IntColumn

# Returns are quotients of prices near 1, so rounding alone spreads them by 1e-16; prices have at most 6 places, so a
# real move spreads them by far more. Below this a series did not move, and its correlation would be that of rounding.
UNMOVED = 1e-12  # standard deviation of returns

_CELLS = 500_000  # pairs x dates held at once: 4 MB a temporary


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """`correlation` and `common_returns`, shape (symbols, symbols), symmetric.

    `correlation` lies in [-1, 1] and is NaN where the pair is not measurable; `common_returns` counts the sample.
    """

    correlation: FloatColumn
    common_returns: IntColumn


def simple_returns(closes: FloatColumn) -> FloatColumn:
    """close / previous close - 1 along the last axis, shape (symbols, dates - 1).

    A return exists where both consecutive closes exist (finite) and are above 0; elsewhere it is NaN.
    """
    return _growth(closes) - 1.0


def log_returns(closes: FloatColumn) -> FloatColumn:
    """ln(close / previous close) along the last axis, shape (symbols, dates - 1); NaN as in `simple_returns`."""
    with np.errstate(divide="ignore"):  # a quotient under the smallest float64 is 0; its log is no return
        return np.asarray(np.log(_growth(closes)))


def _growth(closes: FloatColumn) -> FloatColumn:
    usable = np.where((closes > 0.0) & np.isfinite(closes), closes, np.nan)
    with np.errstate(over="ignore"):
        return np.asarray(usable[..., 1:] / usable[..., :-1])


def correlation_matrix(returns: FloatColumn, *, window: int, min_common: int) -> Matrix:
    """Pearson correlation of every pair on the last `window` dates.

    Parameters
    ----------
    returns : (symbols, dates), fractions, aligned by date, oldest first; NaN where a return does not exist.
    window : the last so many dates count, whether or not a return exists on them.
    min_common : fewer common returns than this and the pair is not measurable (NaN).

    Returns
    -------
    Matrix of shape (symbols, symbols). A NaN return takes its date out of that symbol's pairs and out of nothing else.

    Raises
    ------
    ValueError
        Where `returns` is not a table, or `window` or `min_common` is under 1.

    Source: P-12. Equals pandas' `DataFrame.corr(min_periods=min_common)`, but for series that do not move: there pandas
    may correlate the rounding.
    """
    if returns.ndim != 2:
        raise ValueError("returns is a table of shape (symbols, dates)")
    if window < 1 or min_common < 1:
        raise ValueError("window and min_common are at least 1")
    recent = returns[:, -window:]
    symbols, dates = recent.shape
    exists = np.isfinite(recent)
    values = np.where(exists, recent, 0.0)
    matrix = Matrix(np.empty((symbols, symbols)), np.empty((symbols, symbols), np.int64))
    step = max(1, _CELLS // max(1, symbols * dates))
    for start in range(0, symbols, step):
        rows = slice(start, start + step)
        common = exists[rows, None, :] & exists[None, :, :]
        count = common.sum(axis=2)
        matrix.common_returns[rows] = count
        rho = _pearson(values[rows, None, :], values[None, :, :], common, count)
        matrix.correlation[rows] = np.where(count >= min_common, rho, np.nan)
    return matrix


def _pearson(x: FloatColumn, y: FloatColumn, common: BoolColumn, count: IntColumn) -> FloatColumn:
    """Means first, then deviations from them: sums of raw squares would lose the digits of small returns."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        dx = np.where(common, x - (x * common).sum(axis=2, keepdims=True) / count[..., None], 0.0)
        dy = np.where(common, y - (y * common).sum(axis=2, keepdims=True) / count[..., None], 0.0)
        xx, yy = (dx * dx).sum(axis=2), (dy * dy).sum(axis=2)
        rho = (dx * dy).sum(axis=2) / np.sqrt(xx * yy)
    unmoved = UNMOVED * UNMOVED * count
    return np.where((xx > unmoved) & (yy > unmoved), np.clip(rho, -1.0, 1.0), np.nan)


def correlation_risk(
    row: IntColumn,
    rho: FloatColumn,
    direction: IntColumn,
    open_direction: IntColumn,
    same_symbol: BoolColumn,
    rows: int,
) -> FloatColumn:
    """The worst correlation of each candidate with what is open: max over pairs of max(0, rho x d x d_i).

    Parameters
    ----------
    row : (pairs,), the candidate of each pair of a candidate and a position open in its portfolio, 0 to rows - 1.
    rho : (pairs,), the correlation of the two symbols, NaN where not measurable.
    direction, open_direction : (pairs,), +1 for a long call, -1 for a long put.
    same_symbol : (pairs,), left out: the limit of positions per symbol governs those, and rho is 1 there.
    rows : how many candidates.

    Returns
    -------
    (rows,), from 0 to 1. No position open in another symbol: 0. A pair that is not measurable: 1, the worst case.

    Source: P-01.
    """
    together = np.where(np.isnan(rho), 1.0, np.maximum(rho * direction * open_direction, 0.0))
    risk = np.zeros(rows)
    np.maximum.at(risk, row, np.where(same_symbol, 0.0, together))
    return risk


@dataclass(frozen=True, slots=True, eq=False)
class AbsoluteCorrelation:
    """|rho| with the open positions, shape (rows,): `total` of the `measured` pairs; the `missing` ones count apart.

    The average is total / measured; compare total with threshold x measured instead, so that nothing is divided.
    """

    total: FloatColumn
    measured: IntColumn
    missing: IntColumn


def absolute_correlation(row: IntColumn, rho: FloatColumn, rows: int) -> AbsoluteCorrelation:
    """Sum and counts of |rho| of each candidate.

    Parameters
    ----------
    row : (pairs,), the candidate of each pair, 0 to rows - 1.
    rho : (pairs,), NaN where not measurable: it counts as missing and adds nothing.
    rows : how many candidates; one without pairs has zeros.

    Source: SPEC 69, B-23, B-24.
    """
    known = ~np.isnan(rho)
    return AbsoluteCorrelation(
        total=np.bincount(row[known], weights=np.abs(rho[known]), minlength=rows).astype(np.float64),
        measured=np.bincount(row[known], minlength=rows).astype(np.int64),
        missing=np.bincount(row[~known], minlength=rows).astype(np.int64),
    )
