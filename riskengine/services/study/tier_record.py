"""What the take-profit tiers of an account did (P-29): how often each was reached, what it took, and what the same
contracts were worth at the position's final exit.

Plain data. Money USD, shares and gains fractions; None is not known.
"""

from datetime import datetime
from typing import Any

import numpy as np

from accounts.defaults import LADDERS, SMART_0DTE
from positions.market.clock import market_now
from positions.models import Portfolio
from riskengine.calculators.performance import Expectancy
from riskengine.calculators.slices import Effect, effect
from riskengine.loading.closed_slices import SliceRows, closed_slices
from riskengine.loading.revisions import terms_in_force
from riskengine.services.decide.inputs import known, ny
from riskengine.services.study.luck_words import on_one_side
from riskengine.services.study.rates import dollars
from riskengine.services.wording import usd

REGIME_OF = {  # positions.models.position.Regime, by the ladder that its entries copy
    "take_profit_morning": "morning",
    "take_profit_midday": "midday",
    "take_profit_late": "late",
    "partial_profit": "seven_day",
}
SEVEN = "partial_profit"


def ladders_of_system(system: str) -> list[str]:
    """The ladders that a system's entries copy."""
    return [each for each in REGIME_OF if each != SEVEN] if system == SMART_0DTE else [SEVEN]


def tier_record(portfolio: Portfolio, *, now: datetime) -> dict[str, Any]:
    """The tiers of every closed position opened here, at wall time `now`, by the ladder that it was opened under."""
    at = market_now(portfolio.clock, now)
    rows = closed_slices(portfolio.pk, until=at)
    present = terms_in_force(portfolio.profile_id).ladders
    ladders = [
        {
            "ladder": name,
            "label": LADDERS[name].label,
            "present": [
                {"number": number, "threshold": float(step.threshold), "share": float(step.value)}
                for number, step in enumerate(present[name], 1)
            ],
            "tiers": _tiers(name, rows),
        }
        for name in ladders_of_system(portfolio.system)
    ]
    return {
        "portfolio": portfolio.slug,
        "name": portfolio.name,
        "as_of": ny(at),
        "positions": len(np.unique(rows.position)),
        "ladders": ladders,
        "tiers": [tier for each in ladders for tier in each["tiers"]],
    }


def _tiers(ladder: str, rows: SliceRows) -> list[dict[str, Any]]:
    mine = np.array([each == REGIME_OF[ladder] for each in rows.regime], np.bool_)
    found = []
    for number in np.unique(rows.number[mine]).tolist():
        which = mine & (rows.number == number)
        thresholds = rows.threshold[which]
        found.append(
            {
                "ladder": ladder,
                "label": LADDERS[ladder].label,
                "tier": number,
                "threshold_low": known(thresholds.min()),
                "threshold_high": known(thresholds.max()),
                **_figures(number, effect(rows.slices.take(which))),
            }
        )
    return found


def _figures(number: int, of: Effect) -> dict[str, Any]:
    n = of.compared
    return {
        "positions": of.positions,
        "hits": of.hits,
        "deferred": of.deferred,
        "hit_rate": known(of.hits / of.positions) if of.positions else None,
        "hit_low": known(of.low),
        "hit_high": known(of.high),
        **interval("gain", of.gain),
        "taken": dollars(of.taken),
        "compared": n,
        "compared_taken": dollars(of.compared_taken),
        "held": dollars(of.held),
        "difference": dollars(of.difference) if n else None,
        "difference_low": None if of.dollars.low is None else dollars(of.dollars.low * n),
        "difference_high": None if of.dollars.high is None else dollars(of.dollars.high * n),
        **interval("per_dollar", of.per_dollar),
        "sure": of.sure,
        "verdict": _verdict(number, of),
    }


def interval(name: str, of: Expectancy) -> dict[str, Any]:
    """A mean with its 95% interval under `name`, `name`_low and `name`_high."""
    return {name: known(of.mean), f"{name}_low": known(of.low), f"{name}_high": known(of.high)}


def _verdict(number: int, of: Effect) -> str:
    if not of.hits:
        return f"Tier {number} sold nothing in {of.positions:,} position{'' if of.positions == 1 else 's'}."
    if of.hits == of.deferred:
        reached = "once" if of.hits == 1 else f"{of.hits:,} times"
        return f"Tier {number} was reached {reached}, and its share was too small to sell a contract."
    if not of.compared:
        return f"Tier {number} ended every position that it sold of: there is no later exit to compare it with."
    times = "once" if of.compared == 1 else f"{of.compared:,} times"
    amount = usd(abs(of.difference))
    did = f"took {amount} more than" if of.difference >= 0.0 else f"gave up {amount} against"
    said = f"Tier {number} {did} holding to the final exit, {times}"
    if of.dollars.low is None or of.dollars.high is None:
        return f"{said}: one comparison has no interval."
    low, high = usd(of.dollars.low * of.compared), usd(of.dollars.high * of.compared)
    return (
        f"{said}; the 95% interval of that, {low} to {high}, {on_one_side(of.compared) if of.sure else 'includes 0'}."
    )
