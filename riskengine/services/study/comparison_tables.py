"""The tables of a comparison as files."""

from collections.abc import Mapping
from typing import Any

from riskengine.services.study.exports import Table

ANSWER = (
    "approved", "contracts", "dollars", "refusal", "sentence", "failed_gates", "bought", "cost", "pnl", "closed_at",
    "closed_by", "left_open",
)  # fmt: skip
HEARD = ("state", "dropped", "sentence", "contract", "contracts")
DECISION = ("day", "at", "contract", "side", "direction", "confidence", "differs", "gates_differ")
SIGNAL = ("day", "signal", "as_of", "symbol", "direction", "confidence", "differs")
EVENT = ("day", "side", "at", "what", "contract", "contracts", "price", "how")


def comparison_tables(compared: Mapping[str, Any]) -> dict[str, Table]:
    """By the name that `?table=` takes; empty while nothing is done."""
    result = compared["result"] or {
        "sides": {"A": {}, "B": {}}, "decisions": [], "signals": [], "events": [], "equity": [],
    }  # fmt: skip
    sides = result["sides"]
    return {
        "sides": Table(("figure", "A", "B"), [(name, sides["A"][name], sides["B"][name]) for name in sides["A"]]),
        "differences": Table(("name", "label", "unit", "old", "new"), compared["differences"]),
        "decisions": _beside(result["decisions"], DECISION, ANSWER),
        "signals": _beside(result["signals"], SIGNAL, HEARD),
        "events": Table(EVENT, result["events"]),
        "equity": Table(("at", "A", "B"), result["equity"]),
    }


def _beside(rows: list[Mapping[str, Any]], shared: tuple[str, ...], each_side: tuple[str, ...]) -> Table:
    """Columns of the question, then those of each side: A_approved, B_approved."""
    columns = (*shared, *(f"{side}_{name}" for side in "AB" for name in each_side))
    return Table(
        columns,
        [
            (
                *(_cell(row[name]) for name in shared),
                *(_cell((row[side] or {}).get(name)) for side in "AB" for name in each_side),
            )
            for row in rows
        ],
    )


def _cell(value: Any) -> Any:
    return " ".join(value) if isinstance(value, list) else value
