"""Every entry gate: at its limit exactly, just beyond it, and with its value unknown, while all else is healthy."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from riskengine.calculators import codes, gates, sizing_0dte, trace
from riskengine.calculators.gates import ACCOUNT_0DTE, ACCOUNT_7DTE, Account, Market
from riskengine.calculators.limits import Limits
from riskengine.calculators.rules import Verdicts
from tests import candidates
from tests.calculators.book import account, failed, limits_0dte, limits_7dte, zero_book

pytestmark = pytest.mark.filterwarnings("error")

ONE = np.array([True])
NAN = float("nan")

ACCOUNT = {
    "confidence": 0.7,
    "vix": 20.0,
    "basis": 60000.0,
    "day_pnl": 0.0,
    "halted": False,
    "correlation_risk": 0.0,
    "symbol_positions": 0.0,
    "total_positions": 0.0,
    "delta_after": 1000.0,
    "gamma_after": 100.0,
}
# 0DTE: 48 contracts at 2.50, stop 25% under the ask, first target 5%; the spread of 0.04 is 1.6% of the mid.
MARKET = {
    "active": True,
    "mode_on": True,
    "permitted": True,
    "session_open": True,
    "minutes_since_open": 60.0,
    "minutes_to_forced_close": 120.0,
    "expiration_days": 0.0,
    "adjusted": False,
    "am_settled": False,
    "bid": 2.46,
    "ask": 2.50,
    "ask_size": 100.0,
    "tick": 0.01,
    "quote_age_seconds": 1.0,
    "quote_max_age_seconds": 5.0,
    "vix_age_seconds": 10.0,
    "vix_max_age_seconds": 120.0,
    "heartbeat_age_seconds": 30.0,
    "risk_known": True,
    "volume": 10000.0,
    "open_interest": 5000.0,
    "index_sized": False,
    "multiplier_per_contract": 100.0,
    "stop": 1.875,
    "first_target_fraction": 0.05,
    "exposure": 0.0,
    "exposure_limit": 48000.0,
    "greeks_known": True,
    "correlation_known": True,
    "earnings_possible": False,
    "ex_dividend_inside": False,
    "confirmed": False,
    "opening_intents": 0.0,
    "cooldown_minutes_left": 0.0,
    "breakers_tripped": 0.0,
    "reconciled": True,
    "loss_needs_confirmation": False,
    "underlying_halted": False,
    "event_blackout": False,
    "contracts": 48.0,
    "dollars": 12000.0,
    "minimum": 12000.0,
}
SEVEN = {"expiration_days": 7.0, "minutes_to_forced_close": NAN, "greeks_known": False, "correlation_known": False}


def columns(kind: type, values: dict[str, Any]) -> Any:
    return kind(**{f.name: np.array([values[f.name]]) for f in fields(kind)})


def judged(system: str, changes: dict[str, Any], limits: Limits, *, placing: bool = True) -> Verdicts:
    given = ACCOUNT | MARKET | (SEVEN if system == "mag7-7dte" else {}) | changes
    own_gates = gates.entry_gates(system, placing=placing)
    return gates.judge_entry(columns(Account, given), columns(Market, given), limits, own_gates, ONE)


def refused_by(system: str, changes: dict[str, Any], limits: Limits) -> list[str]:
    verdicts = judged(system, changes, limits)
    assert_sentences(verdicts)
    return failed(verdicts)[0]


def assert_sentences(verdicts: Verdicts) -> None:
    """Every refusal says why in a finished sentence."""
    for verdict in trace.at_row([], [verdicts], {}, 0).verdicts[0]:
        if not verdict["passed"]:
            assert verdict["sentence"]
            assert "{" not in verdict["sentence"]


@pytest.mark.parametrize(
    ("system", "limits"), [("smart-0dte", limits_0dte()), ("mag7-7dte", limits_7dte())], ids=["0dte", "7dte"]
)
def test_a_healthy_entry_passes_every_gate(system: str, limits: Limits) -> None:
    assert refused_by(system, {}, limits) == []


# gate: what is changed so that the value stands exactly at the limit (passes), and just beyond it (refuses)
EDGES_BOTH: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "MIN_CONFIDENCE": ({"confidence": 0.65}, {"confidence": 0.649999}),
    "MAX_VIX": ({"vix": 30.0}, {"vix": 30.01}),
    "NOT_ACTIVE": ({"active": True}, {"active": False}),
    "MODE_OFF": ({"mode_on": True}, {"mode_on": False}),
    "NOT_PERMITTED": ({"permitted": True}, {"permitted": False}),
    "NEEDS_CONFIRMATION": ({"day_pnl": -2999.99}, {"day_pnl": -3000.0}),
    "THROTTLED": ({"opening_intents": 4.0}, {"opening_intents": 5.0}),
    "BREAKER_TRIPPED": ({"breakers_tripped": 0.0}, {"breakers_tripped": 1.0}),
    "COOLDOWN": ({"cooldown_minutes_left": 0.0}, {"cooldown_minutes_left": 0.01}),
    "UNDERLYING_HALTED": ({"underlying_halted": False}, {"underlying_halted": True}),
    "EVENT_BLACKOUT": ({"event_blackout": False}, {"event_blackout": True}),
    "SESSION_CLOSED": ({"session_open": True}, {"session_open": False}),
    "TOO_EARLY": ({"minutes_since_open": 5.0}, {"minutes_since_open": 4.99}),
    "ADJUSTED_CONTRACT": ({"adjusted": False}, {"adjusted": True}),
    "AM_SETTLED": ({"am_settled": False}, {"am_settled": True}),
    "STALE_QUOTE": ({"quote_age_seconds": 5.0}, {"quote_age_seconds": 5.01}),
    "STALE_VIX": ({"vix_age_seconds": 120.0}, {"vix_age_seconds": 120.1}),
    "NOT_RECONCILED": ({"reconciled": True}, {"reconciled": False}),
    "RISK_UNKNOWN": ({"risk_known": True}, {"risk_known": False}),
    "HEARTBEAT_STALE": ({"heartbeat_age_seconds": 90.0}, {"heartbeat_age_seconds": 90.1}),
    "SPREAD_TOO_WIDE": (
        {"bid": 1.90, "ask": 2.10, "stop": 1.0, "first_target_fraction": 0.2},
        {"bid": 1.90, "ask": 2.11, "stop": 1.0, "first_target_fraction": 0.2},
    ),
    "VOLUME_UNKNOWN": ({"volume": 960.0, "ask_size": 0.0}, {"volume": NAN}),
    "VOLUME_TOO_THIN": ({"volume": 960.0, "ask_size": 0.0}, {"volume": 959.0, "ask_size": 0.0}),
    "OI_UNKNOWN": ({"open_interest": 480.0}, {"open_interest": NAN}),
    "OI_TOO_THIN": ({"open_interest": 480.0}, {"open_interest": 479.0}),
    "PREMIUM_TOO_LOW": (
        {"ask": 0.50, "bid": 0.49, "stop": 0.375, "first_target_fraction": 0.1},
        {"ask": 0.49, "bid": 0.48, "stop": 0.3675, "first_target_fraction": 0.1},
    ),
    "COST_OVER_TARGET": ({"first_target_fraction": 0.0212}, {"first_target_fraction": 0.0211}),
    "BOOK_EXPOSURE": ({"exposure": 36000.0}, {"exposure": 36000.01}),
}
EDGES_0DTE = EDGES_BOTH | {
    "MAX_CORRELATION": ({"correlation_risk": 0.8}, {"correlation_risk": 0.800001}),
    "MAX_PER_SYMBOL": ({"symbol_positions": 1.0}, {"symbol_positions": 2.0}),
    "MAX_TOTAL": ({"total_positions": 4.0}, {"total_positions": 5.0}),
    "MAX_DELTA": ({"delta_after": -6000.0}, {"delta_after": -6000.01}),
    "MAX_GAMMA": ({"gamma_after": 3000.0}, {"gamma_after": 3000.01}),
    "TOO_LATE": ({"minutes_to_forced_close": 30.0}, {"minutes_to_forced_close": 29.99}),
    "EXPIRATION_OUT_OF_RANGE": ({"expiration_days": 0.0}, {"expiration_days": 1.0}),
    "STOP_TOO_CLOSE": ({"stop": 2.16}, {"stop": 2.1601}),
    "GREEKS_UNKNOWN": ({"greeks_known": True}, {"greeks_known": False}),
    "CORRELATION_UNKNOWN": ({"correlation_known": True}, {"correlation_known": False}),
}
EDGES_7DTE = EDGES_BOTH | {
    "EXPIRATION_OUT_OF_RANGE": ({"expiration_days": 9.0}, {"expiration_days": 10.0}),
    "EARNINGS_BEFORE_EXPIRY": ({"earnings_possible": False}, {"earnings_possible": True}),
    "EX_DIVIDEND_BEFORE_EXPIRY": ({"ex_dividend_inside": False}, {"ex_dividend_inside": True}),
    "STOP_TOO_CLOSE": ({"stop": 2.26}, {"stop": 2.2601}),
}
CASES = [("smart-0dte", code, *edge) for code, edge in EDGES_0DTE.items()] + [
    ("mag7-7dte", code, *edge) for code, edge in EDGES_7DTE.items()
]
# A loss that reaches one of these has passed the smaller ones too; a quote without a bid fails more than one.
TESTED_BELOW = {"EMERGENCY_HALT", "MAX_DAILY_LOSS", "NO_BID", "CROSSED_QUOTE"}


@pytest.mark.parametrize(("system", "code", "at", "beyond"), CASES, ids=[f"{s}-{c}" for s, c, *_ in CASES])
def test_a_gate_passes_at_its_limit_and_alone_refuses_beyond_it(
    system: str, code: str, at: dict[str, Any], beyond: dict[str, Any]
) -> None:
    limits = limits_7dte(refuse_ex_dividend_before_expiry=True) if system == "mag7-7dte" else limits_0dte()
    assert refused_by(system, at, limits) == []
    assert refused_by(system, beyond, limits) == [code]


@pytest.mark.parametrize("system", ["smart-0dte", "mag7-7dte"])
def test_every_gate_of_a_system_has_its_edge_tested(system: str) -> None:
    own = {gate.code for gate in gates.entry_gates(system, placing=True)}
    assert own - TESTED_BELOW == {code for of, code, *_ in CASES if of == system}


@pytest.mark.parametrize("system", ["smart-0dte", "mag7-7dte"])
def test_the_loss_gates_refuse_one_after_the_other(system: str) -> None:
    limits = limits_7dte() if system == "mag7-7dte" else limits_0dte()
    confirmed = {"confirmed": True}
    assert refused_by(system, {"day_pnl": -5999.99} | confirmed, limits) == []
    assert refused_by(system, {"day_pnl": -6000.0} | confirmed, limits) == ["MAX_DAILY_LOSS"]
    assert refused_by(system, {"day_pnl": -11999.99} | confirmed, limits) == ["MAX_DAILY_LOSS"]
    assert refused_by(system, {"day_pnl": -12000.0} | confirmed, limits) == ["EMERGENCY_HALT", "MAX_DAILY_LOSS"]
    assert refused_by(system, {"halted": True}, limits) == ["EMERGENCY_HALT"]
    assert refused_by(system, {"day_pnl": 12000.0}, limits) == []


def test_a_confirmed_entry_passes_after_the_first_loss_limit() -> None:
    assert refused_by("smart-0dte", {"day_pnl": -3000.0, "confirmed": True}, limits_0dte()) == []


@pytest.mark.parametrize("bid", [0.0, NAN])
def test_without_a_bid_the_quote_is_called_bidless_and_not_crossed(bid: float) -> None:
    found = refused_by("smart-0dte", {"bid": bid}, limits_0dte())
    assert "NO_BID" in found
    assert "CROSSED_QUOTE" not in found


@pytest.mark.parametrize("bid", [2.50, 2.51])
def test_a_locked_or_crossed_quote_refuses_alone(bid: float) -> None:
    assert refused_by("smart-0dte", {"bid": bid}, limits_0dte()) == ["CROSSED_QUOTE"]


def test_a_missing_ask_refuses() -> None:
    assert "CROSSED_QUOTE" in refused_by("smart-0dte", {"ask": NAN}, limits_0dte())


@pytest.mark.parametrize("code", ["STALE_QUOTE", "STALE_VIX"])
def test_data_from_the_future_is_stale(code: str) -> None:
    key = {"STALE_QUOTE": "quote_age_seconds", "STALE_VIX": "vix_age_seconds"}[code]
    assert refused_by("smart-0dte", {key: -1.0}, limits_0dte()) == [code]


UNKNOWN_0DTE = {
    "confidence", "vix", "basis", "day_pnl", "correlation_risk", "symbol_positions", "total_positions", "delta_after",
    "gamma_after", "minutes_since_open", "minutes_to_forced_close", "expiration_days", "bid", "ask", "tick",
    "quote_age_seconds", "quote_max_age_seconds", "vix_age_seconds", "vix_max_age_seconds", "heartbeat_age_seconds",
    "volume", "open_interest", "multiplier_per_contract", "stop", "first_target_fraction", "exposure", "exposure_limit",
    "opening_intents", "cooldown_minutes_left", "breakers_tripped", "contracts", "dollars",
}  # fmt: skip


@pytest.mark.parametrize("key", sorted(UNKNOWN_0DTE))
def test_what_is_not_known_refuses_the_entry(key: str) -> None:
    assert refused_by("smart-0dte", {key: NAN}, limits_0dte())


def test_a_waiver_passes_what_is_unknown_but_never_what_is_thin() -> None:
    limits = limits_0dte(waive_volume_unknown=True, waive_open_interest_unknown=True)
    assert refused_by("smart-0dte", {"volume": NAN, "open_interest": NAN}, limits) == []
    assert refused_by("smart-0dte", {"volume": 10.0, "ask_size": 1.0}, limits) == ["VOLUME_TOO_THIN"]
    assert refused_by("smart-0dte", {"open_interest": 10.0}, limits) == ["OI_TOO_THIN"]


def test_the_volume_gate_sleeps_until_ten_and_then_takes_displayed_size_instead() -> None:
    thin = {"volume": 10.0, "ask_size": 0.0}
    assert refused_by("smart-0dte", thin | {"minutes_since_open": 29.99}, limits_0dte()) == []
    assert refused_by("smart-0dte", {"volume": NAN, "minutes_since_open": 29.99}, limits_0dte()) == []
    assert refused_by("smart-0dte", thin | {"minutes_since_open": 30.0}, limits_0dte()) == ["VOLUME_TOO_THIN"]
    assert refused_by("smart-0dte", thin | {"minutes_since_open": 30.0, "ask_size": 24.0}, limits_0dte()) == []


def test_a_large_bet_needs_half_the_spread() -> None:
    wide = {"bid": 2.38, "ask": 2.52, "stop": 1.0, "first_target_fraction": 0.2}  # 5.7% of the mid
    assert refused_by("smart-0dte", wide | {"dollars": 17999.99}, limits_0dte()) == []
    assert refused_by("smart-0dte", wide | {"dollars": 18000.0}, limits_0dte()) == ["SPREAD_TOO_WIDE"]


def test_an_index_sized_premium_has_its_own_floor() -> None:
    spx = {"index_sized": True, "tick": 0.05, "stop": 1.0, "first_target_fraction": 0.2}
    assert refused_by("smart-0dte", spx | {"ask": 2.00, "bid": 1.95}, limits_0dte()) == []
    assert refused_by("smart-0dte", spx | {"ask": 1.95, "bid": 1.90}, limits_0dte()) == ["PREMIUM_TOO_LOW"]


def test_two_ticks_above_the_stop_are_needed_where_they_are_more_than_the_share_of_the_ask() -> None:
    coarse = {"ask": 0.60, "bid": 0.57, "tick": 0.05, "first_target_fraction": 0.2}
    assert refused_by("smart-0dte", coarse | {"stop": 0.47}, limits_0dte()) == []
    assert refused_by("smart-0dte", coarse | {"stop": 0.48}, limits_0dte()) == ["STOP_TOO_CLOSE"]


def test_earnings_pass_where_the_profile_does_not_refuse_them() -> None:
    limits = limits_7dte(refuse_earnings_before_expiry=False)
    assert refused_by("mag7-7dte", {"earnings_possible": True}, limits) == []


def test_ex_dividend_dates_are_let_pass_where_they_are_not_refused() -> None:
    assert refused_by("mag7-7dte", {"ex_dividend_inside": True}, limits_7dte()) == []


@pytest.mark.parametrize(("days", "passes"), [(4.0, False), (5.0, True), (9.0, True), (10.0, False), (NAN, False)])
def test_seven_dte_opens_five_to_nine_days_before_expiration(days: float, passes: bool) -> None:
    expected = [] if passes else ["EXPIRATION_OUT_OF_RANGE"]
    assert refused_by("mag7-7dte", {"expiration_days": days}, limits_7dte()) == expected


def test_all_gates_are_judged_and_the_first_in_order_is_the_refusal() -> None:
    changes = {"halted": True, "vix": 40.0, "session_open": False, "bid": 0.0}
    verdicts = judged("smart-0dte", changes, limits_0dte())
    found = failed(verdicts)[0]
    assert {"EMERGENCY_HALT", "MAX_VIX", "SESSION_CLOSED", "NO_BID"} <= set(found)
    assert codes.names(verdicts.first_failed()) == [found[0]] == ["EMERGENCY_HALT"]


def test_a_preview_waits_for_no_heartbeat_but_placing_does() -> None:
    late = {"heartbeat_age_seconds": 1000.0}
    assert failed(judged("smart-0dte", late, limits_0dte(), placing=False)) == [[]]
    assert failed(judged("smart-0dte", late, limits_0dte(), placing=True)) == [["HEARTBEAT_STALE"]]


def test_a_preview_waits_for_no_reconciliation_but_placing_does() -> None:
    assert failed(judged("smart-0dte", {"reconciled": False}, limits_0dte(), placing=False)) == [[]]
    assert failed(judged("smart-0dte", {"reconciled": False}, limits_0dte(), placing=True)) == [["NOT_RECONCILED"]]


def test_rows_refused_for_their_input_are_not_judged() -> None:
    given = columns(Account, ACCOUNT | {"vix": 99.0})
    assert failed(gates.judge_account(given, limits_0dte(), ~ONE)) == [[]]
    assert failed(gates.judge_account(given, limits_0dte(), ONE)) == [["MAX_VIX"]]


def test_the_account_s_gates_stand_in_the_order_of_the_law() -> None:
    order = [
        "EMERGENCY_HALT", "MAX_DAILY_LOSS", "MIN_CONFIDENCE", "MAX_VIX", "MAX_CORRELATION", "MAX_PER_SYMBOL",
        "MAX_TOTAL", "MAX_DELTA", "MAX_GAMMA",
    ]  # fmt: skip
    assert [gate.code for gate in ACCOUNT_0DTE] == order
    assert [gate.code for gate in ACCOUNT_7DTE] == order[:4]


@pytest.mark.parametrize(
    ("name", "loose"),
    [
        ("min_confidence_threshold", "0.5"),
        ("max_vix_threshold", "40"),
        ("max_correlation_risk", "1"),
        ("max_positions_per_symbol", 3),
        ("max_total_positions", 6),
        ("max_portfolio_delta", "0.2"),
        ("max_portfolio_gamma", "0.1"),
        ("max_daily_loss", "0.3"),
        ("emergency_halt_loss", "0.3"),
    ],
)
def test_loosening_a_limit_never_adds_a_failed_gate(name: str, loose: Any) -> None:
    rows = candidates.zero_dte(candidates.Pick(11), 600)
    tight_limits, loose_limits = limits_0dte(), limits_0dte(**{name: loose})
    book = zero_book(rows, tight_limits)
    sized = sizing_0dte.size_book(book, tight_limits)
    given = account(rows, book, sized)
    tightly, loosely = (
        gates.judge_account(given, limits, sized.checked.valid).passes for limits in (tight_limits, loose_limits)
    )
    assert (loosely >= tightly).all()
    assert (loosely > tightly).any()


def test_limits_may_differ_from_row_to_row() -> None:
    given = columns(Account, ACCOUNT | {"vix": 28.0})
    two = Account(**{f.name: np.repeat(getattr(given, f.name), 2) for f in fields(Account)})
    limits = replace(limits_0dte(), max_vix_threshold=np.array([30.0, 25.0]))
    assert failed(gates.judge_account(two, limits, np.array([True, True]))) == [[], ["MAX_VIX"]]


def test_every_code_has_a_sentence_that_formats() -> None:
    for code in codes.CODES[1:]:
        for text in filter(None, (code.sentence, code.unknown)):
            said = text.format(field="vix", saw="1", limit="2", unit="USD")
            assert said.endswith(".")
            assert "{" not in said


def test_every_rule_that_refuses_names_a_code() -> None:
    for system in ("smart-0dte", "mag7-7dte"):
        for gate in gates.entry_gates(system, placing=True):
            assert codes.CODES[codes.INDEX[gate.code]].kind is codes.Kind.GATE


@pytest.mark.parametrize("system", ["smart-0dte", "mag7-7dte"])
def test_a_row_is_judged_and_told_alone_as_in_its_book(system: str) -> None:
    rng = np.random.default_rng(5)
    rows, limits = 60, limits_0dte() if system == "smart-0dte" else limits_7dte()

    def varied(value: Any) -> np.ndarray:
        if isinstance(value, bool):
            return np.where(rng.random(rows) < 0.1, not value, value)
        column = value * np.where(rng.random(rows) < 0.3, rng.uniform(0.2, 3, rows), 1.0)
        return np.where(rng.random(rows) < 0.08, NAN, column)

    given = {name: varied(value) for name, value in (ACCOUNT | MARKET).items()}
    valid, own_gates = rng.random(rows) < 0.9, gates.entry_gates(system, placing=True)

    def at(rows: Any) -> Verdicts:
        taken = [kind(**{f.name: given[f.name][rows] for f in fields(kind)}) for kind in (Account, Market)]
        return gates.judge_entry(*taken, limits, own_gates, valid[rows])

    book = at(slice(None))
    assert 0 < sum(map(bool, failed(book))) < rows
    for i in range(rows):
        alone = at(slice(i, i + 1))
        assert alone.failed(0) == book.failed(i)
        assert alone.first_failed().tolist() == book.first_failed()[i : i + 1].tolist()
        assert alone.passes[:, 0].tolist() == book.passes[:, i].tolist()
        assert trace.at_row([], [alone], {}, 0).verdicts == trace.at_row([], [book], {}, i).verdicts
