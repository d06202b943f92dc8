"""Circuit breakers: every guard is tried with all else healthy, so that only that guard can make the test pass."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.defaults import MAG7_7DTE, SMART_0DTE
from riskengine.calculators import breakers
from riskengine.calculators.breakers import Level, Verdict
from riskengine.loading.limits import default_limits, limits_with

LIMITS = default_limits(SMART_0DTE)
SECOND = 1_000_000


def column(*values: float) -> np.ndarray:
    return np.array(values, np.float64)


def losses(pnl: float, basis: float = 60_000.0) -> tuple[Verdict, Verdict, Verdict]:
    return breakers.loss_breakers(column(pnl), column(basis), LIMITS)


# --- the day's loss -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pnl", "level"),
    [
        (0, Level.NONE),
        (-2_999.99, Level.NONE),
        (-3_000, Level.CONFIRM),
        (-5_999.99, Level.CONFIRM),
        (-6_000, Level.NO_ENTRIES),
        (-11_999.99, Level.NO_ENTRIES),
        (-12_000, Level.HALT),
        (-60_000, Level.HALT),
    ],
)
def test_the_day_s_loss_climbs_its_ladder(pnl: float, level: Level) -> None:
    assert breakers.highest_level(*losses(pnl)).tolist() == [level]


@pytest.mark.parametrize("profit", [1.0, 6_000.0, 12_000.0, 1e9])
def test_a_profit_trips_nothing(profit: float) -> None:
    verdicts = losses(profit)
    assert breakers.highest_level(*verdicts).tolist() == [Level.NONE]
    assert not any(v.alert[0] or v.immediate[0] or v.value[0] for v in verdicts)


def test_each_verdict_carries_value_and_limit() -> None:
    assert [(v.value[0], v.limit[0]) for v in losses(-4_000)] == [(4_000, 3_000), (4_000, 6_000), (4_000, 12_000)]


def test_an_alert_comes_at_three_quarters_of_a_limit() -> None:
    assert [v.alert[0] for v in losses(-4_499.99)] == [True, False, False]
    assert [v.alert[0] for v in losses(-4_500)] == [True, True, False]


def test_beyond_one_and_a_half_limits_is_immediate() -> None:
    assert [v.immediate[0] for v in losses(-9_000)] == [True, False, False]
    assert [v.immediate[0] for v in losses(-9_000.01)] == [True, True, False]


@pytest.mark.parametrize(
    ("pnl", "basis"), [(np.nan, 60_000), (-9_000, np.nan), (-np.inf, 60_000), (-9_000, 0), (-9_000, -1), (0, np.inf)]
)
def test_an_unknown_loss_refuses_entries_and_never_halts(pnl: float, basis: float) -> None:
    verdicts = losses(pnl, basis)
    assert breakers.highest_level(*verdicts).tolist() == [Level.NO_ENTRIES]
    assert not any(v.breached[0] or v.immediate[0] or v.alert[0] for v in verdicts)


def test_a_deposit_is_no_profit_and_a_withdrawal_no_loss() -> None:
    pnl = breakers.day_pnl(column(65_000, 50_000), column(60_000, 60_000), column(10_000, -10_000))
    np.testing.assert_array_equal(pnl, [-5_000, 0])


@given(st.lists(st.tuples(st.integers(-2_000_000, 2_000_000), st.integers(1, 10_000_000)), min_size=1, max_size=8))
@settings(max_examples=100, deadline=None)
def test_loss_levels_equal_exact_arithmetic_row_by_row(rows: list[tuple[int, int]]) -> None:
    pnl, basis = (np.array(part) / 100 for part in zip(*rows, strict=True))
    level = breakers.highest_level(*breakers.loss_breakers(pnl, basis, LIMITS))
    for i, (loss, base) in enumerate(rows):
        shares = [Fraction("0.05"), Fraction("0.10"), Fraction("0.20")]
        assert level[i] == sum(-loss >= share * base for share in shares), rows[i]


@given(st.floats(-60_000, 60_000))
def test_loosening_a_limit_never_raises_the_level(pnl: float) -> None:
    looser = limits_with(
        SMART_0DTE, {"confirm_entries_loss": "0.06", "max_daily_loss": "0.12", "emergency_halt_loss": "0.25"}
    )
    tight = breakers.highest_level(*losses(pnl))
    loose = breakers.highest_level(*breakers.loss_breakers(column(pnl), column(60_000.0), looser))
    assert (loose <= tight).all()


# --- confirmation ---------------------------------------------------------------------------------------------------


def agreed(*quotes: tuple[float, float], **changes: object) -> float:
    """By quotes of (bid, second), the oldest first."""
    limits = limits_with(SMART_0DTE, changes) if changes else LIMITS
    newest_first = sorted(quotes, key=lambda quote: -quote[1])
    bids = np.array([[bid for bid, _ in newest_first]], np.float64)
    seconds = np.array([[round(at * SECOND) for _, at in newest_first]], np.int64)
    return float(breakers.confirmed_bids(bids, seconds, limits)[0])


def test_three_quotes_a_second_apart_agree_on_the_highest_of_them() -> None:
    assert np.isnan(agreed((140, 1)))
    assert np.isnan(agreed((140, 1), (139, 2)))
    assert agreed((140, 1), (139, 2), (141, 3)) == 141
    assert agreed((200, 0), (140, 1), (139, 2), (138, 3)) == 140


def test_one_bad_tick_agrees_with_no_other() -> None:
    assert agreed((200, 1), (201, 2), (3, 3)) == 201
    assert agreed((200, 1), (3, 2), (202, 3), (3, 4), (201, 5), (3, 6)) == 201


def test_quotes_closer_than_a_second_count_once_and_speak_by_their_median() -> None:
    assert np.isnan(agreed((140, 1), (139, 1.4), (138, 1.9), (137, 2.0)))
    assert agreed((140, 1), (139, 1.4), (145, 1.9), (138, 2.0), (137, 3.0)) == 140, "of 139, 145 and 138 it is 139"
    assert agreed((140, 1), (140, 2), (200, 2.5), (140, 3)) == 200, "of two it is the higher"


def test_one_good_tick_among_hundreds_hides_no_loss() -> None:
    dense = [(150.0 if k % 35 == 34 else 135.0, k / 20) for k in range(100)]
    assert agreed(*dense) == 135
    assert agreed(*dense, (150.0, 5.0)) == 135, "nor does it as the newest of them"
    assert agreed(*[(200.0, k / 20) for k in range(100)], (135.0, 5.0)) == 200


def test_one_instant_counts_once_also_without_a_spacing() -> None:
    assert np.isnan(agreed(*[(140, 7)] * 5, breach_spacing_seconds=0))


def test_a_quote_ten_seconds_older_is_enough() -> None:
    assert np.isnan(agreed((140, 0), (138, 9.9)))
    assert agreed((200, 0), (140, 60)) == 200
    assert agreed((140, 0), (138, 10)) == 140


def test_a_single_confirmation_is_the_newest_quote() -> None:
    assert agreed((200, 1), (140, 2), breach_confirmations=1) == 140


def test_contracts_are_judged_apart_and_each_by_its_own_numbers() -> None:
    bids = np.array([[140.0, 150.0, 145.0], [140.0, 150.0, np.nan], [np.nan] * 3])
    seconds = np.array([[3, 2, 1], [3, 2, 0], [0, 0, 0]]) * SECOND
    found = breakers.confirmed_bids(bids, seconds, LIMITS)
    assert found[0] == 150
    assert np.isnan(found[1:]).all()
    numbers = replace(LIMITS, breach_confirmations=np.array([1, 2, 1]))
    assert breakers.confirmed_bids(bids, seconds, numbers)[:2].tolist() == [140, 150]


QUOTES = st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 30_000)), min_size=1, max_size=12)


@given(QUOTES, st.integers(1, 4), st.sampled_from([0, 1, 2]), st.sampled_from([1, 10]))
def test_quotes_agree_as_written_out(
    quotes: list[tuple[int, int]], confirmations: int, spacing: int, window: int
) -> None:
    """Bids in cents, times in milliseconds: read from the newest one back until enough of them confirm it."""
    newest_first = sorted(quotes, key=lambda quote: -quote[1])
    counted: list[tuple[int, list[int]]] = []
    expected = np.nan
    for bid, at in newest_first:
        if not counted or (counted[-1][0] > at and counted[-1][0] - at >= 1000 * spacing):
            counted.append((at, []))
        counted[-1][1].append(bid)
        if len(counted) >= confirmations or newest_first[0][1] - at >= 1000 * window:
            expected = max(sorted(bids)[len(bids) // 2] for _, bids in counted)
            break
    numbers = {
        "breach_confirmations": confirmations,
        "breach_spacing_seconds": spacing,
        "breach_window_seconds": window,
    }
    found = agreed(*[(bid, at / 1000) for bid, at in newest_first], **numbers)
    assert found == expected or (np.isnan(found) and np.isnan(expected))


# --- events within a window -----------------------------------------------------------------------------------------


def test_a_window_holds_what_is_younger_than_its_length() -> None:
    at = np.array([0, 59, 60, 61, 200]) * SECOND
    groups = np.zeros(5, np.int64)
    assert breakers.most_within(at, groups, column(60)).tolist() == [3]
    assert breakers.most_within(at, groups, column(59)).tolist() == [3]
    assert breakers.most_within(at, groups, column(1)).tolist() == [1]
    assert breakers.most_within(at[:0], groups[:0], column(60, 60)).tolist() == [0, 0]


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(-100_000, 100_000)), max_size=30),
    st.tuples(*[st.integers(1, 90)] * 3),
)
def test_the_most_within_a_window_is_that_of_any_window(
    events: list[tuple[int, int]], windows: tuple[int, ...]
) -> None:
    """Times in milliseconds, windows in seconds."""
    at = np.array([1000 * when for _, when in events], np.int64)
    group = np.array([which for which, _ in events], np.int64)
    expected = [
        max(
            (sum(g == which and last - 1000 * windows[which] < when <= last for g, when in events)
             for own, last in events if own == which),
            default=0,
        )
        for which in range(3)
    ]  # fmt: skip
    assert breakers.most_within(at, group, column(*windows)).tolist() == expected


# --- the other breakers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "is_fresh", "level"),
    [
        (30.0, True, 0),
        (30.01, True, 2),
        (12.0, True, 0),
        (np.nan, True, 2),
        (20.0, False, 2),
        (0.0, True, 2),
        (np.inf, True, 2),
    ],
)
def test_vix_above_its_limit_or_unknown_stops_entries(value: float, is_fresh: bool, level: int) -> None:
    assert breakers.vix(column(value), np.array([is_fresh]), LIMITS).asks().tolist() == [level]


def test_the_vix_breaker_clears_after_five_minutes_under() -> None:
    assert breakers.vix_clears(column(299, 300, np.nan), LIMITS).tolist() == [False, True, False]


def test_losing_closes_are_counted_from_the_latest_back() -> None:
    #                 group 0: win, loss, loss   group 1: loss, zero   group 2: loss, unknown, loss   group 3: none
    pnl = column(5, -1, -1, 0, -2, -3, np.nan, -1)
    group = np.array([0, 0, 1, 1, 0, 2, 2, 2])
    assert breakers.trailing_losses(pnl, group, 4).tolist() == [2, 0, 3, 0]


def test_counting_losses_of_no_closes_is_zero() -> None:
    assert breakers.trailing_losses(column(), np.array([], np.int64), 2).tolist() == [0, 0]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(-2, 2)), max_size=30))
def test_losing_closes_equal_a_plain_loop(closes: list[tuple[int, int]]) -> None:
    expected = [0, 0, 0]
    for group, pnl in closes:
        expected[group] = expected[group] + 1 if pnl < 0 else 0
    groups, pnls = np.array([g for g, _ in closes], np.int64), np.array([p for _, p in closes], np.float64)
    assert breakers.trailing_losses(pnls, groups, 3).tolist() == expected


@pytest.mark.parametrize(
    ("streak", "seconds", "level"),
    [(2, 0, 0), (3, 0, 2), (3, 1_799, 2), (3, 1_800, 0), (4, 60, 2), (np.nan, 0, 2), (3, np.nan, 2), (0, np.nan, 0)],
)
def test_three_losing_closes_pause_entries_for_half_an_hour(streak: float, seconds: float, level: int) -> None:
    assert breakers.losing_streak(column(streak), column(seconds), LIMITS).asks().tolist() == [level]


def test_counts_reach_or_pass_their_limits() -> None:
    assert breakers.stop_outs(column(1, 2, np.nan), LIMITS).asks().tolist() == [0, 2, 2]
    assert breakers.opening_throttle(column(5, 6, np.nan), LIMITS).asks().tolist() == [0, 2, 2]
    assert breakers.rejected_orders(column(9, 10, np.nan), LIMITS).asks().tolist() == [0, 2, 2]


def test_a_stale_or_missing_heartbeat_stops_entries() -> None:
    verdict = breakers.stale(column(90, 90.1, np.nan), LIMITS.heartbeat_max_age_seconds)
    assert verdict.asks().tolist() == [0, 2, 2]
    assert verdict.unknown.tolist() == [False, False, True]


# --- rolling drawdown -----------------------------------------------------------------------------------------------


def five_days(equity: float, *start_of_day: float) -> Verdict:
    return breakers.drawdown(column(equity), np.array([start_of_day]), 5, LIMITS.drawdown_5_session)


def test_the_first_session_s_loss_counts() -> None:
    assert five_days(85, 100, 90, 88, 87, 86).breached.tolist() == [True]
    assert five_days(85.01, 100, 90, 88, 87, 86).breached.tolist() == [False]


def test_a_peak_before_the_window_does_not_count() -> None:
    verdict = five_days(86, 200, 100, 90, 88, 87, 86)
    assert (verdict.value[0], verdict.breached[0]) == (14, False)


def test_a_new_high_is_no_drawdown() -> None:
    verdict = five_days(150, 100, 90, 88, 87, 86)
    assert (verdict.value[0], verdict.breached[0]) == (0, False)


def test_a_young_portfolio_is_judged_on_what_it_has() -> None:
    assert five_days(84, np.nan, np.nan, np.nan, np.nan, 100).breached.tolist() == [True]
    assert five_days(100, np.nan, np.nan, np.nan, np.nan, np.nan).asks().tolist() == [Level.NONE]


@pytest.mark.parametrize("equity", [np.nan, np.inf])
def test_an_unknown_equity_is_an_unknown_drawdown(equity: float) -> None:
    assert five_days(equity, 100, 100, 100, 100, 100).asks().tolist() == [Level.NO_ENTRIES]


def test_twenty_sessions_have_their_own_limit() -> None:
    history = np.full((2, 20), 100_000.0)
    verdict = breakers.drawdown(column(75_000, 75_001), history, 20, default_limits(MAG7_7DTE).drawdown_20_session)
    assert verdict.breached.tolist() == [True, False]
