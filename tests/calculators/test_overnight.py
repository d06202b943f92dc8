"""What a night can do to a book: against prices one by one, and by what must hold."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskengine.calculators.greeks import greeks
from riskengine.calculators.overnight import SPOT_MOVES, VOLATILITY_MOVES, Night, book, overnight, worst_at
from riskengine.calculators.scenarios import scenario_pnl

NAN = math.nan
HOUR = 3_600.0
DAY = 86_400.0
NIGHT = 18 * HOUR  # 15:30 to 09:30

bets = st.lists(
    st.tuples(
        st.integers(1, 600), st.floats(50, 5000), st.floats(0.9, 1.1), st.floats(HOUR, 30 * DAY),
        st.floats(0.08, 1.5), st.booleans(),
    ),
    min_size=1, max_size=5,
)  # fmt: skip


def columns(bets):
    contracts, spot, moneyness, seconds, volatility, call = (np.array(each) for each in zip(*bets, strict=True))
    return {
        "contracts": contracts.astype(float),
        "multiplier": np.full(len(bets), 100.0),
        "mark": np.full(len(bets), 2.0),
        "spot": spot,
        "strike": spot * moneyness,
        "seconds_to_expiry": seconds,
        "seconds_of_night": NIGHT,
        "volatility": volatility,
        "rate": 0.02,
        "dividend_yield": 0.01,
        "call": call,
    }


def one(contracts=1, spot=100.0, moneyness=1.0, seconds=5 * DAY, volatility=0.4, call=True, **other):
    return columns([(contracts, spot, moneyness, seconds, volatility, call)]) | {
        name: np.array([value]) for name, value in other.items()
    }


@given(bets)
def test_each_cell_is_the_option_repriced_by_itself_at_the_next_open(lines):
    given_ = columns(lines)
    night = overnight(**given_)
    assert night.value.shape == night.pnl.shape == (len(lines), len(VOLATILITY_MOVES), len(SPOT_MOVES))
    for k in range(len(lines)):
        spot, strike, seconds, volatility = (
            given_[name][k : k + 1] for name in ("spot", "strike", "seconds_to_expiry", "volatility")
        )
        call = given_["call"][k : k + 1]
        now = greeks(spot, strike, seconds, volatility, 0.02, 0.01, call).price[0]
        for i, wild in enumerate(VOLATILITY_MOVES):
            for j, up in enumerate(SPOT_MOVES):
                opens = spot * (1 + up)
                if seconds[0] > NIGHT:
                    price = greeks(opens, strike, seconds - NIGHT, volatility * (1 + wild), 0.02, 0.01, call).price[0]
                else:
                    price = max(0.0, (opens[0] - strike[0]) * (1 if call[0] else -1))
                dollars = given_["contracts"][k] * 100.0
                assert night.value[k, i, j] == pytest.approx(dollars * price, rel=1e-9, abs=1e-9)
                assert night.pnl[k, i, j] == pytest.approx(dollars * (price - now), rel=1e-9, abs=1e-6)


@given(bets)
def test_a_long_option_never_loses_more_than_its_value(lines):
    night = overnight(**columns(lines))
    assert (night.value >= 0.0).all()
    assert (night.pnl >= -night.value_now[:, None, None]).all()


@given(bets)
def test_a_call_is_worth_more_the_higher_it_opens_a_put_the_lower_and_both_the_wilder(lines):
    given_ = columns(lines)
    night = overnight(**given_)
    rising = np.where(given_["call"], 1.0, -1.0)[:, None, None] * np.diff(night.value, axis=2)
    slack = 1e-9 * night.value.max() + 1e-9
    assert (rising >= -slack).all()
    assert (np.diff(night.value, axis=1) >= -slack).all()


@given(bets)
def test_a_night_of_no_time_is_the_scenario_of_an_instant(lines):
    given_ = columns(lines) | {"seconds_of_night": 0.0}
    instant = {name: value for name, value in given_.items() if name not in ("mark", "seconds_of_night")}
    expected = scenario_pnl(**instant, spot_moves=SPOT_MOVES, volatility_moves=VOLATILITY_MOVES)
    night = overnight(**given_)
    np.testing.assert_allclose(book(night), expected, rtol=1e-9, atol=1e-6)
    assert (night.theta_night == 0.0).all()


@given(bets)
def test_the_book_is_the_sum_of_its_positions(lines):
    given_ = columns(lines)
    alone = [book(overnight(**columns([line]))) for line in lines]
    np.testing.assert_allclose(book(overnight(**given_)), np.sum(alone, axis=0), rtol=1e-9, atol=1e-6)


def test_one_night_costs_about_its_share_of_a_day_of_theta():
    given_ = one(seconds=60 * DAY)
    names = ("spot", "strike", "seconds_to_expiry", "volatility", "rate", "dividend_yield", "call")
    theta = greeks(*(given_[name] for name in names)).theta_per_day[0]
    assert overnight(**given_).theta_night[0] == pytest.approx(-theta * 100 * NIGHT / DAY, rel=0.01)


@pytest.mark.parametrize("seconds", [HOUR, NIGHT])
def test_what_expires_before_the_next_open_is_worth_its_intrinsic_value(seconds):
    night = overnight(**one(seconds=seconds, call=False))
    np.testing.assert_allclose(night.value[0], np.tile([1000, 500, 300, 0, 0, 0, 0], (3, 1)), atol=1e-9)
    assert night.theta_night[0] == night.value_now[0] > 0.0


def test_exercise_pays_the_strike_for_every_share():
    night = overnight(**one(contracts=3, spot=100.0, moneyness=1.05))
    assert (night.notional[0], night.shares[0], night.marked[0]) == (pytest.approx(31_500), 300, 600)


@pytest.mark.parametrize(
    "unknown",
    [{"spot": NAN}, {"volatility": NAN}, {"strike": 0.0}, {"seconds_to_expiry": 0.0}, {"seconds_to_expiry": NAN},
     {"seconds_of_night": NAN}, {"seconds_of_night": -1.0}],
)  # fmt: skip
def test_what_cannot_be_priced_is_unknown_and_so_is_its_book(unknown):
    night = overnight(**one(**unknown))
    assert np.isnan(night.value).all()
    assert np.isnan(night.theta_night).all()
    both = Night(**{
        name: np.concatenate((getattr(night, name), getattr(overnight(**one()), name))) for name in Night.__slots__
    })  # fmt: skip
    assert np.isnan(book(both)).all()
    assert math.isnan(worst_at(book(both), -0.05))


def test_an_expired_option_whose_price_is_unknown_is_unknown_though_its_intrinsic_value_is_not():
    assert np.isnan(overnight(**one(seconds=HOUR, volatility=NAN)).value).all()


def test_an_unknown_mark_leaves_the_model_known():
    night = overnight(**one(mark=NAN))
    assert math.isnan(night.marked[0])
    assert np.isfinite(night.pnl).all()


def test_a_closed_position_leaves_the_book_known():
    night = overnight(**one(contracts=0, spot=NAN))
    assert (book(night) == 0.0).all()
    assert (night.theta_night[0], night.notional[0], night.marked[0]) == (0.0, 0.0, 0.0)


def test_an_empty_book_gains_and_loses_nothing():
    empty = {name: value[:0] if isinstance(value, np.ndarray) else value for name, value in one().items()}
    assert (book(overnight(**empty)) == np.zeros((3, 7))).all()


def test_the_worst_of_a_column_is_that_of_the_calmest_volatility_for_a_call():
    total = book(overnight(**one()))
    assert worst_at(total, -0.05) == total[0, 1] == total[:, 1].min()


def test_a_move_that_was_not_reckoned_raises():
    with pytest.raises(ValueError):
        worst_at(np.zeros((3, 7)), -0.07)
