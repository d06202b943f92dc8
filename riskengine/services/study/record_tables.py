"""The tables of the performance page as files."""

from collections.abc import Mapping
from typing import Any

from riskengine.services.study.exports import Table

RATES = (
    "n", "wins", "rated", "win_rate", "low", "high", "expectancy", "expectancy_low", "expectancy_high", "verdict",
    "average_win", "average_loss", "payoff", "profit_factor", "best", "worst", "pnl", "fees", "cost",
)  # fmt: skip
EQUITY = (
    "day", "start", "end", "deposits", "profit", "return", "index", "drawdown", "worst_drawdown", "lowest",
)  # fmt: skip


TRADE = (
    "position", "contract", "underlying", "right", "entered_at", "closed_at", "closed_by", "confidence", "contracts",
    "entry_price", "cost", "proceeds", "fees", "pnl", "gain", "share_of_equity", "multiple_of_minimum",
    "entry_slippage", "exit_slippage", "mae", "mfe", "delta", "gamma", "theta", "vega", "spread", "unexplained",
    "attribution_unknown",
)  # fmt: skip


def performance_tables(record: Mapping[str, Any]) -> dict[str, Table]:
    """By the name that `?table=` takes."""
    return {
        "trades": Table(TRADE, record["list"]),
        "equity": Table(EQUITY, record["equity"]["days"]),
        "returns": _pairs(record["returns"]),
        "summary": Table(RATES, [record["trades"]]),
        "costs": _pairs(record["costs"]),
        "attribution": Table(("part", "usd"), record["attribution"]["parts"]),
        "exposure": _pairs(
            {
                f"{part}_{name}": value
                for part, figures in record["exposure"].items()
                for name, value in figures.items()
                if not isinstance(value, list)
            }
        ),
        **{name: Table(("key", "label", *RATES), rows) for name, rows in record["by"].items()},
    }


def _pairs(figures: Mapping[str, Any]) -> Table:
    return Table(("figure", "value"), list(figures.items()))
