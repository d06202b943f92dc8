"""Correlations of the underlyings, and what they say about a bet beside the open ones.

The matrix is Pearson's on daily returns over a window, pair by pair on the dates both returns exist (P-12). A pair with
too few common returns, or in which one side does not move, is NaN: not measurable. It stays that one pair's NaN; what a
missing pair costs is said by the two readers, the correlation risk of Smart-0DTE (P-01) and the average |rho| of
Mag7-7DTE (SPEC 69, B-23).

Two other estimates have the same shape: one in which recent dates weigh more, and one that is pulled towards no
correlation by as much as the sample is short (Ledoit-Wolf).
"""

from dataclasses import dataclass

import numpy as np

from riskengine.calculators.columns import BoolColumn, FloatColumn, IntColumn, Number, Steps, lower_of, where

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
    recent = _recent(returns, window, min_common)
    return _pairwise(recent, np.ones(recent.shape[1]), min_common)


def ewma_matrix(returns: FloatColumn, *, window: int, min_common: int, decay: float) -> Matrix:
    """Correlation of every pair on the last `window` dates, a date weighing `decay` as much as the next one.

    Over the dates t common to the pair, a(t) dates before the last of the window, with w(t) = decay^a(t):

        mean(x) = sum w x / sum w        rho = sum w (x - mean(x)) (y - mean(y)) / sqrt(of the same sum for xx and yy)

    A date without a common return has no term, and the dates before it keep their age.

    Parameters
    ----------
    returns, window, min_common : as `correlation_matrix`; the common returns are counted, not weighed.
    decay : above 0 and at most 1; at 1 all dates weigh the same, and the result is `correlation_matrix`.

    Returns
    -------
    Matrix of shape (symbols, symbols), as `correlation_matrix`.

    Raises
    ------
    ValueError
        As `correlation_matrix`, or where `decay` is outside its bounds.

    Source: J.P. Morgan and Reuters, "RiskMetrics - Technical Document" (1996), 5.2, there with means of zero. Equals
    pandas' `ewm(alpha=1 - decay, adjust=True, ignore_na=False).corr()` of the pair's common dates.
    """
    if not 0.0 < decay <= 1.0:
        raise ValueError("decay is above 0 and at most 1")
    recent = _recent(returns, window, min_common)
    age = np.arange(recent.shape[1] - 1, -1, -1)
    return _pairwise(recent, decay**age, min_common)


def _recent(returns: FloatColumn, window: int, min_common: int) -> FloatColumn:
    if returns.ndim != 2:
        raise ValueError("returns is a table of shape (symbols, dates)")
    if window < 1 or min_common < 1:
        raise ValueError("window and min_common are at least 1")
    return returns[:, -window:]


def _pairwise(recent: FloatColumn, weight: FloatColumn, min_common: int) -> Matrix:
    """Every pair on its own common dates, `weight` (dates,) being what a date counts for."""
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
        rho = _pearson(values[rows, None, :], values[None, :, :], common * weight)
        matrix.correlation[rows] = np.where(count >= min_common, rho, np.nan)
    return matrix


def _pearson(x: FloatColumn, y: FloatColumn, weight: FloatColumn) -> FloatColumn:
    """Means first, then deviations from them: sums of raw squares would lose the digits of small returns."""
    whole = weight.sum(axis=2)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        dx = np.where(weight > 0.0, x - (x * weight).sum(axis=2, keepdims=True) / whole[..., None], 0.0)
        dy = np.where(weight > 0.0, y - (y * weight).sum(axis=2, keepdims=True) / whole[..., None], 0.0)
        xx, yy = (weight * (dx * dx)).sum(axis=2), (weight * (dy * dy)).sum(axis=2)
        rho = (weight * (dx * dy)).sum(axis=2) / np.sqrt(xx * yy)
    unmoved = UNMOVED * UNMOVED * whole
    return np.where((xx > unmoved) & (yy > unmoved), np.clip(rho, -1.0, 1.0), np.nan)


def ledoit_wolf_matrix(returns: FloatColumn, *, window: int, min_common: int) -> Matrix:
    """Correlations on the last `window` dates, all shrunk towards 0 by what the length of the sample calls for.

    The estimate is of all symbols at once, so all need the same dates. While the symbols left share fewer than
    `min_common`, those with the fewest dates in common with all that are left (their own included) are left out. On
    the shared dates each symbol's returns are standardised, so that it is correlations that are shrunk and not the
    variances of the quiet.

    Parameters
    ----------
    returns, window, min_common : as `correlation_matrix`.

    Returns
    -------
    Matrix of shape (symbols, symbols). A symbol that was left out, or does not move on the shared dates, is NaN in its
    row and column. `common_returns` is the number of shared dates among the measured, elsewhere the pair's own.

    Raises
    ------
    ValueError
        As `correlation_matrix`.

    Source: Ledoit and Wolf, "A Well-Conditioned Estimator for Large-Dimensional Covariance Matrices" (2004), as
    scikit-learn has it.
    """
    recent = _recent(returns, window, min_common)
    exists = np.isfinite(recent)
    symbols = len(recent)
    count = exists.astype(np.int64) @ exists.T.astype(np.int64)
    correlation = np.full((symbols, symbols), np.nan)
    measured, shared = _measured(recent, exists, min_common)
    if measured.any():
        # Imported here: it costs a second and 60 MB, which a process that never asks for it does not pay.
        from sklearn.covariance import ledoit_wolf

        sample = recent[np.ix_(measured, shared)]
        standard = (sample - sample.mean(axis=1, keepdims=True)) / sample.std(axis=1, keepdims=True)
        covariance, _ = ledoit_wolf(standard.T)
        root = np.sqrt(np.diag(covariance))
        rho = np.clip(covariance / np.outer(root, root), -1.0, 1.0)
        np.fill_diagonal(rho, 1.0)
        correlation[np.ix_(measured, measured)] = (rho + rho.T) / 2.0  # a product of matrices may round unevenly
        count[np.ix_(measured, measured)] = shared.sum()
    return Matrix(correlation, count)


def _measured(recent: FloatColumn, exists: BoolColumn, min_common: int) -> tuple[BoolColumn, BoolColumn]:
    """The symbols that can be measured together, shape (symbols,), and the dates they share, shape (dates,)."""
    left: BoolColumn = np.asarray(exists.any(axis=1))
    while left.any():
        shared: BoolColumn = np.asarray(exists[left].all(axis=0))
        if shared.sum() < min_common:
            # Symbols that are equally to blame leave together: the order of the symbols decides nothing.
            common = np.where(left, (exists * exists[left].sum(axis=0)).sum(axis=1), exists.size + 1)
            left &= common > common.min()
            continue
        moves = left.copy()
        moves[left] = recent[np.ix_(left, shared)].std(axis=1) > UNMOVED
        if (moves == left).all():
            return left, shared
        left = moves
    return left, np.zeros(recent.shape[1], bool)


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


def factor_of(pairs: AbsoluteCorrelation, ladder: Steps, missing_factor: Number) -> FloatColumn:
    """The correlation factor of each candidate by its average |rho|, shape (rows,).

    No pairs: 1. None measured: `missing_factor`. Some not measured: the ladder's step, at most `missing_factor`. The
    average is never divided out: the sum is compared with threshold x count.

    Source: SPEC 69, B-23.
    """
    measured: FloatColumn = 1.0 * pairs.measured  # type: ignore[assignment]
    tier = ladder.at(pairs.total, measured)
    says = where(pairs.missing == 0, tier, lower_of(tier, missing_factor))
    return where(measured + pairs.missing == 0, 1.0, where(measured == 0, missing_factor, says))
