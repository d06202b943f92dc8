"""What a book has at risk: exposure, share-equivalent Greeks, gap to zero, effective exposure, concentration.

    exposure   = sum of max(cost of open contracts, mark) + reservations at the worst permitted price      (P-04, A-15)
    delta      = sum of contracts x multiplier x delta x S / S_SPY                                         (P-05, A-14)
    gamma      = sum of contracts x multiplier x gamma x (S / S_SPY)^2
    gap        = sum of the value that is lost when every open option goes to zero                               (A-06)
    effective  = sqrt(w' R w)                                                                                    (P-11)

Terms are rows of shape (n,), `group` (int64, 0 <= group < groups) says whose term each is, and totals have shape
(groups,). One unknown term (NaN) makes the total of its group NaN, which refuses entries: an unknown risk is not a
small risk. Prices are USD per share, totals USD or SPY shares. Only long premium is held (B-49).
"""

from dataclasses import dataclass

import numpy as np

from riskengine.calculators.columns import BoolColumn, FloatColumn, IntColumn, Number, above

SPX_PER_SPY = 10.0


def total(term: FloatColumn, group: IntColumn, groups: int) -> FloatColumn:
    """The sum of each group's terms; 0 for a group without any, NaN where a term is NaN."""
    return np.bincount(group, weights=term, minlength=groups).astype(np.float64)


def mark(mid: FloatColumn, is_fresh: BoolColumn, entry: FloatColumn, last_mark: FloatColumn) -> FloatColumn:
    """The mid of a fresh quote; else the larger of entry price and last mark (P-04). NaN where what is needed is."""
    return np.where(is_fresh, mid, np.maximum(entry, last_mark))


def position_exposure(
    contracts: FloatColumn, multiplier: FloatColumn, entry: FloatColumn, marked: FloatColumn
) -> FloatColumn:
    """max(cost, mark) of each position's open contracts, USD: a losing bet does not free room (A-15).

    A position with no open contract is worth 0 whatever its mark; negative numbers are unknown.
    """
    price = np.maximum(_known(entry), _known(marked))
    return _nothing_held(contracts, _known(contracts) * _known(multiplier) * price)


def reservation(contracts: FloatColumn, multiplier: FloatColumn, worst_price: FloatColumn) -> FloatColumn:
    """What each working opening order may still cost: remaining contracts at the worst permitted price, USD (A-09)."""
    return _nothing_held(contracts, _known(contracts) * _known(multiplier) * _known(worst_price))


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """Terms in USD and the group each belongs to."""

    dollars: FloatColumn
    group: IntColumn


def exposure(positions: Terms, reservations: Terms, groups: int) -> FloatColumn:
    """Open positions plus reservations, USD, one number a group (P-04, A-15)."""
    return total(positions.dollars, positions.group, groups) + total(reservations.dollars, reservations.group, groups)


def spy_price(spy: FloatColumn, spx: FloatColumn) -> FloatColumn:
    """S_SPY from its own quote, else SPX / 10 (A-14). NaN where both are unknown."""
    return np.where(_known(spy) > 0.0, spy, np.where(_known(spx) > 0.0, spx / SPX_PER_SPY, np.nan))


@dataclass(frozen=True, slots=True, eq=False)
class ShareEquivalents:
    """Signed totals in SPY shares (delta) and SPY shares per dollar of SPY (gamma)."""

    delta: FloatColumn
    gamma: FloatColumn


def share_equivalents(
    *,
    contracts: FloatColumn,
    multiplier: FloatColumn,
    delta: FloatColumn,
    gamma: FloatColumn,
    spot: FloatColumn,
    spy: FloatColumn,
    group: IntColumn,
    groups: int,
) -> ShareEquivalents:
    """Delta and gamma of each group in SPY share-equivalents (P-05, A-14).

    `delta` and `gamma` are per share, a long put's delta negative; `spot` is the underlying's price and `spy` the
    price of SPY, (n,) each. A trade under consideration is one more row. A price not above 0 is unknown.
    """
    priced = (spot > 0.0) & (spy > 0.0)
    ratio = np.where(priced, spot, np.nan) / np.where(priced, spy, np.nan)
    shares = _known(contracts) * _known(multiplier)
    return ShareEquivalents(
        delta=total(_nothing_held(contracts, shares * delta * ratio), group, groups),
        gamma=total(_nothing_held(contracts, shares * gamma * ratio**2), group, groups),
    )


@dataclass(frozen=True, slots=True, eq=False)
class GapToZero:
    """The loss if every open option goes to zero: USD a position, then of each group in USD, as a share of equity and
    as a multiple of the emergency limit."""

    positions: FloatColumn
    dollars: FloatColumn
    equity_fraction: FloatColumn
    emergency_multiple: FloatColumn


def gap_to_zero(
    *,
    contracts: FloatColumn,
    multiplier: FloatColumn,
    marked: FloatColumn,
    equity: FloatColumn,
    basis: FloatColumn,
    emergency_halt_loss: Number,
    group: IntColumn,
    groups: int,
) -> GapToZero:
    """What no breaker can bound, only the entry size can (A-06).

    The loss is counted from the mark, which is what equity contains. `equity` and `basis` have shape (groups,); the
    emergency limit is `emergency_halt_loss` x basis. Fractions are NaN where equity or limit is not above 0.
    """
    positions = _nothing_held(contracts, _known(contracts) * _known(multiplier) * _known(marked))
    dollars = total(positions, group, groups)
    emergency = emergency_halt_loss * basis
    return GapToZero(
        positions=positions,
        dollars=dollars,
        equity_fraction=dollars / np.where(equity > 0.0, equity, np.nan),
        emergency_multiple=dollars / np.where(emergency > 0.0, emergency, np.nan),
    )


def effective_exposure(signed_dollars: FloatColumn, correlation: FloatColumn) -> FloatColumn:
    """sqrt(w' R w) of each portfolio, USD; compare it with 66% of V (P-11).

    `signed_dollars` w has shape (portfolios, symbols): exposure to each underlying, long puts negative, 0 where none is
    held. `correlation` R has shape (symbols, symbols), signed; a pair that cannot be measured (NaN) counts as the worst
    case, as if the two bets were one (P-01). Exposure that is NaN makes its portfolio's result NaN.
    """
    # Pairwise estimates need not form a matrix that is positive semidefinite: a full hedge may come out just under 0.
    effective: FloatColumn = np.sqrt(np.maximum(_variance(signed_dollars, correlation), 0.0))
    return effective


def effective_bets(signed_dollars: FloatColumn, correlation: FloatColumn) -> FloatColumn:
    """How many equal bets that know nothing of one another the book amounts to: (sum |w|)^2 / (w' R w), (portfolios,).

    n equal uncorrelated bets are n, n identical ones 1; hedges make it more than n. Arguments and the worst case for a
    pair that cannot be measured as `effective_exposure`. NaN where nothing is held, where an exposure is NaN, and for
    a full hedge: its number would be infinite, or that of the rounding.

    Source: P-11 as a number of bets (NEW); the square of the diversification ratio of Choueifaty and Coignard, "Toward
    Maximum Diversification" (2008), with exposures for volatilities.
    """
    whole = np.abs(signed_dollars).sum(axis=1)
    held = np.where(whole > 0.0, whole, np.nan)[:, None]
    share = _variance(signed_dollars / held, correlation)
    return 1.0 / np.where(above(share, 0.0), share, np.nan)


def _variance(signed_dollars: FloatColumn, correlation: FloatColumn) -> FloatColumn:
    """w' R w of each portfolio, a pair that is not measured counting as |w_i w_j|."""
    measured = np.isfinite(correlation)
    known = np.where(measured, correlation, 0.0)
    np.fill_diagonal(known, 1.0)
    worst = ~measured
    np.fill_diagonal(worst, False)
    size = np.abs(signed_dollars)
    variance: FloatColumn = ((signed_dollars @ known) * signed_dollars + (size @ worst) * size).sum(axis=1)
    return variance


def herfindahl(dollars: FloatColumn, group: IntColumn, groups: int) -> FloatColumn:
    """Sum of squared shares of each group's exposure: 1 is one bet, 1/k is k equal ones (P-29). NaN without any."""
    totals = total(dollars, group, groups)
    index: FloatColumn = total(dollars**2, group, groups) / np.where(totals > 0.0, totals, np.nan) ** 2
    return index


def herfindahl_over_time(start: FloatColumn, end: FloatColumn, dollars: FloatColumn, group: IntColumn) -> float:
    """The index of what was held, averaged over the time in which anything was: NaN where nothing ever was.

    Bets of shape (n,), each `dollars` in its `group` from `start` to `end` (one unit of time, whichever).

    Source: P-29 averaged over time (NEW).
    """
    order = np.argsort(np.concatenate((end, start)), kind="stable")  # at one moment what ends goes before what begins
    at = np.concatenate((end, start))[order]
    change = np.concatenate((-dollars, dollars))[order]
    whose = np.concatenate((group, group))[order]
    held = np.zeros((int(group.max()) + 1) if len(group) else 0)
    count, weighted, lasted = 0, 0.0, 0.0
    for k in range(len(at) - 1):
        held[whose[k]] += change[k]
        count += 1 if order[k] >= len(end) else -1
        passed, whole = float(at[k + 1] - at[k]), float(held.sum())
        if count and whole > 0.0:
            weighted += passed * float((held**2).sum()) / whole**2
            lasted += passed
    return weighted / lasted if lasted > 0.0 else np.nan


def _known(column: FloatColumn) -> FloatColumn:
    """Finite and not negative, else NaN."""
    return np.where(np.isfinite(column) & (column >= 0.0), column, np.nan)


def _nothing_held(contracts: FloatColumn, term: FloatColumn) -> FloatColumn:
    """A closed position has no term, also where its price is unknown: it must not make the book unknown."""
    return np.where(contracts == 0.0, 0.0, term)
