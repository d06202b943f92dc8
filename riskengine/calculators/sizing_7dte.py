"""Mag7-7DTE: how big (SPEC section 4).

    MIN  = max(33,000, 33% V)     HARD = 66% V            refused when MIN > HARD
    T    = confidence tier (a ceiling)    F = 1 + ((0.5 + score) + confidence) / 2, not applied when the score is missing
    K    = correlation factor
    m    = clamp(min(T, F) x K, 1, T)
    n    = max(ceil(MIN / cost), floor(m x MIN / cost)), then at most HARD, the allocation's room, buying power

Whole contracts are rounded to the ceiling at the minimum and to the floor above it, so every bet is at least MIN and at
most HARD or is refused; it is never shrunk under the minimum.
"""

from dataclasses import dataclass

import numpy as np

from riskengine.calculators import codes
from riskengine.calculators.columns import (
    CONFIDENCE_PLACES,
    PRICE_PLACES,
    BoolColumn,
    FloatColumn,
    IntColumn,
    above,
    at_least,
    at_most,
    below,
    contracts_reaching,
    half_up_places,
    whole_contracts,
)
from riskengine.calculators.limits import REFUSE, RELATIVE, Limits
from riskengine.calculators.rules import BINDING_INDEX, CodeColumn, Effect, Finding, Running, Verdict, apply, rule, start
from riskengine.calculators.sizing import LARGEST, SMALLEST, Field, Sizing, check, result

SYSTEM = "mag7-7dte"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Book:
    """Candidates, one a row, arrays of shape (n,). Money USD. NaN is "not known" and refuses, but for `score` (no
    usable fundamentals: the factor is not applied) and `buying_power` infinite (no limit).

    `pair_row` and `pair_correlation`, shape (pairs,), hold the correlation of row `pair_row` with each open position;
    NaN is a pair that cannot be measured.
    """

    confidence: FloatColumn
    option_price: FloatColumn
    multiplier_per_contract: FloatColumn
    long: BoolColumn
    portfolio_value: FloatColumn
    score: FloatColumn
    current_allocation: FloatColumn
    buying_power: FloatColumn
    pair_row: IntColumn
    pair_correlation: FloatColumn


FIELDS = (
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
    """What the rules may look at: the checked inputs, the limits, and the dollar terms they share."""

    limits: Limits
    running: Running
    confidence: FloatColumn
    tier: FloatColumn
    score: FloatColumn
    pairs: FloatColumn
    pairs_measured: FloatColumn
    pairs_total: FloatColumn
    value: FloatColumn
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
        return np.where(self.overridden, self.minimum_cost, self.allocation) - self.current_allocation


@rule("CONFIDENCE_TIER", "Confidence", Effect.SCALE, "confidence", "SPEC 62, section 4 (1)")
def confidence_tier(case: Case) -> Finding:
    """T: ×1, 1.25, 1.5 or 2 from confidence 0, 0.7, 0.8 and 0.9. "Up to": a ceiling for everything after it."""
    return case.confidence, case.tier


@rule("FUNDAMENTALS", "Fundamentals", Effect.CEILING, "score", "SPEC 67, section 4 (2)")
def fundamental_ceiling(case: Case) -> Finding:
    """F = 1 + ((0.5 + s) + c) / 2 as a ceiling; relative mode: T x F / F(neutral). A missing score is not applied."""
    absolute = 1.0 + ((0.5 + case.score) + case.confidence) / 2.0
    neutral = 1.0 + ((0.5 + case.limits.neutral_score) + case.confidence) / 2.0
    relative = case.tier * absolute / neutral
    ceiling = np.where(np.equal(case.limits.fundamental_mode, RELATIVE), relative, absolute)
    return case.score, np.where(np.isnan(case.score), np.inf, ceiling)


@rule("CORRELATION", "Correlation", Effect.SCALE, "correlation", "SPEC 69, B-23")
def correlation_factor(case: Case) -> Finding:
    """K: ×0.5 above 0.8, 0.75 above 0.6, 1.2 under 0.3, else 1, by the average |rho| with the open positions.

    No positions: 1. No pair measurable: 0.8. Some not measurable: at most 0.8. The average is never divided out: the
    sum is compared with threshold x count.
    """
    missing = case.limits.correlation_missing_factor
    tier = case.limits.correlation_factor.at(case.pairs, case.pairs_measured)
    complete = case.pairs_measured == case.pairs_total
    factor = np.where(complete, tier, np.minimum(tier, missing))
    factor = np.where(case.pairs_measured == 0, missing, factor)
    return case.pairs / case.pairs_measured, np.where(case.pairs_total == 0, 1.0, factor)


@rule("CONFIDENCE_CEILING", "Never over the tier", Effect.CEILING, "multiple", "SPEC section 4 (4)")
def tier_ceiling(case: Case) -> Finding:
    """A low correlation may only give back what fundamentals took."""
    return case.asked, np.minimum(case.tier, case.limits.max_size_multiplier)


@rule("FLOOR_1X", "Lowest multiplier", Effect.CLAMP_LOW, "multiple", "SPEC 4")
def lowest_multiplier(case: Case) -> Finding:
    """Never under the minimum bet (below_minimum_policy = raise)."""
    return case.asked, case.limits.min_size_multiplier


@rule("CEIL_TO_MINIMUM", "Whole contracts", Effect.ROUND, "USD per contract", "SPEC 61, section 4 (6)")
def round_to_contracts(case: Case) -> Finding:
    """Down to whole contracts, but never under the fewest that reach the minimum."""
    case.formula = case.running.dollars
    return case.cost, np.maximum(case.minimum_cost, whole_contracts(case.formula, case.cost) * case.cost)


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
    return case.room, np.where(case.overridden, np.inf, _contracts_within(case.room, case))


@rule("MIN_OVERRIDES_ALLOCATION", "Minimum bet over the allocation", Effect.LIMIT, "USD", "B-16")
def minimum_over_allocation(case: Case) -> Finding:
    """Where the allocation is under the minimum bet: the minimum bet, and no scaling beyond it."""
    return case.room, np.where(case.overridden, _contracts_within(case.room, case), np.inf)


@rule("BUYING_POWER", "Buying power", Effect.LIMIT, "USD", "SPEC 4, section 9")
def buying_power(case: Case) -> Finding:
    """Long premium is paid in full."""
    return case.buying_power, np.where(np.isinf(case.buying_power), np.inf, _contracts_within(case.buying_power, case))


@rule("RISK_BUDGET", "Risk budget", Effect.LIMIT, "USD", "B-15")
def risk_budget(case: Case) -> Finding:
    """Where switched on: the loss at the nominal stop fits the risk budget."""
    within = _contracts_within(case.risk_budget / case.limits.stop_fraction, case)
    return case.risk_budget, np.where(case.limits.enforce_risk_budget, within, np.inf)


@rule("SHORT_NOT_SUPPORTED", "Long premium only", Effect.BLOCK, "", "SPEC 38, B-49")
def long_only(case: Case) -> Verdict:
    return case.long, 1.0, case.long


@rule("ACCOUNT_TOO_SMALL", "Minimum within maximum", Effect.BLOCK, "USD", "B-26")
def minimum_within_maximum(case: Case) -> Verdict:
    return case.minimum, case.hard, at_most(case.minimum, case.hard)


@rule("RISK_MODEL_BELOW_MINIMUM", "The factors reach the minimum", Effect.BLOCK, "USD", "B-04")
def factors_reach_minimum(case: Case) -> Verdict:
    """Only with below_minimum_policy = refuse."""
    enough = ~below(case.asked, case.limits.min_size_multiplier)
    return case.asked * case.minimum, case.minimum, enough | np.not_equal(case.limits.below_minimum_policy, REFUSE)


@rule("CONTRACT_GRANULARITY", "Whole contracts fit", Effect.BLOCK, "USD", "SPEC 4, rounding overshoot")
def whole_contracts_fit(case: Case) -> Verdict:
    most = np.minimum(case.hard, np.maximum(case.formula, case.limits.rounding_overshoot * case.minimum))
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
    return case.risk_budget, loss, at_least(case.risk_budget, loss) | np.equal(case.limits.enforce_risk_budget, False)


ASKING = (confidence_tier, fundamental_ceiling, correlation_factor)
CLAMPS = (tier_ceiling, lowest_multiplier)
ROUNDING = (round_to_contracts,)
LIMITS = (maximum_bet, stock_allocation, minimum_over_allocation, buying_power, risk_budget)
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
RULES = (*ASKING, *CLAMPS, *ROUNDING, *LIMITS, *BLOCKS)


def size_book(book: Book, limits: Limits) -> Sizing:
    """Size every row of `book` under `limits` (SPEC section 4).

    Returns arrays of shape (n,): see `Sizing`. Rows with an unusable input come back refused INVALID_INPUT with size 0.
    Raises ValueError only where the columns are not of one shape.
    """
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        return _size(book, limits)


def _size(book: Book, limits: Limits) -> Sizing:
    n = len(book.confidence)
    rho = half_up_places(np.abs(book.pair_correlation), CONFIDENCE_PLACES)
    measured = ~np.isnan(rho)
    pairs_total = np.bincount(book.pair_row, minlength=n).astype(np.float64)
    pairs_measured = np.bincount(book.pair_row, weights=measured, minlength=n)
    pairs = np.bincount(book.pair_row, weights=np.where(measured, rho, 0.0), minlength=n)
    worst = np.zeros(n)
    np.maximum.at(worst, book.pair_row, np.where(measured, rho, 0.0))
    door = check(
        FIELDS,
        np.stack(
            (
                book.confidence,
                book.option_price,
                book.portfolio_value,
                book.current_allocation,
                book.buying_power,
                np.where(np.isnan(book.score), 0.0, book.score),
                worst,
            )
        ),
    )
    value = book.portfolio_value
    minimum = np.maximum(limits.min_position_dollars, limits.min_position_size * value)
    hard = limits.max_position_size * value
    confidence = half_up_places(book.confidence, CONFIDENCE_PLACES)
    cost = half_up_places(book.option_price, PRICE_PLACES) * book.multiplier_per_contract
    minimum_cost = contracts_reaching(minimum, cost) * cost
    allocation = limits.max_stock_allocation * value
    running = start(minimum, door.valid, SYSTEM)
    case = Case(
        limits=limits,
        running=running,
        confidence=confidence,
        tier=limits.confidence_factor.at(confidence),
        score=book.score,
        pairs=pairs,
        pairs_measured=pairs_measured,
        pairs_total=pairs_total,
        value=value,
        minimum=minimum,
        hard=hard,
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
    lifted = below(case.asked, limits.min_size_multiplier)
    running.binding = _multiplier_binding(case, lifted)
    running.dollars = running.multiplier * minimum
    apply((*ROUNDING, *LIMITS, *BLOCKS), case, running)
    sized = running.refusal == codes.NONE
    running.trace.amounts.update(
        {
            "portfolio_value": value,
            "minimum": minimum,
            "maximum": hard,
            "allocation": allocation,
            "room": case.room,
            "buying_power": book.buying_power,
            "risk_budget": case.risk_budget,
            "contract_cost": cost,
            "formula": case.formula,
        }
    )
    return result(
        running,
        door,
        contracts=np.round(running.dollars / cost),
        formula_dollars=case.formula,
        asked=case.asked,
        floor_lifted=lifted & _not_refused_before(running, "CONTRACT_GRANULARITY"),
        overridden=case.overridden & _not_refused_before(running, "ALLOCATION_BELOW_MINIMUM"),
        multiplier_shown=sized,
    )


def _multiplier_binding(case: Case, lifted: BoolColumn) -> CodeColumn:
    """The last of tier, fundamentals, correlation, cap and floor that set the multiplier."""
    trace = case.running.trace
    fundamentals = trace.steps[1]
    before_correlation = fundamentals.after
    binding = np.where(
        below(fundamentals.says, case.tier), BINDING_INDEX["FUNDAMENTALS"], BINDING_INDEX["CONFIDENCE_TIER"]
    )
    clamped = case.running.multiplier
    changed = above(clamped, before_correlation) | below(clamped, before_correlation)
    binding = np.where(changed, BINDING_INDEX["CORRELATION"], binding)
    highest = case.limits.max_size_multiplier
    capped = below(highest, case.tier) & above(case.asked, highest)
    binding = np.where(capped, BINDING_INDEX["CAP_2X"], binding)
    return np.where(lifted, BINDING_INDEX["FLOOR_1X"], binding).astype(np.int16)


def _not_refused_before(running: Running, code: str) -> BoolColumn:
    """Rows that got as far as the block `code`: what earlier blocks refused was never asked for more."""
    order = [each.code for each in BLOCKS]
    earlier = [codes.INDEX["INVALID_INPUT"], *(codes.INDEX[name] for name in order[: order.index(code)])]
    return ~np.isin(running.refusal, earlier)
