"""Books of candidates for the calculators' tests: case inputs as columns, and rows of a book taken, joined, changed."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

import numpy as np

from accounts.defaults import MAG7_7DTE, SMART_0DTE
from riskengine.calculators import gates, sizing_0dte, sizing_7dte
from riskengine.calculators.limits import Limits
from riskengine.calculators.rules import Verdicts
from riskengine.calculators.sizing import Sizing
from riskengine.loading.limits import limits_with

Given = Mapping[str, Any]
Columns = TypeVar("Columns", sizing_0dte.Book, gates.Account, gates.Market)
LONG = ("LONG", "LONG_CALL", "LONG_PUT")


def limits_0dte(**overrides: Any) -> Limits:
    return limits_with(SMART_0DTE, overrides)


def limits_7dte(**overrides: Any) -> Limits:
    return limits_with(MAG7_7DTE, overrides)


def column(rows: Sequence[Given], key: str, absent: float) -> np.ndarray:
    """The numbers under `key`; `absent` where the key is missing or null."""
    return np.array([absent if row.get(key) is None else float(row[key]) for row in rows])


def zero_book(rows: Sequence[Given], limits: Limits) -> sizing_0dte.Book:
    """Usable case inputs as a Smart-0DTE book."""
    price = column(rows, "option_price", np.nan)
    return sizing_0dte.Book(
        confidence=column(rows, "confidence", np.nan),
        vix=column(rows, "vix", np.nan),
        option_price=price,
        dollars_only=np.isnan(price),
        multiplier_per_contract=np.full(len(rows), 100.0),
        long=np.array([row.get("direction", "LONG") in LONG for row in rows], bool),
        equity_start_of_day=column(rows, "equity_sod", float(limits.account_size)),
        exposure=column(rows, "exposure", 0.0),
        day_pnl=column(rows, "daily_pnl", 0.0),
        buying_power=column(rows, "buying_power", np.inf),
        correlation_risk=column(rows, "corr_risk", np.nan),
        other_symbols=column(rows, "other_positions", 0.0),
    )


def account(rows: Sequence[Given], book: sizing_0dte.Book, sized: Sizing) -> gates.Account:
    """What the account's gates look at, beside a book that has been sized."""
    risk = np.where(np.isnan(book.correlation_risk), 1.0, book.correlation_risk)
    return gates.Account(
        confidence=book.confidence,
        vix=book.vix,
        basis=sized.basis,
        day_pnl=book.day_pnl,
        halted=np.array([bool(row.get("halted")) for row in rows], bool),
        correlation_risk=np.where(book.other_symbols == 0, 0.0, risk),
        symbol_positions=column(rows, "symbol_positions", 0.0),
        total_positions=column(rows, "total_positions", 0.0),
        delta_after=column(rows, "delta_after", 0.0),
        gamma_after=column(rows, "gamma_after", 0.0),
    )


def seven_book(rows: Sequence[Given]) -> sizing_7dte.Book:
    """Usable case inputs as a Mag7-7DTE book. The two limits that a line may carry are not part of it."""
    pairs = [(i, rho) for i, row in enumerate(rows) for rho in row.get("correlations") or []]
    return sizing_7dte.Book(
        confidence=column(rows, "confidence", np.nan),
        option_price=column(rows, "option_price", np.nan),
        multiplier_per_contract=np.full(len(rows), 100.0),
        long=np.array([row.get("direction", "LONG") in LONG for row in rows], bool),
        portfolio_value=column(rows, "portfolio_value", np.nan),
        score=column(rows, "score", np.nan),
        current_allocation=column(rows, "current_allocation", 0.0),
        buying_power=column(rows, "buying_power", np.inf),
        pair_row=np.array([i for i, _ in pairs], np.int64),
        pair_correlation=np.array([np.nan if rho is None else float(rho) for _, rho in pairs], np.float64),
    )


def seven_limits(rows: Sequence[Given], limits: Limits) -> Limits:
    """The limits with the two that a line may carry as columns."""
    own = {
        name: column(rows, name, 100.0 * float(getattr(limits, name))) / 100.0
        for name in ("max_stock_allocation", "max_portfolio_risk")
    }
    return replace(limits, **own)


def take(columns: Columns, at: Any) -> Columns:
    """Some rows of a book, in the order of `at`."""
    return type(columns)(**{f.name: getattr(columns, f.name)[at] for f in fields(columns)})


def outcome(sized: Sizing) -> list[tuple[Any, ...]]:
    """What a sizing says of each row, NaN as None, to compare two sizings row by row."""
    numbers = [sized.contracts, sized.dollars, sized.formula_dollars, sized.asked, sized.multiplier]
    flags = [sized.refusal, sized.floor_lifted, sized.overridden]
    rows = zip(*(c.tolist() for c in (*numbers, *flags)), sized.bindings(), strict=True)
    return [tuple(None if each != each else each for each in row) for row in rows]


def failed(verdicts: Verdicts) -> list[list[str]]:
    return [verdicts.failed(i) for i in range(verdicts.passes.shape[1])]
