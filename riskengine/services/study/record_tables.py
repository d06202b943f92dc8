"""The tables of the performance page as files."""

from collections.abc import Mapping
from typing import Any

from riskengine.services.study.exports import Table

RATES = (
    "n", "wins", "win_rate", "low", "high", "expectancy", "expectancy_low", "expectancy_high", "verdict",
    "average_win", "average_loss", "payoff", "profit_factor", "best", "worst", "pnl", "fees", "cost",
)  # fmt: skip
EQUITY = (
    "day", "start", "end", "deposits", "profit", "return", "index", "drawdown", "worst_drawdown", "lowest",
)  # fmt: skip


def performance_tables(record: Mapping[str, Any]) -> dict[str, Table]:
    """By the name that `?table=` takes."""
    figures = [{"figure": name, "value": value} for name, value in record["returns"].items()]
    return {
        "equity": Table(EQUITY, record["equity"]["days"]),
        "returns": Table(("figure", "value"), figures),
        "summary": Table(RATES, [record["trades"]]),
        **{name: Table(("key", "label", *RATES), rows) for name, rows in record["by"].items()},
    }
