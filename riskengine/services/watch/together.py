"""What open bets are together: by underlying, as one bet where they move together, and which pairs do (P-11)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from positions.market.calendar import OutsideCalendar
from positions.market_selectors import calendar_around
from positions.models import Instrument
from riskengine.calculators import exposure
from riskengine.calculators.columns import BoolColumn, FloatColumn, IntColumn, above
from riskengine.calculators.limits import Limits
from riskengine.loading.facts import NO_CORRELATIONS, WAYS, Correlations, Way, correlations_before
from riskengine.loading.watched import Watched

Pair = tuple[str, str, float]


@dataclass(frozen=True, slots=True, eq=False)
class Together:
    """`exposure` by portfolio and underlying, (n, symbols), USD; `effective` sqrt(w'Rw), USD, (n,). `pairs` are lists
    of those above the limit of correlation, and `alike` (n,) says which of them is the portfolio's; -1 is none."""

    exposure: FloatColumn
    effective: FloatColumn
    pairs: list[list[Pair]]
    alike: IntColumn


def together(
    *,
    place: IntColumn,
    underlying: IntColumn,
    dollars: FloatColumn,
    direction: IntColumn,
    watched: Sequence[Watched],
    limits: Limits,
) -> Together:
    """From one row a bet: whose, in what, USD at risk, +1 for calls and -1 for puts. `limits` are each portfolio's.

    No statement where nobody holds two underlyings; else three for each market date and way of measuring.
    """
    n = len(watched)
    symbols, column = np.unique(underlying, return_inverse=True)
    shape = n, len(symbols)
    cell = place * len(symbols) + column

    def by_underlying(terms: FloatColumn) -> FloatColumn:
        return np.bincount(cell, weights=terms, minlength=n * len(symbols)).astype(np.float64).reshape(shape)

    at_risk, signed = by_underlying(dollars), by_underlying(dollars * direction)
    held = by_underlying(np.ones(len(cell))) > 0.0
    effective = np.abs(signed).sum(axis=1)
    alike = np.full(n, -1, np.int64)
    pairs: list[list[Pair]] = []
    known: dict[tuple[int, bytes, float], int] = {}
    several = np.flatnonzero(held.sum(axis=1) > 1)
    names = Instrument.objects.in_bulk(symbols.tolist()) if len(several) else {}
    most = np.broadcast_to(limits.high_pair_correlation, n)
    for k, (rows, measured) in enumerate(_measured(several, symbols, watched, limits)):
        matrix = measured.of(symbols.tolist(), symbols.tolist()).reshape(len(symbols), len(symbols))
        effective[rows] = exposure.effective_exposure(signed[rows], matrix)
        for row in rows.tolist():
            key = k, held[row].tobytes(), float(most[row])
            if key not in known:
                known[key] = len(pairs)
                pairs.append(_pairs(matrix, held[row], symbols, names, key[2]))
            alike[row] = known[key]
    return Together(exposure=at_risk, effective=effective, pairs=pairs, alike=alike)


def _measured(
    rows: IntColumn, symbols: IntColumn, watched: Sequence[Watched], limits: Limits
) -> list[tuple[IntColumn, Correlations]]:
    """The portfolios of each market date and way of measuring, with their matrix."""
    ways = [np.broadcast_to(getattr(limits, name), len(watched))[rows].astype(np.float64).tolist() for name in WAYS]
    groups: dict[tuple[date, Way], list[int]] = {}
    for row, *way in zip(rows.tolist(), *ways, strict=True):
        groups.setdefault((watched[row].day, Way(*way)), []).append(row)
    return [(np.array(mine, np.int64), _matrix(symbols, watched[mine[0]], way)) for (_, way), mine in groups.items()]


def _matrix(symbols: IntColumn, of: Watched, way: Way) -> Correlations:
    """Where the calendar does not reach back far enough nothing is measurable, and everything counts as one bet."""
    try:
        return correlations_before(symbols.tolist(), of.day, calendar_around(of.at), way)
    except OutsideCalendar:
        return NO_CORRELATIONS


def _pairs(
    matrix: FloatColumn, held: BoolColumn, symbols: IntColumn, names: Mapping[int, Instrument], most: float
) -> list[Pair]:
    """The pairs of what is held that move together more than `most`, the closest first."""
    places = np.flatnonzero(held)
    one, other = np.triu_indices(len(places), 1)
    rho = matrix[places[one], places[other]]
    found = np.flatnonzero(above(rho, most))
    order = found[np.argsort(-rho[found], kind="stable")]
    symbol = [names[int(pk)].symbol for pk in symbols[places]]
    return [(symbol[one[k]], symbol[other[k]], round(float(rho[k]), 4)) for k in order.tolist()]
