"""A decision's size computed again from what it was made from, under its own parameters and under another revision's.

Only the size: gates look at a market that is gone, and stand as they were judged then. Plain data; USD.
"""

from typing import Any

import numpy as np

from accounts.defaults import SMART_0DTE
from accounts.models import RiskProfileRevision
from positions.models import Decision
from riskengine.calculators import sizing_0dte, sizing_7dte
from riskengine.calculators.codes import CODES
from riskengine.calculators.limits import Limits
from riskengine.calculators.sizing import Sizing
from riskengine.loading.revisions import limits_by_revision

PAIRED = "-1 to 1"  # the unit of a correlation that was measured or should have been


class NotRecorded(ValueError):
    """The decision does not hold what its size was made from."""


def what_if(decision: Decision, revision: RiskProfileRevision) -> dict[str, Any]:
    """Both sizes side by side, step by step. NotRecorded for a decision without its inputs."""
    limits = limits_by_revision({decision.revision_id, revision.pk})
    own, other = (_sized(decision, limits[pk]) for pk in (decision.revision_id, revision.pk))
    steps = {step["rule"]: step for step in other["steps"]}
    order = [step["rule"] for step in own["steps"]]
    order += [rule for rule in steps if rule not in order]
    mine = {step["rule"]: step for step in own["steps"]}
    return {
        "revision": revision.number,
        "own_revision": decision.revision.number,
        "own": own,
        "other": other,
        "same": own["contracts"] == other["contracts"],
        "steps": [
            {"label": (mine.get(rule) or steps[rule])["label"], "own": mine.get(rule), "other": steps.get(rule)}
            for rule in order
        ],
    }


def _sized(decision: Decision, limits: Limits) -> dict[str, Any]:
    sizing = _sizing(decision, limits)
    explained = sizing.explain(0)
    refusal = CODES[int(sizing.refusal[0])].name
    return {
        "contracts": int(sizing.contracts[0]),
        "dollars": float(sizing.dollars[0]),
        "minimum": float(sizing.minimum[0]),
        "refusal": refusal,
        "sentence": CODES[int(sizing.refusal[0])].sentence if refusal else "",
        "binding": explained["binding"],
        "steps": explained["steps"],
    }


def _sizing(decision: Decision, limits: Limits) -> Sizing:
    items = _items(decision)
    values = {each["name"]: each["value"] for each in items}
    paired = [each["value"] for each in items if each["name"] == "correlation" and each["unit"] == PAIRED]
    missing = [name for name in ("equity_start_of_day", "ask", "exposure", "buying_power") if values.get(name) is None]
    if missing:
        raise NotRecorded(f"Not recorded with this decision: {', '.join(missing)}. Its size cannot be computed again.")

    def column(name: str) -> Any:
        return np.array([np.nan if values.get(name) is None else float(values[name])])

    price, equity = column("ask"), column("equity_start_of_day")
    multiplier = np.array([float(decision.contract.multiplier)])
    scaling = values.get("scaling_confidence")  # what was decided before there was one scaled with the raw figure
    confidence = np.array([float(decision.confidence if scaling is None else scaling)])
    long = np.ones(1, np.bool_)
    if decision.portfolio.system == SMART_0DTE:
        risk = _risk(decision)
        return sizing_0dte.size_book(
            sizing_0dte.Book(
                confidence=confidence,
                vix=column("vix"),
                option_price=price,
                dollars_only=np.zeros(1, np.bool_),
                multiplier_per_contract=multiplier,
                long=long,
                equity_start_of_day=equity,
                exposure=column("exposure"),
                day_pnl=column("day_pnl"),
                buying_power=column("buying_power"),
                correlation_risk=np.array([risk]),
                other_symbols=np.array([float(risk != 0.0)]),
            ),
            limits,
        )
    return sizing_7dte.size_book(
        sizing_7dte.Book(
            confidence=confidence,
            option_price=price,
            multiplier_per_contract=multiplier,
            long=long,
            portfolio_value=equity,
            score=column("score"),
            current_allocation=column("allocation"),
            buying_power=column("buying_power"),
            pair_row=np.zeros(len(paired), np.int64),
            pair_correlation=np.array([np.nan if rho is None else float(rho) for rho in paired]),
        ),
        limits,
    )


def _risk(decision: Decision) -> float:
    """The correlation risk as the decision's own trace has it; 0 where nothing else was open."""
    steps = decision.trace.get("steps", []) if isinstance(decision.trace, dict) else []
    saw = next((step["input"] for step in steps if step["rule"] == "CORRELATION"), 0.0)
    return 0.0 if saw is None else float(saw)


def _items(decision: Decision) -> list[dict[str, Any]]:
    stored = decision.inputs
    if isinstance(stored, dict):
        stored = next((each for each in stored.values() if isinstance(each, list)), None)
    if not isinstance(stored, list):
        raise NotRecorded("What this decision was made from is not on record: its size cannot be computed again.")
    return [each for each in stored if isinstance(each, dict) and "name" in each]
