"""Equity of a replayed day by the minute (A-18): cash, and what is held at its last usable bid.

Where a contract has had no usable quote yet, what is left is the lower side of its last quote, a missing bid being
worth 0 (A-05): never the price that was paid.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from positions.market.calendar import Session
from riskengine.calculators import stops
from riskengine.calculators.columns import FloatColumn, IntColumn
from riskengine.calculators.limits import Limits
from riskengine.loading.recorded_day import DayQuotes, Ledger, microseconds

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, eq=False)
class EquityCurve:
    """Shape (n,), one a minute from the open to the close, both included. USD."""

    at: list[datetime]
    cash: FloatColumn
    equity: FloatColumn


def equity_by_minute(session: Session, ledger: Ledger, quotes: dict[int, DayQuotes], limits: Limits) -> EquityCurve:
    """The curve of a session. `limits` say which quotes are usable."""
    minutes = round((session.closes_at - session.opens_at) / MINUTE)
    at = [session.opens_at + k * MINUTE for k in range(minutes + 1)]
    instants = np.array([microseconds(each) for each in at], np.int64)
    cash = _as_of(ledger.moved_at, ledger.cash, instants, before=0.0)
    worth = np.zeros(len(at))
    for contract_id, holding in ledger.holdings.items():
        held = _as_of(holding.changed_at, holding.contracts.astype(np.float64), instants, before=0.0)
        each = quotes[contract_id]
        mark = _as_of(each.known_at, last_usable_bid(each, limits), instants, before=0.0)
        worth += held * holding.multiplier * mark
    return EquityCurve(at, cash, cash + worth)


def worth_at_close(session: Session, quotes: dict[int, DayQuotes], limits: Limits) -> dict[int, float]:
    """By contract id: its last usable bid by the close, USD a share, as the curve ends with it."""
    close = np.array([microseconds(session.closes_at)], np.int64)
    return {
        contract_id: float(_as_of(each.known_at, last_usable_bid(each, limits), close, before=0.0)[0])
        for contract_id, each in quotes.items()
    }


def last_usable_bid(quotes: DayQuotes, limits: Limits) -> FloatColumn:
    """What one contract is worth after each of its quotes, USD a share. Each was fresh when it became known."""
    n = len(quotes.bid)
    usable = stops.usable_for_exit(quotes.bid, quotes.ask, quotes.tick, np.ones(n, np.bool_), limits)
    last = np.maximum.accumulate(np.where(usable, np.arange(n), -1)) if n else np.zeros(0, np.int64)
    lower = np.where(np.isnan(quotes.bid), 0.0, np.fmin(quotes.bid, quotes.ask))
    return np.where(last >= 0, quotes.bid[last], lower)


def _as_of(times: IntColumn, values: FloatColumn, instants: IntColumn, *, before: float) -> FloatColumn:
    """The last value at or before each instant."""
    place = np.searchsorted(times, instants, side="right") - 1
    return np.where(place >= 0, values[place], before) if len(times) else np.full(len(instants), before)
