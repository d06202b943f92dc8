"""Numbers as a trader reads them: money without cents from $1,000, fractions as percent, multipliers as ×1.25.

One place, so that the page, the API's sentences and a stored trace say the same thing.
"""

import math

Value = float | int | bool | None


def usd(value: float) -> str:
    cents = 0 if abs(value) >= 1000 and round(value, 2) == round(value) else 2
    whole = f"{abs(value):,.{cents}f}" if abs(value) < 1000 or cents == 0 else f"{abs(value):,.0f}"
    return f"−${whole}" if value < 0 else f"${whole}"


def percent(fraction: float, places: int = 1) -> str:
    return f"{'−' if fraction < 0 else ''}{abs(fraction) * 100:.{places}f}%"


def multiple(value: float) -> str:
    return f"×{plain(value)}"


def plain(value: float, places: int = 6) -> str:
    """A number without needless zeros, thousands separated."""
    text = f"{value:,.{places}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "−")


def price(value: float) -> str:
    """A premium or price per share: two places, more only where the tick needs them."""
    return f"{value:,.2f}" if abs(value * 100 - round(value * 100)) < 1e-6 else plain(value, 4)


def show(value: Value, unit: str) -> str:
    """A value in words by its unit; a missing one is "unknown", never a number."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if math.isinf(value):
        return "no limit"
    by_unit = {"USD": usd, "fraction": percent, "multiple": multiple, "USD per share": price}
    return by_unit.get(unit, plain)(value)
