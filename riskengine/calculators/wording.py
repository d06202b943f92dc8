"""Numbers as a trader reads them: money without cents from $1,000, fractions as percent, multipliers as ×1.25.

One place, so that the page, the API's sentences and a stored trace say the same thing.
"""

import math
from collections.abc import Callable

Value = float | int | bool | None


def usd(value: float) -> str:
    """Dollars; without cents from $1,000."""
    text = f"${abs(value):,.0f}" if abs(value) >= 999.995 else f"${abs(value):.2f}"
    return f"−{text}" if value < 0 else text


def percent(fraction: float, places: int = 1) -> str:
    return f"{'−' if fraction < 0 else ''}{abs(fraction) * 100:.{places}f}%"


def multiple(value: float) -> str:
    """To three places; what would round to nothing, and is not, says so."""
    return "under ×0.001" if 0.0 < value < 0.0005 else f"×{plain(value, 3)}"


def plain(value: float, places: int | None = None) -> str:
    """A number without needless zeros, thousands separated. By size: whole from 1,000, else as exact as a limit needs
    so that 0.649999 never reads as 0.65."""
    if places is None:
        places = 0 if abs(value) >= 1000 else 6
    text = f"{value:,.{places}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text.replace("-", "−")


def price(value: float) -> str:
    """A premium or price, dollars a share: two places, more only where the tick needs them."""
    size = abs(value)
    text = f"${plain(size, 4)}" if abs(size * 100 - round(size * 100)) >= 1e-6 else f"${size:,.2f}"
    return f"−{text}" if value < 0 else text


def brief(value: float) -> str:
    """Seconds and minutes: two places, so that 4.98 minutes never read as 5."""
    return plain(value, 2)


def show(value: Value, unit: str) -> str:
    """A value in words by its unit; a missing one is "unknown", never a number."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if math.isinf(value):
        return "no limit"
    return _BY_UNIT.get(unit, plain)(value)


_BY_UNIT: dict[str, Callable[[float], str]] = {
    "USD": usd,
    "fraction": percent,
    "multiple": multiple,
    "USD per share": price,
    "seconds": brief,
    "minutes": brief,
    "SPY shares": lambda value: plain(value, 0),
    "SPY shares per dollar": lambda value: plain(value, 0),
}
