"""Stops: the worked cases, the exact referee, and what must hold for every quote."""

import json
import random
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.defaults import MAG7_7DTE, SMART_0DTE
from riskengine.calculators import codes, stops
from riskengine.loading.limits import default_limits
from riskengine.services.decide.evaluate import exits
from riskengine.services.decide.evaluate.contract import LineError
from tests import oracle_exits as oracle

CASES = json.loads((Path(__file__).parents[1] / "cases" / "cases_exits.json").read_text())["dynamic_stop"]
KIND = next(kind for kind in exits.KINDS if kind.name == "dynamic-stop")
ZERO, SEVEN = default_limits(SMART_0DTE), default_limits(MAG7_7DTE)
KEYS = ("entry", "price", "high_water", "initial_stop", "previous_stop")


def column(*values: float) -> np.ndarray:
    return np.array(values, np.float64)


def dynamic(rows: list[tuple[float, ...]]) -> stops.DynamicStop:
    columns = dict(zip(KEYS, np.array(rows, np.float64).T, strict=True))
    return stops.dynamic_stop(
        **columns, stop_fraction=SEVEN.stop_fraction, risk_reward=SEVEN.risk_reward, profit_lock=SEVEN.profit_lock
    )


# --- the dynamic stop -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES])
def test_dynamic_stop_case(case: dict) -> None:
    (result,) = KIND.judge([{key: case[key] for key in KEYS}])
    expected = case["expected"]
    if "refusal" in expected:
        assert result == expected
        return
    assert result.keys() == {"initial_risk", "risk_reward", "take_profit", "stop", "action"}
    assert result["action"] == expected["action"]
    for key in ("risk_reward", "take_profit", "stop"):
        assert Fraction(result[key]) == Fraction(expected[key]), key
    assert Fraction(result["initial_risk"]) == Fraction(case["entry"]) - Fraction(case["initial_stop"] or "80")


def referee(row: tuple[Fraction | None, ...]) -> tuple:
    exact = oracle.dynamic_stop(*row)
    return exact if isinstance(exact, str) else (exact.stop, exact.risk_reward, exact.take_profit, exact.action)


def test_random_positions_equal_the_referee() -> None:
    rng = random.Random(7)
    gains = ["0.8", "0.95", "1", "1.1", "1.15", "1.2", "1.3", "1.4", "1.6"]
    rows = []
    for _ in range(20_000):
        entry = Fraction(rng.randint(0, 20_000), 100)
        bid, high, initial, previous = (
            Fraction(max(round(entry * Fraction(rng.choice(gains)) * 100) + rng.choice([-1, 0, 1]), 0), 100)
            for _ in range(4)
        )
        rows.append((entry, bid, high, rng.choice([None, initial]), rng.choice([None, previous])))
    stop = dynamic([tuple(np.nan if value is None else float(value) for value in row) for row in rows])
    refusals = codes.names(stop.refusal)
    for i, row in enumerate(rows):
        exact = referee(row)
        if isinstance(exact, str):
            assert refusals[i] == exact, row
            continue
        assert refusals[i] is None, row
        assert (stop.risk_reward[i], stops.ACTIONS[stop.action[i]]) == (float(exact[1]), exact[3]), row
        assert (stop.stop[i], stop.take_profit[i]) == pytest.approx((float(exact[0]), float(exact[2])), abs=1e-9), row


price = st.integers(1, 40_000).map(lambda cents: cents / 100)


@given(price, st.lists(price, min_size=1, max_size=20))
@settings(max_examples=200, deadline=None)
def test_a_stop_never_falls_and_never_lies_under_the_initial(entry: float, path: list[float]) -> None:
    previous, high_water, initial = np.nan, 0.0, entry * 0.8
    for bid in path:
        stop = dynamic([(entry, bid, high_water, np.nan, previous)])
        assert not stop.stop[0] < previous
        assert stop.stop[0] >= initial - 1e-4
        previous, high_water = float(stop.stop[0]), max(high_water, bid)


@given(st.lists(st.tuples(price, price, price, price, price), min_size=1, max_size=8))
@settings(max_examples=100, deadline=None)
def test_a_book_equals_its_rows_one_by_one(rows: list[tuple[float, ...]]) -> None:
    book = dynamic(rows)
    for i, row in enumerate(rows):
        alone = dynamic([row])
        for name in ("initial_risk", "risk_reward", "take_profit", "stop", "action", "refusal"):
            np.testing.assert_array_equal(getattr(book, name)[i], getattr(alone, name)[0])


@pytest.mark.parametrize("row", [(np.nan, 1.0, 1.0), (10.0, np.nan, 11.0), (10.0, 11.0, np.nan), (10.0, -1.0, 10.0)])
def test_a_refused_row_keeps_the_stored_stop(row: tuple[float, ...]) -> None:
    stop = dynamic([(*row, np.nan, 9.5)])
    assert codes.names(stop.refusal) == ["INVALID_INPUT"]
    assert (stop.stop[0], stop.action[0]) == (9.5, stops.HOLD)
    assert np.isnan(stop.take_profit[0])


def test_a_price_of_zero_is_a_price_and_closes() -> None:
    assert stops.ACTIONS[dynamic([(10.0, 0.0, 12.0, np.nan, np.nan)]).action[0]] == "close_stop"


@pytest.mark.parametrize("key", ["entry", "price", "high_water", "initial_stop", "previous_stop"])
@pytest.mark.parametrize("value", ["NaN", "ten", True, float("inf")])
def test_an_unusable_number_in_a_line_is_refused(key: str, value: object) -> None:
    line = {
        "entry": "100",
        "price": "110",
        "high_water": "110",
        "initial_stop": "80",
        "previous_stop": "80",
        key: value,
    }
    assert KIND.judge([line]) == [{"refusal": "INVALID_INPUT"}]


@pytest.mark.parametrize("value", ["0", "-1", "100", "1e200"])
def test_an_initial_stop_outside_zero_and_entry_is_invalid(value: str) -> None:
    line = {"entry": "100", "price": "110", "high_water": "110", "initial_stop": value, "previous_stop": None}
    assert KIND.judge([line]) == [{"refusal": "INVALID_STOP"}]


def test_a_null_or_absent_price_is_told_apart() -> None:
    line = {"entry": "100", "price": "110", "high_water": None, "initial_stop": None, "previous_stop": None}
    (refused,) = KIND.judge([line])
    assert refused == {"refusal": "INVALID_INPUT"}
    (missing,) = KIND.judge([{key: value for key, value in line.items() if key != "high_water"}])
    (wrong,) = KIND.judge([{**line, "price": [1]}])
    assert isinstance(missing, LineError)
    assert isinstance(wrong, LineError)
    assert (missing.code, missing.field, wrong.code) == ("MISSING", "high_water", "NOT_A_NUMBER")


# --- the initial stop -----------------------------------------------------------------------------------------------


def test_the_0dte_stop_is_a_quarter_under_the_premium_and_on_the_tick() -> None:
    stop = stops.initial_stop_0dte(column(44.40, 2.17, 1.01), column(0.10, 0.01, 0.05), ZERO.stop_fraction)
    np.testing.assert_allclose(stop.stop, [33.30, 1.63, 0.80])
    assert np.isnan(stop.target).all()


def test_the_7dte_stop_never_costs_more_than_a_tenth_of_equity() -> None:
    value = column(33_000, 50_000, 66_000)
    stop = stops.initial_stop_7dte(
        column(10, 10, 10), value, column(100_000, 100_000, 100_000), column(0.01, 0.01, 0.01), SEVEN
    )
    np.testing.assert_allclose(stop.fraction, [0.20, 0.20, 10_000 / 66_000])
    np.testing.assert_allclose(stop.stop, [8.0, 8.0, 8.49])
    np.testing.assert_allclose(stop.target, [13.0, 13.0, 10 + 1.51 * 1.5])
    assert ((10 - stop.stop) / 10 * value <= 10_000 + 1e-6).all()


def test_a_stop_that_the_tick_lifts_to_the_entry_is_refused() -> None:
    stop = stops.initial_stop_0dte(column(0.05), column(0.05), ZERO.stop_fraction)
    assert codes.names(stop.refusal) == ["INVALID_STOP"]
    assert np.isnan(stop.stop[0])


@pytest.mark.parametrize("bad", [np.nan, 0.0, -1.0])
@pytest.mark.parametrize("position", range(4))
def test_an_unusable_number_gives_no_initial_stop(bad: float, position: int) -> None:
    inputs = [10.0, 33_000.0, 100_000.0, 0.01]
    inputs[position] = bad
    entry, value, equity, tick = (column(each) for each in inputs)
    stop = stops.initial_stop_7dte(entry, value, equity, tick, SEVEN)
    assert codes.names(stop.refusal) == ["INVALID_INPUT"]
    assert np.isnan([stop.stop[0], stop.fraction[0], stop.target[0]]).all()


# --- usable quotes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "expires_today", "recorded", "is_fresh"),
    [
        (5.0, True, False, True),
        (5.001, True, False, False),
        (30.0, False, False, True),
        (31.0, False, False, False),
        (60.0, True, True, True),
        (61.0, False, True, False),
        (-0.5, True, False, True),
        (-1.5, True, False, False),
        (np.nan, False, True, False),
    ],
)
def test_how_long_a_quote_is_fresh(age: float, expires_today: bool, recorded: bool, is_fresh: bool) -> None:
    verdict = stops.fresh(column(age), np.array([expires_today]), np.array([recorded]), ZERO)
    assert verdict.tolist() == [is_fresh]


@pytest.mark.parametrize(
    ("bid", "ask", "usable"),
    [
        (0.95, 1.05, True),  # exactly 10% of the mid
        (0.90, 1.10, False),
        (0.10, 0.13, True),  # 26%, but three ticks
        (0.10, 0.14, False),
        (0.0, 0.01, False),
        (1.0, 1.0, False),
        (1.1, 1.0, False),
        (np.nan, 1.0, False),
        (1.0, np.nan, False),
        (1.0, np.inf, False),
    ],
)
def test_a_quote_is_usable_by_its_spread(bid: float, ask: float, usable: bool) -> None:
    quote = column(bid), column(ask)
    assert stops.usable_for_exit(*quote, column(0.01), np.array([True]), ZERO).tolist() == [usable]
    assert not stops.usable_for_exit(*quote, column(0.01), np.array([False]), ZERO).any()


def test_an_unusable_quote_never_raises_the_high_water_mark() -> None:
    marks = stops.raise_high_water(
        column(10, 10, 10, np.nan), column(12, 12, 9, 8), np.array([True, False, True, True])
    )
    np.testing.assert_array_equal(marks, [12, 10, 10, 8])


# --- firing ---------------------------------------------------------------------------------------------------------


def confirmed(*looks: tuple[float, int] | tuple[float, int, bool], stop: float = 10.0) -> bool:
    """Whether the looks (bid, time, usable), newest first, fire the stop."""
    bids, times, usable = zip(*[(*look, True)[:3] for look in looks], strict=True)
    return bool(
        stops.confirmed_stop(column(stop), np.array([bids]), np.array([times], np.int64), np.array([usable]), ZERO)[0]
    )


def test_two_distinct_quotes_at_the_stop_fire_it() -> None:
    assert confirmed((10.0, 2), (9.9, 1))


def test_one_quote_at_the_stop_does_not_fire_it() -> None:
    assert not confirmed((10.0, 2), (10.1, 1))
    assert not confirmed((9.5, 2))


def test_the_same_quote_looked_at_twice_is_one_quote() -> None:
    assert not confirmed((9.9, 2), (9.9, 2), (10.5, 1))


def test_a_quote_above_the_stop_in_between_starts_again() -> None:
    assert not confirmed((9.9, 3), (10.1, 2), (9.9, 1))


def test_one_quote_at_ninety_percent_fires_at_once() -> None:
    assert confirmed((9.0, 1))
    assert not confirmed((9.01, 1))
    assert confirmed((np.nan, 2, False), (9.0, 1))


def test_a_deep_quote_that_has_recovered_does_not_fire() -> None:
    assert not confirmed((10.5, 2), (8.0, 1))


def test_unusable_looks_neither_confirm_nor_break() -> None:
    assert not confirmed((1.0, 2, False), (9.9, 1))
    assert confirmed((9.9, 3), (11.0, 2, False), (9.9, 1))
    assert not confirmed((np.nan, 1))


@given(
    st.lists(
        st.tuples(st.sampled_from([8.0, 8.9, 9.0, 9.9, 10.0, 10.1, 11.0]), st.integers(0, 2), st.booleans()),
        min_size=1,
        max_size=12,
    )
)
def test_the_count_kept_from_look_to_look_fires_when_the_last_looks_together_do(
    steps: list[tuple[float, int, bool]],
) -> None:
    """A look is a bid, how much later its quote was confirmed (0: it is the same quote), and whether it is usable."""
    count, last_at = np.zeros(1, np.int64), np.full(1, stops.NEVER)
    looks: list[tuple[float, int, bool]] = []
    at = 0
    for bid, later, usable in steps:
        at += later
        look = looks[0] if later == 0 and looks else (bid, at, usable)
        looks.insert(0, look)
        streak = stops.stop_streak(
            column(10.0), column(look[0]), np.array([look[1]]), np.array([look[2]]), count, last_at, ZERO
        )
        count, last_at = streak.count, streak.last_at
        if look[2]:
            assert streak.fires[0] == confirmed(*looks), looks
        else:
            assert not streak.fires[0]


def test_a_late_look_neither_counts_nor_ends_the_count() -> None:
    kept = (np.array([1]), np.array([5]))
    for bid in (9.9, 11.0, 8.0):
        streak = stops.stop_streak(column(10.0), column(bid), np.array([4]), np.array([True]), *kept, ZERO)
        assert (streak.fires[0], streak.count[0], streak.last_at[0]) == (False, 1, 5)


def test_without_a_stop_nothing_is_counted() -> None:
    none = (np.array([0]), np.array([stops.NEVER]))
    streak = stops.stop_streak(column(np.nan), column(0.01), np.array([4]), np.array([True]), *none, ZERO)
    assert (streak.fires[0], streak.count[0]) == (False, 0)


def blind(bid: float, ask: float, *, fresh: bool = True, seconds: float = 0.0) -> bool:
    return bool(stops.blind_stop(column(10.0), column(bid), column(ask), np.array([fresh]), column(seconds), ZERO)[0])


def test_a_fresh_ask_at_the_stop_fires_at_once() -> None:
    assert blind(np.nan, 10.0)
    assert not blind(np.nan, 10.0, fresh=False)


def test_ten_seconds_without_a_usable_quote_let_the_mid_decide() -> None:
    assert blind(8.0, 12.0, seconds=10.0)
    assert not blind(8.0, 12.0, seconds=9.9)
    assert not blind(8.1, 12.0, seconds=60.0)


def test_a_missing_bid_beside_a_live_ask_is_worth_nothing() -> None:
    assert blind(np.nan, 20.0, seconds=10.0)
    assert not blind(np.nan, 20.1, seconds=10.0)
    assert not blind(np.nan, 12.0, fresh=False, seconds=10.0)


def test_a_bid_without_an_ask_stands_for_the_mid() -> None:
    assert blind(9.0, np.nan, seconds=10.0)
    assert not blind(11.0, 0.0, seconds=10.0)


def test_without_any_price_nothing_fires() -> None:
    assert not blind(np.nan, np.nan, seconds=1e6)


def test_the_forced_close_comes_before_the_earlier_of_close_and_cutoff() -> None:
    due = stops.forced_close_due(
        column(900, 901, 5400, 900, 10),
        column(np.nan, np.nan, 900, np.nan, np.nan),
        np.array([True] * 3 + [False, True]),
        15.0,
    )
    assert due.tolist() == [True, False, True, False, True]
