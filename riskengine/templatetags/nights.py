"""The tables of a night as rows with their cells: moves of volatility down, of the underlyings across."""

from collections.abc import Mapping
from typing import Any

from django import template

from riskengine.services.wording import UNKNOWN

register = template.Library()


@register.inclusion_tag("riskengine/_night_matrix.html")
def night_matrix(night: Mapping[str, Any], of: Mapping[str, Any], caption: str, seen: bool = False) -> dict[str, Any]:
    """`of` is the book or a position of the night: its `pnl` in USD and its `waves`, 3 x 7. `seen`: its caption is."""
    rows = [
        (move, list(zip(pnl, waves, strict=True)))
        for move, pnl, waves in zip(night["volatility_moves"], of["pnl"], of["waves"], strict=True)
    ]
    return {"night": night, "rows": rows, "caption": caption, "seen": seen}


@register.filter
def timing(earnings: Mapping[str, Any]) -> str:
    """When a report comes, in words: before the open, after the close, or at an hour that is not known."""
    return {"before_open": "before the open", "after_close": "after the close"}.get(
        earnings.get("timing") or "", "at an hour that is not known"
    )


@register.filter
def hours(seconds: float | None) -> str:
    """How long a night is, a weekend too: 17 h 30 m, 65 h 30 m."""
    if seconds is None:
        return UNKNOWN
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} m"
