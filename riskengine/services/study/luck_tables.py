"""What the pages of luck and odds show, as tables for a file."""

from collections.abc import Mapping
from typing import Any

from riskengine.services.study.exports import Table

_FIGURES = (
    "measure", "n", "unit", "actual", "actual_low", "actual_high", "projected_low", "projected_high", "no_edge",
    "no_edge_low", "no_edge_high",
)  # fmt: skip
_SIZE = ("fraction", "dollars", "times_kelly", "growth", "median", "p5", "p95", "ahead", "under_minimum")


def luck_tables(record: Mapping[str, Any]) -> dict[str, Table]:
    """`figures` actual, projected, no edge; `bands` by bet; `kelly` by size of the bet."""
    figures = [
        [
            each["key"], each["n"], each["unit"], each["actual"]["value"], each["actual"]["low"],
            each["actual"]["high"], each["projected"]["low"], each["projected"]["high"], each["no_edge"]["value"],
            each["no_edge"]["low"], each["no_edge"]["high"],
        ]
        for each in record["table"]
    ]  # fmt: skip
    actual = {each["after"]: each["multiple"] for each in record["actual"]}
    bands = [
        [band["key"], *point.values(), actual.get(point["after"])]
        for band in record["bands"]
        for point in band["points"]
    ]
    kelly = record["kelly"]
    sizes = [] if kelly is None else kelly["sizes"]
    return {
        "figures": Table(_FIGURES, figures),
        "bands": Table(("way", "after", "p5", "p25", "p50", "p75", "p95", "actual"), bands),
        "kelly": Table(
            ("size", "bet", "times_kelly", "growth", "median", "falls_20", "falls_30", "falls_50"),
            [
                [each["key"], each["bet"], each["times_kelly"], each["growth"], each["median"], *each["falls"]]
                for each in sizes
            ],
        ),
    }


def odds_tables(found: Mapping[str, Any]) -> dict[str, Table]:
    """`sizes`: what the odds come to at each size of the bet."""
    falls = [f"falls_{round(100 * depth)}" for depth in found["depths"]]
    rows = [[*(each[name] for name in _SIZE), *each["falls"]] for each in found["sizes"]]
    return {"sizes": Table((*_SIZE, *falls), rows)}
