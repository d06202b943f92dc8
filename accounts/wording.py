"""Parameter values as a person reads them, and the sentences that refuse them. It imports no Django."""

from decimal import Decimal

from accounts.defaults import Parameter, Unit

Value = Decimal | int | bool | str

MOST_PLACES = 30  # before or after the point

_SUFFIX = {
    Unit.SECONDS: " s",
    Unit.MINUTES: " min",
    Unit.HOURS: " h",
    Unit.DAYS: " days",
    Unit.SESSIONS: " sessions",
    Unit.TICKS: " ticks",
    Unit.PERCENT: "%",
    Unit.SHARES_PER_DOLLAR: " SPY shares per $",
}

_BESIDE = {
    Unit.VIX_POINTS: " VIX points",
    Unit.SCORE: " points",
    Unit.USD_PER_CONTRACT: " per contract",
    Unit.USD_PER_SHARE: " per share",
}


def is_far_out(number: Decimal) -> bool:
    """Finite, but of a size that no bound comes near: arithmetic would overflow and its digits fill a page."""
    return abs(number.adjusted()) > MOST_PLACES


def plain(value: Decimal) -> str:
    """A number without needless zeros, thousands separated: 1,000 and 0.05."""
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(fraction: Decimal) -> str:
    """0.4 is 40.0%, 0.0001 is 0.01%: at least one decimal, more only where the value needs them."""
    text = plain(fraction * 100)
    return f"{text}%" if "." in text else f"{text}.0%"


def money(value: Decimal) -> str:
    """Dollars with thousands separators; cents only where there are any."""
    return f"${value:,.0f}" if value == value.to_integral_value() else f"${value:,.2f}"


def show(value: Value | None, unit: Unit) -> str:
    """A value in words by its unit: $60,000, 40.0%, ×1.25, 30 s, yes."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    number = Decimal(value)
    if not number.is_finite() or is_far_out(number):
        return str(value)
    if unit in (Unit.USD, Unit.USD_PER_CONTRACT, Unit.USD_PER_SHARE):
        return money(number)
    if unit is Unit.FRACTION:
        return percent(number)
    if unit is Unit.MULTIPLE:
        return f"×{plain(number)}"
    suffix = _SUFFIX.get(unit, "")
    return plain(number) + (suffix.removesuffix("s") if number == 1 and len(suffix) > 2 else suffix)


def with_unit(value: Value | None, unit: Unit) -> str:
    """As `show`, for a value that stands alone: 30 VIX points, $0.65 per contract."""
    return show(value, unit) + _BESIDE.get(unit, "")


def bounds_sentence(parameter: Parameter) -> str:
    """What the parameter may be: "Maximum bet must be between 0.1% and 100.0%."."""
    if parameter.choices:
        return f"{parameter.label} must be one of: {', '.join(parameter.choices)}."
    if parameter.minimum is None or parameter.maximum is None:
        return f"{parameter.label} must be yes or no."
    low, high = show(parameter.minimum, parameter.unit), show(parameter.maximum, parameter.unit)
    return f"{parameter.label} must be between {low} and {high}."


def refusal_sentence(parameter: Parameter, entered: Value) -> str:
    """The bounds and what was entered: "Maximum bet must be between 0.1% and 100.0%; you entered 140.0%."."""
    return f"{bounds_sentence(parameter).removesuffix('.')}; you entered {show(entered, parameter.unit)}."
