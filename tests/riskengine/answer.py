"""Reading an explained answer: what refused it, what it was made from, what a rule did."""

from typing import Any

Preview = dict[str, Any]


def failed(preview: Preview) -> list[str]:
    """The gates that refuse, in their order."""
    return [gate["rule"] for gate in preview["trace"]["gates"] if not gate["passed"]]


def inputs(preview: Preview) -> dict[str, dict[str, Any]]:
    """What went in, by name."""
    return {each["name"]: each for each in preview["inputs"]}


def step(preview: Preview, rule: str) -> dict[str, Any]:
    """What one rule saw, said and did."""
    return next(each for each in preview["trace"]["steps"] if each["rule"] == rule)
