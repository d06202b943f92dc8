"""What a breaker says: what happened, the number, the limit, and what to do."""

import math
from typing import Any

from riskengine.calculators import trace as traces
from riskengine.calculators import wording
from riskengine.loading.watched import Watched
from riskengine.models import BreakerCode

UNITS: dict[str, str] = {
    "loss_l1": "USD",
    "loss_l2": "USD",
    "loss_l3": "USD",
    "drawdown_5": "USD",
    "drawdown_20": "USD",
    "vix": "VIX points",
    "losing_streak": "count",
    "stop_outs": "count",
    "throttle": "count",
    "rejected_orders": "count",
    "stale_quote": "seconds",
    "stale_vix": "seconds",
}

SOURCES: dict[str, str] = {
    "loss_l1": "P-08",
    "loss_l2": "P-06, P-08",
    "loss_l3": "P-07, P-08",
    "drawdown_5": "A-04",
    "drawdown_20": "A-04",
    "vix": "P-08, A-03",
    "losing_streak": "P-08, A-04",
    "stop_outs": "A-04",
    "throttle": "A-04",
    "rejected_orders": "A-04",
    "stale_quote": "P-08",
    "stale_vix": "P-08",
}

_TRIPPED: dict[str, str] = {
    "loss_l1": "The day's loss of {value} has reached {limit} ({share} of {basis}). Each entry now needs a person's "
    "confirmation, for the rest of this New York date.",
    "loss_l2": "The day's loss of {value} has reached the daily limit of {limit} ({share} of {basis}). No entries for "
    "the rest of this New York date; exits go on.",
    "loss_l3": "The day's loss of {value} has reached the emergency limit of {limit} ({share} of {basis}). Openings "
    "are cancelled and the portfolio is closed or halted. A named person clears it, with a reason.",
    "drawdown_5": "Equity has fallen by {value} from its peak of 5 sessions; the limit is {limit}. Nothing is opened "
    "until a named person clears it, with a reason.",
    "drawdown_20": "Equity has fallen by {value} from its peak of 20 sessions; the limit is {limit}. Nothing is opened "
    "until a named person clears it, with a reason.",
    "vix": "The volatility index stands at {value}, above {limit}. No entries until it has been at or under that for "
    "some minutes.",
    "losing_streak": "{value} losing closes in a row; the limit is {limit}. Entries pause.",
    "stop_outs": "{value} stop-outs in one underlying; the limit is {limit}. No entry in it for the rest of this New "
    "York date.",
    "throttle": "{value} opening intents within the window; the limit is {limit}. Entries are off until a named person "
    "clears this, with a reason: look at what sends them.",
    "rejected_orders": "{value} orders were rejected today; the limit is {limit}. Entries are off until a named "
    "person clears this, with a reason: look at what the broker says.",
    "stale_quote": "The quote of a held position is {value} s old; the oldest usable one is {limit} s. No entries "
    "until it is fresh: look at the feed.",
    "stale_vix": "The volatility index is {value} s old or missing; the oldest usable reading is {limit} s. No entries "
    "until it is fresh: look at the feed.",
}

_CLEARED: dict[str, str] = {
    "loss_l1": "A new New York trading date has begun.",
    "loss_l2": "A new New York trading date has begun.",
    "stop_outs": "A new New York trading date has begun.",
    "vix": "The volatility index stands at {value} and has been at or under {limit} for long enough.",
    "losing_streak": "The pause after the losing closes is over.",
    "stale_quote": "The quotes of all held positions are fresh.",
    "stale_vix": "The volatility index is fresh.",
}


def tripped(code: str, watched: Watched, value: float, limit: float, basis: float) -> str:
    share = wording.percent(limit / basis) if basis and math.isfinite(basis) else "a share"
    return _TRIPPED[code].format(
        value=_shown(value, UNITS[code]), limit=_shown(limit, UNITS[code]), share=share, basis=_shown(basis, "USD")
    )


def cleared(code: str, watched: Watched, value: float, limit: float) -> str:
    return _CLEARED[code].format(value=_shown(value, UNITS[code]), limit=_shown(limit, UNITS[code]))


def alert(code: str, watched: Watched, value: float, limit: float) -> str:
    label = BreakerCode(code).label
    return (
        f"{label}: the day's loss of {_shown(value, 'USD')} is {wording.percent(value / limit, 0)} of the limit of "
        f"{_shown(limit, 'USD')}. Reduce before it trips."
    )


def trace(code: str, value: float, limit: float, seen: dict[str, Any]) -> dict[str, Any]:
    """What the rule looked at, in the shape that every trace has: labels and units travel inside it."""
    return {
        "engine": traces.ENGINE,
        "steps": [
            {
                "rule": code,
                "label": BreakerCode(code).label,
                "unit": UNITS[code],
                "source": SOURCES[code],
                "input": _plain(value),
                "limit": _plain(limit),
                "passed": False,
            }
        ],
        "seen": {name: _plain(number) if isinstance(number, float) else number for name, number in seen.items()},
    }


def _shown(value: float, unit: str) -> str:
    if unit == "USD" and math.isfinite(value):
        return f"${value:,.2f}"  # to the cent: a limit is reached by one
    return wording.show(value, unit)


def _plain(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
