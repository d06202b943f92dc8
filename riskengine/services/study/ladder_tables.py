"""The tables of the pages on take-profit and on size as files."""

from collections.abc import Mapping
from typing import Any

from riskengine.services.study.exports import Table

TIER = (
    "ladder", "label", "tier", "threshold_low", "threshold_high", "positions", "hits", "deferred", "hit_rate",
    "hit_low", "hit_high", "gain", "gain_low", "gain_high", "taken", "compared", "compared_taken", "held", "difference",
    "difference_low", "difference_high", "per_dollar", "per_dollar_low", "per_dollar_high", "verdict",
)  # fmt: skip
CAME = ("which", "steps", "n", "not_known", "gain", "gain_low", "gain_high", "wins", "worst")
FOLD = ("first", "last", "learned", "tested", "steps", "is_present")
WAY = (
    "way", "label", "final", "pnl", "max_drawdown", "volatility", "worst", "growth", "mean_bet", "ruined",
)  # fmt: skip
BY_TIER = (
    "label", "begins", "n", "multiple", "pnl", "minimum_pnl", "usd", "low", "high", "expectancy", "expectancy_low",
    "expectancy_high",
)  # fmt: skip
CURVE = ("number", "closed_on", "position", "minimum", "actual", "half_kelly", "hindsight")


def take_profit_tables(
    record: Mapping[str, Any], tried: Mapping[str, Any], suggested: Mapping[str, Any] | None
) -> dict[str, Table]:
    """By the name that `?table=` takes."""
    walked = [{"which": which, **tried[which]} for which in ("present", "asked", "none") if tried[which]]
    study = suggested and suggested["study"]
    return {
        "tiers": Table(TIER, record["tiers"]),
        "what-if": Table(CAME, [each | {"steps": _said(each["steps"])} for each in walked]),
        "folds": Table(FOLD, [each | {"steps": _said(each["steps"])} for each in study["folds"]] if study else []),
    }


def size_impact_tables(impact: Mapping[str, Any]) -> dict[str, Table]:
    return {
        "ways": Table(WAY, impact["ways"]),
        "tiers": Table(BY_TIER, impact["tiers"]),
        "curve": Table(CURVE, impact["curve"]),
    }


def _said(steps: list[dict[str, float]]) -> str:
    """Thresholds and shares in one cell: 0.05: 0.33; 0.1: 0.33."""
    return "; ".join(f"{each['threshold']:g}: {each['share']:g}" for each in steps) or "no tier"
