"""The nearest expiration and the nearest contract, and what decides between two that are equally near."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.defaults import SMART_0DTE
from riskengine.calculators.picking import NONE, liquid, pick_contract, pick_expiration
from riskengine.loading.limits import default_limits

NAN = math.nan


def expiration_of(*days, low=3, high=10, preferred=7):
    return pick_expiration(np.array(days, int), low=low, high=high, preferred=preferred)


def test_the_expiration_nearest_to_the_preferred_one_is_picked():
    assert expiration_of(1, 4, 8, 15) == 2
    assert expiration_of(15, 8, 4, 1) == 1


def test_of_two_equally_near_expirations_the_earlier_is_picked():
    assert expiration_of(9, 5) == 1
    assert expiration_of(5, 9) == 0


@pytest.mark.parametrize("days", [(), (2, 11), (-1, 0)])
def test_outside_the_allowed_days_there_is_no_expiration(days):
    assert expiration_of(*days) == NONE


@pytest.mark.parametrize("day", [3, 10])
def test_both_ends_are_allowed(day):
    assert expiration_of(day) == 0


@given(st.lists(st.integers(0, 60), max_size=12), st.integers(0, 30), st.integers(0, 30), st.integers(0, 40))
def test_no_allowed_expiration_is_nearer_than_the_picked_one(days, low, width, preferred):
    found = expiration_of(*days, low=low, high=low + width, preferred=preferred)
    allowed = [day for day in days if low <= day <= low + width]
    if not allowed:
        assert found == NONE
    else:
        assert days[found] == min(allowed, key=lambda day: (abs(day - preferred), day))


def contract_of(rows, *, spot=100.0, want_call=True, by_delta=True, target=0.5):
    """Rows of (strike, call, bid, ask, delta, usable)."""
    columns = zip(*rows, strict=True) if rows else ((),) * 6
    strike, call, bid, ask, delta, usable = columns
    return pick_contract(
        strike=np.array(strike, float), call=np.array(call, bool), bid=np.array(bid, float), ask=np.array(ask, float),
        delta=np.array(delta, float), usable=np.array(usable, bool), spot=spot, want_call=want_call, by_delta=by_delta,
        target=target,
    )  # fmt: skip


def row(strike=100.0, *, call=True, bid=1.0, ask=1.1, delta=0.5, usable=True):
    return strike, call, bid, ask, delta, usable


def test_the_delta_nearest_to_the_target_is_picked():
    assert contract_of([row(delta=0.7), row(delta=0.45), row(delta=0.3)]) == 1


def test_the_delta_of_a_put_counts_without_its_sign():
    chain = [row(call=False, delta=-0.7), row(call=False, delta=-0.45), row(delta=0.5)]
    assert contract_of(chain, want_call=False) == 1


def test_what_is_unusable_of_the_other_right_or_of_unknown_delta_is_no_candidate():
    assert contract_of([row(usable=False), row(call=False), row(delta=NAN)]) == NONE
    assert contract_of([]) == NONE


def test_an_unknown_delta_is_no_matter_where_moneyness_decides():
    assert contract_of([row(delta=NAN)], by_delta=False, target=0.0) == 0


@pytest.mark.parametrize(("want_call", "strike"), [(True, 102.0), (False, 98.0)])
def test_moneyness_is_out_of_the_money_for_both_rights(want_call, strike):
    chain = [row(each, call=want_call) for each in (95.0, 98.0, 100.0, 102.0, 105.0)]
    assert chain[contract_of(chain, want_call=want_call, by_delta=False, target=0.02)][0] == strike
    assert chain[contract_of(chain, want_call=want_call, by_delta=False, target=-0.02)][0] == 200.0 - strike


@pytest.mark.parametrize("spot", [NAN, 0.0, -1.0])
def test_without_a_spot_there_is_no_moneyness(spot):
    assert contract_of([row()], spot=spot, by_delta=False, target=0.0) == NONE
    assert contract_of([row()], spot=spot) == 0


def test_of_two_equally_near_the_narrower_spread_is_picked_and_then_the_lower_strike():
    """|0.45 - 0.5| and |0.55 - 0.5| differ in float64, and tie."""
    assert contract_of([row(100, delta=0.45, ask=1.2), row(99, delta=0.55, ask=1.1)]) == 1
    assert contract_of([row(100, delta=0.45, ask=1.1), row(99, delta=0.55, ask=1.2)]) == 0
    assert contract_of([row(100, delta=0.45), row(99, delta=0.55)]) == 1


def test_a_spread_is_a_share_of_the_mid_and_an_unknown_one_loses():
    assert contract_of([row(bid=1.0, ask=1.1), row(bid=5.0, ask=5.2)]) == 1
    assert contract_of([row(bid=NAN), row(bid=0.5, ask=1.5)]) == 1


chains = st.lists(
    st.builds(
        row, st.integers(80, 120).map(float), call=st.booleans(), bid=st.integers(1, 20).map(float),
        ask=st.integers(20, 40).map(float), delta=st.one_of(st.just(NAN), st.integers(1, 99).map(lambda x: x / 100)),
        usable=st.booleans(),
    ),
    max_size=8,
)  # fmt: skip


@given(chains, st.booleans(), st.randoms(use_true_random=False))
def test_the_order_of_the_chain_picks_no_other_contract(chain, want_call, rng):
    shuffled = rng.sample(chain, len(chain))
    found, other = contract_of(chain, want_call=want_call), contract_of(shuffled, want_call=want_call)
    candidates = [each for each in chain if each[5] and each[1] == want_call and not math.isnan(each[4])]
    assert (found == NONE) == (other == NONE) == (not candidates)
    if candidates:
        best = min(round(abs(each[4] - 0.5), 6) for each in candidates)
        assert round(abs(chain[found][4] - 0.5), 6) == best
        spread = [(each[3] - each[2]) / (each[3] + each[2]) for each in (chain[found], shuffled[other])]
        assert spread[0] == pytest.approx(spread[1])
        assert chain[found][0] == shuffled[other][0]


def liquid_one(bid, ask, **limits):
    given_ = {"max_spread": 0.10, "min_premium": 0.5} | limits
    return bool(liquid(np.array([bid]), np.array([ask]), **given_)[0])


def test_a_spread_of_just_the_limit_can_be_traded():
    assert liquid_one(0.95, 1.05)
    assert not liquid_one(0.94, 1.05)


@pytest.mark.parametrize(("bid", "ask"), [(0.0, 1.0), (NAN, 1.0), (1.0, NAN), (1.0, 1.0), (1.1, 1.0), (1.0, math.inf)])
def test_a_quote_without_a_bid_or_locked_or_crossed_or_unknown_cannot_be_traded(bid, ask):
    assert not liquid_one(bid, ask, max_spread=1.0)


def test_the_premium_is_what_is_paid():
    assert liquid_one(0.49, 0.5)
    assert not liquid_one(0.48, 0.499)


def test_the_limits_of_a_profile_fit():
    limits = default_limits(SMART_0DTE)
    assert liquid_one(5.0, 5.1, max_spread=limits.max_spread, min_premium=limits.min_premium)
