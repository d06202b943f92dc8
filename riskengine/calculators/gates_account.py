"""Whether, looking at the account: the gates of SPEC B-10, in its order.

A gate looks and passes or refuses; it never changes a size. A value that is not known refuses: a gate passes only where
its comparison is true, and a comparison with NaN is false.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from riskengine.calculators.columns import (
    CONFIDENCE_PLACES,
    BoolColumn,
    FloatColumn,
    above,
    at_least,
    at_most,
    below,
    half_up_places,
    negated,
)
from riskengine.calculators.limits import Limits
from riskengine.calculators.rules import Effect, Rule, Verdict, rule


@dataclass(slots=True, eq=False, kw_only=True)
class Account:
    """What the account's gates look at, arrays of shape (n,). Money USD, counts of open positions before the trade.

    `correlation_risk` is 0 with no other symbol open and 1 where it cannot be measured. Delta and gamma are the book's
    SPY share-equivalents after the trade; NaN (unknown) refuses.
    """

    confidence: FloatColumn
    vix: FloatColumn
    basis: FloatColumn
    day_pnl: FloatColumn
    halted: BoolColumn
    correlation_risk: FloatColumn
    symbol_positions: FloatColumn
    total_positions: FloatColumn
    delta_after: FloatColumn
    gamma_after: FloatColumn


@dataclass(slots=True, eq=False)
class AccountCase:
    """What the account's gates may look at."""

    limits: Limits
    account: Account


def gate(code: str, label: str, unit: str, source: str) -> Callable[[Callable[[Any], Verdict]], Rule]:
    return rule(code, label, Effect.BLOCK, unit, source)


@gate("EMERGENCY_HALT", "Emergency halt", "USD", "SPEC 18, P-07")
def emergency_halt(case: AccountCase) -> Verdict:
    """Only losses count: a profit of the same size is no halt."""
    limit = -case.limits.emergency_halt_loss * case.account.basis
    return case.account.day_pnl, limit, above(case.account.day_pnl, limit) & negated(case.account.halted)


@gate("MAX_DAILY_LOSS", "Daily loss", "USD", "SPEC 8, P-06")
def daily_loss(case: AccountCase) -> Verdict:
    limit = -case.limits.max_daily_loss * case.account.basis
    return case.account.day_pnl, limit, above(case.account.day_pnl, limit)


@gate("MIN_CONFIDENCE", "Confidence", "confidence", "SPEC 16, B-03, A-21")
def lowest_confidence(case: AccountCase) -> Verdict:
    """The raw confidence; calibration never moves this gate."""
    limit = case.limits.min_confidence_threshold
    confidence = half_up_places(case.account.confidence, CONFIDENCE_PLACES)
    return confidence, limit, at_least(confidence, limit)


@gate("MAX_VIX", "VIX", "VIX points", "SPEC 15, B-05")
def highest_vix(case: AccountCase) -> Verdict:
    """Exactly at the limit is allowed."""
    return case.account.vix, case.limits.max_vix_threshold, at_most(case.account.vix, case.limits.max_vix_threshold)


@gate("MAX_CORRELATION", "Correlation risk", "correlation", "SPEC 17, P-02")
def highest_correlation(case: AccountCase) -> Verdict:
    limit = case.limits.max_correlation_risk
    risk = half_up_places(case.account.correlation_risk, CONFIDENCE_PLACES)
    return risk, limit, at_most(risk, limit)


@gate("MAX_PER_SYMBOL", "Positions in the symbol", "count", "SPEC 11")
def positions_in_symbol(case: AccountCase) -> Verdict:
    count, limit = case.account.symbol_positions, case.limits.max_positions_per_symbol
    return count, limit, below(count, limit)


@gate("MAX_TOTAL", "Open positions", "count", "SPEC 12")
def positions_in_all(case: AccountCase) -> Verdict:
    count, limit = case.account.total_positions, case.limits.max_total_positions
    return count, limit, below(count, limit)


@gate("MAX_DELTA", "Book delta after the trade", "SPY shares", "SPEC 13, P-05, A-14")
def book_delta(case: AccountCase) -> Verdict:
    limit = case.limits.max_portfolio_delta * case.account.basis
    return case.account.delta_after, limit, at_most(abs(case.account.delta_after), limit)


@gate("MAX_GAMMA", "Book gamma after the trade", "SPY shares per dollar", "SPEC 14, P-05, A-14")
def book_gamma(case: AccountCase) -> Verdict:
    limit = case.limits.max_portfolio_gamma * case.account.basis
    return case.account.gamma_after, limit, at_most(abs(case.account.gamma_after), limit)


ACCOUNT_0DTE: tuple[Rule, ...] = (
    emergency_halt,
    daily_loss,
    lowest_confidence,
    highest_vix,
    highest_correlation,
    positions_in_symbol,
    positions_in_all,
    book_delta,
    book_gamma,
)
ACCOUNT_7DTE: tuple[Rule, ...] = (emergency_halt, daily_loss, lowest_confidence, highest_vix)
