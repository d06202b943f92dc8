"""Sales matched to purchases: first in, first out, and to the cent."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskengine.calculators.lots import Trade, match, share

START = datetime(2021, 1, 4, 15, tzinfo=UTC)


def trade(hour: int, contracts: int, cents: int, fee: int = 0) -> Trade:
    return Trade(START + timedelta(hours=hour), contracts, cents, fee)


def test_the_first_bought_is_the_first_sold() -> None:
    bought = [trade(0, 2, 20_000, 130), trade(1, 3, 36_000, 195)]
    lots = list(match(bought, [trade(2, 3, 39_000, 195), trade(3, 2, 0)]))
    assert [(each.contracts, each.cost, each.proceeds, each.fees) for each in lots] == [
        (2, 20_000, 26_000, 260), (1, 12_000, 13_000, 130), (2, 24_000, 0, 130),
    ]  # fmt: skip
    assert [each.sale for each in lots] == [0, 0, 1]
    assert lots[2].gain == -24_130


def test_a_cent_that_cannot_be_parted_goes_to_one_of_them() -> None:
    lots = list(match([trade(0, 3, 100, 1)], [trade(1, 1, 10), trade(2, 1, 10), trade(3, 1, 10)]))
    assert [each.cost for each in lots] == [33, 34, 33]
    assert sum(each.fees for each in lots) == 1


def test_no_more_can_be_sold_than_was_bought() -> None:
    with pytest.raises(ValueError, match="more was sold"):
        list(match([trade(0, 1, 100)], [trade(1, 2, 300)]))


def test_half_a_cent_goes_away_from_zero() -> None:
    assert (share(1, 1, 2), share(-1, 1, 2), share(5, 2, 2), share(0, 1, 3)) == (1, -1, 5, 0)


amounts = st.integers(-1_000, 10_000_000)


@given(st.lists(st.tuples(st.integers(1, 400), amounts, amounts), min_size=1, max_size=12), st.data())
def test_the_pieces_add_up_to_everything(bought: list[tuple[int, int, int]], data: st.DataObject) -> None:
    whole = sum(contracts for contracts, _, _ in bought)
    cuts = sorted(data.draw(st.sets(st.integers(1, whole), max_size=12)) | {whole})
    sizes = [end - start for start, end in zip([0, *cuts], cuts, strict=False)]
    sold = [(size, data.draw(amounts), data.draw(amounts)) for size in sizes]
    lots = list(match([trade(0, *each) for each in bought], [trade(1, *each) for each in sold]))
    assert sum(each.contracts for each in lots) == whole
    assert sum(each.cost for each in lots) == sum(cents for _, cents, _ in bought)
    assert sum(each.proceeds for each in lots) == sum(cents for _, cents, _ in sold)
    assert sum(each.fees for each in lots) == sum(fee for *_, fee in [*bought, *sold])
    for place, (size, cents, _) in enumerate(sold):
        mine = [each for each in lots if each.sale == place]
        assert (sum(each.contracts for each in mine), sum(each.proceeds for each in mine)) == (size, cents)
