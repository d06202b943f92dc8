"""A book of four positions whose bids collapse, replayed by the real command: the emergency halt closes it within two
exit checks, and a crash to no bid at all still sells as soon as somebody bids (P-07, A-03, A-05).

Each position is 11 contracts bought at 10.00: the book costs $44,000 of an account of $60,000. L3 stands at a loss of
$12,000 and is immediate from $18,000. The stops stand at 7.50, or at 4.00 where a test wants L3 to come first.
"""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.riskengine.study.day import Made, Script, Sides, spx_bars

pytestmark = pytest.mark.usefixtures("unblocked")

TWO_CHECKS = timedelta(seconds=2)
LATE_STOP = {"stop_fraction": 0.6}
TO_HOLD_FOUR = {
    "waive_volume_unknown": True,
    "waive_open_interest_unknown": True,
    "min_position_size": 0.15,
    "max_positions_per_symbol": 10,
    "max_total_positions": 10,
    "max_portfolio_delta": 10,
    "max_portfolio_gamma": 10,
}
LOW, BACK = (7.0, 7.2), (4.0, 4.2)


def call(strike: int) -> str:
    return f"SPXW210104C0{strike}000"


BOOK = [call(strike) for strike in (3700, 3705, 3710, 3715)]
LATER = call(3720)


def replayed(folder: Path, *bars: tuple[str, str, Sides], **parameters: Any) -> dict[str, Any]:
    """The report of a day on which the four, bought from 09:40 on, are quoted so; two more entries come after that."""
    scripts = [Script(contract) for contract in BOOK]
    for script in scripts:
        for first, last, sides in bars:
            script.during(first, last, sides)
    entries = [f"09:{40 + 2 * k},{contract},buy,0.7,11" for k, contract in enumerate(BOOK)]
    later = [f"{at},{LATER},buy,0.7," for at in ("10:32", "10:50")]
    made = Made(folder, scripts=[*scripts, Script(LATER)], entries=entries + later, bars=spx_bars(3700.0))
    file = folder / "parameters.json"
    file.write_text(json.dumps(TO_HOLD_FOUR | parameters))
    report = made.replay("--parameters", file)
    assert [(row["at"][11:16], row["contracts"]) for row in report["fills"][:4]] == [
        (f"09:{40 + 2 * k}", 11) for k in range(4)
    ]
    return report


def tripped(report: dict[str, Any], code: str) -> list[str]:
    """When, in New York."""
    return [row["at"] for row in report["breakers"] if row.get("code") == code and row["state"] == "tripped"]


def closes(report: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """By contract the first closing order: why and when."""
    found: dict[str, tuple[str, str]] = {}
    for row in report["orders"]:
        if row["side"] == "sell":
            found.setdefault(row["contract"], (row["intent"], row["at"]))
    return found


def sold(report: dict[str, Any]) -> dict[str, tuple[int, float, set[str]]]:
    """By contract how many were sold, at which lowest price and in which minutes."""
    found: dict[str, tuple[int, float, set[str]]] = {}
    for row in report["fills"]:
        if row["side"] == "sell":
            count, lowest, at = found.get(row["contract"], (0, row["price"], set()))
            found[row["contract"]] = (
                count + row["contracts"],
                min(lowest, row["price"]),
                at | {row["at"][11:16]},
            )
    return found


def states(report: dict[str, Any]) -> list[tuple[str, str]]:
    return [(row["cause"], row["to"]) for row in report["breakers"] if "cause" in row]


def occ(compact: str) -> str:
    return f"SPXW  {compact[4:]}"


def assert_nothing_is_opened_after(report: dict[str, Any], at: str) -> None:
    """The entry during the close and the one on a flat book: refused by the halt and by what it did to the account."""
    late = [row for row in report["decisions"] if row["at"] >= at]
    assert [(row["contract"], row["approved"]) for row in late] == [(occ(LATER), False)] * 2
    for row in late:
        assert {"EMERGENCY_HALT", "MAX_DAILY_LOSS", "NOT_ACTIVE", "BREAKER_TRIPPED"} <= set(row["failed_gates"])
    assert late[-1]["refusal"] == "EMERGENCY_HALT"
    assert "$12,000" in late[-1]["sentence"]
    assert [row for row in report["fills"] if row["side"] == "buy" and row["at"] >= at] == []


def test_l3_flattens_a_book_of_four_within_two_exit_checks(tmp_path: Path) -> None:
    """Seen at 10:30 on one quote of each, confirmed at 10:31 by the next."""
    report = replayed(tmp_path, ("10:30", "12:00", LOW), **LATE_STOP)
    [at] = tripped(report, "loss_l3")
    assert at == "2021-01-04T10:31:00-05:00"
    latest = datetime.fromisoformat(at) + TWO_CHECKS
    placed = closes(report)
    assert set(placed) == {occ(contract) for contract in BOOK}
    assert {intent for intent, _ in placed.values()} == {"emergency"}
    assert all(at < when <= latest.isoformat() for _, when in placed.values())
    assert sold(report) == {occ(contract): (11, 7.0, {"10:31"}) for contract in BOOK}
    assert report["end"]["open"] == []
    assert states(report) == [("loss_l3", "FLATTENING"), ("flattened", "HALTED")]
    assert_nothing_is_opened_after(report, at)
    # 44 contracts from 10.00 to 7.00, and 88 fees of $0.65
    assert report["end"]["cash"] == 60_000 - 44 * 300 - 57.2


def test_one_bad_bar_of_all_four_flattens_nothing(tmp_path: Path) -> None:
    report = replayed(tmp_path, ("10:30", "10:30", LOW), **LATE_STOP)
    assert tripped(report, "loss_l3") == []
    assert {intent for intent, _ in closes(report).values()} == {"forced_close"}
    assert states(report) == []


def test_without_any_bid_the_halt_counts_nothing_and_closes_when_somebody_bids_again(tmp_path: Path) -> None:
    """The asks stay over the stops: after ten seconds what nobody bids for is worth nothing, which is past 1.5 times
    the limit. The orders stand at once, and wait for a bid."""
    report = replayed(tmp_path, ("10:30", "10:35", (None, 10.0)), ("10:36", "12:00", BACK), **LATE_STOP)
    [at] = tripped(report, "loss_l3")
    assert at == "2021-01-04T10:30:10-05:00"
    latest = datetime.fromisoformat(at) + TWO_CHECKS
    placed = closes(report)
    assert {intent for intent, _ in placed.values()} == {"emergency"}
    assert set(placed) == {occ(contract) for contract in BOOK}
    assert all(at < when <= latest.isoformat() for _, when in placed.values())
    assert sold(report) == {occ(contract): (11, 4.0, {"10:36"}) for contract in BOOK}
    assert report["end"]["open"] == []
    assert states(report) == [("loss_l3", "FLATTENING"), ("flattened", "HALTED")]
    assert_nothing_is_opened_after(report, at)


def test_without_any_bid_every_stop_fires_on_the_ask_and_sells_when_somebody_bids_again(tmp_path: Path) -> None:
    report = replayed(tmp_path, ("10:30", "10:35", (None, 5.0)), ("10:36", "12:00", BACK))
    assert closes(report) == {occ(contract): ("stop", "2021-01-04T10:30:00-05:00") for contract in BOOK}
    [at] = tripped(report, "loss_l3")
    assert at == "2021-01-04T10:30:10-05:00"
    assert sold(report) == {occ(contract): (11, 4.0, {"10:36"}) for contract in BOOK}
    assert report["end"]["open"] == []
    assert states(report)[-1] == ("flattened", "HALTED")
    assert_nothing_is_opened_after(report, at)
