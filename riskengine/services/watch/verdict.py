"""What an exit order carries and an event tells: what the rule saw, and one sentence (A-01, A-11)."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np

from positions.market.calendar import new_york
from positions.models import OrderIntent
from riskengine.calculators import take_profit
from riskengine.loading.book import instant
from riskengine.loading.copying import NEVER
from riskengine.services.watch.judgement import SECOND, Judgement

RULES: dict[int, str] = {
    take_profit.EMERGENCY: str(OrderIntent.EMERGENCY),
    take_profit.FORCED_CLOSE: str(OrderIntent.FORCED_CLOSE),
    take_profit.STOP: str(OrderIntent.STOP),
    take_profit.TARGET: str(OrderIntent.TARGET),
    take_profit.SLICES: str(OrderIntent.SLICE),
}


def known(value: Any) -> float | None:
    """A number as plain data, free of float dust; None for what is not known."""
    number = float(value)
    return round(number, 10) if np.isfinite(number) else None


def price(value: Any) -> Decimal | None:
    """A price to its four places; None for a missing side."""
    number = float(value)
    return Decimal(f"{number:.4f}") if np.isfinite(number) else None


def time_of(at: Any) -> datetime | None:
    return None if at == NEVER else instant(int(at))


def shown(at: Any) -> str | None:
    """New York time with its offset."""
    return None if at == NEVER else new_york(instant(int(at))).isoformat()


def quote_of(judgement: Judgement, row: int) -> dict[str, Any]:
    """The quote a row was judged on. Ages in seconds of market time: the detection latency counts from the feed's last
    confirmation, and since the last change."""
    book, at = judgement.book, int(judgement.market.at[row])
    has_quote = book.confirmed_at[row] != NEVER
    return {
        "bid": known(book.bid[row]),
        "ask": known(book.ask[row]),
        "quote_at": shown(book.confirmed_at[row]),
        "latency_seconds": known((at - int(book.confirmed_at[row])) / SECOND) if has_quote else None,
        "since_change_seconds": known((at - int(book.changed_at[row])) / SECOND) if has_quote else None,
        "usable": bool(judgement.usable[row]),
        "fresh": bool(judgement.fresh[row]),
    }


def verdict_of(judgement: Judgement, row: int) -> dict[str, Any]:
    """Everything behind the order of a row."""
    book, reason = judgement.book, int(judgement.reason[row])
    entry, bid = float(book.entry[row]), float(book.bid[row])
    verdict: dict[str, Any] = {
        "rule": RULES[reason],
        "at": shown(judgement.market.at[row]),
        **quote_of(judgement, row),
        "entry": known(entry),
        "gain_fraction": known((bid - entry) / entry),
        "contracts": int(judgement.contracts[row]),
        "stop": known(judgement.stop[row]),
        "high_water": known(judgement.high_water[row]),
    }
    if reason in (take_profit.TARGET, take_profit.SLICES):
        verdict["slices"] = slices_of(judgement, row)
        verdict["factor"] = known(judgement.factor[row])
    if reason == take_profit.TARGET:
        verdict["target"] = known(judgement.target[row])
    if reason == take_profit.STOP:
        verdict["quotes_at_or_under"] = int(judgement.stop_breaches[row])
        verdict["blind"] = bool(judgement.blind[row])
    return {**verdict, "sentence": _sentence(judgement, row, verdict)}


def slices_of(judgement: Judgement, row: int, *, deferred: bool = False) -> list[dict[str, Any]]:
    """The slices that a row sells (or defers), each with its threshold, the factor and the price that triggers it."""
    place = int(np.searchsorted(judgement.planned, row))
    chosen = judgement.deferred[place] if deferred else judgement.sold[place] > 0
    entry, factor = float(judgement.book.entry[row]), float(judgement.factor[row])
    found = []
    for k in np.flatnonzero(chosen).tolist():
        base = float(judgement.plan.slices.base[place, k])
        found.append(
            {
                "number": k + 1,
                "threshold": known(base),
                "factor": known(factor),
                "effective_threshold": known(base * factor),
                "trigger_price": known(round(entry * (1.0 + base * factor), 6)),
                "contracts": int(judgement.sold[place, k]),
            }
        )
    return found


def _sentence(judgement: Judgement, row: int, verdict: dict[str, Any]) -> str:
    reason = int(judgement.reason[row])
    if reason == take_profit.EMERGENCY:
        return "The portfolio is being flattened: all of it is sold."
    if reason == take_profit.FORCED_CLOSE:
        minutes = (int(judgement.market.closes_at[row]) - int(judgement.market.at[row])) / SECOND / 60
        return f"It expires today and {minutes:.0f} minutes are left to the close: all of it is sold."
    bid, stop = _dollars(verdict["bid"]), _dollars(verdict["stop"])
    if reason == take_profit.STOP:
        if verdict["blind"]:
            ask = _dollars(verdict["ask"])
            return f"Without a usable quote (bid {bid}, ask {ask}) it is worth no more than the stop of {stop}."
        count = verdict["quotes_at_or_under"]
        confirmed = "far under it at once" if count < 2 else f"{count} quotes in a row"
        return f"The bid of {bid} is at or under the stop of {stop} ({confirmed})."
    gain = f"{verdict['gain_fraction']:.2%}"
    if reason == take_profit.TARGET:
        return f"The bid of {bid}, a gain of {gain}, has reached the target of {_dollars(verdict['target'])}."
    numbers = ", ".join(f"{each['number']} ({each['effective_threshold']:.2%})" for each in verdict["slices"])
    return f"The bid of {bid}, a gain of {gain}, has crossed slice {numbers}."


def _dollars(value: float | None) -> str:
    return "none" if value is None else f"{value:,.4f}".rstrip("0").rstrip(".")
