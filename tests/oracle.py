"""The referee: both sizings in exact fractions, straight from SPEC sections 4 and 5 and cases/README.md.

Written from the text and not from the calculators: one candidate at a time, one line after another, no columns, no
tolerance. Inputs are those of the cases (decimals as strings); `cfg` overrides numbers by their parameter names.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from math import ceil, floor, isfinite
from typing import Any

Given = Mapping[str, Any]
Table = Sequence[Sequence[Any]]  # (threshold, value, speaks at the threshold itself: yes unless it says False)
INCLUSIVE = {2: True}

HALF = Fraction(1, 2)
CONFIDENCE_TIERS: Table = (("0", "1", True), ("0.7", "1.25", True), ("0.8", "1.5", True), ("0.9", "2", True))

ZERO_DTE: Given = {
    "account_size": "60000",
    "min_position_size": "0.20",
    "min_position_dollars": "0",
    "max_position_size": "0.40",
    "max_total_exposure": "0.80",
    "min_size_multiplier": "1",
    "max_size_multiplier": "2",
    "rounding_overshoot": "1.25",
    "below_minimum_policy": "raise",
    "enforce_day_budget": False,
    "stop_fraction": "0.25",
    "correlation_adjustment_factor": "0.2",
    "confidence_factor": CONFIDENCE_TIERS,
    "vix_factor": (
        ("0", "1.1", True),
        ("12", "1", True),
        ("20", "0.9", False),
        ("25", "0.7", False),
        ("30", "0.5", False),
    ),
    "exposure_factor": (("0", "1", True), ("0.4", "0.9", False), ("0.6", "0.7", False), ("0.8", "0.5", False)),
    "min_confidence_threshold": "0.65",
    "max_vix_threshold": "30",
    "max_correlation_risk": "0.8",
    "max_positions_per_symbol": "2",
    "max_total_positions": "5",
    "max_portfolio_delta": "0.10",
    "max_portfolio_gamma": "0.05",
    "max_daily_loss": "0.10",
    "emergency_halt_loss": "0.20",
}
SEVEN_DTE: Given = {
    "min_position_size": "0.33",
    "min_position_dollars": "33000",
    "max_position_size": "0.66",
    "min_size_multiplier": "1",
    "max_size_multiplier": "2",
    "rounding_overshoot": "1.25",
    "below_minimum_policy": "raise",
    "max_portfolio_risk": "2",
    "max_stock_allocation": "66",
    "enforce_risk_budget": False,
    "min_overrides_allocation": True,
    "stop_fraction": "0.20",
    "correlation_missing_factor": "0.8",
    "fundamental_mode": "absolute",
    "neutral_score": "0.5",
    "confidence_factor": CONFIDENCE_TIERS,
    "correlation_factor": (("0", "1.2", True), ("0.3", "1", True), ("0.6", "0.75", False), ("0.8", "0.5", False)),
}


class Unusable(Exception):
    """An input that nothing may be sized from."""


# --- numbers ------------------------------------------------------------------------------------------------------


def exact(value: Any) -> Fraction:
    """A finite number or decimal string as a fraction; a float by the decimal that it prints as."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Unusable(value)
    try:
        if isfinite(float(value)):
            return Fraction(Decimal(str(value)))
    except (InvalidOperation, ValueError, OverflowError):
        pass
    raise Unusable(value)


def half_up(value: Fraction, places: int) -> Fraction:
    scale = 10**places
    return Fraction(floor(value * scale + HALF), scale)


def required(
    given: Given, key: str, lowest: Fraction | int | None = None, highest: Fraction | int | None = None
) -> Fraction:
    """A number that must be known, within its inclusive range."""
    value = exact(given.get(key))
    if (lowest is not None and value < lowest) or (highest is not None and value > highest):
        raise Unusable(key)
    return value


def positive(given: Given, key: str) -> Fraction:
    value = required(given, key)
    if value <= 0:
        raise Unusable(key)
    return value


def known(given: Given, key: str) -> bool:
    return given.get(key) is not None


def count(given: Given, key: str) -> Fraction:
    value = required(given, key, 0) if known(given, key) else Fraction(0)
    if value.denominator != 1:
        raise Unusable(key)
    return value


def step(table: Table, says: Callable[[Fraction, bool], bool]) -> Fraction:
    """The value of the last row that `says` (threshold, inclusive) is reached; the first row where none is."""
    reached = [row for row in table if says(exact(row[0]), INCLUSIVE.get(len(row), row[-1]))]
    return exact(reached[-1][1] if reached else table[0][1])


def reached_by(value: Fraction, scale: Fraction = Fraction(1)) -> Callable[[Fraction, bool], bool]:
    return lambda threshold, inclusive: value >= threshold * scale if inclusive else value > threshold * scale


def is_long(given: Given) -> bool:
    direction = given.get("direction")
    return direction is None or (isinstance(direction, str) and direction.upper() in {"LONG", "LONG_CALL", "LONG_PUT"})


def parameters(defaults: Given, cfg: Mapping[str, Any] | None) -> Callable[[str], Any]:
    numbers = {**defaults, **(cfg or {})}
    words = {"below_minimum_policy", "fundamental_mode"}

    def parameter(name: str) -> Any:
        value = numbers[name]
        return value if name in words or isinstance(value, bool | tuple | list) else exact(value)

    return parameter


# --- Smart-0DTE, section 5 ----------------------------------------------------------------------------------------


def size_0dte(given: Given, cfg: Given | None = None) -> dict[str, Any]:  # noqa: C901 (section 5, top to bottom)
    p = parameters(ZERO_DTE, cfg or given.get("cfg"))
    result: dict[str, Any] = {
        "contracts": 0,
        "dollars": Fraction(0),
        "formula_dollars": Fraction(0),
        "raw_multiplier": None,
        "multiplier": None,
        "approved": False,
        "failed_gates": [],
        "warnings": [],
    }
    given = {"exposure": 0, "daily_pnl": 0, **given}
    try:
        confidence = half_up(required(given, "confidence", 0, 1), 6)
        vix = positive(given, "vix")
        equity = positive(given, "equity_sod") if known(given, "equity_sod") else p("account_size")
        exposure = required(given, "exposure", 0)
        day_pnl = required(given, "daily_pnl")
        buying_power = required(given, "buying_power") if known(given, "buying_power") else None
        risk = half_up(required(given, "corr_risk", 0, 1), 6) if known(given, "corr_risk") else Fraction(1)
        others, in_symbol, in_all = (count(given, f"{which}_positions") for which in ("other", "symbol", "total"))
        delta, gamma = (
            exact(given[key]) if known(given, key) else Fraction(0) for key in ("delta_after", "gamma_after")
        )
    except Unusable:
        return {**result, "refusal": "INVALID_INPUT", "binding": "INVALID_INPUT"}
    if others == 0:
        risk = Fraction(0)

    basis = min(p("account_size"), equity)
    minimum = max(p("min_position_size") * basis, p("min_position_dollars"))
    maximum, limit = p("max_position_size") * basis, p("max_total_exposure") * basis
    room = limit - exposure

    raw = step(p("confidence_factor"), reached_by(confidence)) * step(p("vix_factor"), reached_by(vix))
    raw *= (1 - p("correlation_adjustment_factor") * risk) * step(p("exposure_factor"), reached_by(exposure, limit))
    lowest, highest = p("min_size_multiplier"), p("max_size_multiplier")
    multiplier = max(lowest, min(highest, raw))
    if is_long(given):
        result |= {"raw_multiplier": raw, "multiplier": multiplier}
    refuses = p("below_minimum_policy") == "refuse"
    if is_long(given) and raw < lowest and not refuses:
        result["warnings"] = ["FLOOR_LIFTED"]

    price = None
    if known(given, "option_price"):
        try:
            price = half_up(positive(given, "option_price"), 4)
        except Unusable:
            price = Fraction(0)
        if price == 0:
            return {**result, "refusal": "INVALID_INPUT", "binding": "INVALID_INPUT"}

    result["failed_gates"] = [
        code
        for code, passes in (
            ("EMERGENCY_HALT", day_pnl > -p("emergency_halt_loss") * basis and not given.get("halted")),
            ("MAX_DAILY_LOSS", day_pnl > -p("max_daily_loss") * basis),
            ("MIN_CONFIDENCE", confidence >= p("min_confidence_threshold")),
            ("MAX_VIX", vix <= p("max_vix_threshold")),
            ("MAX_CORRELATION", risk <= p("max_correlation_risk")),
            ("MAX_PER_SYMBOL", in_symbol < p("max_positions_per_symbol")),
            ("MAX_TOTAL", in_all < p("max_total_positions")),
            ("MAX_DELTA", abs(delta) <= p("max_portfolio_delta") * basis),
            ("MAX_GAMMA", abs(gamma) <= p("max_portfolio_gamma") * basis),
        )
        if not passes
    ]

    def refused(code: str) -> dict[str, Any]:
        return {**result, "refusal": code, "binding": code}

    if not is_long(given):
        return refused("SHORT_NOT_SUPPORTED")
    if refuses and raw < lowest:
        return refused("RISK_MODEL_BELOW_MINIMUM")
    if maximum < minimum:
        return refused("ACCOUNT_TOO_SMALL")
    if room < minimum:
        return refused("EXPOSURE_ROOM_BELOW_MINIMUM")
    if buying_power is not None and buying_power < minimum:
        return refused("BUYING_POWER_BELOW_MINIMUM")
    day_limit = None
    if p("enforce_day_budget"):
        day_limit = (p("max_daily_loss") * basis + min(day_pnl, 0)) / p("stop_fraction")
        if day_limit < minimum:
            return refused("RISK_BUDGET_BELOW_MINIMUM")

    binding = "FLOOR_1X" if raw < lowest else "CAP_2X" if raw > highest else "FACTORS"
    size = multiplier * minimum
    limits = [
        ("MAX_POSITION", maximum),
        ("EXPOSURE_ROOM", room),
        ("BUYING_POWER", buying_power),
        ("DAY_BUDGET", day_limit),
    ]
    for name, most in limits:
        if most is not None and most < size:
            size, binding = most, name

    contracts, dollars = 0, size
    if price is not None:
        cost = 100 * price
        contracts = floor(size / cost)
        if contracts * cost < minimum:
            contracts, binding = ceil(minimum / cost), "CEIL_TO_MINIMUM"
            every_limit = [most for _, most in limits if most is not None]
            if contracts * cost > min(every_limit) or contracts * cost > max(size, p("rounding_overshoot") * minimum):
                return refused("CONTRACT_GRANULARITY")
        dollars = contracts * cost

    first_failed = result["failed_gates"][0] if result["failed_gates"] else None
    return {
        **result,
        "contracts": contracts,
        "dollars": half_up(dollars, 2),
        "formula_dollars": half_up(size, 2),
        "refusal": first_failed,
        "binding": binding,
        "approved": first_failed is None,
    }


# --- Mag7-7DTE, section 4 -----------------------------------------------------------------------------------------


def size_7dte(given: Given, cfg: Given | None = None) -> dict[str, Any]:  # noqa: C901 (section 4, top to bottom)
    p = parameters(SEVEN_DTE, cfg or given.get("cfg"))
    result: dict[str, Any] = {
        "contracts": 0,
        "dollars": Fraction(0),
        "raw_multiplier": None,
        "multiplier": None,
        "warnings": [],
    }

    def refused(code: str) -> dict[str, Any]:
        return {**result, "refusal": code, "binding": code, "approved": False}

    given = {"current_allocation": 0, **given}
    try:
        confidence = half_up(required(given, "confidence", 0, 1), 6)
        price = half_up(positive(given, "option_price"), 4)
        if price == 0:
            raise Unusable("option_price")
        value = positive(given, "portfolio_value")
        held = required(given, "current_allocation", 0)
        buying_power = required(given, "buying_power") if known(given, "buying_power") else None
        score = required(given, "score", 0, 1) if known(given, "score") else None
        pairs = given["correlations"] if known(given, "correlations") else []
        measured = [half_up(abs(required({"rho": rho}, "rho", -1, 1)), 6) for rho in pairs if rho is not None]
        percents = []
        for key in ("max_stock_allocation", "max_portfolio_risk"):
            percents.append(positive(given, key) if known(given, key) else p(key))
            if percents[-1] > 100:
                raise Unusable(key)
    except Unusable:
        return refused("INVALID_INPUT")
    if not is_long(given):
        return refused("SHORT_NOT_SUPPORTED")

    minimum = max(p("min_position_dollars"), p("min_position_size") * value)
    hard = p("max_position_size") * value
    if minimum > hard:
        return refused("ACCOUNT_TOO_SMALL")

    tier = step(p("confidence_factor"), reached_by(confidence))
    lowest, highest = p("min_size_multiplier"), min(tier, p("max_size_multiplier"))
    fundamental = None
    if score is not None:
        fundamental = 1 + ((HALF + score) + confidence) / 2
        if p("fundamental_mode") == "relative":
            neutral = 1 + ((HALF + p("neutral_score")) + confidence) / 2
            fundamental = tier * min(Fraction(1), fundamental / neutral)
    correlation = correlation_factor(p, measured, len(pairs))
    before = tier if fundamental is None else min(tier, fundamental)
    raw = before * correlation
    multiplier = max(lowest, min(highest, raw))

    binding = "CONFIDENCE_TIER"
    if fundamental is not None and fundamental < tier:
        binding = "FUNDAMENTALS"
    if correlation != 1 and multiplier != max(lowest, min(highest, before)):
        binding = "CORRELATION"
    if highest < tier and raw > highest:
        binding = "CAP_2X"
    if raw < lowest:
        if p("below_minimum_policy") == "refuse":
            return refused("RISK_MODEL_BELOW_MINIMUM")
        binding = "FLOOR_1X"
        result["warnings"].append("FLOOR_LIFTED")

    cost = 100 * price
    fewest = ceil(minimum / cost)
    target = multiplier * minimum
    if fewest * cost > hard or fewest * cost > max(target, p("rounding_overshoot") * minimum):
        return refused("CONTRACT_GRANULARITY")
    contracts = floor(target / cost)
    if contracts < fewest:
        contracts, binding = fewest, "CEIL_TO_MINIMUM"

    cap, name = percents[0] / 100 * value, "STOCK_ALLOCATION"
    if cap < fewest * cost:
        if not p("min_overrides_allocation"):
            return refused("ALLOCATION_BELOW_MINIMUM")
        cap, name = fewest * cost, "MIN_OVERRIDES_ALLOCATION"
        result["warnings"].append("MINIMUM_OVERRIDES_ALLOCATION")
    room = cap - held
    if room <= 0:
        return refused("ALLOCATION_FULL")
    if room < fewest * cost:
        return refused("ALLOCATION_ROOM_BELOW_MINIMUM")
    if buying_power is not None and buying_power < fewest * cost:
        return refused("BUYING_POWER_BELOW_MINIMUM")
    budget = value * percents[1] / 100 * (HALF + confidence)
    affordable = budget / p("stop_fraction") if p("enforce_risk_budget") else None
    if affordable is not None and affordable < fewest * cost:
        return refused("RISK_BUDGET_BELOW_MINIMUM")
    for limit, most in (("MAX_66", hard), (name, room), ("BUYING_POWER", buying_power), ("RISK_BUDGET", affordable)):
        if most is not None and floor(most / cost) < contracts:
            contracts, binding = floor(most / cost), limit

    dollars = contracts * cost
    if dollars * p("stop_fraction") > budget:
        result["warnings"].append("RISK_BUDGET")
    return {
        **result,
        "contracts": contracts,
        "dollars": dollars,
        "raw_multiplier": raw,
        "multiplier": multiplier,
        "refusal": None,
        "binding": binding,
        "approved": True,
    }


def correlation_factor(p: Callable[[str], Any], measured: Sequence[Fraction], pairs: int) -> Fraction:
    """K: by the average |rho|; 1 without positions, 0.8 where none is measurable and at most 0.8 where some are not."""
    if not pairs:
        return Fraction(1)
    if not measured:
        return p("correlation_missing_factor")  # type: ignore[no-any-return]
    tier = step(p("correlation_factor"), reached_by(sum(measured, Fraction(0)) / len(measured)))
    return tier if len(measured) == pairs else min(tier, p("correlation_missing_factor"))
