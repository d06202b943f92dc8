"""`evaluate fundamental-score`, `greeks`, `correlation`, `metrics` and `kelly`: lines to arrays, the calculators, back.

A line that is no line of its kind (a missing key, a word for a number) is an error; a number that is given but unusable
(null, NaN, infinite) is missing or refused, as the kind says.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from accounts.defaults import MAG7_7DTE
from riskengine.calculators.correlation import correlation_matrix, log_returns, simple_returns
from riskengine.calculators.fundamentals import Fundamentals, fundamental_factor, score_book
from riskengine.calculators.greeks import greeks
from riskengine.calculators.kelly import expected_log_growth, growth_optimal_fraction
from riskengine.calculators.performance import metrics
from riskengine.calculators.projection import MOST_OUTCOMES, Wager, project
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
    each,
    number,
    text,
    whole,
)


def _number_or_nan(value: Any, field: str) -> float:
    """A number as given; NaN for null and for what is no finite number but a number's word (NaN, Infinity, 1e999)."""
    given = as_number(value)
    if given is not None:
        return given
    if value is None or _is_not_finite(value):
        return math.nan
    raise LineError("NOT_A_NUMBER", f"{field} is {value!r}: give a number or a decimal string.", field)


def _is_not_finite(value: Any) -> bool:
    try:
        return not -1e300 < float(value) < 1e300
    except OverflowError:
        return True
    except (TypeError, ValueError):
        return False


def _list(value: Any, field: str) -> Sequence[Any]:
    if value is None:
        raise LineError("MISSING", f"{field} is required: give a list.", field)
    if not isinstance(value, list | tuple):
        raise LineError("NOT_A_LIST", f"{field} is {value!r}: give a list.", field)
    return value


def _finite(values: Sequence[Any], key: str) -> list[float]:
    """Every one of a list's values; one that is not a finite number makes the line an error."""
    numbers = [as_number(value) for value in values]
    for i, (value, given) in enumerate(zip(numbers, values, strict=True)):
        if value is None:
            raise LineError("NOT_A_NUMBER", f"{key}[{i}] is {given!r}: give a finite number.", key)
    return numbers  # type: ignore[return-value]


def _positive(line: Line, key: str) -> float:
    value = number(line, key)
    if not value > 0.0:
        raise LineError("OUT_OF_RANGE", f"{key} is {line[key]!r}: give a number above 0.", key)
    return value


def _or_null(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


# --- fundamental-score ------------------------------------------------------------------------------------------------

_FACTORS = ("earn", "buy", "sell", "pe", "sector_pe")


def _read_fundamentals(line: Line) -> tuple[list[float], bool, float | None]:
    figures = [_number_or_nan(line.get(key), key) for key in _FACTORS]
    call = choice(line, "direction", ("CALL", "PUT"), default="CALL") == "CALL"
    if line.get("confidence") is None:
        return figures, call, None
    confidence = number(line, "confidence")
    if not 0.0 <= confidence <= 1.0:
        message = f"confidence is {line['confidence']!r}: give a number from 0 to 1."
        raise LineError("OUT_OF_RANGE", message, "confidence")
    return figures, call, confidence


def _judge_fundamentals(rows: list[tuple[list[float], bool, float | None]]) -> list[Result]:
    figures, call, confidence = zip(*rows, strict=True)
    earn, buy, sell, pe, sector_pe = np.array(figures, dtype=np.float64).T
    book = Fundamentals(
        earnings_surprise=earn,
        buy_ratings=buy,
        sell_ratings=sell,
        pe=pe,
        sector_pe=sector_pe,
        age_days=np.zeros(len(rows)),  # a line carries no date: its figures are today's
        call=np.array(call),
    )
    score = score_book(book, default_limits(MAG7_7DTE)).score
    factor = fundamental_factor(score, np.array(confidence, dtype=np.float64))
    results: list[Result] = []
    for given, of_score, of_factor in zip(confidence, score.tolist(), factor.tolist(), strict=True):
        missing = math.isnan(of_score)
        result: Result = {"score": None if missing else text(of_score)}
        if given is not None:
            result["factor"] = None if missing else text(of_factor)
        results.append(result)
    return results


# --- greeks -----------------------------------------------------------------------------------------------------------

_PRICING = ("spot", "strike", "seconds_to_expiry", "volatility", "rate", "dividend_yield")


def _read_option(line: Line) -> tuple[list[float], bool]:
    for key in _PRICING:
        if key not in line:
            raise LineError("MISSING", f"{key} is required: give a number.", key)
    return [_number_or_nan(line[key], key) for key in _PRICING], choice(line, "right", ("C", "P")) == "C"


def _judge_options(rows: list[tuple[list[float], bool]]) -> list[Result]:
    numbers, calls = zip(*rows, strict=True)
    columns = np.array(numbers, dtype=np.float64).T
    spot, strike, seconds, volatility, rate, dividend_yield = columns
    known = ~np.isnan(columns).any(axis=0) & (spot > 0.0) & (strike > 0.0) & (volatility > 0.0)
    expired = (known & (seconds <= 0.0)).tolist()
    found = greeks(spot, strike, seconds, volatility, rate, dividend_yield, np.array(calls))
    names = ("price", "delta", "gamma", "theta_per_day", "vega_per_point")
    values = zip(*(getattr(found, name).tolist() for name in names), strict=True)
    results: list[Result] = []
    for row, past in zip(values, expired, strict=True):
        if past:
            results.append({"refusal": "EXPIRED"})
        elif math.isnan(row[0]):
            results.append({"refusal": "INVALID_INPUT"})
        else:
            results.append(dict(zip(names, row, strict=True)))
    return results


# --- correlation ------------------------------------------------------------------------------------------------------

MOST_SYMBOLS = 500


def _series(value: Any, field: str) -> list[float]:
    return [_number_or_nan(close, field) for close in _list(value, field)]


def _judge_correlation(line: Line) -> Result:
    closes = line.get("closes")
    if not isinstance(closes, dict):
        raise LineError("NOT_AN_OBJECT", f"closes is {closes!r}: give an object of symbols and lists.", "closes")
    if len(closes) > MOST_SYMBOLS:
        raise LineError("TOO_LARGE", f"closes has {len(closes)} symbols: give at most {MOST_SYMBOLS}.", "closes")
    kind = choice(line, "returns", ("simple", "log"), default="log")
    window = whole(line, "window", lowest=1, default=60)
    min_common = whole(line, "min_common", lowest=1, default=40)
    symbols = list(closes)
    series = [_series(closes[symbol], f"closes.{symbol}") for symbol in symbols]
    if len({len(values) for values in series}) > 1:
        raise LineError("UNEQUAL_LENGTH", "closes are lists of one length: give null for a missing close.", "closes")
    table = np.array(series, dtype=np.float64).reshape(len(symbols), -1) if symbols else np.empty((0, 0))
    returns = log_returns(table) if kind == "log" else simple_returns(table)
    rho = correlation_matrix(returns, window=window, min_common=min_common).correlation.tolist()
    return {
        "matrix": {
            symbol: {other: _or_null(value) for other, value in zip(symbols, row, strict=True)}
            for symbol, row in zip(symbols, rho, strict=True)
        }
    }


# --- metrics ----------------------------------------------------------------------------------------------------------


def _judge_metrics(line: Line) -> Result:
    returns = np.array(_finite(_list(line.get("returns"), "returns"), "returns"), dtype=np.float64)
    return asdict(metrics(returns, _positive(line, "periods_per_year")))


# --- kelly ------------------------------------------------------------------------------------------------------------

MOST_BETS = 100_000
MOST_PATHS = 5_000_000
MOST_DRAWS = 1_000_000_000  # bets x paths: about 10 s on one core
_SUM_TOLERANCE = 1e-9  # probabilities are given to so many places


def _outcomes(line: Line) -> tuple[np.ndarray, np.ndarray]:
    given = _list(line.get("outcomes"), "outcomes")
    if not 1 <= len(given) <= MOST_OUTCOMES:
        raise LineError("OUT_OF_RANGE", f"outcomes has {len(given)}: give 1 to {MOST_OUTCOMES}.", "outcomes")
    for i, outcome in enumerate(given):
        if not isinstance(outcome, dict) or set(outcome) != {"probability", "payoff"}:
            message = f"outcomes[{i}] is {outcome!r}: give an object of probability and payoff."
            raise LineError("NOT_AN_OUTCOME", message, "outcomes")
    probability = np.array(_finite([outcome["probability"] for outcome in given], "outcomes.probability"))
    payoff = np.array(_finite([outcome["payoff"] for outcome in given], "outcomes.payoff"))
    total = math.fsum(probability)
    if (probability < 0.0).any() or abs(total - 1.0) > _SUM_TOLERANCE:
        message = f"the probabilities are at least 0 and sum to 1; they sum to {text(total)}."
        raise LineError("PROBABILITIES", message, "outcomes.probability")
    return probability, payoff


def _keyed(line: Line, key: str, highest: float) -> dict[str, float]:
    """A list's numbers by their text as given, which is how the results name them."""
    given = _list(() if line.get(key) is None else line[key], key)
    numbers = _finite(given, key)
    for value in numbers:
        if not 0.0 <= value <= highest:
            raise LineError("OUT_OF_RANGE", f"{key} has {value!r}: give numbers from 0 to {highest:g}.", key)
    return dict(zip(map(str, given), numbers, strict=True))


def _fraction(line: Line) -> float:
    fraction = number(line, "fraction")
    if fraction < 0.0:
        raise LineError("OUT_OF_RANGE", f"fraction is {line['fraction']!r}: give a number of at least 0.", "fraction")
    return fraction


def _wager(line: Line) -> Wager:
    probability, payoff = _outcomes(line)
    initial = _positive(line, "initial")
    ceiling = math.inf if line.get("cap") is None else _positive(line, "cap")
    if not ceiling > initial:
        raise LineError("OUT_OF_RANGE", f"cap is {line['cap']!r}: give an amount above initial.", "cap")
    return Wager(
        probability=probability,
        payoff=payoff,
        fraction=_fraction(line),
        bets=whole(line, "bets", lowest=1, highest=MOST_BETS),
        initial=initial,
        largest_bet=math.inf if line.get("max_bet") is None else _positive(line, "max_bet"),
        ceiling=ceiling,
    )


def _judge_kelly(line: Line) -> Result:
    wager = _wager(line)
    paths = whole(line, "paths", lowest=1, highest=MOST_PATHS)
    if wager.bets * paths > MOST_DRAWS:
        message = f"bets x paths is {wager.bets * paths:,}: at most {MOST_DRAWS:,} are drawn for one line."
        raise LineError("TOO_LARGE", message, "paths")
    levels, depths = _keyed(line, "levels", math.inf), _keyed(line, "drawdowns", 1.0)
    seed = whole(line, "seed", lowest=0, highest=2**53)
    projection = project(wager, paths=paths, seed=seed, levels=tuple(levels.values()), drawdowns=tuple(depths.values()))
    return {
        "kelly": _or_null(growth_optimal_fraction(wager.probability, wager.payoff)),
        "growth_per_bet": _or_null(expected_log_growth(wager.probability, wager.payoff, wager.fraction)),
        "final": {name: _or_null(getattr(projection, name)) for name in ("median", "mean", "p5", "p95")},
        "above": dict(zip(levels, projection.above, strict=True)),
        "drawdown": dict(zip(depths, projection.drawdown, strict=True)),
    }


# --- the kinds --------------------------------------------------------------------------------------------------------

_NUMBER = "number or decimal string"
_FIGURE = f"{_NUMBER}, null or NaN"


KINDS: tuple[Kind, ...] = (
    Kind(
        "fundamental-score",
        "The fundamental score and its factor (SPEC 66, 67, B-20, B-21)",
        (
            Key("earn", _FIGURE, "percent", None, help="earnings surprise; null, NaN or absent: not known"),
            Key("buy", _FIGURE, "percent", None, help="buy ratings"),
            Key("sell", _FIGURE, "percent", None, help="sell ratings"),
            Key("pe", _FIGURE, "ratio", None, help="P/E; at most 0 is no ratio"),
            Key("sector_pe", _FIGURE, "ratio", None, help="the sector's P/E; at most 0 is no ratio"),
            Key("direction", "CALL or PUT", "", "CALL", help="PUT: 1 - score"),
            Key("confidence", f"{_NUMBER} or null", "0 to 1", None, help="given: the factor too"),
        ),
        by_columns(_read_fundamentals, _judge_fundamentals),
    ),
    Kind(
        "greeks",
        "Black-Scholes-Merton price and Greeks per share (A-14, SPEC section 9)",
        (
            Key("spot", _NUMBER, "USD", required=True),
            Key("strike", _NUMBER, "USD", required=True),
            Key("seconds_to_expiry", _NUMBER, "seconds", required=True, help="a year has 365 x 86,400"),
            Key("volatility", _NUMBER, "fraction a year", required=True),
            Key("rate", _NUMBER, "fraction a year", required=True, help="continuously compounded"),
            Key("dividend_yield", _NUMBER, "fraction a year", required=True, help="continuously compounded"),
            Key("right", "C or P", required=True),
        ),
        by_columns(_read_option, _judge_options),
        ("INVALID_INPUT", "EXPIRED"),
    ),
    Kind(
        "correlation",
        "The correlation matrix of closes; null: not measurable (P-12)",
        (
            Key(
                "closes",
                "object of symbols and lists",
                "USD",
                required=True,
                help=f"lists of one length by date, oldest first, null where missing; at most {MOST_SYMBOLS} symbols",
            ),
            Key("returns", "simple or log", "", "log"),
            Key("window", "whole number", "returns", 60, help="the last so many returns"),
            Key("min_common", "whole number", "returns", 40, help="fewer common returns: null"),
        ),
        each(_judge_correlation),
    ),
    Kind(
        "metrics",
        "Performance of a series of returns; null: not defined (P-29)",
        (
            Key("returns", "list of numbers", "fraction", required=True, help="by time, oldest first"),
            Key("periods_per_year", _NUMBER, "periods", required=True),
        ),
        each(_judge_metrics),
    ),
    Kind(
        "kelly",
        "The growth-optimal fraction, and many random paths at a given one (SPEC 7.2, 7.3)",
        (
            Key(
                "outcomes",
                "list of objects",
                "",
                required=True,
                help=f"probability (they sum to 1) and payoff per dollar bet; at most {MOST_OUTCOMES}",
            ),
            Key("fraction", _NUMBER, "fraction of wealth", required=True, help="wealth x (1 + fraction x payoff)"),
            Key("bets", "whole number", "bets", required=True, help=f"at most {MOST_BETS:,} a path"),
            Key(
                "paths",
                "whole number",
                "paths",
                required=True,
                help=f"at most {MOST_PATHS:,}, and bets x paths at most {MOST_DRAWS:,}",
            ),
            Key("seed", "whole number", "", required=True, help="the same seed gives the same result"),
            Key("initial", _NUMBER, "USD", required=True),
            Key("levels", "list of numbers", "USD", [], help="above: the share of paths strictly above at the end"),
            Key("drawdowns", "list of numbers", "0 to 1", [], help="the share of paths that ever fell so far"),
            Key("cap", f"{_NUMBER} or null", "USD", None, help="wealth that is paid out at once and ends the play"),
            Key("max_bet", f"{_NUMBER} or null", "USD", None, help="at most so many dollars on one bet"),
        ),
        each(_judge_kelly),
    ),
)
