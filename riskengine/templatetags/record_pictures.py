"""Pictures of the record: where tiers of confidence stand against what came true. The numbers are the service's own."""

from collections.abc import Mapping
from typing import Any

from django import template

register = template.Library()

Row = dict[str, Any]
WIDE, HIGH = 320, 240  # of the plot, in the units of its viewBox
LEFT, TOP = 44, 12
NEED_WIDE = 14


@register.inclusion_tag("riskengine/_reliability.html")
def reliability(record: Mapping[str, Any]) -> Row:
    """Mean confidence of each tier against its win rate with the 95% interval, its break-even, and the calibration."""

    def across(share: float) -> float:
        return round(LEFT + WIDE * share, 1)

    def up(share: float) -> float:
        return round(TOP + HIGH * (1.0 - share), 1)

    points = [
        {
            **each,
            "x": across(each["mean_confidence"]),
            "y": up(each["win_rate"]),
            "low_y": up(each["low"]),
            "high_y": up(each["high"]),
            "need_y": None if each["break_even"] is None else up(each["break_even"]),
            "need_x": round(across(each["mean_confidence"]) - NEED_WIDE / 2, 1),
        }
        for each in record["tiers"]
        if each["trades"]
    ]
    curve = [(each["raw"], each["calibrated"]) for each in record["calibration"] if each["calibrated"] is not None]
    return {
        "points": points,
        "trades": record["trades"],
        "curve": " ".join(f"{across(raw)},{up(calibrated)}" for raw, calibrated in curve),
        "calibrates": record["calibrates"],
        "base": None if record["record"]["win_rate"] is None else up(record["record"]["win_rate"]),
        "ticks": [{"share": tick / 4, "x": across(tick / 4), "y": up(tick / 4)} for tick in range(5)],
        "left": LEFT,
        "right": LEFT + WIDE,
        "top": TOP,
        "bottom": TOP + HIGH,
        "width": LEFT + WIDE + 16,
        "height": TOP + HIGH + 44,
        "tick_x": LEFT - 6,
        "tick_y": TOP + HIGH + 16,
        "middle": LEFT + WIDE // 2,
        "label_y": TOP + HIGH + 36,
    }
