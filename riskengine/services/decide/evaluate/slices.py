"""`evaluate tiers` and `partial-profit`: one position watched from check to check.

The ladders are the defaults of the two systems (`accounts.defaults`); these kinds take no `cfg`. Every order stays
pending to the end, so a `reject` step may come at any time. Step k of all lines is judged at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from riskengine.calculators import codes, take_profit
from riskengine.calculators.columns import PRICE_PLACES, BoolColumn, Steps, half_up_places
from riskengine.calculators.sizing import LARGEST, SMALLEST
from riskengine.calculators.take_profit import MAX_SLICES, REGIMES, WHOLE, SliceOrders, Slices
from riskengine.services.decide.evaluate.contract import (
    Key,
    Kind,
    Line,
    LineError,
    Result,
    as_number,
    by_columns,
    choice,
    number,
    text,
    whole,
)
from riskengine.services.decide.evaluate.exits import ENTRY, REGIME, REGIME_LADDERS, SEVEN, UNUSABLE

PARTIAL_LADDERS = (SEVEN.partial_profit,)


@dataclass(frozen=True, slots=True)
class Look:
    """One step: a bid with what the thresholds are multiplied by, or the slices of an order that came back.

    `factor` and `days` are NaN where not given; `bid` is UNUSABLE where the price cannot be used.
    """

    bid: float
    factor: float
    days: float
    rejected: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Watch:
    """A line: one position and its steps. `ladder` is its place among the kind's ladders."""

    entry: float
    quantity: int
    ladder: int
    looks: list[Look]


def _read_watch(line: Line, ladder: int, slices: int, step_keys: frozenset[str]) -> Watch:
    entry = number(line, "entry")
    # At the places prices are rounded to: an entry of 0.00001 is one of 0, which every bid has reached.
    if not SMALLEST <= half_up_places(entry, PRICE_PLACES) <= LARGEST:
        raise LineError("OUT_OF_RANGE", f"entry is {line['entry']!r}: give a price above 0.", "entry")
    quantity = whole(line, "quantity", lowest=1)
    steps = line.get("steps")
    if not isinstance(steps, list):
        raise LineError("NOT_A_LIST", "steps takes a list of objects.", "steps")
    factor, days = _factor_and_days(line)
    looks = []
    for place, step in enumerate(steps):
        try:
            looks.append(_read_look(step, factor, days, slices, step_keys))
        except LineError as error:
            field = f"steps[{place}].{error.field}" if error.field else f"steps[{place}]"
            raise LineError(error.code, f"In step {place}: {error}", field) from None
    return Watch(entry, quantity, ladder, looks)


def _read_look(step: Any, factor: float, days: float, slices: int, known: frozenset[str]) -> Look:
    """One step; `factor` and `days` are the line's and hold where the step gives neither."""
    if not isinstance(step, Mapping):
        raise LineError("NOT_AN_OBJECT", f"{step!r} is no step: give an object.")
    unknown = step.keys() - known
    if unknown:
        raise LineError("UNKNOWN_KEY", f"{min(unknown)} is not a key of a step.", min(unknown))
    if ("price" in step) == ("reject" in step):
        raise LineError("BAD_STEP", "give either price or reject.", "reject" if "price" in step else "price")
    if "reject" in step:
        return Look(UNUSABLE, np.nan, np.nan, _rejected(step["reject"], slices))
    own_factor, own_days = _factor_and_days(step)
    if not (np.isnan(own_factor) and np.isnan(own_days)):
        factor, days = own_factor, own_days
    bid = as_number(step["price"])
    return Look(UNUSABLE if bid is None else bid, factor, days)


def _rejected(given: Any, slices: int) -> tuple[int, ...]:
    if not isinstance(given, list) or not given:
        raise LineError("NOT_A_LIST", f"reject is {given!r}: give a list of slice numbers.", "reject")
    for each in given:
        if isinstance(each, bool) or not isinstance(each, int) or not 1 <= each <= slices:
            raise LineError("OUT_OF_RANGE", f"reject names {each!r}: slices are numbered from 1 to {slices}.", "reject")
    return tuple(given)


def _factor_and_days(given: Mapping[str, Any]) -> tuple[float, float]:
    factor = number(given, "factor", default=np.nan)
    if factor <= 0.0 or factor > LARGEST:
        raise LineError("OUT_OF_RANGE", f"factor is {given['factor']!r}: give a number above 0.", "factor")
    days = np.nan if given.get("dte") is None else whole(given, "dte", lowest=-1_000_000, highest=1_000_000)
    return factor, days


def _read_tiers(line: Line) -> Watch:
    ladder = REGIMES.index(choice(line, "regime", REGIMES, default=REGIMES[0]))
    slices = len(REGIME_LADDERS[ladder].thresholds)
    return _read_watch(line, ladder, slices, frozenset({"price", "factor", "reject"}))


def _read_partial_profit(line: Line) -> Watch:
    slices = len(SEVEN.partial_profit.thresholds)
    return _read_watch(line, 0, slices, frozenset({"price", "factor", "dte", "reject"}))


def _judge_tiers(rows: list[Watch]) -> list[Result]:
    return _watch(rows, REGIME_LADDERS, "tiers", tells_close=True)


def _judge_partial_profit(rows: list[Watch]) -> list[Result]:
    return _watch(rows, PARTIAL_LADDERS, "thresholds", tells_close=False)


def _watch(rows: list[Watch], ladders: Sequence[Steps], numbered: str, *, tells_close: bool) -> list[Result]:
    """Judge step k of all lines at once, the longest lines first, so that finished lines drop off the end."""
    results: list[list[Result | None]] = [[] for _ in rows]
    order = sorted(range(len(rows)), key=lambda i: -len(rows[i].looks))
    entry = np.array([rows[i].entry for i in order])
    quantity = np.array([rows[i].quantity for i in order], np.int64)
    slices = take_profit.arm(ladders, np.array([rows[i].ladder for i in order]))
    for step in range(len(rows[order[0]].looks)):
        while len(rows[order[-1]].looks) <= step:
            order.pop()
        size = len(order)
        slices = _first(slices, size)
        looks = [rows[i].looks[step] for i in order]
        slices, expired = _prepare(slices, looks)
        closable = quantity[:size] - slices.contracts.sum(axis=1)
        orders = take_profit.judge_slices(
            slices,
            entry=entry[:size],
            bid=np.where(expired, UNUSABLE, [look.bid for look in looks]),
            quantity=quantity[:size],
            closable=closable,
        )
        slices = orders.after
        shown = _show(orders, looks, closable.tolist(), expired.tolist(), numbered, tells_close=tells_close)
        for i, result in zip(order, shown, strict=True):
            results[i].append(result)
    return [{"steps": steps} for steps in results]


def _first(slices: Slices, size: int) -> Slices:
    return Slices(**{field.name: getattr(slices, field.name)[:size] for field in fields(Slices)})


def _prepare(slices: Slices, looks: Sequence[Look]) -> tuple[Slices, BoolColumn]:
    """Lowered thresholds and re-armed slices, and the positions whose option has expired.

    A factor given stands before the one of the days; without either the thresholds are those of the entry.
    """
    factor = np.array([look.factor for look in looks])
    days = np.array([look.days for look in looks])
    by_days = np.where(np.isnan(days), 1.0, take_profit.dte_decay(days, SEVEN.dte_factor).factor)
    slices = take_profit.lower(slices, np.where(np.isnan(factor), by_days, factor))
    if any(look.rejected for look in looks):
        rejected = np.zeros((len(looks), MAX_SLICES), np.bool_)
        for row, look in enumerate(looks):
            rejected[row, [each - 1 for each in look.rejected]] = True
        slices = take_profit.rearm(slices, rejected)
    return slices, days < 0.0


def _show(
    orders: SliceOrders,
    looks: Sequence[Look],
    closable: Sequence[int],
    expired: Sequence[bool],
    numbered: str,
    *,
    tells_close: bool,
) -> list[Result | None]:
    """A step's results: None where nothing is ordered, said or left to close."""
    refusals = codes.names(orders.refusal)
    crossed = orders.crossed.tolist()
    deferred, closes = orders.deferred.tolist(), orders.closes_position.tolist()
    total, remaining, share = orders.total.tolist(), orders.remaining.tolist(), orders.share.tolist()
    results: list[Result | None] = []
    for row, look in enumerate(looks):
        if look.rejected or not closable[row]:
            results.append(None)
        elif expired[row] or refusals[row]:
            results.append({"refusal": "EXPIRED" if expired[row] else refusals[row]})
        elif not share[row]:
            results.append(None)
        else:
            result: Result = {
                "action": "deferred" if deferred[row] else "partial_close",
                numbered: [k + 1 for k, hit in enumerate(crossed[row]) if hit],
                "contracts": total[row],
                "remaining": remaining[row],
                "percentage": text(share[row] / WHOLE),
            }
            if tells_close:
                result["closes_position"] = closes[row]
            results.append(result)
    return results


_QUANTITY = Key("quantity", "whole number", "contracts", required=True, help="contracts opened")

KINDS: tuple[Kind, ...] = (
    Kind(
        "tiers",
        "0DTE take-profit tiers of one position from check to check",
        (
            REGIME,
            ENTRY,
            _QUANTITY,
            Key(
                "steps",
                'list of {"price", "factor"?} or {"reject": [tier, ...]}',
                required=True,
                help="price is the executable bid; tiers x factor only fall; a reject arms the tiers again",
            ),
        ),
        by_columns(_read_tiers, _judge_tiers),
        codes=("INVALID_INPUT",),
    ),
    Kind(
        "partial-profit",
        "7DTE partial profit slices of one position from check to check",
        (
            ENTRY,
            _QUANTITY,
            Key("dte", "whole number or null", "days", help="New York calendar days to expiration"),
            Key("factor", "number or null", "multiple", help="of the thresholds, instead of the one of the days"),
            Key(
                "steps",
                'list of {"price", "dte"?, "factor"?} or {"reject": [threshold, ...]}',
                required=True,
                help="a step's own dte or factor stands before the line's; without any the factor is 1",
            ),
        ),
        by_columns(_read_partial_profit, _judge_partial_profit),
        codes=("INVALID_INPUT", "EXPIRED"),
    ),
)
