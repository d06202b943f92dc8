"""`manage.py evaluate`: the case files, exact arithmetic, and a pipe that answers line by line whatever comes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.defaults import LADDERS, PARAMETERS
from riskengine.calculators.codes import CODES
from riskengine.services.decide.evaluate import sizes
from riskengine.services.decide.evaluate.contract import LineError
from riskengine.services.decide.evaluate.run import KINDS, evaluate, judge
from tests import candidates, oracle

ROOT = Path(__file__).resolve().parent.parent.parent
HEALTHY = {
    "size-0dte": {"confidence": "0.9", "vix": 15, "option_price": "2.50"},
    "size-7dte": {"confidence": "0.9", "option_price": "10", "portfolio_value": 100000},
}
SIZES = list(HEALTHY)
REFEREE = {"size-0dte": oracle.size_0dte, "size-7dte": oracle.size_7dte}


def cases(kind: str) -> list[dict[str, Any]]:
    name = {"size-0dte": "cases_0dte.json", "size-7dte": "cases_7dte.json"}[kind]
    return json.loads((ROOT / "tests/cases" / name).read_text())["cases"]


EVERY_CASE = [pytest.param(kind, case, id=case["id"]) for kind in SIZES for case in cases(kind)]


def answers(kind: str, *lines: Any) -> list[dict[str, Any]]:
    """Each line judged in one batch, as the reader of the output sees it."""
    raw = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    return [each.as_result() if isinstance(each, LineError) else each for each in judge(KINDS[kind], raw)]


def through(kind: str, lines: bytes) -> list[dict[str, Any]]:
    out = BytesIO()
    evaluate(KINDS[kind], BytesIO(lines), out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def words(warnings: list[str]) -> list[str]:
    return [warning.split(":")[0] for warning in warnings]


def assert_equal(kind: str, answer: dict[str, Any], expected: dict[str, Any]) -> None:
    """Numbers as numbers, warnings by their code."""
    for key, value in expected.items():
        if key == "warnings":
            assert words(answer[key]) == words(value)
        elif key in {"dollars", "formula_dollars", "raw_multiplier", "multiplier"} and value is not None:
            assert float(answer[key]) == pytest.approx(float(Fraction(value)), rel=1e-11), key
        elif key != "approved" or kind == "size-0dte":
            assert answer[key] == value, key


# --- the cases and the referee ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "case"), EVERY_CASE)
def test_a_case_gives_what_it_expects(kind: str, case: dict[str, Any]) -> None:
    assert_equal(kind, answers(kind, case["input"])[0], case["expected"])


@pytest.mark.parametrize(("kind", "case"), EVERY_CASE)
def test_the_referee_agrees_with_the_case(kind: str, case: dict[str, Any]) -> None:
    exact = REFEREE[kind](case["input"])
    assert_equal(kind, exact, {key: value for key, value in case["expected"].items() if key in exact})


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("spoil", [False, True], ids=["usable", "spoilt"])
@pytest.mark.parametrize("kind", SIZES)
def test_a_mixed_batch_equals_exact_arithmetic_line_by_line(kind: str, spoil: bool) -> None:
    draw, cfgs = {
        "size-0dte": (candidates.zero_dte, candidates.CFG_0DTE),
        "size-7dte": (candidates.seven_dte, candidates.CFG_7DTE),
    }[kind]
    pick = candidates.Pick(31)
    lines = [{**row, "cfg": cfg} for cfg in cfgs for row in draw(pick, 60)]
    if spoil:
        lines = candidates.spoilt(pick, lines)
    pick.rng.shuffle(lines)  # type: ignore[arg-type]
    for line, answer in zip(lines, answers(kind, *lines), strict=True):
        assert_equal(kind, answer, REFEREE[kind](line))


# --- one line never costs another -------------------------------------------------------------------------------------

BAD_LINES: list[tuple[Any, str, str]] = [
    (b"", "NOT_JSON", ""),
    (b"{", "NOT_JSON", ""),
    (b"\xff\xfe", "NOT_JSON", ""),
    (b"[" * 100_000, "NOT_JSON", ""),
    (b"9" * 5000, "NOT_JSON", ""),
    (b"[]", "NOT_AN_OBJECT", ""),
    (b"null", "NOT_AN_OBJECT", ""),
    (b'{"confidence": "0.9", "confidence": "0.6"}', "INVALID_INPUT", "confidence"),
    (b'{"cfg": {"account_size": 1, "max_vix_threshold": 30, "account_size": 2}}', "INVALID_INPUT", "account_size"),
    (b'{"\\u0063fg": {}, "cfg": {}}', "INVALID_INPUT", "cfg"),
    ({"confidense": 1}, "UNKNOWN_KEY", "confidense"),
    ({"\ud800": 1}, "UNKNOWN_KEY", "\ud800"),
    ({"cfg": []}, "NOT_AN_OBJECT", "cfg"),
    ({"cfg": 0}, "NOT_AN_OBJECT", "cfg"),
    ({"cfg": {"no_such_number": 1}}, "UNKNOWN_PARAMETER", "cfg.no_such_number"),
    ({"cfg": {"max_position_size": "NaN"}}, "NOT_A_NUMBER", "cfg.max_position_size"),
    ({"cfg": {"max_position_size": True}}, "NOT_A_NUMBER", "cfg.max_position_size"),
    ({"cfg": {"max_position_size": 2}}, "OUT_OF_RANGE", "cfg.max_position_size"),
    ({"cfg": {"max_portfolio_risk": "1e1000001"}}, "OUT_OF_RANGE", "cfg.max_portfolio_risk"),
    ({"cfg": {"min_overrides_allocation": "no"}}, "NOT_A_SWITCH", "cfg.min_overrides_allocation"),
    ({"cfg": {"below_minimum_policy": "lower"}}, "NOT_A_CHOICE", "cfg.below_minimum_policy"),
    ({"cfg": {"confidence_factor": []}}, "BAD_LADDER", "cfg.confidence_factor"),
    ({"cfg": {"confidence_factor": [[0.5, 1], [0.5, 2]]}}, "BAD_LADDER", "cfg.confidence_factor"),
    ({"cfg": {"confidence_factor": [[0, -1]]}}, "BAD_LADDER", "cfg.confidence_factor"),
    ({"cfg": {"vix_factor": [["1e400", 1]]}}, "BAD_LADDER", "cfg.vix_factor"),
    ({"cfg": {"vix_factor": [["1e9999999", 1]]}}, "BAD_LADDER", "cfg.vix_factor"),
    ({"cfg": {"vix_factor": [["12", 1]]}}, "BAD_LADDER", "cfg.vix_factor"),
    ({"cfg": {"vix_factor": [[0, 1, False]]}}, "BAD_LADDER", "cfg.vix_factor"),
    ({"cfg": {"max_stock_allocation": "1e9999999"}}, "OUT_OF_RANGE", "cfg.max_stock_allocation"),
    ({"cfg": {"max_stock_allocation": "1e-9999999"}}, "OUT_OF_RANGE", "cfg.max_stock_allocation"),
    ({"cfg": {"max_stock_allocation": "66." + "1" * 50}}, "OUT_OF_RANGE", "cfg.max_stock_allocation"),
    ({"cfg": {"max_stock_allocation": "1e" + "9" * 30}}, "NOT_A_NUMBER", "cfg.max_stock_allocation"),
    ({"cfg": {"max_positions_per_symbol": 1.5}}, "OUT_OF_RANGE", "cfg.max_positions_per_symbol"),
    ({"cfg": {"account_size": "1_000_000"}}, "NOT_A_NUMBER", "cfg.account_size"),
    ({"trace": "yes"}, "NOT_A_SWITCH", "trace"),
]


@pytest.mark.parametrize("kind", SIZES)
@pytest.mark.parametrize(("bad", "code", "field"), BAD_LINES, ids=[f"{c}-{i}" for i, (_, c, _) in enumerate(BAD_LINES)])
def test_a_bad_line_is_answered_in_its_place_and_the_others_are_judged(
    kind: str, bad: Any, code: str, field: str
) -> None:
    line = bad if isinstance(bad, bytes) else {**HEALTHY[kind], **bad}
    before, error, after = answers(kind, HEALTHY[kind], line, HEALTHY[kind])
    assert (error["error"]["code"], error["error"]["field"]) == (code, field)
    assert error["error"]["message"]
    assert before == after == answers(kind, HEALTHY[kind])[0]
    assert before["contracts"] > 0


@pytest.mark.parametrize(
    ("kind", "line", "code", "field"),
    [
        ("size-0dte", {"halted": "no"}, "NOT_A_SWITCH", "halted"),
        ("size-0dte", {"halted": 0}, "NOT_A_SWITCH", "halted"),
        ("size-7dte", {"correlations": "0.5"}, "NOT_A_LIST", "correlations"),
        ("size-7dte", {"correlations": {}}, "NOT_A_LIST", "correlations"),
        ("size-7dte", {"correlations": ""}, "NOT_A_LIST", "correlations"),
    ],
)
def test_a_key_of_the_wrong_kind_is_an_error_of_its_line(
    kind: str, line: dict[str, Any], code: str, field: str
) -> None:
    healthy, error = answers(kind, HEALTHY[kind], {**HEALTHY[kind], **line})
    assert "error" not in healthy
    assert (error["error"]["code"], error["error"]["field"]) == (code, field)


@pytest.mark.parametrize(("kind", "key"), [(kind, key) for kind in SIZES for key in HEALTHY[kind]])
@pytest.mark.parametrize("value", [0, -5, None, True, "", [], {}, "NaN", float("nan"), float("inf"), 10**400])
def test_no_unusable_number_gives_a_bet_or_costs_the_batch(kind: str, key: str, value: Any) -> None:
    if (key, value) == ("confidence", 0) or (kind, key, value) == ("size-0dte", "option_price", None):
        value = "abc"  # these two are usable: the lowest confidence, and no contract chosen yet
    before, answer, _ = answers(kind, HEALTHY[kind], {**HEALTHY[kind], key: value}, HEALTHY[kind])
    assert before["contracts"] > 0
    assert (answer["refusal"], answer["contracts"], float(answer["dollars"])) == ("INVALID_INPUT", 0, 0.0)
    assert (answer["warnings"], answer["advice"]) == ([], [])


@pytest.mark.parametrize("direction", ["SHORT", "SHORT_CALL", "", False, 0, [], "LONGISH"])
@pytest.mark.parametrize("kind", SIZES)
def test_whatever_is_no_long_direction_is_refused(kind: str, direction: Any) -> None:
    answer = answers(kind, {**HEALTHY[kind], "direction": direction})[0]
    assert (answer["refusal"], answer["contracts"]) == ("SHORT_NOT_SUPPORTED", 0)


def test_bad_lines_are_taken_out_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[int] = []
    size_book = sizes.sizing_0dte.size_book
    monkeypatch.setattr(
        sizes.sizing_0dte, "size_book", lambda book, limits: judged.append(len(book.long)) or size_book(book, limits)
    )
    bad = {**HEALTHY["size-0dte"], "halted": "x"}
    told = answers("size-0dte", *[bad, HEALTHY["size-0dte"]] * 50)
    assert judged == [50]
    assert ["error" in each for each in told] == [True, False] * 50


def test_a_line_that_breaks_the_calculator_costs_no_other_its_answer() -> None:
    def judge_all(lines: Sequence[Any]) -> list[Any]:
        return [{"half": 1 / line["confidence"]} for line in lines]

    broken = replace(KINDS["size-0dte"], judge=judge_all)
    told = judge(broken, [b'{"confidence": %d}' % i for i in (1, 2, 0, 4, 0)])
    assert [each.code if isinstance(each, LineError) else each["half"] for each in told] == [
        1, 0.5, "NOT_JUDGED", 0.25, "NOT_JUDGED",
    ]  # fmt: skip


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=120, deadline=None)
@given(kind=st.sampled_from(SIZES), data=st.data())
def test_any_json_gets_one_json_answer(kind: str, data: st.DataObject) -> None:
    keys = st.sampled_from([key.name for key in KINDS[kind].keys] + ["nonsense"])
    line = {**HEALTHY[kind], **data.draw(st.dictionaries(keys, json_values, max_size=4))}
    told = through(kind, json.dumps(line).encode() + b"\n" + json.dumps(HEALTHY[kind]).encode())
    assert len(told) == 2
    assert told[1]["contracts"] > 0


@pytest.mark.parametrize("changes", [{}, {"option_price": "7", "max_stock_allocation": 33}, {"correlations": ["0.7"]}])
@pytest.mark.parametrize("allocation", [20, 33, 66])
def test_what_overrides_the_allocation_is_advised_wherever_it_is_warned_of(changes: Any, allocation: int) -> None:
    """At $7 whole contracts cost $33,600: over a limit of 33% that the minimum bet of $33,000 itself just meets."""
    line = HEALTHY["size-7dte"] | {"max_stock_allocation": allocation} | changes
    (told,) = answers("size-7dte", line)
    advised = "W5" in {each["code"] for each in told["advice"]}
    assert advised == ("MINIMUM_OVERRIDES_ALLOCATION" in words(told["warnings"]))


@pytest.mark.parametrize("kind", ["tiers", "partial-profit"])
def test_an_entry_that_rounds_to_nothing_is_an_error(kind: str) -> None:
    line = {"entry": "0.00004", "quantity": 12, "steps": [{"price": "0.0001"}]}
    refused, taken = answers(kind, line, line | {"entry": "0.00005"})
    assert refused["error"]["field"] == "entry"
    assert taken == {"steps": [None]}


@pytest.mark.parametrize("kind", SIZES)
def test_a_line_says_the_same_alone_in_a_batch_and_with_its_trace(kind: str) -> None:
    pick = candidates.Pick(33)
    draw = candidates.zero_dte if kind == "size-0dte" else candidates.seven_dte
    lines = candidates.spoilt(pick, draw(pick, 30)) + draw(pick, 60)
    together = answers(kind, *lines)
    assert together == [answers(kind, line)[0] for line in lines]
    for line, plain in zip(lines, together, strict=True):
        traced = answers(kind, {**line, "trace": True})[0]
        trace = traced.pop("trace")
        assert traced == plain
        assert trace["binding"] == plain["binding"]
        json.dumps(trace, allow_nan=False)


def test_batches_larger_than_one_reading_keep_their_order() -> None:
    lines = b"".join(b'{"confidence": %s, "vix": 15}\n' % (b"0.9" if i % 3 else b"0.7") for i in range(10_000))
    told = through("size-0dte", lines)
    assert [float(each["dollars"]) for each in told] == [24000.0 if i % 3 else 15000.0 for i in range(10_000)]


# --- the listing ------------------------------------------------------------------------------------------------------


def test_the_listing_names_every_kind_key_parameter_ladder_and_code() -> None:
    listed = run_evaluate("--list").stdout
    expected = {*KINDS, *PARAMETERS, *LADDERS, *(code.name for code in CODES[1:])}
    expected |= {key.name for kind in KINDS.values() for key in kind.keys}
    assert [name for name in sorted(expected) if name not in listed] == []


def test_an_unknown_kind_is_refused_with_the_kinds_there_are() -> None:
    told = run_evaluate("size-1dte", check=False)
    assert told.returncode == 1
    assert "size-0dte" in told.stderr


# --- the command in a pipe --------------------------------------------------------------------------------------------


def run_evaluate(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "evaluate", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=check, stdin=subprocess.DEVNULL,
    )  # fmt: skip


@contextmanager
def evaluating(kind: str, data: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The real command between two pipes, with a data folder of its own in which a database would leave its files."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "evaluate", kind],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {"BETSIZING_DATA": str(data)},
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait(timeout=10)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def test_each_line_is_answered_before_the_next_is_sent_and_no_database_is_started(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with evaluating("size-0dte", data) as process:
        assert process.stdin
        assert process.stdout
        for sent, contracts in (
            (b'{"confidence": "0.9", "vix": 15, "option_price": "2.50"}', 96),
            (b"{broken", None),
            (b'{"confidence": "0.65", "vix": 15, "option_price": "2.35"}', 52),
        ):
            process.stdin.write(sent + b"\n")
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())
            assert answer.get("contracts") == contracts
        process.stdin.write(b'{"confidence": "0.7", "vix": 15}')  # the last line need not end
        process.stdin.close()
        assert float(json.loads(process.stdout.readline())["dollars"]) == 15000.0
        assert process.stdout.readline() == b""
        assert process.wait(timeout=20) == 0
        assert process.stderr
        assert process.stderr.read() == b""
    assert not any("postgres" in path.name or path.name == "PG_VERSION" for path in data.rglob("*"))


def test_a_reader_that_has_gone_is_no_error(tmp_path: Path) -> None:
    with evaluating("size-0dte", tmp_path) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdin.write(b'{"confidence": "0.9", "vix": 15}\n')
        process.stdin.flush()
        assert process.stdout.readline()
        process.stdout.close()
        process.stdin.write(b'{"confidence": "0.9", "vix": 15}\n')
        process.stdin.close()
        process.wait(timeout=20)
        assert b"Traceback" not in process.stderr.read()
