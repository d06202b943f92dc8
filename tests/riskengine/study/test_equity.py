"""Equity by the minute: what is held at its last usable bid, worth nothing more than what it could be sold at."""

from datetime import UTC, date, datetime, timedelta

import numpy as np

from positions.market.calendar import Session
from riskengine.loading.limits import default_limits
from riskengine.loading.recorded_day import DayQuotes, Holding, Ledger, microseconds
from riskengine.services.study.equity import equity_by_minute, last_usable_bid

OPEN = datetime(2021, 1, 4, 14, 30, tzinfo=UTC)
SESSION = Session(date(2021, 1, 4), OPEN, OPEN + timedelta(minutes=4), closes_early=False)
LIMITS = default_limits("smart-0dte")
NAN = np.nan


def quotes(*pairs: tuple[float, float]) -> DayQuotes:
    at = [microseconds(OPEN + timedelta(minutes=k)) for k in range(len(pairs))]
    bid, ask = (np.array(side, np.float64) for side in zip(*pairs, strict=True))
    return DayQuotes(np.array(at, np.int64), bid, ask, np.full(len(pairs), 0.1))


def test_an_unusable_quote_leaves_the_last_usable_bid() -> None:
    day = quotes((10.0, 10.2), (12.0, 11.0), (NAN, 10.2), (5.0, 12.0), (9.0, 9.2))
    assert last_usable_bid(day, LIMITS).tolist() == [10.0, 10.0, 10.0, 10.0, 9.0]


def test_before_the_first_usable_quote_it_is_worth_the_lower_side() -> None:
    day = quotes((NAN, 10.2), (12.0, 11.0), (5.0, 12.0), (9.0, 9.2))
    assert last_usable_bid(day, LIMITS).tolist() == [0.0, 11.0, 5.0, 9.0]


def test_equity_is_cash_and_what_is_held_at_each_minute() -> None:
    bought, sold = (microseconds(OPEN + timedelta(minutes=1, seconds=s)) for s in (0, 100))
    ledger = Ledger(
        {7: Holding(100, np.array([bought, sold], np.int64), np.array([2, 0], np.int64))},
        np.array([microseconds(OPEN - timedelta(hours=1)), bought, sold], np.int64),
        np.array([60_000.0, 57_900.0, 59_950.0]),
    )
    curve = equity_by_minute(SESSION, ledger, {7: quotes((10.0, 10.5), (10.1, 10.4), (10.3, 10.5))}, LIMITS)
    assert [at - OPEN for at in curve.at] == [timedelta(minutes=k) for k in range(5)]
    assert curve.cash.tolist() == [60_000.0, 57_900.0, 57_900.0, 59_950.0, 59_950.0]
    assert curve.equity.tolist() == [60_000.0, 57_900.0 + 2020.0, 57_900.0 + 2060.0, 59_950.0, 59_950.0]


def test_a_day_on_which_nothing_was_held_is_its_cash() -> None:
    ledger = Ledger({}, np.array([microseconds(OPEN)], np.int64), np.array([60_000.0]))
    curve = equity_by_minute(SESSION, ledger, {}, LIMITS)
    assert curve.equity.tolist() == [60_000.0] * 5
