"""What an exit order carries and an event tells: what the rule saw, and one sentence (A-01, A-11)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import numpy as np

from positions.market.calendar import new_york
from positions.models import OrderIntent
from riskengine.calculators import take_profit
from riskengine.loading.book import instant
from riskengine.loading.copying import NEVER
from riskengine.services import wording
from riskengine.services.watch.judgement import SECOND, Judgement, Rows

RULES: dict[int, str] = {
    take_profit.EMERGENCY: str(OrderIntent.EMERGENCY),
    take_profit.FORCED_CLOSE: str(OrderIntent.FORCED_CLOSE),
    take_profit.STOP: str(OrderIntent.STOP),
    take_profit.TARGET: str(OrderIntent.TARGET),
    take_profit.SLICES: str(OrderIntent.SLICE),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a judgement as plain values: prices USD a share (NaN: none), times microseconds (NEVER: none)."""

    row: int
    position: int
    place: int
    quantity_open: int
    entry: float
    bid: float
    ask: float
    changed_at: int
    confirmed_at: int
    stored_stop: float
    stored_high_water: float
    at: int
    closes_at: int
    stop: float
    high_water: float
    breaches: int
    usable: bool
    fresh: bool
    blind: bool
    target: float
    factor: float
    reason: int
    contracts: int


def rows_of(judgement: Judgement, rows: Rows) -> Iterator[Row]:
    """Taken out together: one value at a time costs ten times as much."""
    book, market = judgement.book, judgement.market
    columns = (
        book.position, book.place, book.quantity_open, book.entry, book.bid, book.ask, book.changed_at,
        book.confirmed_at, book.current_stop, book.high_water, market.at, market.closes_at, judgement.stop,
        judgement.high_water, judgement.stop_breaches, judgement.usable, judgement.fresh, judgement.blind,
        judgement.target, judgement.factor, judgement.reason, judgement.contracts,
    )  # fmt: skip
    return map(Row, rows.tolist(), *(column[rows].tolist() for column in columns))


def known(number: float) -> float | None:
    """Free of float dust; None for what is not known."""
    return round(number, 10) if math.isfinite(number) else None


def price(number: float) -> Decimal | None:
    """A price to its four places; None for a missing side."""
    return Decimal(f"{number:.4f}") if math.isfinite(number) else None


def time_of(at: int) -> datetime | None:
    return None if at == NEVER else instant(at)


@lru_cache(maxsize=256)  # the verdicts of one check share a few instants
def shown(at: int) -> str | None:
    """New York time with its offset."""
    return None if at == NEVER else new_york(instant(at)).isoformat()


def quote_of(row: Row) -> dict[str, Any]:
    """The quote a row was judged on. Ages in seconds of market time: the detection latency counts from the feed's last
    confirmation, and since the last change."""
    has_quote = row.confirmed_at != NEVER
    return {
        "bid": known(row.bid),
        "ask": known(row.ask),
        "quote_at": shown(row.confirmed_at),
        "latency_seconds": (row.at - row.confirmed_at) / SECOND if has_quote else None,
        "since_change_seconds": (row.at - row.changed_at) / SECOND if has_quote else None,
        "usable": row.usable,
        "fresh": row.fresh,
    }


def verdict_of(judgement: Judgement, row: Row) -> dict[str, Any]:
    """Everything behind the order of a row."""
    verdict: dict[str, Any] = {
        "rule": RULES[row.reason],
        "at": shown(row.at),
        **quote_of(row),
        "entry": known(row.entry),
        "gain_fraction": known((row.bid - row.entry) / row.entry),
        "contracts": row.contracts,
        "stop": known(row.stop),
        "high_water": known(row.high_water),
    }
    if row.reason in (take_profit.TARGET, take_profit.SLICES):
        verdict["slices"] = slices_of(judgement, row)
        verdict["factor"] = known(row.factor)
    if row.reason == take_profit.TARGET:
        verdict["target"] = known(row.target)
    if row.reason == take_profit.STOP:
        verdict["quotes_at_or_under"] = row.breaches
        verdict["blind"] = row.blind
    verdict["sentence"] = _sentence(row, verdict)
    return verdict


def slices_of(judgement: Judgement, row: Row, *, deferred: bool = False) -> list[dict[str, Any]]:
    """The slices that a row sells (or defers), each with its threshold, the factor and the price that triggers it."""
    place = int(np.searchsorted(judgement.planned, row.row))
    sold = judgement.sold[place].tolist()
    chosen = judgement.deferred[place].tolist() if deferred else sold
    bases = judgement.plan.slices.base[place].tolist()
    return [
        {
            "number": k + 1,
            "threshold": known(base),
            "factor": known(row.factor),
            "effective_threshold": known(base * row.factor),
            "trigger_price": round(row.entry * (1.0 + base * row.factor), 6),
            "contracts": contracts,
        }
        for k, (chosen_one, base, contracts) in enumerate(zip(chosen, bases, sold, strict=True))
        if chosen_one
    ]


def _sentence(row: Row, verdict: dict[str, Any]) -> str:
    if row.reason == take_profit.EMERGENCY:
        return "The portfolio is being flattened: all of it is sold."
    if row.reason == take_profit.FORCED_CLOSE:
        minutes = (row.closes_at - row.at) / SECOND / 60
        return f"It expires today and {minutes:.0f} minutes are left to the close: all of it is sold."
    bid, stop = _dollars(row.bid), _dollars(row.stop)
    if row.reason == take_profit.STOP:
        if row.blind:
            ask = _dollars(row.ask)
            return f"Without a usable quote (bid {bid}, ask {ask}) it is worth no more than the stop of {stop}."
        confirmed = "far under it at once" if row.breaches < 2 else f"{row.breaches} quotes in a row"
        return f"The bid of {bid} is at or under the stop of {stop} ({confirmed})."
    gain = f"{verdict['gain_fraction']:.2%}"
    if row.reason == take_profit.TARGET:
        return f"The bid of {bid}, a gain of {gain}, has reached the target of {_dollars(row.target)}."
    numbers = ", ".join(f"{each['number']} ({each['effective_threshold']:.2%})" for each in verdict["slices"])
    return f"The bid of {bid}, a gain of {gain}, has crossed tier {numbers}."


def _dollars(number: float) -> str:
    return wording.price(number) if math.isfinite(number) else "none"
