"""How the underlyings move together: the matrix of a portfolio, held or not, and the runs that are kept of it.

Entries, alerts and pages measure anew from the closes; a run is kept once a session for the record (P-12): as-of date,
method and sample stand beside each pair, and a pair that cannot be measured is there as such.
"""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import Count

from accounts.defaults import PARAMETERS
from positions.market.calendar import Calendar, OutsideCalendar, Session, new_york_date
from positions.market.clock import market_now
from positions.market_selectors import calendar_around, quoted_underlyings
from positions.models import CorrelationPair, CorrelationRun, Instrument, Mode, Portfolio
from riskengine.calculators import exposure
from riskengine.calculators.limits import Limits
from riskengine.loading.facts import WAYS, Correlations, Way, correlations_before
from riskengine.loading.revisions import terms_in_force
from riskengine.services.decide.inputs import known

MOST_UNDERLYINGS = 30
MOST_LOOKS = 500  # profiles and market dates in one run
SIX_PLACES = Decimal("0.000001")
METHODS = PARAMETERS["correlation_method"].choices
METHOD_WORDS = {
    "pearson": "Pearson: every session counts alike",
    "ewma": "exponentially weighted: recent sessions count more",
    "ledoit_wolf": "Ledoit-Wolf: all pairs shrunk towards none, by the length of the sample",
}


def correlations_of(portfolio: Portfolio, *, now: datetime) -> dict[str, Any]:
    """The matrix of everything the portfolio could buy or holds, at wall time `now`. OutsideCalendar when its market
    time has no session table."""
    at = market_now(portfolio.clock, now)
    calendar, session = _session(at)
    limits = terms_in_force(portfolio.profile_id).limits
    instruments = _underlyings(portfolio, at)
    ids, names = [each.pk for each in instruments], [each.symbol for each in instruments]
    way = way_of(limits)
    measured = correlations_before(ids, session.day, calendar, way)
    high = float(limits.high_pair_correlation)
    shown = heat(measured, ids, names, high)
    pairs = [(names[i], names[j], i, j) for i in range(len(ids)) for j in range(i + 1, len(ids))]
    rho = measured.of(ids, ids).reshape(len(ids), len(ids))
    equal = np.ones((1, len(ids)))
    return {
        "heat": shown,
        "method": METHODS[int(way.method)],
        "method_words": METHOD_WORDS[METHODS[int(way.method)]],
        "decay": way.decay if METHODS[int(way.method)] == "ewma" else None,
        "window": int(way.window),
        "min_common": int(way.min_common),
        "missing": [f"{one} and {other}" for one, other, i, j in pairs if np.isnan(rho[i, j])],
        "pairs": len(pairs),
        "high_pairs": sorted(
            ({"one": one, "other": other, "rho": known(rho[i, j])} for one, other, i, j in pairs if rho[i, j] > high),
            key=lambda each: -each["rho"],
        ),
        "bets_if_equal": known(float(exposure.effective_bets(equal, rho)[0])) if ids else None,
        "runs": [
            {
                "as_of": run.as_of_on.isoformat(),
                "method": run.get_method_display(),
                "pairs": run.of,
                "missing": run.of - run.measured,
            }
            for run in CorrelationRun.objects.annotate(of=Count("pairs"), measured=Count("pairs__correlation"))
            .filter(as_of_on__lte=session.day, of__gt=0)
            .order_by("-as_of_on", "-id")[:5]
        ],
    }


def keep_correlations(*, now: datetime) -> int:
    """Keep the matrix of the session before, once for each way of measuring that a portfolio has; how many were new.

    Looked at once for each profile and market date, however many portfolios share them, and so many of those at most.
    """
    portfolios = Portfolio.objects.exclude(mode=Mode.OFF).select_related("clock").order_by("pk")
    alike: dict[tuple[int, date], datetime] = {}
    for portfolio in portfolios:
        at = market_now(portfolio.clock, now)
        alike.setdefault((portfolio.profile_id, new_york_date(at)), at)
    kept = 0
    for (profile_id, _), at in list(alike.items())[:MOST_LOOKS]:
        try:
            calendar, session = _session(at)
            before = calendar.previous(session.day)
        except OutsideCalendar:
            continue
        way = way_of(terms_in_force(profile_id).limits)
        named = _named(before, way)
        if CorrelationRun.objects.filter(**named).exists():
            continue
        instruments = Instrument.objects.filter(pk__in=_with_closes(before)).order_by("pk")[:MOST_UNDERLYINGS]
        kept += _keep(named, [each.pk for each in instruments], session, calendar, way, now)
    return kept


@transaction.atomic
def _keep(
    named: dict[str, Any], ids: Sequence[int], session: Session, calendar: Calendar, way: Way, now: datetime
) -> int:
    measured = correlations_before(ids, session.day, calendar, way)
    run, is_new = CorrelationRun.objects.get_or_create(**named, defaults={"computed_at": now})
    if not is_new:
        return 0
    rho = measured.of(ids, ids).reshape(len(ids), len(ids))
    CorrelationPair.objects.bulk_create(
        CorrelationPair(
            run=run,
            first_id=ids[i],
            second_id=ids[j],
            correlation=None if np.isnan(rho[i, j]) else Decimal(float(rho[i, j])).quantize(SIX_PLACES),
            common_sessions=int(measured.sample[i, j]),
        )
        for i in range(len(ids))
        for j in range(i + 1, len(ids))
    )
    return 1


def way_of(limits: Limits) -> Way:
    """How this revision measures."""
    return Way(*(float(getattr(limits, name)) for name in WAYS))


def _named(before: Session, way: Way) -> dict[str, Any]:
    method = METHODS[int(way.method)]
    decay = Decimal(way.decay).quantize(SIX_PLACES) if method == "ewma" else Decimal(0)
    return {
        "as_of_on": before.day,
        "window_sessions": int(way.window),
        "min_common_sessions": int(way.min_common),
        "method": method,
        "decay": decay,
    }


def _with_closes(before: Session) -> list[int]:
    """Instruments with a close of that session."""
    return list(Instrument.objects.filter(daily_closes__session_on=before.day).values_list("pk", flat=True))


def _session(at: datetime) -> tuple[Calendar, Session]:
    try:
        calendar = calendar_around(at)
    except ValueError as empty:
        raise OutsideCalendar(str(empty)) from empty
    return calendar, calendar.on_or_before(new_york_date(at))


def _underlyings(portfolio: Portfolio, at: datetime) -> list[Instrument]:
    symbols = quoted_underlyings(source=portfolio.quote_source, now=at)
    held = portfolio.positions.held().values("contract__underlying_id")
    found = Instrument.objects.filter(symbol__in=symbols) | Instrument.objects.filter(pk__in=held)
    return list(found.distinct().order_by("symbol")[:MOST_UNDERLYINGS])


def heat(correlations: Correlations, ids: Sequence[int], names: Sequence[str], high: float) -> dict[str, Any]:
    """Correlations as a table of cells, with the sample of each."""
    matrix = correlations.of(ids, ids).reshape(len(ids), len(ids))
    rows = []
    for i, name in enumerate(names):
        cells = []
        for j, other in enumerate(names):
            at, to = correlations.place.get(ids[i]), correlations.place.get(ids[j])
            sample = int(correlations.sample[at, to]) if at is not None and to is not None else 0
            rho = known(matrix[i, j])
            cells.append(
                {
                    "other": other,
                    "rho": rho,
                    "sample": sample,
                    "same": i == j,
                    "high": i != j and rho is not None and rho > high,
                    "wave": 0 if rho is None else round(abs(rho) * 4),
                    "negative": rho is not None and rho < 0,
                }
            )
        rows.append({"name": name, "cells": cells})
    return {
        "names": list(names),
        "rows": rows,
        "as_of": correlations.as_of.isoformat() if correlations.as_of else None,
        "high": high,
        "closes_of": [
            f"{name}: closes of {correlations.labels[each]}"
            for each, name in zip(ids, names, strict=True)
            if each in correlations.labels
        ],
    }
