"""The recorded chain as the ticket shows it: search, expirations, quotes with how usable they are."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np

from accounts.models import RiskProfileRevision
from accounts.selectors import latest_revision
from positions.market.calendar import days_to_expiration, new_york_date
from positions.market.clock import market_now
from positions.market_selectors import (
    QuotedContract,
    expirations,
    option_chain,
    quoted_underlyings,
    search_contracts,
    underlying_prices,
)
from positions.models import Portfolio
from riskengine.services.decide.explanation import label

MOST_ROWS = 80
MOST_FOUND = 1_000  # a search looks at this many; the page shows the nearest to the money of them


class UnreadableSearch(ValueError):
    """The search text cannot be read; the message says how to write it."""


def chain_view(*, portfolio: Portfolio, query: str, expiration: date | None, now: datetime) -> dict[str, Any]:
    """Contracts to choose from: what the search finds, else the chain of the first underlying at an expiration that
    the system opens. Raises UnreadableSearch with a sentence."""
    at, source = market_now(portfolio.clock, now), portfolio.quote_source
    revision = latest_revision(portfolio.profile)
    underlyings = quoted_underlyings(source=source, now=at)
    listed: list[date] = []
    if query.strip():
        try:
            rows = search_contracts(query, source=source, now=at, limit=MOST_FOUND)
        except ValueError as problem:
            raise UnreadableSearch(str(problem)) from problem
        listed = sorted({row.expires_on for row in rows})
        selected = expiration if expiration in listed else None
        if selected is not None:
            rows = [row for row in rows if row.expires_on == selected]
    elif underlyings:
        listed = expirations(underlyings[0], source=source, now=at)
        selected = expiration if expiration in listed else _tradable(revision, listed, at)
        rows = option_chain(underlyings[0], selected, source=source, now=at) if selected else []
    else:
        selected, rows = None, []
    widest, oldest = float(revision.max_spread), float(revision.recorded_quote_max_age_seconds)
    return {
        "underlyings": underlyings,
        "expirations": [
            {"on": day.isoformat(), "days": days_to_expiration(day, at), "selected": day == selected} for day in listed
        ],
        "rows": [_row(row, at, widest, oldest) for row in _near_the_money(rows, source, at)],
        "total": len(rows),
    }


def _near_the_money(rows: list[QuotedContract], source: str, at: datetime) -> list[QuotedContract]:
    """At most MOST_ROWS, those nearest to their underlying's price, in the order in which they came."""
    if len(rows) <= MOST_ROWS:
        return rows
    prices = underlying_prices({row.underlying_id for row in rows}, source=source, now=at)

    def distance(row: QuotedContract) -> Decimal:
        known = prices.get(row.underlying_id)
        return abs(row.strike - known.price) if known else row.strike

    shown = {row.contract_id for row in sorted(rows, key=distance)[:MOST_ROWS]}
    return [row for row in rows if row.contract_id in shown]


def _tradable(revision: RiskProfileRevision, listed: list[date], at: datetime) -> date | None:
    """The first expiration that the system opens, else the first there is."""
    today = new_york_date(at)
    fitting = [
        day for day in listed if revision.min_expiration_days <= (day - today).days <= revision.max_expiration_days
    ]
    return next(iter(fitting or listed), None)


def _row(row: QuotedContract, at: datetime, widest: float, oldest: float) -> dict[str, Any]:
    bid = float(row.bid) if row.bid is not None else None
    ask = float(row.ask) if row.ask is not None else None
    age = None if row.confirmed_at is None else (at - row.confirmed_at).total_seconds()
    usable = bid is not None and ask is not None and ask > bid > 0 and age is not None and age <= oldest
    spread = (ask - bid) / ((ask + bid) / 2) if bid is not None and ask is not None and ask + bid > 0 else None
    level = "unusable" if not usable else "ok" if spread is not None and spread <= widest else "wide"
    return {
        "occ_symbol": row.occ_symbol,
        "label": label(row),
        "underlying": row.underlying,
        "right": row.right,
        "strike": float(row.strike),
        "bid": bid,
        "ask": ask,
        "bid_size": row.bid_size,
        "ask_size": row.ask_size,
        "spread_fraction": None if spread is None else float(np.round(spread, 6)),
        "spread_level": level,
        "volume": row.volume_today,
        "open_interest": row.open_interest,
        "age_seconds": age,
        "days": days_to_expiration(row.expires_on, at),
    }
