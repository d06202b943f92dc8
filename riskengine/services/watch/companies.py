"""What is known of the companies a portfolio may bet on: the fundamental score factor by factor, and the dates ahead.

Plain data, as of the portfolio's market time. Scores and points are those that a size is made from (SPEC 66, P-14); a
put's score is the call's mirrored. What is older than the profile allows counts as missing, and says so.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from positions.market.calendar import new_york_date
from positions.market.clock import market_now
from positions.market_selectors import fundamentals_at, quoted_underlyings
from positions.models import Blackout, EarningsDate, ExDividendDate, Fundamental, Instrument, Portfolio
from riskengine.calculators.fundamentals import Fundamentals, Score, breakdown, score_book
from riskengine.calculators.limits import ABSOLUTE, Limits
from riskengine.loading.market import figures
from riskengine.loading.revisions import terms_in_force
from riskengine.services.decide.inputs import known, ny

MOST = 50
AHEAD = timedelta(days=45)
EVENTS_AHEAD = timedelta(days=14)


def companies_of(portfolio: Portfolio, *, now: datetime) -> dict[str, Any]:
    """Every underlying that is quoted for the portfolio or held in it, by symbol, at wall time `now`."""
    at = market_now(portfolio.clock, now)
    today = new_york_date(at)
    limits = terms_in_force(portfolio.profile_id).limits
    instruments = _instruments(portfolio, at)
    ids = [each.pk for each in instruments]
    known_by = fundamentals_at(ids, on=today)
    found = [known_by.get(pk) for pk in ids]
    calls, puts = (_score(found, today, limits, call=call) for call in (True, False))
    earnings, dividends = _earnings(ids, today), _dividends(ids, today)
    return {
        "portfolio": portfolio.slug,
        "as_of": ny(at),
        "mode": "absolute" if limits.fundamental_mode == ABSOLUTE else "relative",
        "max_age_days": int(limits.fundamentals_max_age_days),
        "refuses_earnings": bool(limits.refuse_earnings_before_expiry),
        "refuses_ex_dividend": bool(limits.refuse_ex_dividend_before_expiry),
        "companies": [
            {
                "symbol": instrument.symbol,
                "name": instrument.name,
                "score_call": known(calls[1].score[i]),
                "score_put": known(puts[1].score[i]),
                "factors": breakdown(*calls, i),
                **_figures(found[i], today, limits),
                "next_earnings": earnings.get(instrument.pk),
                "next_ex_dividend": dividends.get(instrument.pk),
            }
            for i, instrument in enumerate(instruments)
        ],
        "events": _events(ids, at),
    }


def _instruments(portfolio: Portfolio, at: datetime) -> list[Instrument]:
    symbols = quoted_underlyings(source=portfolio.quote_source, now=at)
    held = portfolio.positions.held().values("contract__underlying_id")
    found = Instrument.objects.filter(symbol__in=symbols) | Instrument.objects.filter(pk__in=held)
    return list(found.distinct().order_by("symbol")[:MOST])


def _score(
    found: Sequence[Fundamental | None], today: date, limits: Limits, *, call: bool
) -> tuple[Fundamentals, Score]:
    book = figures(found, today, np.full(len(found), call))
    return book, score_book(book, limits)


def _figures(row: Fundamental | None, today: date, limits: Limits) -> dict[str, Any]:
    """From when they are known and who says so."""
    if row is None:
        return {"as_of": None, "age_days": None, "stale": False, "source": None, "illustrative": False}
    age = (today - row.as_of_on).days
    return {
        "as_of": row.as_of_on.isoformat(),
        "age_days": age,
        "stale": age > float(limits.fundamentals_max_age_days),
        "source": row.source,
        "illustrative": row.is_illustrative,
    }


def _earnings(ids: Sequence[int], today: date) -> dict[int, dict[str, Any]]:
    """The next date of each, whenever it is: without one on record a weekly entry is refused."""
    rows = EarningsDate.objects.filter(instrument_id__in=ids, reports_on__gte=today)
    first = rows.order_by("instrument_id", "reports_on").distinct("instrument_id")
    return {
        row.instrument_id: {
            "on": row.reports_on.isoformat(),
            "days": (row.reports_on - today).days,
            "timing": row.get_timing_display().lower(),
            "source": row.source,
            "illustrative": row.is_illustrative,
        }
        for row in first
    }


def _dividends(ids: Sequence[int], today: date) -> dict[int, dict[str, Any]]:
    rows = ExDividendDate.objects.filter(instrument_id__in=ids, ex_on__gt=today, ex_on__lte=today + AHEAD)
    first = rows.order_by("instrument_id", "ex_on").distinct("instrument_id")
    return {
        row.instrument_id: {
            "on": row.ex_on.isoformat(),
            "days": (row.ex_on - today).days,
            "amount": float(row.amount_per_share),
            "source": row.source,
        }
        for row in first
    }


def _events(ids: Sequence[int], at: datetime) -> list[dict[str, Any]]:
    """Blackouts that run or begin soon (FOMC, CPI), of one company or of all."""
    soon = Blackout.objects.filter(ends_at__gt=at, starts_at__lte=at + EVENTS_AHEAD)
    return [
        {
            "reason": row.reason,
            "of": row.instrument.symbol if row.instrument else None,
            "starts_at": ny(row.starts_at),
            "ends_at": ny(row.ends_at),
            "runs": row.starts_at <= at,
        }
        for row in soon.select_related("instrument").order_by("starts_at", "id")
        if row.instrument_id is None or row.instrument_id in ids
    ]
