"""Pictures of luck: the account's own way through the bands of what chance alone would have made of the same bets.

The numbers are the service's own; here they only get their places.
"""

from collections.abc import Mapping
from math import ceil, floor, log10
from typing import Any

from django import template

register = template.Library()

Row = dict[str, Any]
WIDE, HIGH = 320, 200  # of one picture, in the units of its viewBox
LEFT, TOP = 44, 12
LEAST, MOST = 0.01, 1000.0  # multiples of the account that are drawn; what lies beyond stands at the edge


@register.inclusion_tag("riskengine/_luck_bands.html")
def luck_bands(record: Mapping[str, Any]) -> Row:
    """One picture a way of chance, all on one scale: half of the paths in the inner band, nine of ten in the outer."""
    known = [each for each in record["bands"] if each["points"]]
    if not known:
        return {"pictures": []}
    actual = record["actual"]
    low = min(each["p5"] for band in known for each in band["points"])
    high = max(each["p95"] for band in known for each in band["points"])
    values = [each["multiple"] for each in actual if each["multiple"] is not None]
    marked = record["now"]["multiple"] if record["now"] and actual else None
    values += [marked] if marked is not None else []
    low, high = _inside(min([low, *values])), _inside(max([high, *values]))
    ticks = _ticks(low, high)
    low, high = min(low, ticks[0]), max(high, ticks[-1])
    bets = known[0]["points"][-1]["after"]

    def across(after: float) -> float:
        return round(LEFT + WIDE * after / max(bets, 1), 1)

    def up(multiple: float) -> float:
        return round(TOP + HIGH * (1.0 - log10(_inside(multiple) / low) / log10(high / low)), 1)

    own = " ".join(f"{across(each['after'])},{up(each['multiple'])}" for each in actual if each["multiple"] is not None)
    return {
        "pictures": [_picture(band, across, up) for band in known],
        "missing": [each for each in record["bands"] if not each["points"]],
        "actual": own,
        "last": {"x": across(actual[-1]["after"]), "y": up(actual[-1]["multiple"]), "multiple": actual[-1]["multiple"]}
        if actual
        else None,
        "marked": None if marked is None else {"x": across(bets), "y": up(marked), "multiple": marked},
        "now": record["now"],
        "ticks": [{"multiple": tick, "y": up(tick)} for tick in ticks],
        "numbers": [{"after": k, "x": across(k)} for k in ((0, bets) if bets < 4 else (0, bets // 2, bets))],
        "bets": bets,
        "ahead": record["ahead"],
        "one_y": up(1.0),
        "left": LEFT,
        "right": LEFT + WIDE,
        "label_x": LEFT - 6,
        "number_y": TOP + HIGH + 16,
        "width": LEFT + WIDE + 20,
        "height": TOP + HIGH + 24,
    }


def _picture(band: Mapping[str, Any], across: Any, up: Any) -> Row:
    def area(lower: str, upper: str) -> str:
        there = [f"{across(each['after'])},{up(each[upper])}" for each in band["points"]]
        back = [f"{across(each['after'])},{up(each[lower])}" for each in reversed(band["points"])]
        return " ".join(there + back)

    return {
        **band,
        "outer": area("p5", "p95"),
        "inner": area("p25", "p75"),
        "median": " ".join(f"{across(each['after'])},{up(each['p50'])}" for each in band["points"]),
    }


def _inside(multiple: float) -> float:
    return min(max(multiple, LEAST), MOST)


def _ticks(low: float, high: float) -> list[float]:
    """Round multiples around both ends, with 1 among them: halves and doubles, or tens where they would be many."""
    base = 2.0 if high / low < 40.0 else 10.0
    first, last = floor(log10(low) / log10(base) + 1e-9), ceil(log10(high) / log10(base) - 1e-9)
    if high / low < 1.5:  # a narrow scale
        step = 0.05 if high / low < 1.2 else 0.1
        return [round(k * step, 2) for k in range(floor(low / step + 1e-9), ceil(high / step - 1e-9) + 1)]
    return [base**k for k in range(min(first, 0), max(last, 0) + 1)]
