"""Numbers as pages show them: the calculators' own wording, and the unit after what carries one.

Pages and template tags read this module; they never import a calculator.
"""

from riskengine.calculators.wording import Value, multiple, percent, plain, price, show, usd

__all__ = ["Value", "in_unit", "multiple", "percent", "plain", "price", "show", "usd"]

UNKNOWN = "not known"

_SUFFIXES = {
    "seconds": " s",
    "minutes": " min",
    "hours": " h",
    "days": " d",
    "sessions": " sessions",
    "ticks": " ticks",
    "contracts": " contracts",
    "shares": " shares",
    "SPY shares": " SPY sh",
    "SPY shares per dollar": " SPY sh/$",
    "percent": "%",
    "index points": " points",
}
_MONEY = ("USD", "USD per contract")
_TWO_PLACES = ("confidence", "correlation", "VIX points", "score", "0 to 1", "-1 to 1", "index points")


def in_unit(value: Value | str, unit: str) -> str:
    """A value with its unit: $12,000, 22.2%, ×1.25, 12 s, 0.70. What is not known says so."""
    if isinstance(value, str):
        return value
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return show(value, unit)
    if unit in _MONEY:
        return usd(value)
    two_places = unit in _TWO_PLACES and abs(value * 100 - round(value * 100)) < 1e-9
    text = f"{value:,.2f}".replace("-", "−") if two_places else show(value, unit)
    return f"{text}{_SUFFIXES.get(unit, '')}"
