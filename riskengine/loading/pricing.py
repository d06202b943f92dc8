"""Underlying prices, implied volatility and Greeks of quoted contracts, on one year clock (A-14)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np

from positions.market.calendar import Calendar, OutsideCalendar, new_york_date
from positions.market_selectors import UnderlyingPrice
from riskengine.calculators import greeks
from riskengine.calculators.columns import FloatColumn
from riskengine.loading import market

RATE = DIVIDEND_YIELD = 0.0  # none is recorded; over a day to a week their effect on the Greeks is under one percent


@dataclass(frozen=True, slots=True, eq=False)
class Priced:
    """Shape (n,), NaN where not known. `spot` USD; `seconds` to the close of the expiration's session; `volatility`
    annual, implied by the mid."""

    spot: FloatColumn
    seconds: FloatColumn
    volatility: FloatColumn
    greeks: greeks.Greeks
    prices: Mapping[int, UnderlyingPrice]


def price(
    quotes: market.Quotes,
    prices: Mapping[int, UnderlyingPrice],
    calendar: Calendar,
    at: datetime,
    max_age: timedelta,
) -> Priced:
    """Price every contract as of market time `at` from the prices of the underlyings by id. One older than `max_age`
    is not known: Greeks of yesterday's price would let through what today's refuses."""
    spot = np.array([known(prices.get(row.underlying_id), at, max_age) for row in quotes.rows], np.float64)
    seconds = market.column([_seconds_to_expiry(row.expires_on, calendar, at) for row in quotes.rows])
    volatility = greeks.implied_volatility(quotes.mid, spot, quotes.strike, seconds, RATE, DIVIDEND_YIELD, quotes.call)
    found = greeks.greeks(spot, quotes.strike, seconds, volatility, RATE, DIVIDEND_YIELD, quotes.call)
    return Priced(spot, seconds, volatility, found, prices)


def _seconds_to_expiry(expires_on: date, calendar: Calendar, at: datetime) -> float | None:
    """Seconds to the close of the expiration's session, negative after it; None when the calendar does not reach it."""
    if expires_on < new_york_date(at):
        return -1.0
    try:
        session = calendar.session(expires_on)
    except OutsideCalendar:
        return None
    return None if session is None else (session.closes_at - at).total_seconds()


def known(found: UnderlyingPrice | None, at: datetime, max_age: timedelta) -> float:
    """The price as float64, NaN where there is none or it is stale."""
    return float(found.price) if found and at - found.known_at <= max_age else np.nan
