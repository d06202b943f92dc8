"""A day with every kind of dirt that recordings have, one contract each, replayed at once by the real command.

Every position is bought at 10.00 at 09:40: slices of a morning entry at 10.50, 11.00 and 11.50, the stop at 7.50, and
far under it at 6.75. The calm market is 9.90 x 10.00.
"""

import csv
from pathlib import Path
from typing import Any

import pytest

from tests.riskengine.study import checker
from tests.riskengine.study.day import DAY, Made, Script, spx_bars


def strike(number: int, right: str = "C") -> str:
    return f"SPXW210104{right}0{number:04d}000"


def occ(compact: str) -> str:
    return f"SPXW  {compact[4:]}"


HIGH, LOW = (12.0, 12.2), (7.2, 7.4)
CROSSED, NO_ASK, WIDE, LOCKED, CROSSED_LOW, NO_BID, ZERO_BID, WIDE_LOW, GAP = (strike(3600 + n) for n in range(9))
GAP_UP, DOUBLED, ONE_TICK, STALE, LATE, UNQUOTED, WORTHLESS, MONEY = (strike(3609 + n) for n in range(8))

SCRIPTS = [
    Script(CROSSED).during("10:00", "10:05", (12.5, 12.0)).during("10:30", "10:30", (10.6, 10.7)),
    Script(NO_ASK).during("10:00", "10:05", (12.0, None)),
    Script(WIDE).during("10:00", "10:05", (12.0, 16.0)),
    Script(LOCKED).during("10:00", "10:05", (12.0, 12.0)),
    Script(CROSSED_LOW).during("10:00", "10:00", (7.6, 7.4)),
    Script(NO_BID).during("10:00", "10:03", (None, 10.0)),
    Script(ZERO_BID).during("10:00", "10:03", (0.0, 0.5)),
    Script(WIDE_LOW).during("10:00", "10:03", (5.0, 9.0)),
    Script(GAP).during("10:00", "10:04", None).during("10:05", "10:09", LOW),
    Script(GAP_UP).during("10:00", "10:04", None).during("10:05", "10:05", HIGH),
    Script(DOUBLED),
    Script(LATE).during("15:40", "15:50", (None, 10.0)),
    Script(WORTHLESS).during("15:40", "16:00", (None, 0.05)),
    Script(MONEY).during("15:40", "16:00", (None, None)),
    Script(ONE_TICK).during("10:00", "10:00", LOW).during("10:30", "10:30", LOW),
    Script(STALE).during("10:00", "10:00", LOW).during("10:01", "10:10", None),
]
BAD_ROWS = [
    f"2021-01-04 10:00:00,spxw,european,2021-01-04,0,C,{DOUBLED[12:16]},99,10,99.5,10",
    f"2021-01-04 10:01:00,spxw,european,2021-01-04,0,C,{DOUBLED[12:16]},abc,10,99.5,10",
    f"2021-01-04 10:02:00,spxw,european,2021-01-04,0,C,{DOUBLED[12:16]},-5,10,99.5,10",
    f"2021-01-04 25:02:00,spxw,european,2021-01-04,0,C,{DOUBLED[12:16]},9.9,10,10,10",
    "2021-01-04 10:03:00,spxw,european",
    f"no time at all,spxw,european,2021-01-04,0,C,{DOUBLED[12:16]},9.9,10,10,10",
    "2021-01-04 10:04:00,spxw,european,2021-01-04,0,X,3700,9.9,10,10,10",
    "2021-01-05 10:04:00,spxw,european,2021-01-08,3,C,3700,another day,10,10,10",
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    bought = [*(script.contract for script in SCRIPTS), UNQUOTED]
    return Made(
        tmp_path_factory.mktemp("dirty"),
        scripts=SCRIPTS,
        entries=[f"09:40,{contract},buy,0.7,12" for contract in bought],
        extra_rows=BAD_ROWS,
        bars=spx_bars(3620.0),
    )


@pytest.fixture(scope="module")
def report(made: Made, unblocked: None) -> dict[str, Any]:
    """On an account so large that no circuit breaker closes the dirty book before its day is over."""
    parameters = made.folder / "parameters.json"
    parameters.write_text('{"account_size": 1000000}')
    return made.replay("--no-gates", "--cash", "1000000", "--parameters", str(parameters))


def slices(report: dict[str, Any], contract: str) -> list[tuple[int, str]]:
    found = [row for row in report["slices"] if row["contract"] == occ(contract)]
    return [(row["tier"], row["triggered_at"][11:19]) for row in found]


def stops(report: dict[str, Any], contract: str) -> list[str]:
    return [row["at"][11:19] for row in report["stops"] if row["contract"] == occ(contract)]


def sold(report: dict[str, Any], contract: str) -> list[tuple[str, int, float]]:
    found = [row for row in report["fills"] if row["contract"] == occ(contract) and row["side"] == "sell"]
    return [(row["at"][11:19], row["contracts"], row["price"]) for row in found]


def intents(report: dict[str, Any], contract: str) -> list[tuple[str, str]]:
    found = [row for row in report["orders"] if row["contract"] == occ(contract) and row["side"] == "sell"]
    return [(row["intent"], row["at"][11:19]) for row in found]


def test_everything_that_was_quoted_was_bought_at_ten(report: dict[str, Any]) -> None:
    bought = [row for row in report["fills"] if row["side"] == "buy"]
    assert {row["contract"] for row in bought} == {occ(script.contract) for script in SCRIPTS}
    assert {row["price"] for row in bought} == {10.0}


@pytest.mark.parametrize("contract", [NO_ASK, WIDE, LOCKED])
def test_no_profit_is_taken_on_a_quote_that_cannot_be_used(report: dict[str, Any], contract: str) -> None:
    assert slices(report, contract) == []
    assert intents(report, contract) == [("forced_close", "15:45:00")]


def test_after_crossed_quotes_the_first_usable_one_takes_the_profit(report: dict[str, Any]) -> None:
    assert slices(report, CROSSED) == [(1, "10:30:00")]


def test_a_stop_is_seen_on_a_crossed_quote_whose_ask_is_under_it(report: dict[str, Any]) -> None:
    assert stops(report, CROSSED_LOW) == ["10:00:00"]


@pytest.mark.parametrize("contract", [NO_BID, WIDE_LOW])
def test_a_stop_is_seen_ten_seconds_into_quotes_that_cannot_be_used(report: dict[str, Any], contract: str) -> None:
    assert stops(report, contract) == ["10:00:10"]


def test_a_stop_is_seen_at_once_when_the_ask_is_under_it(report: dict[str, Any]) -> None:
    assert stops(report, ZERO_BID) == ["10:00:00"]


def test_a_stop_across_a_gap_needs_its_second_quote_after_it(report: dict[str, Any]) -> None:
    assert stops(report, GAP) == ["10:06:00"]


def test_a_bar_that_is_never_followed_stops_when_it_has_been_stale_for_ten_seconds(report: dict[str, Any]) -> None:
    [at] = stops(report, STALE)
    assert "10:01:10" <= at <= "10:01:12"


def test_single_bad_ticks_half_an_hour_apart_stop_nothing(report: dict[str, Any]) -> None:
    assert stops(report, ONE_TICK) == []


def test_a_jump_over_all_tiers_sells_them_in_one_order(report: dict[str, Any]) -> None:
    assert slices(report, GAP_UP) == [(1, "10:05:00"), (2, "10:05:00"), (3, "10:05:00")]
    assert intents(report, GAP_UP)[0] == ("slice", "10:05:00")
    assert [row["contracts"] for row in report["slices"] if row["contract"] == occ(GAP_UP)] == [4, 4, 4]


def test_a_forced_close_without_a_bid_sells_when_one_comes_back(report: dict[str, Any]) -> None:
    assert intents(report, LATE)[-1][0] in ("stop", "forced_close")
    assert [(at[:5], price) for at, _, price in sold(report, LATE)] == [("15:51", 9.9)]


def test_what_nobody_bids_for_until_the_close_is_settled_officially(report: dict[str, Any]) -> None:
    for contract in (WORTHLESS, MONEY):
        assert sold(report, contract) == []
        assert occ(contract) not in {row["contract"] for row in report["end"]["open"]}
    spent = sum(row["contracts"] * row["price"] * 100 for row in report["fills"] if row["side"] == "buy")
    received = sum(row["contracts"] * row["price"] * 100 for row in report["fills"] if row["side"] == "sell")
    settled = 12 * 100 * ((3620 - 3615) + (3620 - 3616))
    assert report["end"]["cash"] == pytest.approx(1_000_000 - spent + received + settled - report["end"]["fees"])


def test_a_contract_without_quotes_is_refused_by_name(report: dict[str, Any]) -> None:
    [refused] = [row for row in report["decisions"] if not row["approved"]]
    assert refused["contract"] == occ(UNQUOTED)
    assert refused["refusal"]
    assert refused["sentence"]
    assert any("SPXW210104C03614000 has no quotes on 2021-01-04" in note for note in report["data"]["notes"])


def test_rows_that_cannot_be_true_are_counted_and_listed_and_change_nothing(report: dict[str, Any], made: Made) -> None:
    quotes = report["data"]["files"]["quotes"]
    assert quotes["rejected"] == 7
    assert quotes["used"] == quotes["read"] - 7 - 1  # the row of another day is not looked at
    with Path(f"{made.report}.quotes.rejects.csv").open(newline="") as file:
        reasons = [row["reason"] for row in csv.DictReader(file)]
    assert len(reasons) == 7
    assert "the same key stands in an earlier row" in reasons
    assert slices(report, DOUBLED) == []


def test_the_second_opinion_agrees_with_all_that_was_sold(report: dict[str, Any], made: Made) -> None:
    unsettled = {occ(WORTHLESS), occ(MONEY), occ(LATE)}
    found = [
        problem
        for bet in checker.bets_of(report)
        if bet.contract not in unsettled
        for problem in checker._bet_problems(
            report, bet, checker.read_quotes(made.quotes, bet.contract, DAY), "smart-0dte", DAY
        )
    ]
    assert found == []
