"""The days that were written once they were over, held against what the books say of them now (P-29).

They are never changed. One that differs is no error of this page: something was booked into a day after it was over.
"""

from datetime import datetime
from math import isclose
from typing import Any

from positions.models import Portfolio
from riskengine.loading.equity import EquityDays
from riskengine.loading.trades import Trades
from riskengine.models import DailyPerformance
from riskengine.services.watch.marking import days_of

FIGURES = (
    "equity_start", "equity_end", "deposits", "profit", "return_fraction", "drawdown_fraction", "trades", "wins",
    "realised_pnl", "fees", "premium",
)  # fmt: skip


def kept_days(portfolio: Portfolio, days: EquityDays, trades: Trades, *, now: datetime) -> dict[str, Any]:
    """How many sessions of the account are over and kept, which are not kept yet, and which say something else."""
    over = {each.session_on: each for each in days_of(portfolio, days, trades, now=now)}
    kept = {each.session_on: each for each in DailyPerformance.objects.filter(portfolio=portfolio)}
    return {
        "days": len(kept),
        "missing": [day.isoformat() for day in sorted(over.keys() - kept.keys())],
        "differs": [day.isoformat() for day in sorted(over.keys() & kept.keys()) if not _is_same(over[day], kept[day])],
    }


def _is_same(one: DailyPerformance, other: DailyPerformance) -> bool:
    return all(_alike(getattr(one, name), getattr(other, name)) for name in FIGURES)


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
    return bool(one == other)
