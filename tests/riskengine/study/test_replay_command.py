"""`manage.py replay`: what it takes, what it refuses in one sentence, and that it leaves nothing behind."""

import gzip
import json
import signal
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management.base import CommandError

from betsizing import scratch
from tests.riskengine.study import checker
from tests.riskengine.study.day import Made, Script, process, replay, spx_bars

pytestmark = pytest.mark.usefixtures("unblocked")

CALL, PUT = "SPXW210104C03700000", "SPXW210104P03700000"
KEYS = ["breakers", "data", "decisions", "end", "equity", "fills", "latency", "orders", "slices", "stops"]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return usual_day(tmp_path)


def usual_day(folder: Path) -> Made:
    """A call that rises to its first tier at 10:00 and falls through its stop a quarter of an hour later (a minute in
    which nothing is held costs nothing), and an entry for it."""
    falls = Script(CALL).during("10:00", "10:00", (10.6, 10.7)).during("10:15", "10:20", (5.0, 5.1))
    return Made(
        folder,
        scripts=[falls, Script(PUT)],
        entries=[f"09:40,{CALL},buy,0.7,12"],
        bars=spx_bars(3700.0),
    )


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory, unblocked: None) -> dict[str, Any]:
    """The report of that day, for the tests that only read it."""
    return usual_day(tmp_path_factory.mktemp("usual")).replay("--no-gates")


def refusal(made: Made, *more: object) -> str:
    """What the command says when it refuses: one line, and no report."""
    made.write()
    with pytest.raises(CommandError) as refused:
        replay(*made.arguments, *more)
    assert not made.report.exists()
    assert "\n" not in str(refused.value)
    return str(refused.value)


# ---- The report ----


def test_the_report_has_its_keys_and_inner_keys(usual: dict[str, Any]) -> None:
    report = usual
    assert sorted(report) == KEYS
    assert list(report["fills"][0]) == ["at", "contract", "contracts", "fee", "price", "side"]
    told = {"contract", "tier", "threshold", "factor", "triggered_at", "trigger_bid", "contracts"}
    assert told | {"filled_at", "fill_price"} <= set(report["slices"][0])
    assert set(report["equity"][0]) == {"at", "equity", "cash", "day_pnl"}
    assert {"p50", "p99", "count"} == set(report["latency"])
    assert {"cash", "equity", "realised", "fees"} <= set(report["end"])
    assert report["slices"][0]["contract"] == "SPXW  210104C03700000"
    assert report["slices"][0]["triggered_at"] == "2021-01-04T10:00:00-05:00"


def test_equity_is_told_for_each_minute_from_the_open_to_the_close(usual: dict[str, Any]) -> None:
    equity = usual["equity"]
    assert [equity[0]["at"], equity[-1]["at"]] == ["2021-01-04T09:30:00-05:00", "2021-01-04T16:00:00-05:00"]
    assert len(equity) == 391


def test_the_report_carries_no_id_and_no_wall_time(usual: dict[str, Any]) -> None:
    text = json.dumps(usual)
    assert '"id"' not in text
    assert f"{datetime.now().astimezone():%Y-}" not in text


@pytest.mark.slow
def test_the_same_input_gives_the_same_bytes_whatever_the_hash_seed(made: Made) -> None:
    made.entries += [f"09:40,{PUT},buy,0.8,7", f"10:30,{CALL},buy,0.9,3"]
    made.write()
    found = set()
    for seed, zone in (("0", "Asia/Tokyo"), ("4242", "UTC")):
        done = process(*made.arguments, "--no-gates", PYTHONHASHSEED=seed, TZ=zone)
        _, said = done.communicate(timeout=120)
        assert done.returncode == 0, said
        found.add(made.report.read_bytes())
    assert len(found) == 1


# ---- What it takes ----


def test_without_no_gates_the_gates_of_an_entry_decide(made: Made) -> None:
    [decision] = made.replay()["decisions"]
    assert not decision["approved"]
    assert decision["refusal"] in decision["failed_gates"]
    assert decision["sentence"]


def test_trades_and_open_interest_let_the_gates_of_liquidity_judge(made: Made) -> None:
    made.write()
    terms = "spxw,european,2021-01-04,0,C,3700"
    trades, interest = made.folder / "trades.csv", made.folder / "interest.csv"
    trades.write_text(f"ts,underlying,style,expiry,dte,right,strike,open,high,low,close,volume\n"
                      f"2021-01-04 09:35:00,{terms},10,10,10,10,5000\n")  # fmt: skip
    interest.write_text(
        f"ts,underlying,style,expiry,dte,right,strike,open_interest\n2021-01-04 06:30:00,{terms},9000\n"
    )
    made.entries = [f"10:10,{CALL},buy,0.7,12"]
    [without] = made.replay()["decisions"]
    [given] = made.replay("--trades", trades, "--open-interest", interest)["decisions"]
    assert set(without["failed_gates"]) - set(given["failed_gates"]) == {"VOLUME_UNKNOWN"}


def test_other_numbers_and_ladders_are_replayed_by_name(made: Made) -> None:
    parameters = made.folder / "parameters.json"
    parameters.write_text(json.dumps({"take_profit_morning": [[0.02, 0.5], [0.06, 0.5]], "fee_per_contract": 1.25}))
    report = made.replay("--no-gates", "--parameters", str(parameters))
    assert [(row["tier"], row["threshold"], row["contracts"]) for row in report["slices"]] == [
        (1, 0.02, 6),
        (2, 0.06, 6),
    ]
    assert report["fills"][0]["fee"] == pytest.approx(1.25 * report["fills"][0]["contracts"])


def test_the_numbers_in_force_already_are_no_mistake(made: Made) -> None:
    parameters = made.folder / "parameters.json"
    parameters.write_text('{"fee_per_contract": 0.65}')
    assert made.replay("--no-gates", "--parameters", str(parameters))["fills"][0]["fee"] == pytest.approx(0.65 * 12)


def test_the_cash_to_start_with_may_be_given(made: Made) -> None:
    assert made.replay("--no-gates", "--cash", "250000.50")["end"]["start"] == 250_000.5


def test_without_cash_it_starts_with_the_account_size(usual: dict[str, Any]) -> None:
    assert usual["end"]["start"] == 60_000.0


def test_a_gzipped_file_is_read_by_its_content(made: Made, usual: dict[str, Any]) -> None:
    made.write()
    packed = made.folder / "quotes.dat"
    packed.write_bytes(gzip.compress(made.quotes.read_bytes()))
    assert made.replay("--no-gates", "--quotes", packed) == usual


def test_a_speed_paces_the_day(made: Made) -> None:
    assert made.replay("--no-gates", "--speed", "1000000")["fills"]


# ---- What it refuses ----


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (("--portfolio", "nobody"), "Known: smart-0dte, mag7-7dte"),
        (("--date", "2021-01-32"), "is no date (YYYY-MM-DD)"),
        (("--date", "2021-01-05"), "quotes.csv has no quotes on 2021-01-05."),
        (("--date", "2021-01-03"), "no session of the exchange on Sunday 2021-01-03"),
        (("--date", "1999-01-04"), "no session of the exchange"),
        (("--quotes", "none.csv"), "none.csv is missing"),
        (("--underlying", "none.csv"), "none.csv is missing"),
        (("--entries", "none.csv"), "none.csv is missing"),
        (("--report", "/nowhere/report.json"), "a folder that exists"),
        (("--speed", "fast"), "above 0, or max"),
        (("--cash", "-1"), "dollars above 0"),
        (("--bar-minutes", "0"), "from 1 to 1440"),
    ],
)
def test_what_cannot_be_replayed_is_refused_in_a_sentence(made: Made, changed: tuple[str, str], says: str) -> None:
    assert says in refusal(made, *changed)


def test_an_underlying_that_nobody_knows_is_named_with_its_line(made: Made) -> None:
    made.entries.append("09:41,ZZZZ210104C00010000,buy,0.7,1")
    assert "line 3: ZZZZ210104C00010000" in refusal(made)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "is not JSON"),
        ("[1]", "one JSON object"),
        ('{"stop_fractoin": 0.3}', "stop_fractoin is no parameter"),
        ('{"stop_fraction": 3}', "stop_fraction"),
        ('{"take_profit_morning": [[0.05, 0.9], [0.04, 0.1]]}', "thresholds must rise"),
        ('{"min_position_size": 0.5, "max_position_size": 0.4}', "minimum bet must not be more"),
    ],
)
def test_parameters_that_no_profile_could_carry_are_refused(made: Made, content: str, says: str) -> None:
    parameters = made.folder / "parameters.json"
    parameters.write_text(content)
    assert says in refusal(made, "--parameters", parameters)


# ---- What it leaves ----


def databases_of(pid: int) -> set[str]:
    """The scratch databases that a process is working in."""
    with scratch._maintenance() as sql:
        sql.execute(
            "SELECT datname FROM pg_stat_activity WHERE application_name = %s AND starts_with(datname, %s)",
            [f"betsizing-scratch-{pid}", scratch.PREFIX],
        )
        return {name for (name,) in sql.fetchall()}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_replay_that_is_stopped_leaves_neither_database_nor_report(made: Made, number: signal.Signals) -> None:
    made.write()
    replaying = process(*made.arguments, "--no-gates", "--speed", "60")
    while not (mine := databases_of(replaying.pid)):
        assert replaying.poll() is None
    replaying.send_signal(number)
    _, said = replaying.communicate(timeout=60)
    assert (replaying.returncode, databases_of(replaying.pid)) == (130, set())
    assert mine
    assert "Interrupted: no report was written." in said
    assert not made.report.exists()


@pytest.mark.slow
def test_several_at_once_are_apart(made: Made) -> None:
    made.write()
    outs = [made.folder / f"report{number}.json" for number in range(2)]
    replaying = [process(*made.arguments, "--no-gates", "--report", out) for out in outs]
    assert [each.communicate(timeout=120) and each.returncode for each in replaying] == [0, 0]
    assert len({out.read_bytes() for out in outs}) == 1


def test_cash_is_what_the_fills_say_after_each_of_them(usual: dict[str, Any]) -> None:
    assert checker._cash_problems(usual) == []
