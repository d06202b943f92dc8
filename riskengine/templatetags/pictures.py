"""Pictures: where bars and marks stand, in percent of the width. The numbers are the trace's own; nothing is computed
here that a reader could take for a result."""

from collections.abc import Mapping
from typing import Any

from django import template

from riskengine.services import wording

register = template.Library()

Row = dict[str, Any]
HEADROOM = 1.04  # the longest bar ends a little before the edge
FAR = 1.3  # a limit this far beyond the longest bar would only press the bars together: its line is left out


@register.inclusion_tag("riskengine/_waterfall.html")
def waterfall(answer: Mapping[str, Any], trace: Mapping[str, Any]) -> Row:
    """From the minimum bet through every step to the result: bars from what it was to what it became."""
    minimum = trace["amounts"].get("minimum")
    steps = [step for step in trace["steps"] if step["before"] is not None and step["after"] is not None]
    if minimum is None or not steps:
        return {"rows": []}
    longest = max(minimum, *(max(step["before"], step["after"]) for step in steps))
    limits = [step["value"] for step in steps if step["effect"] == "limit" and step["value"] is not None]
    width = max([longest, *(limit for limit in limits if limit <= longest * FAR)]) * HEADROOM

    def at(dollars: float) -> float:
        return round(max(dollars, 0.0) / width * 100, 2)

    return {
        "minimum_at": at(minimum),
        "minimum": minimum,
        "rows": [_bar(step, at, longest * FAR) for step in steps],
        "result": _result(answer, at),
        "binding_label": answer.get("binding_label"),
        "binding_is_a_step": any(step["binding"] for step in steps),
        "summary": _summary(minimum, steps, answer),
    }


def _bar(step: Mapping[str, Any], at: Any, furthest: float) -> Row:
    before, after = step["before"], step["after"]
    limit = step["value"] if step["effect"] == "limit" else None
    return {
        "label": step["label"],
        "effect": step["effect"],
        "saw": step["input"],
        "unit": step["unit"],
        "says": _says(step),
        "before_at": at(before),
        "after_at": at(after),
        "left": at(min(before, after)),
        "width": max(round(at(max(before, after)) - at(min(before, after)), 2), 0.5),
        "direction": "up" if after > before else "down" if after < before else "same",
        "change": round(after - before, 2),
        "after": after,
        "binding": step["binding"],
        "limit_at": at(limit) if limit is not None and limit <= furthest else None,
    }


def _says(step: Mapping[str, Any]) -> str:
    """×1.25 from a factor; "at most ×2" from a clamp; "at most $24,000" from a limit; dollars from rounding."""
    value, effect = step["value"], step["effect"]
    if value is None:
        return "no limit"
    if effect == "scale":
        return wording.multiple(value)
    if effect in ("ceiling", "floor"):
        return f"{'at most' if effect == 'ceiling' else 'at least'} {wording.multiple(value)}"
    return f"at most {wording.usd(value)}" if effect == "limit" else wording.usd(value)


def _result(answer: Mapping[str, Any], at: Any) -> Row:
    refused = answer.get("refusal") is not None
    dollars = answer["indicative_dollars"] if refused else answer["dollars"]
    contracts = answer["indicative_contracts"] if refused else answer["contracts"]
    return {"dollars": dollars, "contracts": contracts, "width": at(dollars or 0.0), "refused": refused}


def _summary(minimum: float, steps: list[Mapping[str, Any]], answer: Mapping[str, Any]) -> str:
    """The picture in words, for those who do not see it; the table below it has every number."""
    changes = [f"{s['label']} to {wording.usd(s['after'])}" for s in steps if s["changed"]]
    return f"From the minimum bet of {wording.usd(minimum)}: {', '.join(changes) or 'no step changes it'}."


@register.inclusion_tag("riskengine/_ladder.html")
def ladder(targets: Mapping[str, Any], quote: Mapping[str, Any] | None) -> Row:
    """One price axis: the stop at the left, bid and ask, each tier at its effective price."""
    quote = quote or {}
    tiers = [tier for tier in targets["tiers"] if tier["price"] is not None]
    marks = [targets["stop"], targets["target_price"], quote.get("bid"), quote.get("ask"), *(t["price"] for t in tiers)]
    known = [price for price in marks if price is not None]
    if len(known) < 2 or max(known) == min(known):
        return {"tiers": []}
    low, high = min(known), max(known)

    def at(price: float | None) -> float | None:
        return None if price is None else round(4 + 92 * (price - low) / (high - low), 2)

    return {
        "stop": targets["stop"],
        "stop_at": at(targets["stop"]),
        "bid": quote.get("bid"),
        "bid_at": at(quote.get("bid")),
        "ask": quote.get("ask"),
        "ask_at": at(quote.get("ask")),
        "target": targets["target_price"],
        "target_at": at(targets["target_price"]),
        "tiers": [{**tier, "at": at(tier["price"])} for tier in tiers],
        "end": at(high),
    }
