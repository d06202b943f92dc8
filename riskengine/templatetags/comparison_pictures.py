"""The equity of both sides of a comparison in one picture. The numbers are the service's own."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import template

from riskengine.templatetags.performance_pictures import GAP, HIGH, LEFT, TOP, WIDE, round_amounts

register = template.Library()

Row = dict[str, Any]
SIDES = ("A", "B")


@register.inclusion_tag("riskengine/_comparison_curves.html")
def comparison_curves(result: Mapping[str, Any], names: Mapping[str, str]) -> Row:
    """Both curves over the same minutes, one day after the other."""
    rows: Sequence[Mapping[str, Any]] = result["equity"]
    values = [row[side] for row in rows for side in SIDES]
    ticks = round_amounts(min(values), max(values))
    low, high = min(ticks[0], min(values)), max(ticks[-1], max(values))
    last = max(len(rows) - 1, 1)

    def across(place: int) -> float:
        return round(LEFT + WIDE * place / last, 1)

    def up(value: float) -> float:
        return round(TOP + HIGH * (1.0 - (value - low) / (high - low)), 1)

    def curve(side: str) -> str:
        levels = [up(row[side]) for row in rows]
        kept = [  # a level stretch needs its ends only
            (across(place), y)
            for place, y in enumerate(levels)
            if place in (0, len(levels) - 1) or not levels[place - 1] == y == levels[place + 1]
        ]
        return " ".join(f"{x},{y}" for x, y in kept)

    begins = {row["at"][:10]: place for place, row in reversed(list(enumerate(rows)))}
    curves = {side: curve(side) for side in SIDES}
    return {
        "names": names,
        "a": result["sides"]["A"],
        "b": result["sides"]["B"],
        "curves": curves,
        "same": curves["A"] == curves["B"],
        "ticks": [{"usd": tick, "y": up(tick)} for tick in ticks],
        "days": [{"day": day, "x": across(place)} for day, place in sorted(begins.items())],
        "left": LEFT,
        "right": LEFT + WIDE,
        "top": TOP,
        "bottom": TOP + HIGH,
        "label_x": LEFT - 6,
        "date_y": TOP + HIGH + 18,
        "width": LEFT + WIDE + 12,
        "height": TOP + HIGH + GAP,
    }
