"""What tiers took against holding, worked by hand."""

import numpy as np
import pytest

from riskengine.calculators.slices import ClosedSlices, effect


def slices(rows: list[tuple[int, bool, float, float]]) -> ClosedSlices:
    """Contracts sold, deferred, price, final; bought at 10."""
    contracts, deferred, price, final = (np.array(column) for column in zip(*rows, strict=True))
    return ClosedSlices(
        contracts=contracts.astype(np.int64),
        deferred=deferred.astype(bool),
        entry=np.full(len(rows), 10.0),
        price=price.astype(np.float64),
        final=final.astype(np.float64),
        multiplier=np.full(len(rows), 100.0),
    )


def test_taken_less_held_in_dollars_and_per_dollar() -> None:
    nan = np.nan
    found = effect(
        slices(
            [
                (2, False, 12.0, 11.0),  # 400 taken, 200 held
                (1, False, 12.0, 15.0),  # 200 taken, 500 held
                (1, False, 11.0, nan),  # ended the position itself
                (0, False, nan, 8.0),  # not reached
                (0, True, nan, 8.0),  # too small for one contract
            ]
        )
    )
    assert (found.positions, found.hits, found.deferred, found.compared) == (5, 4, 1, 2)
    assert (found.taken, found.compared_taken, found.held, found.difference) == (700.0, 600.0, 700.0, -100.0)
    assert found.gain.mean == pytest.approx(0.5 / 3)
    assert found.dollars.mean == pytest.approx(-50.0)
    assert found.per_dollar.mean == pytest.approx((0.1 - 0.3) / 2)
    assert found.dollars.low is not None
    assert not found.sure
    assert 0.3 < found.low < 0.8 < found.high < 1.0


def test_a_tier_that_nothing_reached_says_nothing() -> None:
    found = effect(slices([(0, False, np.nan, 8.0)]))
    assert (found.positions, found.hits, found.compared, found.difference) == (1, 0, 0, 0.0)
    assert found.dollars.mean is None
    assert not found.sure


def test_one_comparison_has_no_interval() -> None:
    found = effect(slices([(1, False, 12.0, 11.0)]))
    assert found.difference == 100.0
    assert found.dollars.low is None
    assert not found.sure
