"""What-if of ladders on recorded looks: exact walks by hand, and the short walk against the one over every look."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.defaults import MAG7_7DTE, SMART_0DTE
from riskengine.calculators import paths
from riskengine.calculators.columns import Steps
from riskengine.calculators.paths import NO_TIER
from riskengine.loading.limits import default_limits

ZERO = replace(default_limits(SMART_0DTE), stop_confirmations=1.0, fee_per_contract=0.65)
SEVEN = replace(default_limits(MAG7_7DTE), stop_confirmations=1.0, fee_per_contract=0.65)
MORNING, PARTIAL = ZERO.take_profit_morning, SEVEN.partial_profit
FEE = 2 * 0.65 / 1000.0  # of a round trip, per dollar of a contract of $10


def bets(n: int = 1, quantity: int = 3, stop: float = 7.5) -> paths.Bets:
    return paths.Bets(
        entry=np.full(n, 10.0),
        quantity=np.full(n, quantity, np.int64),
        multiplier=np.full(n, 100.0),
        initial_stop=np.full(n, stop),
        tick_under=np.full(n, 0.05),
        tick_from_three=np.full(n, 0.10),
    )


def looks(*rows: list[float], forced: int | None = None, factor: Any = 1.0) -> paths.Looks:
    """A look a minute; NaN is a minute without a bid, a shorter row ends earlier."""
    m = max(len(row) for row in rows)
    seen = np.array([[k < len(row) for k in range(m)] for row in rows], bool)
    bid = np.array([[*row, *[np.nan] * (m - len(row))] for row in rows], np.float64)
    clock = np.broadcast_to(np.arange(m) * 60.0, bid.shape)
    return paths.Looks(
        seen=seen,
        at=np.broadcast_to(np.arange(1, m + 1) * 60_000_000, bid.shape),
        clock=clock,
        bid=bid,
        ask=bid + 0.1,
        factor=np.broadcast_to(np.asarray(factor, np.float64), bid.shape),
        forced=seen & (np.arange(m) >= (m if forced is None else forced)),
    )


def gains(of: paths.Bets, seen: paths.Looks, *ladders: Steps, limits: Any = ZERO, seven: bool = False) -> np.ndarray:
    found = paths.closes(of, seen, limits, seven_day=seven)
    return paths.outcomes(of, seen, found, ladders, limits).gain


def test_each_tier_sells_at_the_bid_less_a_tick_and_the_fees_are_paid() -> None:
    seen = looks([10.2, 10.5, 10.4, 11.0, 11.6, 12.0])
    # 5%: 1 of 3 at 10.40, 10%: 1 at 10.90, 15% of the rest at 11.50
    expected = (10.40 + 10.90 + 11.50) / 30.0 - 1.0 - FEE
    assert gains(bets(), seen, MORNING)[0, 0] == pytest.approx(expected, abs=1e-12)


def test_without_a_tier_it_is_held_to_the_forced_close() -> None:
    seen = looks([10.5, 11.6, 12.0, 9.0], forced=3)
    assert gains(bets(), seen, NO_TIER)[0, 0] == pytest.approx(8.9 / 10.0 - 1.0 - FEE, abs=1e-12)


def test_a_stop_sells_what_is_left() -> None:
    seen = looks([10.5, 7.4, 12.0])
    assert gains(bets(), seen, MORNING)[0, 0] == pytest.approx((10.40 + 2 * 7.3) / 30.0 - 1.0 - FEE, abs=1e-12)


def test_what_the_record_does_not_see_sold_is_not_known() -> None:
    seen = looks([10.5, 10.6])
    assert np.isnan(gains(bets(), seen, MORNING)).all()
    assert np.isfinite(gains(bets(), looks([10.5, 11.0, 11.5]), MORNING)).all()


def test_a_forced_close_without_a_bid_waits_for_one() -> None:
    waits = looks([10.0, np.nan, 9.0], forced=1)
    assert gains(bets(), waits, NO_TIER)[0, 0] == pytest.approx(8.9 / 10.0 - 1.0 - FEE, abs=1e-12)
    assert np.isnan(gains(bets(), looks([10.0, np.nan], forced=1), NO_TIER)).all()


def test_time_lowers_the_thresholds_and_they_stay_low() -> None:
    factor = np.array([[1.0, 0.5, 1.0, 1.0]])
    seen = looks([10.0, 10.0, 10.3, 10.3], forced=3, factor=factor)
    # 2.5% from the second look on: 10.3 crosses the first tier, at 10.20
    assert gains(bets(), seen, MORNING)[0, 0] == pytest.approx((10.2 + 2 * 10.2) / 30.0 - 1.0 - FEE, abs=1e-12)


def test_seven_days_the_target_sells_the_runner_and_the_stop_rises_with_the_high() -> None:
    of = bets(quantity=4, stop=8.0)
    # 20%: 1, 35%: 1, 50%: 1; the target at 60% is the runner's
    sold = gains(of, looks([12.0, 13.5, 15.0, 16.1]), PARTIAL, limits=SEVEN, seven=True)[0, 0]
    assert sold == pytest.approx((11.9 + 13.4 + 14.9 + 16.0) / 40.0 - 1.0 - FEE, abs=1e-12)
    # half of a gain of 35% is locked in: 11.75 stops what is left
    stopped = gains(of, looks([12.0, 13.5, 11.7]), PARTIAL, limits=SEVEN, seven=True)[0, 0]
    assert stopped == pytest.approx((11.9 + 13.4 + 2 * 11.6) / 40.0 - 1.0 - FEE, abs=1e-12)


def test_a_gap_in_the_record_makes_it_no_whole_path() -> None:
    seen = looks([10.0, 10.1, 9.0], [10.0, 10.1, 9.0], [10.0, 10.1], forced=2)
    clock = seen.clock.copy()
    clock[1, 1:] += 1_000.0
    seen = replace(seen, clock=clock)
    found = paths.closes(bets(3), seen, ZERO, seven_day=False)
    assert paths.whole(seen, found, 600.0).tolist() == [True, False, False]


def test_no_look_at_all_knows_nothing() -> None:
    seen = looks([])
    found = paths.closes(bets(), seen, ZERO, seven_day=False)
    assert np.isnan(paths.outcomes(bets(), seen, found, [MORNING], ZERO).gain).all()
    assert not paths.whole(seen, found, 600.0).any()


steps = st.integers(-12, 12)
walk = st.lists(st.one_of(steps, st.just(None)), min_size=1, max_size=40)


def _ladder(rows: list[tuple[int, int]]) -> Steps:
    return Steps.of([(threshold / 100.0, share / 100.0, True) for threshold, share in rows])


ladder = st.lists(st.tuples(st.integers(1, 70), st.integers(1, 30)), min_size=1, max_size=3, unique_by=lambda r: r[0])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(walk, min_size=1, max_size=4),
    st.lists(ladder.map(sorted).map(_ladder), min_size=1, max_size=3),
    st.integers(1, 9),
    st.booleans(),
    st.lists(st.sampled_from([1.0, 0.9, 0.7, 0.5]), min_size=40, max_size=40),
)
def test_walking_only_where_something_can_happen_changes_nothing(
    moves: list[list[int | None]], ladders: list[Steps], quantity: int, seven: bool, factors: list[float]
) -> None:
    rows = []
    for each in moves:
        price, row = 100, []
        for move in each:
            price = max(price + (move or 0) * 2, 1)
            row.append(np.nan if move is None else price / 10.0)
        rows.append(row)
    m = max(map(len, rows))
    seen = looks(*rows, forced=max(m - 2, 0), factor=np.array(factors[:m]))
    of, limits = bets(len(rows), quantity, 8.0), SEVEN if seven else ZERO
    found = paths.closes(of, seen, limits, seven_day=seven)
    short = paths.outcomes(of, seen, found, [*ladders, NO_TIER], limits)
    full = paths.outcomes(of, seen, found, [*ladders, NO_TIER], limits, every_look=True)
    np.testing.assert_array_equal(short.gain, full.gain)
    np.testing.assert_array_equal(short.known_at, full.known_at)
    np.testing.assert_array_equal(short.reached, full.reached)
    assert (short.gain[np.isfinite(short.gain)] >= -1.0 - 1.0).all()
