"""The fewest contracts, against trying every combination."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskengine.calculators.reduction import fewest_to_sell

books = st.lists(
    st.tuples(st.integers(1, 5), st.lists(st.integers(-900, 900), min_size=3, max_size=3)), min_size=1, max_size=3
)


def columns(book):
    contracts = np.array([count for count, _ in book], float)
    return np.array([each for _, each in book], float) * contracts[:, None], contracts


def fitting(book, limit):
    """Every way of selling after which no cell loses more."""
    for sold in product(*(range(count + 1) for count, _ in book)):
        left = [sum((count - k) * each[cell] for (count, each), k in zip(book, sold, strict=True)) for cell in range(3)]
        if all(cell >= -limit for cell in left):
            yield sold


@settings(max_examples=60)
@given(books, st.integers(0, 3_000))
def test_it_is_the_fewest_of_all_ways_that_fit_and_of_those_the_costliest(book, limit):
    pnl, contracts = columns(book)
    sold = tuple(fewest_to_sell(pnl, contracts, float(limit)).tolist())
    ways = list(fitting(book, limit))
    assert sold in ways
    fewest = min(map(sum, ways))
    assert sum(sold) == fewest

    def cost(way):
        return sum(k * min(each) for (_, each), k in zip(book, way, strict=True))

    assert cost(sold) == min(cost(way) for way in ways if sum(way) == fewest)


def test_nothing_is_sold_of_a_book_that_fits():
    pnl, contracts = columns([(3, [-100, 0, 50])])
    assert fewest_to_sell(pnl, contracts, 300.0).tolist() == [0]


def test_a_cent_too_much_is_one_contract():
    pnl, contracts = columns([(3, [-100, 0, 50])])
    assert fewest_to_sell(pnl, contracts, 299.99).tolist() == [1]


def test_an_account_without_equity_sells_all_that_can_lose():
    pnl, contracts = columns([(3, [-100, 0, 50]), (2, [10, 20, 30])])
    assert fewest_to_sell(pnl, contracts, -5.0)[0] >= 1


@pytest.mark.parametrize(("pnl", "limit"), [([[np.nan]], 10.0), ([[-20.0]], np.nan)])
def test_what_is_not_known_proposes_nothing(pnl, limit):
    assert fewest_to_sell(np.array(pnl), np.array([1.0]), limit) is None


def test_an_empty_book_sells_nothing():
    assert fewest_to_sell(np.zeros((0, 6)), np.zeros(0), 10.0).tolist() == []
