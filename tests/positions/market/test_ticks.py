"""Which prices an exchange accepts, under and from $3.00."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from positions.market.contracts import contract_class
from positions.market.ticks import ALL_PENNY, NICKEL_DIME, PENNY_NICKEL, TickTable, in_dollars, tick_columns

TABLES = [ALL_PENNY, PENNY_NICKEL, NICKEL_DIME]
prices = st.decimals(min_value=0, max_value=9999, places=4)


@pytest.mark.parametrize(
    ("root", "under", "from_three"),
    [
        ("SPY", "0.01", "0.01"),
        ("QQQ", "0.01", "0.01"),
        ("IWM", "0.01", "0.01"),
        ("XSP", "0.01", "0.01"),
        ("AAPL", "0.01", "0.05"),
        ("TSLA", "0.01", "0.05"),
        ("SPX", "0.05", "0.10"),
        ("SPXW", "0.05", "0.10"),
        ("GOOG", "0.05", "0.10"),
        ("ACME", "0.05", "0.10"),
    ],
)
def test_ticks_by_class_and_price(root: str, under: str, from_three: str) -> None:
    ticks = contract_class(root).ticks
    assert ticks.at(Decimal("2.99")) == Decimal(under)
    assert ticks.at(Decimal("3.00")) == Decimal(from_three)


@pytest.mark.parametrize(
    ("table", "price", "down", "up"),
    [
        (NICKEL_DIME, "2.96", "2.95", "3.00"),
        (NICKEL_DIME, "3.00", "3.00", "3.00"),
        (NICKEL_DIME, "3.04", "3.00", "3.10"),
        (PENNY_NICKEL, "2.995", "2.99", "3.00"),
        (PENNY_NICKEL, "3.01", "3.00", "3.05"),
        (ALL_PENNY, "3.014", "3.01", "3.02"),
        (NICKEL_DIME, "0.01", "0.00", "0.05"),
    ],
)
def test_rounding_to_the_tick(table: TickTable, price: str, down: str, up: str) -> None:
    assert table.down(Decimal(price)) == Decimal(down)
    assert table.up(Decimal(price)) == Decimal(up)


def test_two_ticks_down_across_three_dollars() -> None:
    assert NICKEL_DIME.ticks_down(Decimal("3.10"), 2) == Decimal("2.95")
    assert NICKEL_DIME.ticks_up(Decimal("2.95"), 2) == Decimal("3.10")
    assert NICKEL_DIME.ticks_down(Decimal("0.05"), 9) == 0


@settings(deadline=None)
@given(st.sampled_from(TABLES), prices)
def test_rounded_prices_are_valid_and_next_to_the_price(table: TickTable, price: Decimal) -> None:
    down, up = table.down(price), table.up(price)
    assert down <= price <= up
    assert table.is_valid(down)
    assert table.is_valid(up)
    assert table.is_valid(price) == (down == up)
    assert up - down in (0, table.at(down))


@settings(deadline=None)
@given(st.sampled_from(TABLES), prices, st.integers(0, 500))
def test_ticks_up_and_down_undo_each_other(table: TickTable, price: Decimal, count: int) -> None:
    valid = table.down(price)
    assert table.ticks_down(table.ticks_up(valid, count), count) == valid


@pytest.mark.parametrize("price", ["-0.05", "NaN", "Infinity"])
def test_no_price_no_tick(price: str) -> None:
    with pytest.raises(ValueError, match="price"):
        NICKEL_DIME.down(Decimal(price))


def test_columns_hold_one_row_a_table() -> None:
    under, from_three = tick_columns([NICKEL_DIME, ALL_PENNY])
    assert under.dtype == from_three.dtype == np.float64
    assert under.tolist() == [0.05, 0.01]
    assert from_three.tolist() == [0.10, 0.01]


@pytest.mark.parametrize(
    ("price", "written"),
    [("44.3000", "$44.30"), ("44.305", "$44.305"), ("100", "$100.00"), ("1E+3", "$1,000.00"), ("0", "$0.00")],
)
def test_a_price_is_written_with_its_cents(price: str, written: str) -> None:
    assert in_dollars(Decimal(price)) == written
