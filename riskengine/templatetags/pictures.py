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


# ---- The desk ----

GAUGE_EDGE = 0.06  # of the span, left free at both ends for the labels
TIER_WORDS = {
    "filled": "sold",
    "pending": "selling",
    "deferred": "carried into the next, sells",
    "cancelled": "cancelled,",
}
CHARACTER = 2.2  # percent of the narrowest axis of an open bet, 260 pixels, that a letter takes


@register.inclusion_tag("riskengine/_pnl_gauge.html")
def pnl_gauge(card: Mapping[str, Any]) -> Row:
    """The day's P&L on its ladder: L3, L2, L1, zero, and where it stands."""
    limits = [level["limit"] for level in card["levels"]]
    if any(limit is None for limit in limits):
        return {"levels": []}
    pnl = card["day_pnl"]
    low, high = min(-limits[-1], pnl or 0.0), max(limits[0] * 2, pnl or 0.0)
    edge = (high - low) * GAUGE_EDGE
    low, high = low - edge, high + edge

    def at(dollars: float) -> float:
        return round((dollars - low) / (high - low) * 100, 2)

    levels = [{**level, "at": at(-level["limit"]), "anchor": ""} for level in card["levels"]]
    return {
        "slug": card["slug"],
        "pnl": pnl,
        "pnl_at": None if pnl is None else at(pnl),
        "zero_at": at(0.0),
        "bar_left": at(min(pnl or 0.0, 0.0)),
        "bar_width": round(abs(at(pnl or 0.0) - at(0.0)), 2),
        "levels": levels[::-1],
        "stale": card["is_stale"],
    }


@register.inclusion_tag("riskengine/_exposure_gauge.html")
def exposure_gauge(card: Mapping[str, Any]) -> Row:
    """What is open and reserved against the limit; an exposure beyond it makes the axis longer."""
    dollars, limit, reserved = card["exposure"], card["exposure_limit"], card["reserved"]
    if dollars is None or not limit or limit <= 0:
        return {"exposure": dollars, "limit_at": None}
    longest = max(dollars, limit)
    return {
        "slug": card["slug"],
        "exposure": dollars,
        "limit": limit,
        "reserved": reserved,
        "limit_at": round(limit / longest * 100, 2),
        "held_at": round((dollars - reserved) / longest * 100, 2),
        "reserved_at": round(reserved / longest * 100, 2),
    }


@register.inclusion_tag("riskengine/_bet_ladder.html")
def bet_ladder(bet: Mapping[str, Any]) -> Row:
    """One price axis of an open bet: the stop at the left, its tiers where they stand now, the bid as a mark."""
    tiers = [tier for tier in bet["tiers"] if tier["price"] is not None]
    prices = [bet["stop"], bet["entry"], bet["worth"], bet["target"], *(tier["price"] for tier in tiers)]
    known = [price for price in prices if price is not None]
    low, high = min(known), max(known)
    if high <= low:
        return {"tiers": []}

    def at(price: float | None) -> float | None:
        return None if price is None else round(2 + 92 * (price - low) / (high - low), 2)

    bid_at, entry_at = at(bet["worth"]), at(bet["entry"])
    ends = sorted((entry_at or 0.0, bid_at or 0.0))
    stop_at, target_at = at(bet["stop"]), at(bet["target"])
    drawn = [{**tier, "at": at(tier["price"]), "is_next": tier["number"] == bet["next_tier"]} for tier in tiers]
    target_text, target_above = _label(drawn, stop_at, target_at, bid_at, bet)
    return {
        "id": bet["id"],
        "start": at(low),
        "end": at(high),
        "stop": bet["stop"],
        "stop_at": stop_at,
        "entry": bet["entry"],
        "entry_at": entry_at,
        "bid": bet["worth"],
        "bid_at": bid_at,
        "bid_anchor": "after" if (bid_at or 0) < 12 else "before" if (bid_at or 0) > 88 else "",
        "from_at": ends[0],
        "to_at": ends[1],
        "direction": "gain" if (bet["gain"] or 0.0) > 0 else "loss",
        "target": bet["target"],
        "target_at": target_at,
        "target_text": target_text,
        "target_above": target_above,
        "tiers": drawn,
        "stale": not bet["fresh"],
        "summary": _spoken(bet, drawn),
    }


def _label(
    tiers: list[Row], stop_at: float | None, target_at: float | None, bid_at: float | None, bet: Mapping[str, Any]
) -> tuple[str, bool]:
    """Texts under the axis, the next tier's first; one that would touch another is shortened, then left out.

    Returns the target's own text, and whether it stands above the axis for want of room."""
    taken = [] if stop_at is None else [(stop_at, stop_at + _wide(f"stop {wording.price(bet['stop'])}"))]
    for tier in sorted(tiers, key=lambda each: (not each["is_next"], each["number"])):
        tier["text"], tier["anchor"], tier["title"] = "", "before" if tier["at"] > 92 else "", _title(tier, bet)
        for text in (f"T{tier['number']} {wording.price(tier['price'])}", f"T{tier['number']}"):
            width = _wide(text)
            right = tier["at"] + (0 if tier["anchor"] else width / 2)
            span = (right - width, right)
            if all(span[1] <= left or span[0] >= end for left, end in taken):
                taken.append(span)
                tier["text"] = text
                break
    if target_at is None:
        return "", False
    text = f"target {wording.price(bet['target'])}"
    start = target_at - _wide(text)
    if all(start >= end or target_at <= left for left, end in taken):
        return text, False
    crowded_above = bid_at is not None and bid_at > start - _wide("bid $000.00") / 2
    return ("", False) if crowded_above else (text, True)


def _wide(text: str) -> float:
    """How much of the narrowest axis a text takes, percent."""
    return CHARACTER * (len(text) + 1)


def _title(tier: Mapping[str, Any], bet: Mapping[str, Any]) -> str:
    """Where a tier stands and which factor put it there."""
    base = f"Tier {tier['number']}: +{wording.percent(tier['base'])}"
    if bet["factor"] is not None and bet["factor"] != 1.0:
        base += f" {wording.multiple(bet['factor'])} by {'days left' if bet['seven_day'] else 'time'}"
    count = tier["filled"] if tier["state"] == "filled" else tier["contracts"]
    return f"{base} = {wording.price(tier['price'])}, {TIER_WORDS.get(tier['state'], 'sells')} {count}"


def _spoken(bet: Mapping[str, Any], tiers: list[Row]) -> str:
    """The picture in words."""
    parts = [f"Stop {wording.price(bet['stop'])}" if bet["stop"] is not None else "No stop"]
    parts.append(f"entry {wording.price(bet['entry'])}")
    if bet["worth"] is not None:
        parts.append(f"bid {wording.price(bet['worth'])}")
    parts += [f"tier {tier['number']} {tier['state']} at {wording.price(tier['price'])}" for tier in tiers]
    if bet["target"] is not None:
        parts.append(f"target {wording.price(bet['target'])}")
    return ", ".join(parts)
