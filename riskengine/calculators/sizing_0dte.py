"""Smart-0DTE: how big (SPEC section 5).

    B    = min(account_size, start-of-day equity)
    MIN  = 20% B     MAX = 40% B     LIM = 80% B
    mult = clamp(vix x confidence x correlation x exposure factor, 1, 2)
    size = min(mult x MIN, MAX, LIM - exposure, buying power)
    n    = floor(size / cost), or the fewest contracts reaching MIN when that is under it

Refused when MAX, the room or the buying power is under MIN, or when whole contracts cannot reach MIN within the size
(or 125% of MIN), MAX, the room and the buying power. The size is indicative: the gates decide whether it may be traded.
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
    above,
    all_of,
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
    ratio,
    single,
    unknown,
    where,
    whole_contracts,
)
from riskengine.calculators.limits import REFUSE, Limits
from riskengine.calculators.rules import YES_NO, Effect, Finding, Running, Step, Verdict, apply, as_codes, judge, rule
from riskengine.calculators.sizing import LARGEST, SMALLEST, Door, Field, Sizing, begin, cents, refusals, zero_refused

SYSTEM = "smart-0dte"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Book:
    """Candidates, one a row, arrays of shape (n,). Money USD. NaN is "not known" and refuses, but for:

    `option_price` where `dollars_only` (no contract chosen yet), `correlation_risk` (not measurable: the worst case, 1,
    when another symbol is open), `buying_power` infinite (no limit). `day_pnl` is negative for a loss.
    """

    confidence: FloatColumn
    vix: FloatColumn
    option_price: FloatColumn
    dollars_only: BoolColumn
    multiplier_per_contract: FloatColumn
    long: BoolColumn
    equity_start_of_day: FloatColumn
    exposure: FloatColumn
    day_pnl: FloatColumn
    buying_power: FloatColumn
    correlation_risk: FloatColumn
    other_symbols: FloatColumn


# The order is the order in which an unusable input is named.
DOOR = Door(
    Field("confidence", 0.0, 1.0, "a number from 0 to 1"),
    Field("vix", SMALLEST, LARGEST, "a number above 0"),
    Field("equity_sod", SMALLEST, LARGEST, "an amount above 0"),
    Field("exposure", 0.0, LARGEST, "an amount of at least 0"),
    Field("daily_pnl", -LARGEST, LARGEST, "a finite amount"),
    Field("buying_power", -LARGEST, np.inf, "a finite amount"),
    Field("corr_risk", 0.0, 1.0, "a number from 0 to 1"),
    Field("other_positions", 0.0, LARGEST, "a count of at least 0"),
    Field("option_price", SMALLEST, LARGEST, "a price above 0"),
)
_PRICE = len(DOOR.fields) - 1  # checked last: an unusable price leaves the multipliers known


@dataclass(slots=True, eq=False)
class Case:
    """What the rules may look at: the checked inputs, the limits, and the dollar terms they share."""

    limits: Limits
    running: Running
    confidence: FloatColumn
    vix: FloatColumn
    correlation_risk: FloatColumn
    exposure: FloatColumn
    exposure_limit: FloatColumn
    minimum: FloatColumn
    maximum: FloatColumn
    room: FloatColumn
    buying_power: FloatColumn
    day_room: FloatColumn
    day_limit: FloatColumn
    cost: FloatColumn
    dollars_only: BoolColumn
    long: BoolColumn
    reaching: FloatColumn
    asked: FloatColumn
    formula: FloatColumn
    contracts: FloatColumn


@rule("CONFIDENCE", "Confidence", Effect.SCALE, "confidence", "SPEC 28")
def confidence_factor(case: Case) -> Finding:
    """×1, 1.25, 1.5 or 2 from confidence 0, 0.7, 0.8 and 0.9."""
    return case.confidence, case.limits.confidence_factor.at(case.confidence)


@rule("VIX", "VIX", Effect.SCALE, "VIX points", "SPEC 27")
def vix_factor(case: Case) -> Finding:
    """×0.5 above 30, 0.7 above 25, 0.9 above 20, 1.1 under 12, else 1."""
    return case.vix, case.limits.vix_factor.at(case.vix)


@rule("CORRELATION", "Correlation risk", Effect.SCALE, "correlation", "P-01, P-02")
def correlation_factor(case: Case) -> Finding:
    """1 - 0.2 x risk; the risk is 0 with no other symbol open and 1 when it cannot be measured."""
    return case.correlation_risk, 1.0 - case.limits.correlation_adjustment_factor * case.correlation_risk


@rule("EXPOSURE", "Open exposure", Effect.SCALE, "USD", "P-03")
def exposure_factor(case: Case) -> Finding:
    """×0.9, 0.7, 0.5 above 40%, 60%, 80% of the exposure limit, compared by multiplication."""
    return case.exposure, case.limits.exposure_factor.at(case.exposure, case.exposure_limit)


@rule("CAP_2X", "Highest multiplier", Effect.CEILING, "multiple", "SPEC 23, 33")
def highest_multiplier(case: Case) -> Finding:
    """Never over twice the minimum bet."""
    return case.asked, case.limits.max_size_multiplier


@rule("FLOOR_1X", "Lowest multiplier", Effect.FLOOR, "multiple", "SPEC 23, 34")
def lowest_multiplier(case: Case) -> Finding:
    """Never under the minimum bet (below_minimum_policy = raise)."""
    return case.asked, case.limits.min_size_multiplier


@rule("MAX_POSITION", "Maximum bet", Effect.LIMIT, "USD", "SPEC 9, 35")
def maximum_bet(case: Case) -> Finding:
    """At most 40% of the basis."""
    return case.maximum, case.maximum


@rule("EXPOSURE_ROOM", "Room under the exposure limit", Effect.LIMIT, "USD", "SPEC 36, A-15")
def exposure_room(case: Case) -> Finding:
    """At most 80% of the basis less what is open and reserved."""
    return case.exposure, case.room


@rule("BUYING_POWER", "Buying power", Effect.LIMIT, "USD", "SPEC 5, section 9")
def buying_power(case: Case) -> Finding:
    """Long premium is paid in full."""
    return case.buying_power, case.buying_power


@rule("DAY_BUDGET", "Rest of the day's loss limit", Effect.LIMIT, "USD", "B-08")
def day_budget(case: Case) -> Finding:
    """Where switched on: the loss at the stop fits what is left of the day's loss limit."""
    return case.day_room, case.day_limit


@rule("CEIL_TO_MINIMUM", "Whole contracts", Effect.ROUND, "USD per contract", "SPEC 5, B-12")
def round_to_contracts(case: Case) -> Finding:
    """Down to whole contracts; up to the fewest that reach the minimum when down is under it."""
    case.formula = case.running.dollars
    fitting = whole_contracts(case.formula, case.cost)
    case.contracts = where(
        case.dollars_only, 0.0, where(at_least(fitting * case.cost, case.minimum), fitting, case.reaching)
    )
    return case.cost, where(case.dollars_only, case.formula, case.contracts * case.cost)


@rule("SHORT_NOT_SUPPORTED", "Long premium only", Effect.BLOCK, YES_NO, "SPEC 38, B-49")
def long_only(case: Case) -> Verdict:
    return case.long, 1.0, case.long


@rule("RISK_MODEL_BELOW_MINIMUM", "The factors reach the minimum", Effect.BLOCK, "USD", "B-04")
def factors_reach_minimum(case: Case) -> Verdict:
    """Only with below_minimum_policy = refuse."""
    enough = negated(below(case.asked, case.limits.min_size_multiplier))
    return case.asked * case.minimum, case.minimum, enough | (case.limits.below_minimum_policy != REFUSE)


@rule("ACCOUNT_TOO_SMALL", "Minimum within maximum", Effect.BLOCK, "USD", "B-26")
def minimum_within_maximum(case: Case) -> Verdict:
    """Never with the defaults; a profile's own numbers may leave no permissible bet."""
    return case.minimum, case.maximum, at_most(case.minimum, case.maximum)


@rule("EXPOSURE_ROOM_BELOW_MINIMUM", "Room for a minimum bet", Effect.BLOCK, "USD", "SPEC 36")
def room_for_minimum(case: Case) -> Verdict:
    return case.room, case.minimum, at_least(case.room, case.minimum)


@rule("BUYING_POWER_BELOW_MINIMUM", "Buying power for a minimum bet", Effect.BLOCK, "USD", "SPEC 5")
def buying_power_for_minimum(case: Case) -> Verdict:
    return case.buying_power, case.minimum, at_least(case.buying_power, case.minimum)


@rule("RISK_BUDGET_BELOW_MINIMUM", "Day budget for a minimum bet", Effect.BLOCK, "USD", "B-08")
def day_budget_for_minimum(case: Case) -> Verdict:
    fits = at_least(case.day_room, case.minimum * case.limits.stop_fraction)
    return (
        case.day_room,
        case.minimum * case.limits.stop_fraction,
        fits | negated(case.limits.enforce_day_budget),
    )


@rule("CONTRACT_GRANULARITY", "Whole contracts fit", Effect.BLOCK, "USD", "B-12")
def whole_contracts_fit(case: Case) -> Verdict:
    """Rounding up may reach the size or 125% of the minimum, and never a limit."""
    dollars = case.running.dollars
    most = higher_of(case.formula, case.limits.rounding_overshoot * case.minimum)
    most = lower_of(lower_of(most, case.maximum), lower_of(case.room, case.buying_power))
    most = lower_of(most, case.day_limit)
    return dollars, most, at_most(dollars, most) | case.dollars_only


FACTORS = (confidence_factor, vix_factor, correlation_factor, exposure_factor)
CLAMPS = (highest_multiplier, lowest_multiplier)
LIMITS = (maximum_bet, exposure_room, buying_power, day_budget)
CUTS = (*LIMITS, round_to_contracts)
BLOCKS = (
    long_only,
    factors_reach_minimum,
    minimum_within_maximum,
    room_for_minimum,
    buying_power_for_minimum,
    day_budget_for_minimum,
    whole_contracts_fit,
)


def size_book(book: Book, limits: Limits) -> Sizing:
    """Size every row of `book` under `limits` (SPEC section 5).

    Returns arrays of shape (n,): see `Sizing`. Rows with an unusable input come back refused INVALID_INPUT with size 0.
    Raises ValueError only where the columns are not of one shape.
    """
    if len(book.confidence) == 1 and limits.shared:
        return _size(single(book), limits, 1.0)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        return _size(book, limits, np.ones(len(book.confidence)))


def multiplier_changes(steps: Sequence[Step]) -> list[tuple[str, Any]]:
    """What set the multiplier: the factors, or the cap or the floor where they acted."""
    cap, floor = steps[len(FACTORS)], steps[len(FACTORS) + 1]
    return [("FACTORS", True), ("CAP_2X", above(cap.saw, cap.says)), ("FLOOR_1X", below(floor.saw, floor.says))]


def _size(book: Book, limits: Limits, ones: Any) -> Sizing:
    """Columns, or numbers for a book of one row; either way columns come out."""
    # The correlation is checked as given, also where it is not used: a nonsensical number is never waved through.
    given_risk = where(unknown(book.correlation_risk), 1.0, book.correlation_risk)
    price = half_up_places(book.option_price, PRICE_PLACES)
    checked = DOOR.check(
        book.confidence,
        book.vix,
        book.equity_start_of_day,
        book.exposure,
        book.day_pnl,
        book.buying_power,
        given_risk,
        book.other_symbols,
        where(book.dollars_only, 1.0, price),
    )
    basis = lower_of(book.equity_start_of_day, limits.account_size)
    minimum = higher_of(limits.min_position_size * basis, limits.min_position_dollars)
    exposure_limit = limits.max_total_exposure * basis
    cost = price * book.multiplier_per_contract
    day_room = limits.max_daily_loss * basis + lower_of(book.day_pnl, 0.0)
    running = begin(ones)
    case = Case(
        limits=limits,
        running=running,
        confidence=half_up_places(book.confidence, CONFIDENCE_PLACES),
        vix=book.vix,
        correlation_risk=half_up_places(given_risk, CONFIDENCE_PLACES) * (book.other_symbols != 0),
        exposure=book.exposure,
        exposure_limit=exposure_limit,
        minimum=minimum,
        maximum=limits.max_position_size * basis,
        room=exposure_limit - book.exposure,
        buying_power=book.buying_power,
        day_room=day_room,
        day_limit=where(limits.enforce_day_budget, ratio(day_room, limits.stop_fraction), np.inf),
        cost=cost,
        dollars_only=book.dollars_only,
        long=book.long,
        reaching=contracts_reaching(minimum, cost),
        asked=minimum,
        formula=minimum,
        contracts=minimum,
    )
    apply(FACTORS, case, running)
    case.asked = running.multiplier
    apply(CLAMPS, case, running)
    running.dollars = running.multiplier * minimum
    apply(CUTS, case, running)
    blocks = judge(BLOCKS, case, checked.all_usable)
    refusal = refusals(checked, blocks)
    known = all_of(checked.usable[:_PRICE]) & book.long
    contracts, dollars, formula = zero_refused(
        refusal == codes.NONE, case.contracts, cents(running.dollars), cents(case.formula)
    )
    lifted = below(case.asked, limits.min_size_multiplier) & (limits.below_minimum_policy != REFUSE)
    return Sizing(
        system=SYSTEM,
        contracts=contracts.astype(np.int64),
        dollars=dollars,
        formula_dollars=formula,
        asked=as_column(where(known, case.asked, np.nan)),
        multiplier=as_column(where(known, running.multiplier, np.nan)),
        refusal=as_codes(refusal),
        basis=as_column(basis),
        minimum=as_column(minimum),
        floor_lifted=as_flags(lifted & known),
        overridden=as_flags(known & False),
        checked=checked,
        steps=running.steps,
        blocks=blocks,
        amounts={
            "basis": basis,
            "minimum": minimum,
            "maximum": case.maximum,
            "exposure_limit": exposure_limit,
            "room": case.room,
            "buying_power": case.buying_power,
            "risk_budget": limits.max_portfolio_risk * basis,
            "contract_cost": cost,
            "formula": case.formula,
        },
        multiplier_changes=multiplier_changes,
    )
