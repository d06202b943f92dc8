"""The account from day to day, marked to the market: curve, drawdown, and the figures of its daily returns."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import Any

import numpy as np

from riskengine.calculators.columns import FloatColumn
from riskengine.calculators.performance import expectancy, metrics, wilson_interval
from riskengine.loading.equity import EquityDays
from riskengine.loading.session_points import SessionPoints
from riskengine.services.decide.inputs import known

SESSIONS_A_YEAR = 252
ENOUGH_SESSIONS = 20  # for a figure a year: what three days would come to in a year is no figure


def equity_record(days: EquityDays, points: Mapping[date, SessionPoints]) -> dict[str, Any]:
    """By session, and what it comes to. Money USD; returns, index and drawdown fractions, free of deposits.

    `drawdown` is from the highest end of a day so far, `worst_drawdown` the deepest within the day as far as the
    five-minute readings saw it. None is not known: a day that is not over and that no check has valued yet.
    """
    index = np.concatenate(([1.0], days.index))
    highest = np.fmax.accumulate(index)
    down = index[1:] / highest[1:] - 1.0
    returns = days.returns
    rows = []
    for place, day in enumerate(days.day):
        seen = points.get(day)
        worst = None if seen is None or seen.worst_return is None else seen.worst_return
        deepest = None if worst is None else index[place] * (1.0 + worst) / highest[place] - 1.0
        rows.append(
            {
                "day": day.isoformat(),
                "start": known(days.start[place]),
                "end": known(days.end[place]),
                "deposits": known(days.deposits[place]),
                "profit": known(days.profit[place]),
                "return": known(returns[place]),
                "index": known(index[place + 1]),
                "drawdown": known(down[place]),
                "worst_drawdown": None if deepest is None else known(min(deepest, 0.0)),
                "lowest": None if seen is None else seen.lowest,
            }
        )
    deepest_seen = [each["worst_drawdown"] for each in rows if each["worst_drawdown"] is not None]
    last = next((each for each in reversed(rows) if each["end"] is not None), None)
    return {
        "days": rows,
        "sessions": len(rows),
        "runs": days.runs,
        "start": rows[0]["start"] if rows else None,
        "end": last["end"] if last else None,
        "deposits": known(float(days.deposits.sum())),
        "profit": known(float(np.nansum(days.profit))) if last else None,
        "drawdown": last["drawdown"] if last else None,
        "max_drawdown": known(float(np.nanmin(down))) if last else None,
        "worst_drawdown": min(deepest_seen) if deepest_seen else None,
        "watched_sessions": sum(day in points for day in days.day),
    }


def return_figures(days: EquityDays) -> dict[str, Any]:
    """The eleven metrics of the daily returns, how many there are, and how sure their mean is.

    `win_rate` here is of days: `days_up` of `days_moved`, with its interval and the mean day beside it. `enough`:
    whether there are so many that a figure a year means something.
    """
    returns: FloatColumn = days.returns[np.isfinite(days.returns)]
    moved, up = int((returns != 0.0).sum()), int((returns > 0.0).sum())
    low, high = (float(end[0]) for end in wilson_interval(np.array([up]), np.array([moved])))
    a_day = expectancy(returns)
    return {
        "n": len(returns),
        "enough": len(returns) >= ENOUGH_SESSIONS,
        "needed": ENOUGH_SESSIONS,
        **{name: known(value) for name, value in asdict(metrics(returns, SESSIONS_A_YEAR)).items()},
        "daily_volatility": known(float(returns.std(ddof=1))) if len(returns) > 1 else None,
        "days_up": up,
        "days_moved": moved,
        "win_rate_low": known(low),
        "win_rate_high": known(high),
        "mean_return": known(a_day.mean),
        "mean_return_low": known(a_day.low),
        "mean_return_high": known(a_day.high),
    }
