"""Three real days, replayed by the real command: byte by byte the committed reports, which a second opinion confirms.

How the reports were checked by hand: tests/snapshots/README.md. To make them anew after a deliberate change:

    python -m tests.riskengine.study.test_snapshots
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.riskengine.study import checker
from tests.riskengine.study.day import ROOT, process

SNAPSHOTS = ROOT / "tests" / "snapshots"
RECORDED = ROOT / "positions" / "recorded"


class Day(NamedTuple):
    """A recorded day, whose it is and what was recorded."""

    on: str
    portfolio: str
    quotes: Path

    @property
    def snapshot(self) -> Path:
        return SNAPSHOTS / f"replay_{self.on}.json"

    def arguments(self, report: Path) -> list[object]:
        files = ["--quotes", self.quotes, "--underlying", RECORDED / "underlying_minute_bars.csv.gz"]
        entries = SNAPSHOTS / f"replay_{self.on}_entries.csv"
        rest = [
            "--date",
            self.on,
            "--portfolio",
            self.portfolio,
            "--entries",
            entries,
            "--report",
            report,
            "--no-gates",
        ]
        return [*files, *rest]


DAYS = (
    Day("2021-01-04", "smart-0dte", RECORDED / "spx_spxw_quotes.csv.gz"),
    Day("2021-01-06", "smart-0dte", RECORDED / "spx_spxw_quotes.csv.gz"),
    Day("2015-12-24", "mag7-7dte", RECORDED / "goog_2015_quotes.csv.gz"),
)


def read(day: Day) -> dict[str, Any]:
    return json.loads(day.snapshot.read_text())


@pytest.mark.slow
@pytest.mark.parametrize("day", DAYS, ids=lambda day: day.on)
def test_a_recorded_day_replays_to_the_byte(day: Day, tmp_path: Path) -> None:
    replaying = process(*day.arguments(tmp_path / "report.json"))
    _, said = replaying.communicate(timeout=300)
    assert replaying.returncode == 0, said
    assert (tmp_path / "report.json").read_text() == day.snapshot.read_text()


@pytest.mark.parametrize("day", DAYS, ids=lambda day: day.on)
def test_the_second_opinion_agrees_with_the_report(day: Day) -> None:
    assert checker.problems(read(day), day.quotes, day.portfolio) == []


@pytest.mark.parametrize("day", DAYS, ids=lambda day: day.on)
def test_the_second_opinion_is_no_yes_man(day: Day) -> None:
    """It notices a late slice or stop, a wrong price and a sale that never was."""
    report = read(day)
    for key, field in (("slices", "triggered_at"), ("stops", "at")):
        for row in report[key][:1]:
            told = row[field]
            row[field] = _later(told)
            assert checker.problems(report, day.quotes, day.portfolio)
            row[field] = told
    report["fills"][0]["price"] += 0.1
    assert checker.problems(report, day.quotes, day.portfolio)


def _later(at: str) -> str:
    return (
        datetime.fromisoformat(at).replace(second=0).isoformat().replace(at[14:16], f"{(int(at[14:16]) + 3) % 60:02d}")
    )


def test_on_a_half_day_what_expires_is_closed_at_12_45_and_the_rest_is_carried() -> None:
    report = read(DAYS[2])
    closes = [row for row in report["orders"] if row["intent"] == "forced_close"]
    assert [(row["contract"][6:12], row["at"][11:19]) for row in closes] == [("151224", "12:45:00")] * len(closes)
    assert len(closes) >= 2
    assert {row["contract"][6:12] for row in report["end"]["open"]} == {"151231"}
    assert report["equity"][-1]["at"] == "2015-12-24T13:00:00-05:00"


def main() -> None:
    for day in DAYS:
        replaying = process(*day.arguments(day.snapshot))
        _, said = replaying.communicate()
        print(day.on, said.strip())
        print("\n".join(checker.problems(read(day), day.quotes, day.portfolio)) or "The second opinion agrees.")


if __name__ == "__main__":
    main()
