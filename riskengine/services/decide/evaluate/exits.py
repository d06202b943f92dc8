"""`evaluate tiers`, `partial-profit`, `time-decay`, `regime`, `dte` and `dynamic-stop`: lines to columns and back.

The numbers are the defaults of the two systems (`accounts.defaults`); these kinds take no `cfg`. A line of steps is a
position watched from check to check: every order stays pending to the end, so a `reject` step may come at any time.
Step k of all lines is judged at once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import numpy as np

from accounts.defaults import MAG7_7DTE, SMART_0DTE
from riskengine.calculators import codes, stops, take_profit
from riskengine.calculators.columns import BoolColumn, Steps
from riskengine.calculators.sizing import LARGEST, SMALLEST
from riskengine.calculators.take_profit import MAX_SLICES, REGIMES, WHOLE, Decay, SliceOrders, Slices
from riskengine.loading.limits import default_limits
from riskengine.services.decide.evaluate.contract import (
    Key,
    Kind,
    Line,
    LineError,
    Result,
    as_number,
    choice,
    moment,
    number,
    text,
    whole,
)

Judged = list[Result | LineError]
Row = TypeVar("Row")

NEW_YORK = ZoneInfo("America/New_York")
ONE_SECOND = timedelta(seconds=1)
UNUSABLE = -np.inf  # outside every range: the calculators refuse the row

ZERO = default_limits(SMART_0DTE)
SEVEN = default_limits(MAG7_7DTE)
REGIME_LADDERS = (ZERO.take_profit_morning, ZERO.take_profit_midday, ZERO.take_profit_late)
PARTIAL_LADDERS = (SEVEN.partial_profit,)


def _by_columns(
    read: Callable[[Line], Row], judge: Callable[[list[Row]], list[Result]]
) -> Callable[[Sequence[Line]], Judged]:
    """A kind's `judge`: read each line into a row, judge the rows as columns, answer a bad line at its own place."""

    def judge_lines(lines: Sequence[Line]) -> Judged:
        results: Judged = []
        rows: list[Row] = []
        places: list[int] = []
        for place, line in enumerate(lines):
            try:
                rows.append(read(line))
                places.append(place)
                results.append({})
            except LineError as error:
                results.append(error)
        for place, result in zip(places, judge(rows) if rows else [], strict=True):
            results[place] = result
        return results

    return judge_lines


# --- regime, time-decay, dte ----------------------------------------------------------------------------------------


def _new_york(at: datetime, key: str) -> datetime:
    try:
        return at.astimezone(NEW_YORK)
    except OverflowError:
        raise LineError("NOT_A_TIME", f"{key} lies outside the calendar.", key) from None


def _read_regime(line: Line) -> int:
    return _new_york(moment(line, "entry_utc"), "entry_utc").hour


def _judge_regime(hours: list[int]) -> list[Result]:
    return [{"regime": REGIMES[regime]} for regime in take_profit.regime(np.array(hours)).tolist()]


def _read_time_decay(line: Line) -> tuple[int, int, int]:
    entry, now, close = (moment(line, key) for key in ("entry", "now", "close"))
    regime = REGIMES.index(choice(line, "regime", REGIMES, default=REGIMES[0]))
    return (close - now) // ONE_SECOND, (now - entry) // ONE_SECOND, regime


def _judge_time_decay(rows: list[tuple[int, int, int]]) -> list[Result]:
    to_close, since_entry, regimes = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    decay = take_profit.time_decay(to_close, since_entry, ZERO.time_factor, ZERO.elapsed_factor)
    ladders = [REGIME_LADDERS[regime] for regime in regimes.tolist()]
    return _decayed(decay, ladders, "effective_tiers")


def _decayed(decay: Decay, ladders: Sequence[Steps], thresholds: str) -> list[Result]:
    """Factor and effective thresholds of each row, or why there is none."""
    return [
        {"refusal": refusal}
        if refusal
        else {"factor": text(factor), thresholds: [text(base * factor) for base in ladder.thresholds[:, 0].tolist()]}
        for factor, refusal, ladder in zip(decay.factor.tolist(), codes.names(decay.refusal), ladders, strict=True)
    ]


def _read_dte(line: Line) -> float:
    """Days to expiration: given, or New York calendar days from now to the expiry; NaN when neither is known."""
    if line.get("dte") is not None:
        return whole(line, "dte", lowest=-1_000_000, highest=1_000_000)
    if line.get("expiry") is None:
        return np.nan
    try:
        expiry = date.fromisoformat(line["expiry"])
    except (TypeError, ValueError):
        raise LineError(
            "NOT_A_DATE", f"expiry is {line['expiry']!r}: give a date such as 2026-03-06.", "expiry"
        ) from None
    return (expiry - _new_york(moment(line, "now"), "now").date()).days


def _judge_dte(days: list[float]) -> list[Result]:
    decay = take_profit.dte_decay(np.array(days, np.float64), SEVEN.dte_factor)
    results = _decayed(decay, [SEVEN.partial_profit] * len(days), "thresholds")
    return [r if "refusal" in r else {"dte": int(d), **r} for d, r in zip(days, results, strict=True)]


# --- dynamic-stop ---------------------------------------------------------------------------------------------------

_PRICES = ("entry", "price", "high_water", "initial_stop", "previous_stop")
_MAY_BE_NULL = frozenset({"initial_stop", "previous_stop"})


def _read_dynamic_stop(line: Line) -> tuple[float, ...]:
    """The five prices, NaN for a stop not given. One unusable number makes the price, and so the row, unusable."""
    prices = [_stop_price(line, key) for key in _PRICES]
    if UNUSABLE in prices:
        prices[_PRICES.index("price")] = UNUSABLE
    return tuple(prices)


def _stop_price(line: Line, key: str) -> float:
    if key in _MAY_BE_NULL and line.get(key) is None:
        return np.nan
    if key not in line:
        raise LineError("MISSING", f"{key} is required: give a price.", key)
    if isinstance(line[key], list | Mapping):
        raise LineError("NOT_A_NUMBER", f"{key} is {line[key]!r}: give a number or a decimal string.", key)
    value = as_number(line[key])
    return UNUSABLE if value is None else value


def _judge_dynamic_stop(rows: list[tuple[float, ...]]) -> list[Result]:
    columns = dict(zip(_PRICES, np.array(rows, np.float64).T, strict=True))
    stop = stops.dynamic_stop(
        **columns, stop_fraction=SEVEN.stop_fraction, risk_reward=SEVEN.risk_reward, profit_lock=SEVEN.profit_lock
    )
    shown = zip(
        stop.initial_risk.tolist(),
        stop.risk_reward.tolist(),
        stop.take_profit.tolist(),
        stop.stop.tolist(),
        strict=True,
    )
    names = ("initial_risk", "risk_reward", "take_profit", "stop")
    return [
        {"refusal": refusal}
        if refusal
        else {**{name: text(value) for name, value in zip(names, values, strict=True)}, "action": stops.ACTIONS[action]}
        for values, action, refusal in zip(shown, stop.action.tolist(), codes.names(stop.refusal), strict=True)
    ]


# --- tiers, partial-profit ------------------------------------------------------------------------------------------


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
    if not SMALLEST <= entry <= LARGEST:
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


# --- the kinds ------------------------------------------------------------------------------------------------------

_ENTRY = Key("entry", "number", "USD per share", required=True, help="average entry price")
_QUANTITY = Key("quantity", "whole number", "contracts", required=True, help="contracts opened")
_REGIME = Key("regime", "morning, midday or late", default="morning", help="when the position was entered")
_MOMENT = "ISO time with offset"

KINDS: tuple[Kind, ...] = (
    Kind(
        "tiers",
        "0DTE take-profit tiers of one position from check to check",
        (
            _REGIME,
            _ENTRY,
            _QUANTITY,
            Key(
                "steps",
                'list of {"price", "factor"?} or {"reject": [tier, ...]}',
                required=True,
                help="price is the executable bid; tiers x factor only fall; a reject arms the tiers again",
            ),
        ),
        _by_columns(_read_tiers, _judge_tiers),
        codes=("INVALID_INPUT",),
    ),
    Kind(
        "partial-profit",
        "7DTE partial profit slices of one position from check to check",
        (
            _ENTRY,
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
        _by_columns(_read_partial_profit, _judge_partial_profit),
        codes=("INVALID_INPUT", "EXPIRED"),
    ),
    Kind(
        "time-decay",
        "0DTE factor of the tiers by time to the close and time since entry",
        (
            Key("entry", _MOMENT, required=True),
            Key("now", _MOMENT, required=True),
            Key("close", _MOMENT, required=True, help="that day's close, 13:00 on half-days"),
            _REGIME,
        ),
        _by_columns(_read_time_decay, _judge_time_decay),
        codes=("EXPIRED", "CLOCK"),
    ),
    Kind(
        "regime",
        "Entry regime of a 0DTE position",
        (Key("entry_utc", _MOMENT, required=True),),
        _by_columns(_read_regime, _judge_regime),
    ),
    Kind(
        "dte",
        "7DTE factor of the thresholds by days to expiration",
        (
            Key("dte", "whole number or null", "days", help="stands before expiry and now"),
            Key("expiry", "date or null", help="expiration date"),
            Key("now", _MOMENT, help="required with expiry"),
        ),
        _by_columns(_read_dte, _judge_dte),
        codes=("EXPIRED", "NO_EXPIRY"),
    ),
    Kind(
        "dynamic-stop",
        "7DTE ratcheting stop and risk-reward target",
        (
            _ENTRY,
            Key("price", "number", "USD per share", required=True, help="executable bid"),
            Key("high_water", "number", "USD per share", required=True, help="highest usable bid since entry"),
            Key("initial_stop", "number or null", "USD per share", help="null: the default, 80% of the entry"),
            Key("previous_stop", "number or null", "USD per share", help="null: none yet"),
        ),
        _by_columns(_read_dynamic_stop, _judge_dynamic_stop),
        codes=("INVALID_INPUT", "INVALID_STOP"),
    ),
)
