"""`evaluate size-0dte` and `size-7dte`: lines to columns, the calculators, columns to lines.

Absent, null and unusable are three things (cases/README.md): an absent key takes its default, null is absent unless the
key must be known, and what is not a finite number refuses the line's bet with INVALID_INPUT.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from accounts.defaults import MAG7_7DTE, SMART_0DTE
from riskengine.calculators import advice, codes, gates, sizing_0dte, sizing_7dte
from riskengine.calculators.columns import above
from riskengine.calculators.limits import Limits
from riskengine.calculators.rules import Verdicts
from riskengine.calculators.sizing import Sizing
from riskengine.loading.limits import ConfigError, limits_with
from riskengine.services.decide.evaluate.contract import Key, Kind, Line, LineError, Result, as_number, money, text

UNUSABLE = -np.inf  # outside every input's range, so that the door refuses the row and names the input
NO_LIMIT = np.inf
LONG = frozenset({"LONG", "LONG_CALL", "LONG_PUT"})
STANDARD_MULTIPLIER = 100.0


def _column(lines: Sequence[Line], key: str, *, absent: float, null: float = UNUSABLE) -> np.ndarray:
    """The numbers under `key`: `absent` where the key is missing, `null` where it is null, UNUSABLE where it is not a
    finite number."""
    column = np.empty(len(lines))
    for i, line in enumerate(lines):
        value = line.get(key, _ABSENT)
        if value.__class__ is float or value.__class__ is int:
            column[i] = value if -1e300 < value < 1e300 else UNUSABLE
        elif value is _ABSENT:
            column[i] = absent
        elif value is None:
            column[i] = null
        else:
            number = as_number(value)
            column[i] = UNUSABLE if number is None else number
    return column


_ABSENT = object()


def _counts(column: np.ndarray) -> np.ndarray:
    """Counts are whole: 1.5 positions is unusable."""
    return np.where(column == np.floor(column), column, UNUSABLE)


def _flags(lines: Sequence[Line], key: str) -> np.ndarray:
    """True or false under `key`; absent and null are false."""
    return np.array([line.get(key) is True for line in lines])


def _problem_of(line: Line) -> LineError | None:
    """What makes this no line of its kind: a switch that is none, correlations that are no list."""
    for key in ("halted", "correlations", "trace"):
        value = line.get(key)
        if value is None:
            continue
        if key == "correlations":
            if not isinstance(value, list):
                return LineError("NOT_A_LIST", "correlations takes a list of numbers and nulls.", key)
        elif not isinstance(value, bool):
            return LineError("NOT_A_SWITCH", f"{key} is {value!r}: give true or false.", key)
    return None


def _long(lines: Sequence[Line]) -> np.ndarray:
    """Absent and null are long; whatever else is no long direction refuses, the empty word too."""
    given = [line.get("direction") for line in lines]
    return np.array([each is None or (isinstance(each, str) and each.upper() in LONG) for each in given])


def _by_cfg(lines: Sequence[Line], system: str, judge: Any) -> list[Result | LineError]:
    """Judge lines in groups that share a cfg, so that a group has one `Limits`; results keep the lines' order."""
    results: list[Result | LineError | None] = [None] * len(lines)
    groups: dict[str, list[int]] = {}
    for i, line in enumerate(lines):
        cfg = line.get("cfg")
        key = "" if cfg is None else repr(sorted(cfg.items())) if isinstance(cfg, Mapping) else "?"
        groups.setdefault(key, []).append(i)
    for rows in groups.values():
        try:
            limits = limits_with(system, lines[rows[0]].get("cfg"))
        except ConfigError as problem:
            error = LineError(problem.code, str(problem), f"cfg.{problem.name}" if problem.name else "cfg")
            for i in rows:
                results[i] = error
            continue
        for i, result in zip(rows, _isolating(judge, [lines[i] for i in rows], limits), strict=True):
            results[i] = result
    return results  # type: ignore[return-value]


def _isolating(judge: Any, lines: list[Line], limits: Limits) -> list[Result | LineError]:
    """Judge a batch; a line that is no line of this kind is taken out and answered for itself."""
    results: list[Result | LineError] = [_problem_of(line) or {} for line in lines]
    kept = [i for i, result in enumerate(results) if not isinstance(result, LineError)]
    judged = judge([lines[i] for i in kept], limits) if kept else []
    for i, result in zip(kept, judged, strict=True):
        results[i] = result
    return results


# --- size-0dte ------------------------------------------------------------------------------------------------------


def _judge_0dte(lines: Sequence[Line], limits: Limits) -> list[Result]:
    price = _column(lines, "option_price", absent=np.nan, null=np.nan)
    dollars_only = np.isnan(price)
    equity = _column(lines, "equity_sod", absent=NO_LIMIT, null=NO_LIMIT)
    # No equity given: the configured account is the basis; the product has no such default.
    equity = np.where(equity == NO_LIMIT, limits.account_size, equity)
    other = _counts(_column(lines, "other_positions", absent=0.0, null=0.0))
    risk = _column(lines, "corr_risk", absent=np.nan, null=np.nan)
    day_pnl = _column(lines, "daily_pnl", absent=0.0)
    book = sizing_0dte.Book(
        confidence=_column(lines, "confidence", absent=UNUSABLE),
        vix=_column(lines, "vix", absent=UNUSABLE),
        option_price=price,
        dollars_only=dollars_only,
        multiplier_per_contract=np.full(len(lines), STANDARD_MULTIPLIER),
        long=_long(lines),
        equity_start_of_day=equity,
        exposure=_column(lines, "exposure", absent=0.0),
        day_pnl=day_pnl,
        buying_power=_column(lines, "buying_power", absent=NO_LIMIT, null=NO_LIMIT),
        correlation_risk=risk,
        other_symbols=other,
    )
    sizing = sizing_0dte.size_book(book, limits)
    counted = [_counts(_column(lines, key, absent=0.0, null=0.0)) for key in ("symbol_positions", "total_positions")]
    greeks = [_column(lines, key, absent=0.0, null=0.0) for key in ("delta_after", "gamma_after")]
    account = gates.Account(
        confidence=book.confidence,
        vix=book.vix,
        basis=sizing.basis,
        day_pnl=day_pnl,
        halted=_flags(lines, "halted"),
        correlation_risk=np.where(other == 0, 0.0, np.where(np.isnan(risk), 1.0, risk)),
        symbol_positions=counted[0],
        total_positions=counted[1],
        delta_after=greeks[0],
        gamma_after=greeks[1],
    )
    # Inputs that only the gates read are checked like the others: an unusable one refuses the bet.
    usable = (
        np.all([(column > UNUSABLE) for column in (*counted, *greeks)], axis=0) & (counted[0] >= 0) & (counted[1] >= 0)
    )
    sizing = _refuse_unusable(sizing, usable)
    judged = gates.judge_account(account, limits, sizing.checked.valid & usable)
    return _results_0dte(lines, sizing, judged, limits)


def _refuse_unusable(sizing: Sizing, usable: np.ndarray) -> Sizing:
    if usable.all():
        return sizing
    return replace(
        sizing,
        refusal=np.where(usable, sizing.refusal, np.int16(codes.INDEX["INVALID_INPUT"])),
        contracts=np.where(usable, sizing.contracts, 0),
        dollars=np.where(usable, sizing.dollars, 0.0),
        formula_dollars=np.where(usable, sizing.formula_dollars, 0.0),
        asked=np.where(usable, sizing.asked, np.nan),
        multiplier=np.where(usable, sizing.multiplier, np.nan),
        floor_lifted=sizing.floor_lifted & usable,
    )


def _results_0dte(lines: Sequence[Line], sizing: Sizing, judged: Verdicts, limits: Limits) -> list[Result]:
    first = codes.names(np.where(sizing.refusal != codes.NONE, sizing.refusal, judged.first_failed()))
    passed: list[bool] = judged.passes.all(axis=0).tolist()  # type: ignore[assignment]
    advised = advice.advise(_bets_0dte(lines, sizing, limits), limits)
    binding = sizing.bindings()
    formula, dollars = sizing.formula_dollars.tolist(), sizing.dollars.tolist()
    asked, multiplier = sizing.asked.tolist(), sizing.multiplier.tolist()
    contracts, lifted = sizing.contracts.tolist(), sizing.floor_lifted.tolist()
    minimum, traced = sizing.minimum.tolist(), _flags(lines, "trace")
    results = []
    for i in range(len(lines)):
        warnings = [advice.floor_lifted(asked[i] * minimum[i], minimum[i])] if lifted[i] else []
        result: Result = {
            "formula_dollars": money(formula[i]),
            "contracts": contracts[i],
            "dollars": money(dollars[i]),
            "approved": first[i] is None and dollars[i] > 0,
            "refusal": first[i],
            "binding": binding[i],
            "raw_multiplier": _multiplier(asked[i]),
            "multiplier": _multiplier(multiplier[i]),
            "failed_gates": [] if passed[i] else judged.failed(i),
            "warnings": warnings,
            "advice": advised[i],
        }
        if traced[i]:
            result["trace"] = sizing.explain(i, None if first[i] == "INVALID_INPUT" else judged)
        results.append(result)
    return results


def _bets_0dte(lines: Sequence[Line], sizing: Sizing, limits: Limits) -> advice.Bets:
    basis = sizing.basis
    return advice.bets_of(
        len(lines),
        dollars=sizing.dollars,
        equity=basis,
        basis=basis,
        loss_at_stop=sizing.dollars * limits.stop_fraction,
        minimum=sizing.minimum,
        asked=sizing.asked * sizing.minimum,
        vix=sizing.saw("VIX"),
        confidence_factor=sizing.says("CONFIDENCE"),
        day_pnl=_column(lines, "daily_pnl", absent=0.0),
    )


def _multiplier(value: float) -> str | None:
    return None if value != value else text(value)


# --- size-7dte ------------------------------------------------------------------------------------------------------


def _judge_7dte(lines: Sequence[Line], limits: Limits) -> list[Result]:
    allocation = _percents(lines, "max_stock_allocation", limits.max_stock_allocation)
    risk = _percents(lines, "max_portfolio_risk", limits.max_portfolio_risk)
    pair_row, pair_correlation = _pairs(lines)
    # The two profile limits that a line may carry are columns: each line is sized under its own.
    limits = replace(limits, max_stock_allocation=allocation, max_portfolio_risk=risk)
    value = _column(lines, "portfolio_value", absent=UNUSABLE)
    # A limit out of its range makes the line's bet unusable, through the input that the limit is a share of.
    value = np.where((allocation > 0) & (allocation <= 1) & (risk > 0) & (risk <= 1), value, UNUSABLE)
    book = sizing_7dte.Book(
        confidence=_column(lines, "confidence", absent=UNUSABLE),
        option_price=_column(lines, "option_price", absent=UNUSABLE),
        multiplier_per_contract=np.full(len(lines), STANDARD_MULTIPLIER),
        long=_long(lines),
        portfolio_value=value,
        score=_column(lines, "score", absent=np.nan, null=np.nan),
        current_allocation=_column(lines, "current_allocation", absent=0.0),
        buying_power=_column(lines, "buying_power", absent=NO_LIMIT, null=NO_LIMIT),
        pair_row=pair_row,
        pair_correlation=pair_correlation,
    )
    sizing = sizing_7dte.size_book(book, limits)
    return _results_7dte(lines, sizing, book, limits)


def _percents(lines: Sequence[Line], key: str, default: Any) -> np.ndarray:
    """A percent at the door (66 means 66%) as a fraction; absent and null take the profile's."""
    percent = _column(lines, key, absent=np.nan, null=np.nan)
    return np.where(np.isnan(percent), default, percent / 100.0)


def _pairs(lines: Sequence[Line]) -> tuple[np.ndarray, np.ndarray]:
    rows: list[int] = []
    values: list[float] = []
    for i, line in enumerate(lines):
        for value in line.get("correlations") or ():
            number = np.nan if value is None else as_number(value)
            rows.append(i)
            values.append(UNUSABLE if number is None else number)
    return np.array(rows, np.int64), np.array(values, np.float64)


def _results_7dte(lines: Sequence[Line], sizing: Sizing, book: sizing_7dte.Book, limits: Limits) -> list[Result]:
    refusal = codes.names(sizing.refusal)
    bets = _bets_7dte(sizing, book, limits)
    advised = advice.advise(bets, limits)
    warned = _warnings_7dte(sizing, bets, limits)
    binding, contracts, dollars = sizing.bindings(), sizing.contracts.tolist(), sizing.dollars.tolist()
    asked, multiplier = sizing.asked.tolist(), sizing.multiplier.tolist()
    traced = _flags(lines, "trace")
    results = []
    for i in range(len(lines)):
        result: Result = {
            "contracts": contracts[i],
            "dollars": money(dollars[i]),
            "refusal": refusal[i],
            "binding": binding[i],
            "raw_multiplier": _multiplier(asked[i]),
            "multiplier": _multiplier(multiplier[i]),
            "warnings": warned[i],
            "advice": advised[i],
        }
        if traced[i]:
            result["trace"] = sizing.explain(i)
        results.append(result)
    return results


def _bets_7dte(sizing: Sizing, book: sizing_7dte.Book, limits: Limits) -> advice.Bets:
    n = len(book.confidence)
    rises = np.broadcast_to(limits.min_position_dollars / limits.min_position_size, n)
    return advice.bets_of(
        n,
        dollars=sizing.dollars,
        equity=sizing.basis,
        basis=sizing.basis,
        loss_at_stop=np.minimum(sizing.dollars * limits.stop_fraction, limits.stop_account_risk * sizing.basis),
        minimum=sizing.minimum,
        asked=sizing.asked * sizing.minimum,
        allocation=sizing.amount("allocation"),
        risk_budget=sizing.amount("risk_budget"),
        day_pnl=np.zeros(n),
        minimum_rises=rises,
    )


def _warnings_7dte(sizing: Sizing, bets: advice.Bets, limits: Limits) -> list[list[str]]:
    """FLOOR_LIFTED, MINIMUM_OVERRIDES_ALLOCATION, RISK_BUDGET in this order, as far as the sizing got."""
    loss = sizing.dollars * limits.stop_fraction
    budget, allocation = bets.risk_budget.tolist(), bets.allocation.tolist()
    with np.errstate(invalid="ignore"):  # the budget of an unusable value
        over_budget = ((loss > 0) & above(loss, bets.risk_budget)).tolist()
    lifted, overridden = sizing.floor_lifted.tolist(), sizing.overridden.tolist()
    asked, minimum, equity = bets.asked.tolist(), bets.minimum.tolist(), bets.equity.tolist()
    warned = []
    for i, dollars_lost in enumerate(loss.tolist()):
        said = []
        if lifted[i]:
            said.append(advice.floor_lifted(asked[i], minimum[i]))
        if overridden[i]:
            said.append(advice.minimum_overrides_allocation(allocation[i] / equity[i], allocation[i]))
        if over_budget[i]:
            said.append(advice.risk_budget(dollars_lost, budget[i], dollars_lost / sizing.dollars[i]))
        warned.append(said)
    return warned


# --- the kinds --------------------------------------------------------------------------------------------------------

_CFG = Key("cfg", "object", "", {}, help="parameter overrides by the field names of a profile revision")
_TRACE = Key("trace", "true or false", "", False, help="true: the whole factor trace with the line")
_NUMBER = "number or decimal string"


KINDS: tuple[Kind, ...] = (
    Kind(
        "size-0dte",
        "Smart-0DTE: the indicative size and the account's gates (SPEC section 5, B-10)",
        (
            Key("confidence", _NUMBER, "0 to 1", required=True),
            Key("vix", _NUMBER, "VIX points", required=True),
            Key("option_price", f"{_NUMBER} or null", "USD per share", None, help="absent: dollars only"),
            Key("equity_sod", _NUMBER, "USD", "account_size", help="start-of-day equity"),
            Key("exposure", _NUMBER, "USD", 0, help="open premium and reserved orders"),
            Key("daily_pnl", _NUMBER, "USD", 0, help="negative for a loss"),
            Key("buying_power", f"{_NUMBER} or null", "USD", None, help="absent: no limit"),
            Key("symbol_positions", "whole number", "positions", 0),
            Key("total_positions", "whole number", "positions", 0),
            Key("other_positions", "whole number", "positions", 0, help="open positions in other symbols"),
            Key("corr_risk", f"{_NUMBER} or null", "0 to 1", None, help="null: unknown, 1 when other symbols are open"),
            Key("delta_after", f"{_NUMBER} or null", "SPY shares", None, help="absent: not judged"),
            Key("gamma_after", f"{_NUMBER} or null", "SPY shares per dollar", None, help="absent: not judged"),
            Key("halted", "true or false", "", False),
            Key("direction", "LONG, LONG_CALL or LONG_PUT", "", "LONG"),
            _CFG,
            _TRACE,
        ),
        lambda lines: _by_cfg(lines, SMART_0DTE, _judge_0dte),
    ),
    Kind(
        "size-7dte",
        "Mag7-7DTE: the indicative size (SPEC section 4)",
        (
            Key("confidence", _NUMBER, "0 to 1", required=True),
            Key("option_price", _NUMBER, "USD per share", required=True),
            Key("portfolio_value", _NUMBER, "USD", required=True),
            Key("score", f"{_NUMBER} or null", "0 to 1", None, help="fundamental score; null: no usable fundamentals"),
            Key("correlations", "list of numbers and nulls", "-1 to 1", [], help="with each open position"),
            Key("current_allocation", _NUMBER, "USD", 0, help="in this stock, open orders included"),
            Key("buying_power", f"{_NUMBER} or null", "USD", None, help="absent: no limit"),
            Key("max_stock_allocation", _NUMBER, "percent", 66),
            Key("max_portfolio_risk", _NUMBER, "percent", 2),
            Key("direction", "LONG, LONG_CALL or LONG_PUT", "", "LONG"),
            _CFG,
            _TRACE,
        ),
        lambda lines: _by_cfg(lines, MAG7_7DTE, _judge_7dte),
    ),
)
