"""A made-up market says the same whenever and however it is asked, and moves as it is told to."""

from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest

from positions.market.feeds.world import (
    DT,
    LEVEL_STEP,
    MARKET,
    MEAN_LEVEL,
    NAMES,
    STOCKS,
    Day,
    World,
    _day,
    draw,
    draw_one,
    is_simulated,
    jumps,
    normal,
)
from tests.positions.feeds.calendar import CALENDAR, HALF_DAY, MONDAY, WORLD, session

WHOLE = 23_400
COUNTS = np.arange(200_000, dtype=np.uint64)


def day(seed: int = 7, sessions: int = 1) -> Day:
    return World(MONDAY, seed).day_of((WHOLE,) * sessions)


# ---- Draws ----


def test_a_draw_depends_on_seed_name_and_count_alone() -> None:
    some = np.array([5, 3, 5, 1_000_000], np.uint64)
    drawn = draw(7, "x", some)
    assert drawn[0] == drawn[2] == draw_one(7, "x", 5)
    assert draw_one(7, "x", 1_000_000) == drawn[3]
    assert len({draw_one(7, "x", 5), draw_one(8, "x", 5), draw_one(7, "y", 5), draw_one(7, "x", 6)}) == 4


def test_draws_are_uniform_and_normals_normal() -> None:
    uniform, bell = draw(7, "u", COUNTS), normal(7, "n", COUNTS)
    assert 0 < uniform.min() < uniform.max() < 1
    assert np.histogram(uniform, 20)[0] == pytest.approx(len(COUNTS) / 20, rel=0.05)
    assert (bell.mean(), bell.std()) == (pytest.approx(0, abs=0.01), pytest.approx(1, abs=0.01))
    assert abs(np.corrcoef(bell[:-1], bell[1:])[0, 1]) < 0.01
    assert abs(np.corrcoef(bell, normal(8, "n", COUNTS))[0, 1]) < 0.01


# ---- Paths ----


def test_the_same_world_is_drawn_again_the_same() -> None:
    first = day()
    _day.cache_clear()
    again = day()
    for name in NAMES:
        assert (first.prices[name] == again.prices[name]).all()
    assert (first.levels == again.levels).all()


def test_another_seed_is_another_market() -> None:
    assert not np.allclose(day(7).prices["TSLA"], day(8).prices["TSLA"])


def test_the_first_session_is_the_same_on_any_date() -> None:
    later = World(date(2027, 6, 7), 7).day_of((WHOLE,))
    assert (later.prices["NVDA"] == day().prices["NVDA"]).all()


def test_every_name_starts_where_it_is_told_to_and_has_a_price_a_second() -> None:
    for name, told in NAMES.items():
        prices = day().prices[name]
        assert prices[0] == pytest.approx(told.starts_at)
        assert len(prices) == WHOLE + 1
        assert (prices > 0).all()


def test_a_half_day_has_fewer_seconds() -> None:
    sessions = WORLD.sessions(CALENDAR, HALF_DAY)
    assert [each.day for each in sessions] == [MONDAY + timedelta(days=days) for days in range(3)]
    assert len(WORLD.day(sessions).prices[MARKET]) == 3.5 * 3600 + 1


def test_a_night_moves_prices_a_little() -> None:
    for name in NAMES:
        gaps = [np.log(day(sessions=n + 1).prices[name][0] / day(sessions=n).prices[name][-1]) for n in range(1, 6)]
        assert all(0 < abs(gap) < 6 * NAMES[name].volatility * np.sqrt(0.25 / 252) for gap in gaps)


def test_a_later_session_does_not_depend_on_having_asked_for_the_earlier() -> None:
    want = day(sessions=3).prices["AAPL"]
    _day.cache_clear()
    assert (day(sessions=3).prices["AAPL"] == want).all()


@pytest.mark.parametrize("name", NAMES)
def test_prices_move_with_their_volatility(name: str) -> None:
    moves = np.concatenate([np.diff(np.log(day(seed).prices[name])) for seed in range(1, 6)])
    calm = moves[np.abs(moves) < 8 * NAMES[name].volatility * np.sqrt(DT)]  # without the jumps
    assert calm.std() / np.sqrt(DT) == pytest.approx(NAMES[name].volatility, rel=0.03)


def test_stocks_move_with_the_market_by_their_share() -> None:
    moved = {name: np.diff(np.log(day().prices[name])) for name in NAMES}
    market = moved[MARKET]
    for stock in STOCKS:
        moves = moved[stock]
        calm = [np.abs(moved[name]) < 8 * NAMES[name].volatility * np.sqrt(DT) for name in (stock, MARKET)]
        calm = calm[0] & calm[1]  # without the jumps
        assert np.corrcoef(moves[calm], market[calm])[0, 1] == pytest.approx(NAMES[stock].share, abs=0.05)


def test_jumps_come_now_and_then_both_ways() -> None:
    found = np.concatenate([jumps(seed, "NVDA", np.arange(WHOLE, dtype=np.uint64)) for seed in range(1, 200)])
    sizes = found[found != 0]
    assert len(sizes) / 199 == pytest.approx(NAMES["NVDA"].jumps, rel=0.15)
    assert sizes.std() == pytest.approx(NAMES["NVDA"].jump_size, rel=0.15)
    assert 0.4 < (sizes > 0).mean() < 0.6


def test_the_volatility_index_returns_to_its_mean_and_fears_falls() -> None:
    ends = [day(seed, sessions=10).levels for seed in range(1, 8)]
    assert np.mean([levels.mean() for levels in ends]) == pytest.approx(MEAN_LEVEL, rel=0.1)
    assert all(9 <= levels.min() <= levels.max() <= 80 for levels in ends)
    falls = [
        np.corrcoef(np.diff(np.log(each.levels)), np.diff(np.log(each.prices[MARKET][::LEVEL_STEP])))[0, 1]
        for each in (day(seed) for seed in range(1, 6))
    ]
    assert max(falls) < -0.1


def test_the_index_stands_still_between_its_steps() -> None:
    levels = [day().level(second) for second in range(60)]
    assert [a != b for a, b in pairwise(levels)].count(True) == 3


# ---- Names ----


def test_the_source_names_the_world() -> None:
    assert WORLD.source == "simulated 2026-03-02 #7"
    assert World.of(WORLD.source) == WORLD
    assert len(World(MONDAY, 999_999_999).source) <= 40


@pytest.mark.parametrize("name", ["simulated", "simulated 2026-02-30 #7", "vendor", "simulated 2026-03-02 #7 ", ""])
def test_what_names_no_world_is_none(name: str) -> None:
    assert World.of(name) is None


@pytest.mark.parametrize(
    ("source", "made_up"), [(WORLD.source, True), ("SIMULATED", True), (" simulated x", True), ("vendor", False)]
)
def test_what_is_made_up_is_known_by_its_name(source: str, made_up: bool) -> None:
    assert is_simulated(source) is made_up


def test_sessions_before_the_first_are_none() -> None:
    assert WORLD.sessions(CALENDAR, MONDAY - timedelta(days=1)) == []
    assert WORLD.sessions(CALENDAR, MONDAY) == [session(MONDAY)]
