"""What happened, in plain words: one sentence a row, with the numbers the row was written with."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from positions.desk_selectors import Happening
from positions.models import OrderIntent, State
from riskengine.calculators import wording
from riskengine.services.decide.inputs import ny

INTENTS = dict(OrderIntent.choices)
CAUSES = {"settled": "settlement", "expired": "expiration", "manual_close": "a person", "manual_reduce": "a person"}


def tell(row: Happening) -> dict[str, Any]:
    """The sentence, its New York time, its tone and where it leads.

    Tones: "gain", "loss", "order" for what works, "wait" for what waits for a person, "alarm" for a halt, or none.
    """
    text, tone = _TELLERS[row.what](row)
    return {
        "at": ny(row.at),
        "text": text,
        "tone": tone,
        "about": _about(row),
        "who": row.actor_name,
        "position_id": row.position_id,
        "decision_id": row.decision_id,
        "key": f"{row.what}-{row.id}",
    }


def _about(row: Happening) -> str:
    return "" if row.root is None else f"{row.root} {wording.plain(float(row.strike or 0))}{row.right}"


def _price(value: Any) -> str:
    number = _number(value)
    return "a price not known" if number is None else wording.price(number)


def _number(value: Any) -> float | None:
    try:
        return None if value is None else float(Decimal(str(value)))
    except InvalidOperation:
        return None


def _money(value: Any) -> str:
    number = _number(value)
    if number is None:
        return "not known"
    return f"+{wording.usd(number)}" if number > 0 else wording.usd(number)


# ---- Positions ----


def _position(row: Happening) -> tuple[str, str]:
    before, after, detail = (row.data.get(name) or {} for name in ("before", "after", "detail"))
    if teller := _POSITION.get(row.kind):
        return teller(before, after, detail)
    if row.kind.endswith("_ordered"):
        intent = row.kind.removesuffix("_ordered")
        because = f" {detail['sentence']}" if detail.get("sentence") else ""
        return f"{INTENTS.get(intent, intent)}: order to sell {_contracts(after)}.{because}", "order"
    told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in after.items() if _is_plain(value))
    return f"{row.kind.replace('_', ' ').capitalize()}{f': {told}' if told else ''}", ""


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float) and value != ""


def _contracts(after: Mapping[str, Any]) -> str:
    count = after.get("contracts")
    return "all" if count is None else f"{count:,}" if isinstance(count, int) else str(count)


def _opened(_: Any, after: Mapping[str, Any], __: Any) -> tuple[str, str]:
    return f"Opened: bought {_contracts(after)} at {_price(after.get('price'))}", ""


def _bought(_: Any, after: Mapping[str, Any], __: Any) -> tuple[str, str]:
    return f"Bought {_contracts(after)} more at {_price(after.get('price'))}, {after.get('open', '?')} open", ""


def _sold(_: Any, after: Mapping[str, Any], __: Any) -> tuple[str, str]:
    return f"Sold {_contracts(after)} at {_price(after.get('price'))}, {after.get('open', '?')} left", ""


def _slice_pending(_: Any, after: Mapping[str, Any], __: Any) -> tuple[str, str]:
    numbers = [str(each.get("number")) for each in after.get("slices", [])]
    return f"Tier {' and '.join(numbers) or '?'} reached: order to sell {_contracts(after)}", "order"


def _slice_filled(_: Any, after: Mapping[str, Any], __: Any) -> tuple[str, str]:
    return f"Tier {after.get('slice', '?')} filled: {_contracts(after)}", "gain"


def _stop_raised(before: Mapping[str, Any], after: Mapping[str, Any], __: Any) -> tuple[str, str]:
    old, new = (_first(values, "stop", "current_stop") for values in (before, after))
    from_ = f" from {_price(old)}" if old is not None else ""
    return f"Stop raised{from_} to {_price(new)}", "gain"


def _stop_tightened(before: Mapping[str, Any], after: Mapping[str, Any], detail: Mapping[str, Any]) -> tuple[str, str]:
    because = f": {detail['reason']}" if detail.get("reason") else ""
    return f"Stop tightened by hand from {_price(before.get('stop'))} to {_price(after.get('stop'))}{because}", ""


def _tagged(before: Mapping[str, Any], after: Mapping[str, Any], __: Any) -> tuple[str, str]:
    old, new = (set(values.get("tags") or []) for values in (before, after))
    added, removed = (", ".join(sorted(words)) for words in (new - old, old - new))
    told = [f"{verb} {words}" for verb, words in (("tagged", added), ("no longer tagged", removed)) if words]
    return "; ".join(told).capitalize(), ""


def _closed(_: Any, after: Mapping[str, Any], __: Any) -> tuple[str, str]:
    cause, realised = str(after.get("cause", "")), _number(after.get("realised"))
    tone = "" if not realised else "gain" if realised > 0 else "loss"
    return f"Closed by {CAUSES.get(cause) or INTENTS.get(cause, 'a cause not known').lower()}: {_money(realised)}", tone


def _slice_rearmed(before: Mapping[str, Any], after: Mapping[str, Any], __: Any) -> tuple[str, str]:
    because = "its order ended before it was filled" if before.get("state") == "pending" else "the bet is open again"
    return f"Tier {after.get('slice', '?')} armed again: {because}", ""


def _slice_cancelled(_: Any, after: Mapping[str, Any], __: Any) -> tuple[str, str]:
    return f"Tier {after.get('slice', '?')} called off: nothing is left for it to sell", ""


def _slice_deferred(_: Any, after: Mapping[str, Any], __: Any) -> tuple[str, str]:
    return f"Tier {after.get('number', '?')} reached, too small to sell: carried into the next", ""


def _exit_error(_: Any, after: Mapping[str, Any], __: Any) -> tuple[str, str]:
    return str(after.get("sentence") or "An exit could not be judged; the stored stop stands"), "wait"


def _late(_: Any, after: Mapping[str, Any], __: Any) -> tuple[str, str]:
    return f"{after.get('minutes', '?')} minutes to the close and {_contracts(after)} still not sold", "wait"


def _settlement_needed(_: Any, after: Mapping[str, Any], __: Any) -> tuple[str, str]:
    return f"Expired, and a person must act: {after.get('why') or 'no reason recorded'}", "wait"


def _adopted(_: Any, after: Mapping[str, Any], __: Any) -> tuple[str, str]:
    return f"Adopted from the broker: {_contracts(after)} bought there at {_price(after.get('price'))}", "wait"


def _stop_given(_: Any, after: Mapping[str, Any], detail: Mapping[str, Any]) -> tuple[str, str]:
    return f"Given its stop at {_price(after.get('stop'))}: {detail.get('reason') or 'no reason recorded'}", ""


def _broker_differs(_: Any, after: Mapping[str, Any], __: Any) -> tuple[str, str]:
    confirmed, held = after.get("confirmed", "?"), after.get("open", "?")
    return f"The broker confirms {confirmed} of the {held} open: exits sell no more than that", "wait"


def _broker_agrees(_: Any, after: Mapping[str, Any], __: Any) -> tuple[str, str]:
    return f"The broker confirms all {after.get('open', '?')} again", ""


def _first(values: Mapping[str, Any], *names: str) -> Any:
    return next((values[name] for name in names if values.get(name) is not None), None)


_POSITION = {
    "opened": _opened,
    "filled": _bought,
    "sold": _sold,
    "slice_pending": _slice_pending,
    "slice_filled": _slice_filled,
    "slice_rearmed": _slice_rearmed,
    "slice_cancelled": _slice_cancelled,
    "stop_raised": _stop_raised,
    "stop_tightened": _stop_tightened,
    "tagged": _tagged,
    "closed": _closed,
    "slice_deferred": _slice_deferred,
    "exit_error": _exit_error,
    "forced_close_late": _late,
    "settlement_needed": _settlement_needed,
    "adopted": _adopted,
    "adopted_more": _adopted,
    "stop_given": _stop_given,
    "broker_differs": _broker_differs,
    "broker_agrees": _broker_agrees,
}


# ---- Orders, decisions, states ----


def _order(row: Happening) -> tuple[str, str]:
    data = row.data
    name, done = INTENTS.get(data["intent"], data["intent"]), f"{data['filled']:,} of {data['quantity']:,} filled"
    reason = data.get("reject_reason") or (data.get("detail") or {}).get("reason") or ""
    because = f": {reason}" if reason else ""
    if row.kind == "rejected":
        return f"{name} order rejected{because}", "wait"
    if row.kind == "unknown":
        return f"{name} order: the broker's answer was lost, asking again", "order"
    return f"{name} order {row.kind}, {done}{because}", ""


def _decision(row: Happening) -> tuple[str, str]:
    data = row.data
    if row.kind == "refused":
        return f"Refused by {data['code']}: {data['sentence'] or 'no sentence recorded'}", ""
    return f"Approved: buy {data['contracts']:,}, at most {_price(data['limit'])} a share", ""


def _state(row: Happening) -> tuple[str, str]:
    tone = "alarm" if row.kind in (State.HALTED, State.FLATTENING) else "" if row.kind == State.ACTIVE else "wait"
    return f"{row.kind}: {row.data['reason']}", tone


_TELLERS = {"position": _position, "order": _order, "decision": _decision, "state": _state}
