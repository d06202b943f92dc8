"""How fast sizes come: one preview with its whole trace, and a million candidates with their traces kept.

    python -m bench.sizing [--rows 1000000] [--runs 7]

Each figure stands beside a yardstick measured in the same run: machines and days differ, the ratio hardly does.
"""

import argparse
import json
from dataclasses import fields
from typing import Any

import numpy as np

from bench.stopwatch import machine, measure, pin_to_one_core, shown
from riskengine.calculators import gates, sizing_0dte, sizing_7dte
from riskengine.loading.limits import default_limits

ZERO = default_limits(sizing_0dte.SYSTEM)
SEVEN = default_limits(sizing_7dte.SYSTEM)
VALID = np.array([True])


def columns(kind: type, **values: Any) -> Any:
    """One row as columns."""
    return kind(**{f.name: np.array([values[f.name]]) for f in fields(kind)})


CANDIDATE = columns(
    sizing_0dte.Book, confidence=0.82, vix=18.4, option_price=2.37, dollars_only=False, multiplier_per_contract=100.0,
    long=True, equity_start_of_day=61240.0, exposure=12220.0, day_pnl=-410.0, buying_power=49020.0,
    correlation_risk=0.41, other_symbols=1.0,
)  # fmt: skip
MARKET = {
    "active": True, "mode_on": True, "permitted": True, "session_open": True, "minutes_since_open": 72.0,
    "minutes_to_forced_close": 303.0, "expiration_days": 0.0, "adjusted": False, "am_settled": False, "bid": 2.33,
    "ask": 2.37, "ask_size": 210.0, "tick": 0.01, "quote_age_seconds": 0.4, "quote_max_age_seconds": 5.0,
    "vix_age_seconds": 12.0, "vix_max_age_seconds": 120.0, "heartbeat_age_seconds": 17.0, "risk_known": True,
    "volume": 18250.0, "open_interest": 6120.0, "index_sized": False, "multiplier_per_contract": 100.0, "stop": 1.78,
    "first_target_fraction": 0.05, "exposure": 12220.0, "exposure_limit": 48000.0, "greeks_known": True,
    "correlation_known": True, "earnings_possible": False, "ex_dividend_inside": False, "confirmed": True,
    "opening_intents": 1.0, "cooldown_minutes_left": 0.0, "underlying_halted": False, "event_blackout": False,
    "reconciled": True,
    "breakers_tripped": 0.0, "loss_needs_confirmation": False,
}  # fmt: skip
GATES = gates.entry_gates(sizing_0dte.SYSTEM, placing=True)


def preview() -> dict[str, Any]:
    """Size one candidate, judge every gate of an entry, and tell the whole trace."""
    sized = sizing_0dte.size_book(CANDIDATE, ZERO)
    account = gates.Account(**HELD, basis=sized.basis)
    market = gates.Market(**FIXED, contracts=sized.contracts, dollars=sized.dollars, minimum=sized.minimum)
    judged = gates.judge_entry(account, market, ZERO, GATES, sized.checked.valid)
    return sized.explain(0, judged)


FIXED = {name: np.array([value]) for name, value in MARKET.items()}
HELD = {
    "confidence": CANDIDATE.confidence, "vix": CANDIDATE.vix, "day_pnl": CANDIDATE.day_pnl, "halted": ~VALID,
    "correlation_risk": CANDIDATE.correlation_risk, "symbol_positions": np.zeros(1), "total_positions": np.ones(1),
    "delta_after": np.array([2100.0]), "gamma_after": np.array([340.0]),
}  # fmt: skip


def zero_book(rows: int, rng: np.random.Generator) -> sizing_0dte.Book:
    equity = rng.uniform(30_000, 90_000, rows).round(2)
    return sizing_0dte.Book(
        confidence=rng.uniform(0.5, 1.0, rows).round(6),
        vix=rng.uniform(10, 35, rows).round(2),
        option_price=rng.uniform(0.5, 12, rows).round(2),
        dollars_only=np.zeros(rows, bool),
        multiplier_per_contract=np.full(rows, 100.0),
        long=np.ones(rows, bool),
        equity_start_of_day=equity,
        exposure=(equity * rng.uniform(0, 0.7, rows)).round(2),
        day_pnl=rng.normal(0, 1500, rows).round(2),
        buying_power=(equity * rng.uniform(0.2, 1, rows)).round(2),
        correlation_risk=rng.uniform(0, 1, rows).round(6),
        other_symbols=rng.integers(0, 4, rows).astype(float),
    )


def seven_book(rows: int, rng: np.random.Generator) -> sizing_7dte.Book:
    value = rng.uniform(60_000, 300_000, rows).round(2)
    pairs = 2 * rows
    return sizing_7dte.Book(
        confidence=rng.uniform(0.5, 1.0, rows).round(6),
        option_price=rng.uniform(1, 40, rows).round(2),
        multiplier_per_contract=np.full(rows, 100.0),
        long=np.ones(rows, bool),
        portfolio_value=value,
        score=rng.uniform(0.1, 0.9, rows).round(2),
        current_allocation=np.where(rng.random(rows) < 0.7, 0.0, (0.2 * value).round(2)),
        buying_power=(value * rng.uniform(0.3, 1, rows)).round(2),
        pair_row=np.repeat(np.arange(rows), 2),
        pair_correlation=rng.uniform(-0.2, 0.95, pairs).round(6),
    )


def numbers(book: Any) -> list[np.ndarray]:
    return [c for f in fields(book) if (c := getattr(book, f.name)).dtype == np.float64]


def bench_preview(runs: int) -> None:
    story = preview()
    passed = sum(gate["passed"] for gate in story["gates"])
    taken = measure(preview, runs=10 * runs, calls=50)
    again = measure(lambda: json.loads(json.dumps(story)), runs=10 * runs, calls=50)
    one = np.ones(1)
    add = measure(lambda: np.add(one, one), runs=runs, calls=20_000)
    print(f"one preview: size, {passed} of {len(GATES)} gates passed, trace of {len(json.dumps(story)):,} bytes")
    print(f"    {taken}")
    print(f"    yardsticks: {taken.best / again.best:.2f}x json.dumps + loads of its own trace ({shown(again.best)}),")
    print(f"                {taken.best / add.best:.0f}x one numpy addition of one number ({shown(add.best)})")


def bench_rows(name: str, size: Any, rows: int, runs: int) -> None:
    book, limits = size
    module = sizing_0dte if isinstance(book, sizing_0dte.Book) else sizing_7dte
    sized = module.size_book(book, limits)
    bets, steps = int((sized.contracts > 0).sum()), len(sized.steps) + len(sized.blocks.rules)
    taken = measure(lambda: module.size_book(book, limits), runs=runs)
    given = numbers(book)
    product = measure(lambda: [a * b for a, b in zip(given, given[::-1], strict=True) if a.shape == b.shape], runs=runs)
    ordered = measure(lambda: [np.sort(column) for column in given], runs=max(runs // 2, 2))
    print(f"{rows:,} {name} candidates, {bets:,} bets, {steps} rules traced a row")
    print(f"    {taken}")
    print(f"    {rows / taken.best:,.0f} rows/s best, {rows / taken.median:,.0f} rows/s median")
    print(f"    yardsticks: {taken.best / product.best:.1f}x multiplying its columns pairwise ({shown(product.best)}),")
    print(f"                {taken.best / ordered.best:.2f}x sorting its columns ({shown(ordered.best)})")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure sizing.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=7)
    given = parser.parse_args()
    rng = np.random.default_rng(1)
    print(f"{machine()}; {pin_to_one_core()}")
    bench_preview(given.runs)
    bench_rows("Smart-0DTE", (zero_book(given.rows, rng), ZERO), given.rows, given.runs)
    bench_rows("Mag7-7DTE", (seven_book(given.rows, rng), SEVEN), given.rows, given.runs)


if __name__ == "__main__":
    main()
