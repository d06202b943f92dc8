"""Pictures of tiers and of sizes: how often each tier was reached, and the account at three sizes of the same bets.

The numbers are the service's own; here they only get their places.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django import template

from riskengine.templatetags.performance_pictures import round_amounts

register = template.Library()

Row = dict[str, Any]
WIDE, HIGH = 640, 220  # of the curves, in the units of the viewBox
LEFT, TOP = 64, 12
BAR_LEFT, BAR_WIDE, BAR_ROW = 148, 360, 34
CURVES = (
    ("actual", "as they were", "curve-actual"),
    ("minimum", "at the minimum bet", "curve-minimum"),
    ("half_kelly", "at half Kelly, from the trades before each", "curve-kelly"),
)


@register.inclusion_tag("riskengine/_tier_rates.html")
def tier_rates(ladder: Mapping[str, Any]) -> Row:
    """A row a tier: how often it was reached, with the 95% interval, on an axis from none to all."""

    def across(share: float) -> float:
        return round(BAR_LEFT + BAR_WIDE * share, 1)

    tiers = ladder["tiers"]
    rows = [
        {
            **each,
            "y": TOP + BAR_ROW * k + BAR_ROW / 2,
            "bar_y": TOP + BAR_ROW * k + 8,
            "long": round(BAR_WIDE * (each["hit_rate"] or 0.0), 1),
            "low_x": across(each["hit_low"] or 0.0),
            "high_x": across(each["hit_high"] or 0.0),
        }
        for k, each in enumerate(tiers)
    ]
    bottom = TOP + BAR_ROW * len(rows)
    return {
        "rows": rows,
        "label": ladder["label"],
        "marks": [{"share": share, "x": across(share)} for share in (0.0, 0.5, 1.0)],
        "left": BAR_LEFT,
        "name_x": BAR_LEFT - 8,
        "says_x": BAR_LEFT + BAR_WIDE + 8,
        "top": TOP,
        "bottom": bottom,
        "mark_y": bottom + 16,
        "width": BAR_LEFT + BAR_WIDE + 132,
        "height": bottom + 22,
    }


@register.inclusion_tag("riskengine/_size_curves.html")
def size_curves(impact: Mapping[str, Any]) -> Row:
    """The account after each trade, at three sizes of the same bets."""
    points: Sequence[Mapping[str, Any]] = impact["curve"]
    if not points:
        return {"curves": []}
    start = impact["start"]
    series = {name: [start, *(each[name] for each in points)] for name, _, _ in CURVES}
    values = [value for line in series.values() for value in line]
    marks = round_amounts(min(values), max(values))
    low, high = min(marks[0], min(values)), max(marks[-1], max(values))

    def across(place: int) -> float:
        return round(LEFT + WIDE * place / len(points), 1)

    def up(value: float) -> float:
        return round(TOP + HIGH * (1.0 - (value - low) / (high - low)), 1)

    return {
        "curves": [
            {
                "name": name,
                "words": words,
                "kind": kind,
                "points": " ".join(f"{across(k)},{up(value)}" for k, value in enumerate(series[name])),
                "end": series[name][-1],
            }
            for name, words, kind in CURVES
        ],
        "ticks": [{"usd": mark, "y": up(mark)} for mark in marks],
        "numbers": [{"number": k, "x": across(k)} for k in (0, len(points) // 2, len(points)) if k or len(points) > 1],
        "start": start,
        "trades": len(points),
        "first": points[0]["closed_on"],
        "last": points[-1]["closed_on"],
        "left": LEFT,
        "right": LEFT + WIDE,
        "label_x": LEFT - 6,
        "number_y": TOP + HIGH + 18,
        "width": LEFT + WIDE + 16,
        "height": TOP + HIGH + 26,
    }
