"""Pictures of a profile: its ladders as steps, its limits on one line. Places are percent of the width."""

from typing import Any

from django import template

from accounts.described import DescribedLadder, Scale
from accounts.parameter import Ladder, Step
from accounts.selectors import describe_ladder
from accounts.wording import show

register = template.Library()

TALLEST = 64  # pixels of the highest step
HEAD = 16  # pixels above it, for its value
GAP = 0.12  # of a step's width, left free
EDGE = 4.0  # percent of the width left free at both ends of a scale


@register.inclusion_tag("accounts/_ladder_picture.html")
def ladder_picture(described: DescribedLadder) -> dict[str, Any]:
    """A column a step, as high as its value. A ladder that shares out a position has one more for what stays open."""
    ladder, steps = described.ladder, described.steps
    columns = [(float(s.value), show(s.value, ladder.value_unit), _starts(ladder, s), False) for s in steps]
    left = 1 - sum(s.value for s in steps)
    if ladder.cumulative and left > 0:
        columns.append((float(left), show(left, ladder.value_unit), "stays", True))
    highest = max((value for value, *_ in columns), default=0.0) or 1.0
    width = 100 / max(len(columns), 1)
    return {
        "ladder": ladder,
        "changed": described.changed,
        "words": describe_ladder(ladder, steps),
        "default": describe_ladder(ladder, ladder.steps),
        "columns": [
            {
                "x": round((number + GAP / 2) * width, 2),
                "width": round((1 - GAP) * width, 2),
                "middle": round((number + 0.5) * width, 2),
                "height": round(TALLEST * value / highest, 1),
                "top": round(HEAD + TALLEST * (1 - value / highest), 1),
                "value_at": round(HEAD + TALLEST * (1 - value / highest) - 4, 1),
                "value": words,
                "starts": starts,
                "open": still_open,
            }
            for number, (value, words, starts, still_open) in enumerate(columns)
        ],
    }


def _starts(ladder: Ladder, step: Step) -> str:
    threshold = show(step.threshold, ladder.threshold_unit)
    if ladder.cumulative:
        return f"+{threshold}"
    return f"{'≥' if step.inclusive else '>'} {threshold}"


@register.inclusion_tag("accounts/_scale.html")
def scale(described: Scale) -> dict[str, Any]:
    """Marks on one line, their labels above and below it by turns so that neighbours do not touch."""
    furthest = max([1.0 if not described.losses else 0.0, *(mark.fraction for mark in described.marks)])

    def at(fraction: float) -> float:
        place = EDGE + (100 - 2 * EDGE) * fraction / furthest
        return round(100 - place if described.losses else place, 2)

    return {
        "title": described.title,
        "losses": described.losses,
        "zero_at": at(0.0),
        "end_at": at(furthest),
        "whole": None if described.losses else at(1.0),
        "marks": [
            {
                "label": mark.label,
                "value": f"−{mark.value}" if described.losses else mark.value,
                "at": at(mark.fraction),
                "anchor": "after" if at(mark.fraction) < 14 else "before" if at(mark.fraction) > 86 else "",
                "above": number % 2 == 0,
            }
            for number, mark in enumerate(described.marks)
        ],
    }
