"""How much was at risk, in how many bets, and how alike they were: now, over time, and of all that was traded."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import numpy as np
from django.db import connection

from accounts.defaults import PARAMETERS
from positions.market.calendar import OutsideCalendar, new_york_date
from positions.market_selectors import calendar_around
from positions.models import Instrument, Portfolio
from riskengine.calculators.columns import FloatColumn, IntColumn
from riskengine.calculators.exposure import herfindahl, herfindahl_over_time
from riskengine.loading.equity import EquityDays
from riskengine.loading.facts import correlations_before
from riskengine.loading.revisions import terms_in_force
from riskengine.loading.session_points import SessionPoints
from riskengine.loading.trades import Trades
from riskengine.models import Reading, ReadingState
from riskengine.services.decide.inputs import known, ny
from riskengine.services.study.rates import dollars
from riskengine.services.watch.correlations import METHOD_WORDS, way_of

NO_READING = "no check has valued this account yet"

_HELD = """
    SELECT i.symbol, sum(p.quantity_open * c.multiplier * p.average_entry_price)::float8
    FROM positions_position p
    JOIN positions_optioncontract c ON c.id = p.contract_id
    JOIN positions_instrument i ON i.id = c.underlying_id
    WHERE p.portfolio_id = %s AND p.quantity_open > 0
    GROUP BY i.symbol ORDER BY 2 DESC, 1
"""


def exposure_record(
    portfolio: Portfolio,
    trades: Trades,
    days: EquityDays,
    points: Mapping[date, SessionPoints],
    at: datetime,
) -> dict[str, Any]:
    """Herfindahl: 1 is one bet, 1/k is k equal ones. Shares are of equity. `average`: of five-minute readings, and of
    the premium of closed trades over the time in which any was held, each at its whole premium until it closed."""
    group, names = _groups(trades)
    index = herfindahl(trades.cost, np.zeros(len(trades), np.int64), 1) if len(trades) else np.array([np.nan])
    by_name: FloatColumn = np.bincount(group, weights=trades.cost, minlength=len(names)).astype(np.float64)
    traded = herfindahl(by_name, np.zeros(len(names), np.int64), 1)
    over_time = herfindahl_over_time(
        trades.entry_at.astype(np.float64), trades.closed_at.astype(np.float64), trades.cost, group
    )
    return {
        "now": _now(portfolio),
        "average": _average(days, points) | {"herfindahl": known(over_time)},
        "traded": {
            "underlyings": len(names),
            "herfindahl": known(float(traded[0])) if len(names) else None,
            "herfindahl_of_bets": known(float(index[0])),
            "shares": [
                {"underlying": name, "premium": dollars(by_name[k]), "share": known(by_name[k] / trades.cost.sum())}
                for k, name in sorted(enumerate(names), key=lambda each: -by_name[each[0]])
                if trades.cost.sum() > 0.0
            ],
        },
        "correlation": _correlation(portfolio, names, at),
    }


def _groups(trades: Trades) -> tuple[IntColumn, list[str]]:
    names = sorted(set(trades.underlying))
    place = {name: k for k, name in enumerate(names)}
    return np.array([place[each] for each in trades.underlying], np.int64), names


def _now(portfolio: Portfolio) -> dict[str, Any]:
    reading = Reading.objects.filter(portfolio=portfolio).first()
    with connection.cursor() as cursor:
        cursor.execute(_HELD, [portfolio.pk])
        held = cursor.fetchall()
    whole = sum(cost for _, cost in held)
    is_known = reading is not None and reading.state == ReadingState.KNOWN
    return {
        "at": ny(reading.market_at) if reading else None,
        "unknown": "" if is_known else reading.reason if reading else NO_READING,
        "exposure": known(_float(reading.exposure)) if reading else None,
        "effective_exposure": known(_float(reading.effective_exposure)) if reading else None,
        "equity": known(_float(reading.equity)) if reading else None,
        "herfindahl": known(reading.concentration) if reading else None,
        "held": [
            {"underlying": symbol, "cost": dollars(cost), "share": known(cost / whole) if whole else None}
            for symbol, cost in held
        ],
    }


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def _average(days: EquityDays, points: Mapping[date, SessionPoints]) -> dict[str, Any]:
    """Weighted by how many readings of a session knew the exposure."""
    seen = [points[day] for day in days.day if day in points]
    weights = np.array([each.known for each in seen], np.float64)
    return {
        "readings": int(weights.sum()),
        "sessions": int((weights > 0.0).sum()),
        "exposed": _weighted(np.array([_nan(each.exposed) for each in seen], np.float64), weights),
        "as_one": _weighted(np.array([_nan(each.as_one) for each in seen], np.float64), weights),
    }


def _nan(value: float | None) -> float:
    return np.nan if value is None else value


def _weighted(values: FloatColumn, weights: FloatColumn) -> float | None:
    told = np.isfinite(values) & (weights > 0.0)
    return known(float(np.average(values[told], weights=weights[told]))) if told.any() else None


def _correlation(portfolio: Portfolio, names: list[str], at: datetime) -> dict[str, Any]:
    """The mean of all pairs of what was traded, as the matrix of the profile's way measures them at market time `at`
    (P-12); a pair that cannot be measured is counted and left out."""
    pairs = len(names) * (len(names) - 1) // 2
    found: dict[str, Any] = {"pairs": pairs, "known": 0, "mean": None, "as_of": None, "method": "", "unknown": ""}
    if not pairs:
        return found | {"unknown": "one underlying has no pair" if names else "nothing was traded"}
    try:
        calendar = calendar_around(at)
        session = calendar.on_or_before(new_york_date(at))
        ids = dict(Instrument.objects.filter(symbol__in=names).values_list("symbol", "pk"))
        way = way_of(terms_in_force(portfolio.profile_id).limits)
        measured = correlations_before([ids[name] for name in names], session.day, calendar, way)
    except (OutsideCalendar, ValueError) as problem:
        return found | {"unknown": str(problem)}
    matrix = measured.of([ids[name] for name in names], [ids[name] for name in names])
    above = matrix.reshape(len(names), len(names))[np.triu_indices(len(names), 1)]
    told = above[np.isfinite(above)]
    return found | {
        "known": len(told),
        "mean": known(float(told.mean())) if len(told) else None,
        "as_of": measured.as_of.isoformat() if measured.as_of else None,
        "method": METHOD_WORDS[PARAMETERS["correlation_method"].choices[int(way.method)]],
        "unknown": "" if len(told) else "no pair has enough common closes",
    }
