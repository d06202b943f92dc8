"""`evaluate time-decay`, `regime`, `dte` and `dynamic-stop`: lines to columns and back.

The numbers are the defaults of the two systems (`accounts.defaults`); these kinds take no `cfg`.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

import numpy as np

from accounts.defaults import MAG7_7DTE, SMART_0DTE
from riskengine.calculators import codes, stops, take_profit
from riskengine.calculators.columns import Steps
from riskengine.calculators.take_profit import REGIMES, Decay
from riskengine.loading.limits import default_limits
from riskengine.services.decide.evaluate.contract import (
    Key,
    Kind,
    Line,
    LineError,
    Result,
    as_number,
    by_columns,
    choice,
    moment,
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


# --- the kinds ------------------------------------------------------------------------------------------------------

ENTRY = Key("entry", "number", "USD per share", required=True, help="average entry price")
REGIME = Key("regime", "morning, midday or late", default="morning", help="when the position was entered")
_MOMENT = "ISO time with offset"

KINDS: tuple[Kind, ...] = (
    Kind(
        "time-decay",
        "0DTE factor of the tiers by time to the close and time since entry",
        (
            Key("entry", _MOMENT, required=True),
            Key("now", _MOMENT, required=True),
            Key("close", _MOMENT, required=True, help="that day's close, 13:00 on half-days"),
            REGIME,
        ),
        by_columns(_read_time_decay, _judge_time_decay),
        codes=("EXPIRED", "CLOCK"),
    ),
    Kind(
        "regime",
        "Entry regime of a 0DTE position",
        (Key("entry_utc", _MOMENT, required=True),),
        by_columns(_read_regime, _judge_regime),
    ),
    Kind(
        "dte",
        "7DTE factor of the thresholds by days to expiration",
        (
            Key("dte", "whole number or null", "days", help="stands before expiry and now"),
            Key("expiry", "date or null", help="expiration date"),
            Key("now", _MOMENT, help="required with expiry"),
        ),
        by_columns(_read_dte, _judge_dte),
        codes=("EXPIRED", "NO_EXPIRY"),
    ),
    Kind(
        "dynamic-stop",
        "7DTE ratcheting stop and risk-reward target",
        (
            ENTRY,
            Key("price", "number", "USD per share", required=True, help="executable bid"),
            Key("high_water", "number", "USD per share", required=True, help="highest usable bid since entry"),
            Key("initial_stop", "number or null", "USD per share", help="null: the default, 80% of the entry"),
            Key("previous_stop", "number or null", "USD per share", help="null: none yet"),
        ),
        by_columns(_read_dynamic_stop, _judge_dynamic_stop),
        codes=("INVALID_INPUT", "INVALID_STOP"),
    ),
)
