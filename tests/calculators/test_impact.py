"""The same trades at other sizes, worked by hand."""

from typing import Any

import numpy as np
import pytest

from riskengine.calculators import impact
from riskengine.calculators.impact import Sized
from riskengine.calculators.kelly import growth_optimal_fraction


def trades(gain: list[float], **changes: Any) -> Sized:
    n = len(gain)
    given = {
        "gain": np.array(gain, np.float64),
        "cost": np.full(n, 3_000.0),
        "minimum": np.full(n, 1_500.0),
        "contract": np.full(n, 1_000.0),
        "contracts": np.full(n, 3, np.int64),
        "deposits": np.zeros(n),
        "entry_at": np.arange(n, dtype=np.int64) * 10,
        "closed_at": np.arange(n, dtype=np.int64) * 10 + 5,
    }
    return Sized(**given | changes)


def test_the_minimum_is_in_whole_contracts_and_never_more_than_was_bought() -> None:
    given = trades([0.1] * 4, minimum=np.array([1_500.0, 1_000.0, 2_999.0, 9_000.0]))
    assert impact.minimum_bets(given.cost, given.contracts, given.minimum).tolist() == [
        2_000.0,
        1_000.0,
        3_000.0,
        3_000.0,
    ]


def test_curves_scaling_and_its_interval() -> None:
    given = trades([0.5, -0.5, 0.2])
    actual = impact.fixed(given, given.cost, 10_000.0)
    least = impact.fixed(given, impact.minimum_bets(given.cost, given.contracts, given.minimum), 10_000.0)
    assert actual.equity.tolist() == [11_500.0, 10_000.0, 10_600.0]
    assert least.equity.tolist() == pytest.approx([11_000.0, 10_000.0, 10_400.0])
    assert actual.max_drawdown == pytest.approx(10_000 / 11_500 - 1)
    assert actual.growth == pytest.approx(np.log(1.06) / 3)
    made = impact.contribution(actual.pnl, least.pnl)
    assert made.usd == pytest.approx(200.0)
    assert (made.trades, made.sure) == (3, False)
    assert made.low is not None
    assert made.low < 0 < 200 < (made.high or 0)


def test_what_is_paid_in_is_no_gain() -> None:
    given = trades([0.5, 0.0], deposits=np.array([0.0, 5_000.0]))
    actual = impact.fixed(given, given.cost, 10_000.0)
    assert actual.equity.tolist() == [11_500.0, 16_500.0]
    assert actual.index.tolist() == pytest.approx([1.15, 1.15])


def test_after_ruin_nothing_is_bet() -> None:
    given = trades([-1.0, 1.0, 1.0], cost=np.full(3, 12_000.0))
    gone = impact.fixed(given, given.cost, 10_000.0)
    assert gone.ruined
    assert gone.bet.tolist() == [12_000.0, 0.0, 0.0]
    assert gone.equity.tolist() == [-2_000.0] * 3
    assert gone.growth is None
    assert gone.max_drawdown == -1.0


def test_half_kelly_knows_only_what_had_closed_before_the_entry() -> None:
    gain = [1.0, -1.0, 1.0] * 20  # two of three: Kelly 1/3
    given = trades(gain, entry_at=np.arange(60) * 10 - 20)  # two trades are always still running
    fraction = impact.half_kelly(given)
    assert np.isnan(fraction[:32]).all()
    assert fraction[32] == pytest.approx(1 / 6)
    assert fraction[33] == pytest.approx((21 / 31 - 10 / 31) / 2)
    assert impact.half_kelly_in_hindsight(given) == pytest.approx(1 / 6)
    assert np.isnan(impact.half_kelly_in_hindsight(trades([1.0] * 29)))


def test_half_kelly_of_each_trade_is_that_of_its_record() -> None:
    for seed, mean in enumerate((-0.02, 0.0, 0.01, 0.05, 0.4)):
        gain = np.maximum(np.random.default_rng(seed).normal(mean, 0.25, 120), -1.0).tolist()
        fraction = impact.half_kelly(trades(gain))
        for k in range(30, 120):
            exact = growth_optimal_fraction(np.full(k, 1.0 / k), np.array(gain[:k]))
            assert fraction[k] == pytest.approx(min(exact / 2.0, 1.0), abs=1e-11), (seed, k)


def test_half_kelly_bets_whole_contracts_and_the_minimum_until_it_is_known() -> None:
    given = trades([0.5, 0.5, 0.5])
    curve = impact.by_fraction(
        given, np.array([np.nan, 0.28, 0.05]), impact.minimum_bets(given.cost, given.contracts, given.minimum), 10_000.0
    )
    assert curve.bet.tolist() == [2_000.0, 3_000.0, 0.0]  # 28% of 11,000 is 3,080; 5% pays for none


def test_nothing_but_gains_bets_all_of_it_and_borrows_nothing() -> None:
    assert impact.half_kelly_in_hindsight(trades([0.1] * 30)) == 1.0


def test_no_trade_is_no_curve() -> None:
    empty = trades([])
    curve = impact.fixed(empty, empty.cost, 10_000.0)
    assert curve.max_drawdown == 0.0
    assert (curve.growth, curve.volatility) == (None, None)
    assert impact.contribution(curve.pnl, curve.pnl).low is None
