"""Mag7-7DTE: how big (SPEC section 4).

    MIN  = max(33,000, 33% V)     HARD = 66% V     refused when MIN > HARD
    m    = clamp(min(T, F) x K, 1, T)     T confidence tier, F fundamental factor if there is a score, K correlation
    n    = max(ceil(MIN / cost), floor(m x MIN / cost)), then at most HARD, the allocation's room, buying power

Every bet is at least MIN and at most HARD, or refused: contracts are rounded up at the minimum, down above it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from riskengine.calculators import codes
from riskengine.calculators.columns import (
    CONFIDENCE_PLACES,
    PRICE_PLACES,
    BoolColumn,
    FloatColumn,
    IntColumn,
    above,
    as_column,
    as_flags,
    at_least,
    at_most,
    below,
    contracts_reaching,
    half_up_places,
    higher_of,
    lower_of,
    negated,
    plain_number,
    ratio,
    rounded_down,
    single,
    unknown,
    where,
    whole_contracts,
)
from riskengine.calculators.correlation import AbsoluteCorrelation, absolute_correlation, factor_of
from riskengine.calculators.fundamentals import fundamental_factor, relative_factor
from riskengine.calculators.limits import REFUSE, RELATIVE, Limits
from riskengine.calculators.rules import (
    YES_NO,
    CodeColumn,
    Effect,
    Finding,
    Rule,
    Running,
    Step,
    Verdict,
    apply,
    as_codes,
    judge,
    rule,
)
from riskengine.calculators.sizing import LARGEST, SMALLEST, Door, Field, Sizing, begin, cents, refusals, zero_refused

SYSTEM = "mag7-7dte"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Asked:
    """Candidates, one a row, arrays of shape (n,). Money USD. NaN is "not known" and refuses, but for `score` (no
    usable fundamentals: the factor is not applied) and `buying_power` infinite (no limit)."""

    confidence: FloatColumn
    option_price: FloatColumn
    multiplier_per_contract: FloatColumn
    long: BoolColumn
    portfolio_value: FloatColumn
    score: FloatColumn
    current_allocation: FloatColumn
    buying_power: FloatColumn


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Book(Asked):
    """What is asked, and of shape (pairs,) a row and its correlation with an open position; NaN is not measurable."""

    pair_row: IntColumn
    pair_correlation: FloatColumn


DOOR = Door(
    Field("confidence", 0.0, 1.0, "a number from 0 to 1"),
    Field("option_price", SMALLEST, LARGEST, "a price above 0"),
    Field("portfolio_value", SMALLEST, LARGEST, "an amount above 0"),
    Field("current_allocation", 0.0, LARGEST, "an amount of at least 0"),
    Field("buying_power", -LARGEST, np.inf, "a finite amount"),
    Field("score", 0.0, 1.0, "a number from 0 to 1"),
    Field("correlations", 0.0, 1.0, "correlations from -1 to 1, null where one cannot be measured"),
)


@dataclass(slots=True, eq=False)
class Case:
    """What the rules may look at: checked inputs, limits, and the dollar terms they share."""

    limits: Limits
    running: Running
    confidence: FloatColumn
    tier: FloatColumn
    score: FloatColumn
    fundamental_factor: FloatColumn
    pairs: AbsoluteCorrelation
    minimum: FloatColumn
    hard: FloatColumn
    allocation: FloatColumn
    current_allocation: FloatColumn
    overridden: BoolColumn
    buying_power: FloatColumn
    risk_budget: FloatColumn
    cost: FloatColumn
    minimum_cost: FloatColumn
    long: BoolColumn
    asked: FloatColumn
    formula: FloatColumn

    @property
    def room(self) -> FloatColumn:
        """What the allocation leaves; the minimum bet where it overrides the allocation (B-16)."""
        return where(self.overridden, self.minimum_cost, self.allocation) - self.current_allocation


@rule("CONFIDENCE_TIER", "Confidence", Effect.SCALE, "confidence", "SPEC 62, section 4 (1)")
def confidence_tier(case: Case) -> Finding:
    """T: ×1, 1.25, 1.5 or 2 from confidence 0, 0.7, 0.8 and 0.9. "Up to": a ceiling for everything after it."""
    return case.confidence, case.tier


@rule("FUNDAMENTALS", "Fundamentals", Effect.CEILING, "score", "SPEC 67, section 4 (2)")
def fundamental_ceiling(case: Case) -> Finding:
    """F = 1 + ((0.5 + s) + c) / 2 as a ceiling; relative mode: T x F / F(neutral). A missing score is not applied."""
    relative = case.limits.fundamental_mode == RELATIVE
    ceiling = case.fundamental_factor
    if relative is not False:
        factor = plain_number(relative_factor(case.score, case.confidence, case.limits.neutral_score))
        ceiling = where(relative, case.tier * factor, ceiling)
    return case.score, where(unknown(case.score), np.inf, ceiling)


@rule("CORRELATION", "Correlation", Effect.SCALE, "correlation", "SPEC 69, B-23")
def correlation_factor(case: Case) -> Finding:
    """K: ×0.5 above 0.8, 0.75 above 0.6, 1.2 under 0.3, else 1, by the average |rho| with the open positions.

    No positions: 1. No pair measurable: 0.8. Some not measurable: at most 0.8.
    """
    pairs, limits = case.pairs, case.limits
    says = factor_of(pairs, limits.correlation_factor, limits.correlation_missing_factor)
    measured: FloatColumn = 1.0 * pairs.measured  # type: ignore[assignment]
    return ratio(pairs.total, measured), says


@rule("CONFIDENCE_CEILING", "Never over the tier", Effect.CEILING, "multiple", "SPEC section 4 (4)")
def tier_ceiling(case: Case) -> Finding:
    """A low correlation may only give back what fundamentals took."""
    return case.asked, lower_of(case.tier, case.limits.max_size_multiplier)


@rule("FLOOR_1X", "Lowest multiplier", Effect.FLOOR, "multiple", "SPEC 4")
def lowest_multiplier(case: Case) -> Finding:
    """Never under the minimum bet (below_minimum_policy = raise)."""
    return case.asked, case.limits.min_size_multiplier


@rule("CEIL_TO_MINIMUM", "Whole contracts", Effect.ROUND, "USD per contract", "SPEC 61, section 4 (6)")
def round_to_contracts(case: Case) -> Finding:
    """Down to whole contracts, but never under the fewest that reach the minimum."""
    case.formula = case.running.dollars
    return case.cost, higher_of(case.minimum_cost, whole_contracts(case.formula, case.cost) * case.cost)


def _contracts_within(dollars: FloatColumn, case: Case) -> FloatColumn:
    """The dollars of the whole contracts that fit."""
    return whole_contracts(dollars, case.cost) * case.cost


@rule("MAX_66", "Maximum bet", Effect.LIMIT, "USD", "SPEC 55, B-25")
def maximum_bet(case: Case) -> Finding:
    """At most 66% of equity."""
    return case.hard, _contracts_within(case.hard, case)


@rule("STOCK_ALLOCATION", "Allocation to the stock", Effect.LIMIT, "USD", "SPEC 64, B-28")
def stock_allocation(case: Case) -> Finding:
    """At most the allocation's room, open orders included."""
    return case.room, where(case.overridden, np.inf, _contracts_within(case.room, case))


@rule("MIN_OVERRIDES_ALLOCATION", "Minimum bet over the allocation", Effect.LIMIT, "USD", "B-16")
def minimum_over_allocation(case: Case) -> Finding:
    """Where the allocation is under the minimum bet: the minimum bet, and no scaling beyond it."""
    return case.room, where(case.overridden, _contracts_within(case.room, case), np.inf)


@rule("BUYING_POWER", "Buying power", Effect.LIMIT, "USD", "SPEC 4, section 9")
def buying_power(case: Case) -> Finding:
    """Long premium is paid in full."""
    return case.buying_power, where(case.buying_power == np.inf, np.inf, _contracts_within(case.buying_power, case))


@rule("RISK_BUDGET", "Risk budget", Effect.LIMIT, "USD", "B-15")
def risk_budget(case: Case) -> Finding:
    """Where switched on: the loss at the nominal stop fits the risk budget."""
    within = _contracts_within(ratio(case.risk_budget, case.limits.stop_fraction), case)
    return case.risk_budget, where(case.limits.enforce_risk_budget, within, np.inf)


@rule("SHORT_NOT_SUPPORTED", "Long premium only", Effect.BLOCK, YES_NO, "SPEC 38, B-49")
def long_only(case: Case) -> Verdict:
    return case.long, 1.0, case.long


@rule("ACCOUNT_TOO_SMALL", "Minimum within maximum", Effect.BLOCK, "USD", "B-26")
def minimum_within_maximum(case: Case) -> Verdict:
    return case.minimum, case.hard, at_most(case.minimum, case.hard)


@rule("RISK_MODEL_BELOW_MINIMUM", "The factors reach the minimum", Effect.BLOCK, "USD", "B-04")
def factors_reach_minimum(case: Case) -> Verdict:
    """Only with below_minimum_policy = refuse."""
    enough = negated(below(case.asked, case.limits.min_size_multiplier))
    return case.asked * case.minimum, case.minimum, enough | (case.limits.below_minimum_policy != REFUSE)


@rule("CONTRACT_GRANULARITY", "Whole contracts fit", Effect.BLOCK, "USD", "SPEC 4, rounding overshoot")
def whole_contracts_fit(case: Case) -> Verdict:
    most = lower_of(case.hard, higher_of(case.formula, case.limits.rounding_overshoot * case.minimum))
    return case.minimum_cost, most, at_most(case.minimum_cost, most)


@rule("ALLOCATION_BELOW_MINIMUM", "Allocation of a minimum bet", Effect.BLOCK, "USD", "B-16")
def allocation_reaches_minimum(case: Case) -> Verdict:
    return case.allocation, case.minimum_cost, at_least(case.allocation, case.minimum_cost) | case.overridden


@rule("ALLOCATION_FULL", "Allocation has room", Effect.BLOCK, "USD", "SPEC 64")
def allocation_has_room(case: Case) -> Verdict:
    return case.room, 0.0, above(case.room, 0.0)


@rule("ALLOCATION_ROOM_BELOW_MINIMUM", "Room for a minimum bet", Effect.BLOCK, "USD", "SPEC 64, B-16")
def allocation_room_for_minimum(case: Case) -> Verdict:
    return case.room, case.minimum_cost, at_least(case.room, case.minimum_cost)


@rule("BUYING_POWER_BELOW_MINIMUM", "Buying power for a minimum bet", Effect.BLOCK, "USD", "SPEC 4")
def buying_power_for_minimum(case: Case) -> Verdict:
    return case.buying_power, case.minimum_cost, at_least(case.buying_power, case.minimum_cost)


@rule("RISK_BUDGET_BELOW_MINIMUM", "Risk budget for a minimum bet", Effect.BLOCK, "USD", "B-15")
def risk_budget_for_minimum(case: Case) -> Verdict:
    loss = case.minimum_cost * case.limits.stop_fraction
    return case.risk_budget, loss, at_least(case.risk_budget, loss) | negated(case.limits.enforce_risk_budget)


ASKING = (confidence_tier, fundamental_ceiling, correlation_factor)
CLAMPS = (tier_ceiling, lowest_multiplier)
LIMITS = (maximum_bet, stock_allocation, minimum_over_allocation, buying_power, risk_budget)
CUTS = (round_to_contracts, *LIMITS)
BLOCKS = (
    long_only,
    minimum_within_maximum,
    factors_reach_minimum,
    whole_contracts_fit,
    allocation_reaches_minimum,
    allocation_has_room,
    allocation_room_for_minimum,
    buying_power_for_minimum,
    risk_budget_for_minimum,
)


def size_book(book: Book, limits: Limits) -> Sizing:
    """Size every row of `book` under `limits` (SPEC section 4).

    Returns arrays of shape (n,): see `Sizing`. Rows with an unusable input come back refused INVALID_INPUT, size 0.
    """
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        n = len(book.confidence)
        rho = half_up_places(abs(book.pair_correlation), CONFIDENCE_PLACES)
        worst = np.zeros(n)
        np.maximum.at(worst, book.pair_row, where(unknown(rho), 0.0, rho))
        pairs = absolute_correlation(book.pair_row, rho, n)
        if n == 1 and limits.shared:
            return _size(single(book, Asked), limits, 1.0, single(pairs), worst.item())
        return _size(book, limits, np.ones(n), pairs, worst)


def multiplier_changes(steps: Sequence[Step]) -> list[tuple[str, Any]]:
    """What set the multiplier: the last of tier, fundamentals, correlation, cap and floor that acted."""
    tier, fundamentals, correlation, cap, floor = steps[: len(ASKING) + len(CLAMPS)]
    clamped = floor.after
    uncorrelated = higher_of(lower_of(correlation.before, cap.says), floor.says)
    return [
        ("CONFIDENCE_TIER", True),
        ("FUNDAMENTALS", below(fundamentals.after, fundamentals.before)),
        ("CORRELATION", above(clamped, uncorrelated) | below(clamped, uncorrelated)),
        ("CAP_2X", below(cap.says, tier.says) & above(cap.saw, cap.says)),
        ("FLOOR_1X", below(floor.saw, floor.says)),
    ]


def _size(book: Asked, limits: Limits, ones: Any, pairs: AbsoluteCorrelation, worst: Any) -> Sizing:
    """Columns, or numbers for a book of one row; either way columns come out. `worst` is the largest |rho| given."""
    price = half_up_places(book.option_price, PRICE_PLACES)
    checked = DOOR.check(
        book.confidence,
        price,
        book.portfolio_value,
        book.current_allocation,
        book.buying_power,
        where(unknown(book.score), 0.0, book.score),
        worst,
    )
    value = book.portfolio_value
    minimum = higher_of(limits.min_position_dollars, limits.min_position_size * value)
    confidence = half_up_places(book.confidence, CONFIDENCE_PLACES)
    cost = price * book.multiplier_per_contract
    minimum_cost = contracts_reaching(minimum, cost) * cost
    allocation = limits.max_stock_allocation * value
    running = begin(ones)
    case = Case(
        limits=limits,
        running=running,
        confidence=confidence,
        tier=limits.confidence_factor.at(confidence),
        score=book.score,
        fundamental_factor=plain_number(fundamental_factor(book.score, confidence)),
        pairs=pairs,
        minimum=minimum,
        hard=limits.max_position_size * value,
        allocation=allocation,
        current_allocation=book.current_allocation,
        overridden=below(allocation, minimum_cost) & limits.min_overrides_allocation,
        buying_power=book.buying_power,
        risk_budget=value * limits.max_portfolio_risk * (0.5 + confidence),
        cost=cost,
        minimum_cost=minimum_cost,
        long=book.long,
        asked=minimum,
        formula=minimum,
    )
    apply(ASKING, case, running)
    case.asked = running.multiplier
    apply(CLAMPS, case, running)
    running.dollars = running.multiplier * minimum
    apply(CUTS, case, running)
    blocks = judge(BLOCKS, case, checked.all_usable)
    refusal = refusals(checked, blocks)
    sized = refusal == codes.NONE
    contracts, dollars, formula = zero_refused(
        sized, rounded_down(ratio(running.dollars, cost) + 0.5), cents(running.dollars), cents(case.formula)
    )
    lifted = below(case.asked, limits.min_size_multiplier)
    return Sizing(
        system=SYSTEM,
        contracts=contracts.astype(np.int64),
        dollars=dollars,
        formula_dollars=formula,
        asked=as_column(where(sized, case.asked, np.nan)),
        multiplier=as_column(where(sized, running.multiplier, np.nan)),
        refusal=as_codes(refusal),
        basis=as_column(value),
        minimum=as_column(minimum),
        floor_lifted=as_flags(lifted & _got_as_far_as(whole_contracts_fit, refusal)),
        overridden=as_flags(case.overridden & _got_as_far_as(allocation_reaches_minimum, refusal)),
        checked=checked,
        steps=running.steps,
        blocks=blocks,
        amounts={
            "portfolio_value": value,
            "minimum": minimum,
            "maximum": case.hard,
            "allocation": allocation,
            "room": case.room,
            "buying_power": book.buying_power,
            "risk_budget": case.risk_budget,
            "contract_cost": cost,
            "formula": case.formula,
        },
        multiplier_changes=multiplier_changes,
    )


# How far a refused row got: -1 for an unusable input, then the blocks in order; past them all where none refused.
_REACHED = np.full(len(codes.CODES), len(BLOCKS))
_REACHED[[codes.INDEX["INVALID_INPUT"], *(codes.INDEX[each.code] for each in BLOCKS)]] = range(-1, len(BLOCKS))


def _got_as_far_as(block: Rule, refusal: CodeColumn) -> BoolColumn:
    """Rows that no earlier block refused: what was refused before was never asked for more."""
    return _REACHED[refusal] >= BLOCKS.index(block)
