"""Pictures of a record: the account's curve over its drawdown, what profit came from, how trades are spread.

The numbers are the service's own; here they only get their places.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import ceil, floor, log10
from typing import Any

from django import template

register = template.Library()

Row = dict[str, Any]
WIDE, HIGH, DEEP = 640, 180, 72  # of the curve and of the drawdown under it, in the units of the viewBox
LEFT, TOP, GAP = 64, 12, 28
NEAR_THE_END = 0.9  # of the days: a date from there on ends at its place, and is not cut
BINS_A_SIDE = 10  # of 10% each
PART_WORDS = {
    "delta": "Delta: the underlying moved",
    "gamma": "Gamma: and its delta with it",
    "theta": "Theta: time passed",
    "vega": "Vega: implied volatility moved",
    "spread": "Spread, on the way in and out",
    "fees": "Fees",
    "unexplained": "Left over, not explained",
}


@register.inclusion_tag("riskengine/_equity_curve.html")
def equity_curve(equity: Mapping[str, Any]) -> Row:
    """Equity at the end of each day in dollars, deposits marked; under it the drawdown, free of deposits."""
    days: Sequence[Mapping[str, Any]] = [each for each in equity["days"] if each["end"] is not None]
    if not days:
        return {"points": []}
    values = [days[0]["start"], *(each["end"] for each in days)]
    ticks = round_amounts(min(values), max(values))
    low, high = min(ticks[0], min(values)), max(ticks[-1], max(values))
    deepest = min(0.0, *(min(each["drawdown"], each["worst_drawdown"] or 0.0) for each in days if _is_known(each)), 0.0)
    floor_ = min(-0.05, floor(deepest * 20) / 20)
    base = TOP + HIGH + GAP

    def across(place: float) -> float:
        return round(LEFT + WIDE * place / len(days), 1)

    def up(value: float) -> float:
        return round(TOP + HIGH * (1.0 - (value - low) / (high - low)), 1)

    def down(value: float) -> float:
        return round(base + DEEP * value / floor_, 1)

    curve = [(across(k), up(value)) for k, value in enumerate(values)]
    depth = [(across(0), down(0.0))]
    depth += [(across(k + 1), down(each["drawdown"])) for k, each in enumerate(days) if each["drawdown"] is not None]
    return {
        "points": [
            {**each, "x": across(k + 1), "y": up(each["end"])} for k, each in enumerate(days)
        ] if len(days) < 130 else [],
        "curve": " ".join(f"{x},{y}" for x, y in curve),
        "depth": " ".join(f"{x},{y}" for x, y in [*depth, (depth[-1][0], down(0.0))]),
        "worst": [
            {"x": across(k + 1), "y": down(each["worst_drawdown"]), "to": down(each["drawdown"] or 0.0)}
            for k, each in enumerate(days)
            if each["worst_drawdown"] is not None and each["worst_drawdown"] < (each["drawdown"] or 0.0) - 0.001
        ],
        "paid": [{"x": across(k + 0.5), "usd": each["deposits"]} for k, each in enumerate(days) if each["deposits"]],
        "ticks": [{"usd": tick, "y": up(tick)} for tick in ticks],
        "depths": [{"share": share, "y": down(share)} for share in (0.0, floor_)],
        "dates": _dates(days, across),
        "first": days[0]["day"],
        "last": days[-1]["day"],
        "from_usd": values[0],
        "to_usd": values[-1],
        "max_drawdown": equity["max_drawdown"],
        "left": LEFT, "right": LEFT + WIDE, "top": TOP, "bottom": base + DEEP, "label_x": LEFT - 6,
        "date_y": base + DEEP + 18, "zero": base, "width": LEFT + WIDE + 12, "height": base + DEEP + 26,
        "depth_name_y": base - 8,
    }  # fmt: skip


def _is_known(day: Mapping[str, Any]) -> bool:
    return day["drawdown"] is not None


def round_amounts(low: float, high: float) -> list[float]:
    """Two to seven round amounts around all of it, the lowest under the highest."""
    span = max(high - low, abs(high) * 0.01, 1.0)
    step = 10.0 ** floor(log10(span / 2))
    step *= next(times for times in (1, 2, 5, 10) if span / (step * times) <= 4)
    first, last = floor(low / step), ceil(high / step)
    if first == last:  # nothing has moved, and stands on a tick
        first, last = first - 1, last + 1
    return [k * step for k in range(first, last + 1)]


def _dates(days: Sequence[Mapping[str, Any]], across: Any) -> list[Row]:
    """Where a month begins; the first and last day where there are no two months."""
    begins = [
        (k + 1, day["day"])
        for k, (before, day) in enumerate(pairwise(days), start=0)
        if before["day"][:7] != day["day"][:7]
    ]
    places = begins if len(begins) >= 2 else [(0, days[0]["day"])]
    if len(places) > 1 and places[-1][0] > NEAR_THE_END * len(days) and places[-2][0] > len(days) / 2:
        places = places[:-1]  # the two would stand on each other
    return [{"x": across(place), "day": day, "ends": place > NEAR_THE_END * len(days)} for place, day in places]


@register.inclusion_tag("riskengine/_attribution_bars.html")
def attribution_bars(attribution: Mapping[str, Any]) -> Row:
    """One bar a part, from the middle to the left for a loss and to the right for a gain; half is the largest."""
    largest = max((abs(each["usd"]) for each in attribution["parts"]), default=0.0) or 1.0
    bars = []
    for each in attribution["parts"]:
        long = round(100.0 * abs(each["usd"]) / largest, 1)
        bars.append(
            {**each, "words": PART_WORDS[each["part"]], "long": long, "x": 100.0 if each["usd"] > 0 else 100.0 - long}
        )
    return {"bars": bars, "attribution": attribution}


@register.inclusion_tag("riskengine/_spread_of_trades.html")
def spread_of_trades(trades: Sequence[Mapping[str, Any]]) -> Row:
    """How many trades ended in each 10% of gain or loss per dollar; what lies further out is in the last bar."""
    counts = [0] * (2 * BINS_A_SIDE)
    for each in trades:
        if each["gain"] is not None:
            place = floor(round(each["gain"] * 10, 9)) + BINS_A_SIDE
            counts[min(max(place, 0), len(counts) - 1)] += 1
    most = max(counts) or 1
    bars = [
        {
            "count": count,
            "from": (k - BINS_A_SIDE) / 10,
            "to": (k - BINS_A_SIDE + 1) / 10,
            "further": k == len(counts) - 1,
            "x": 8 + 24 * k,
            "y": round(20 + 100 * (1 - count / most), 1),
            "high": round(100 * count / most, 1),
            "gain": k >= BINS_A_SIDE,
        }
        for k, count in enumerate(counts)
    ]
    return {"bars": bars, "rated": sum(counts), "middle": 8 + 24 * BINS_A_SIDE - 2}
