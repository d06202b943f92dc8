"""Prices and sizes of working orders (A-09, A-17)."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from positions.brokers import ladder
from positions.market.ticks import ALL_PENNY, NICKEL_DIME, PENNY_NICKEL
from positions.models import Pace

D = Decimal
TABLES = st.sampled_from([ALL_PENNY, PENNY_NICKEL, NICKEL_DIME])
PRICES = st.decimals("0.01", "400", places=2)


def steps(price, bid, ask, worst, count=4):
    return [price(step, count, D(bid), D(ask), D(worst), NICKEL_DIME) for step in range(count)]


def test_a_buy_goes_from_the_mid_to_the_ask():
    assert steps(ladder.buy_price, "44.00", "44.60", "45") == [D("44.30"), D("44.40"), D("44.50"), D("44.60")]


def test_a_sale_goes_from_the_mid_to_the_bid():
    assert steps(ladder.sell_price, "44.00", "44.60", "40") == [D("44.30"), D("44.20"), D("44.10"), D("44.00")]


def test_between_ticks_a_buy_is_rounded_down_and_a_sale_up():
    assert ladder.buy_price(0, 4, D("2.00"), D("2.15"), D("3"), NICKEL_DIME) == D("2.05")
    assert ladder.sell_price(0, 4, D("2.00"), D("2.15"), D("1"), NICKEL_DIME) == D("2.10")


def test_a_one_tick_spread_starts_at_the_near_touch():
    assert steps(ladder.buy_price, "4.00", "4.10", "5") == [D("4.00"), D("4.00"), D("4.00"), D("4.10")]
    assert steps(ladder.sell_price, "4.00", "4.10", "3") == [D("4.10"), D("4.10"), D("4.10"), D("4.00")]


def test_no_price_is_past_the_worst_permitted_one():
    assert max(steps(ladder.buy_price, "44.00", "44.60", "44.40")) == D("44.40")
    assert min(steps(ladder.sell_price, "44.00", "44.60", "44.20")) == D("44.20")


@given(bid=PRICES, spread=st.decimals("0.01", "30", places=2), table=TABLES, pace=st.sampled_from(list(ladder.PRESETS)))
def test_every_step_is_on_the_tick_within_the_touch_and_never_goes_back(bid, spread, table, pace):
    bid, ask = table.down(bid), table.up(bid + spread)
    if bid == 0:
        return
    count = ladder.PRESETS[pace].steps
    buys = [ladder.buy_price(step, count, bid, ask, ask, table) for step in range(count)]
    sales = [ladder.sell_price(step, count, bid, ask, table.under, table) for step in range(count)]
    assert all(table.is_valid(price) and bid <= price <= ask for price in buys + sales)
    assert buys == sorted(buys)
    assert buys[-1] == ask
    assert sales == sorted(sales, reverse=True)
    assert sales[-1] == bid


def test_the_worst_price_is_one_percent_of_the_mid_beyond_the_touch():
    assert ladder.worst_buy(D("44.60"), D("44.30"), NICKEL_DIME) == D("45.00")
    assert ladder.worst_sell(D("44.00"), D("44.30"), NICKEL_DIME) == D("43.60")


def test_the_worst_price_of_a_sale_is_at_least_one_tick():
    assert ladder.worst_sell(None, None, NICKEL_DIME) == D("0.05")
    assert ladder.worst_sell(D("0.05"), D("9.00"), NICKEL_DIME) == D("0.05")


@pytest.mark.parametrize(
    ("bid", "price"),
    [
        ("44.00", "41.80"),  # 5%
        ("3.10", "2.90"),  # 5% is 0.155, two ticks across $3.00 are 0.15
        ("1.00", "0.90"),  # two ticks
        ("0.10", "0.05"),  # never nothing
        ("0", "0.05"),
        (None, "0.05"),
    ],
)
def test_an_urgent_sale_goes_through_the_bid_by_two_ticks_or_five_percent(bid, price):
    assert ladder.urgent_price(None if bid is None else D(bid), NICKEL_DIME) == D(price)


@given(bid=PRICES, table=TABLES)
def test_an_urgent_price_is_on_the_tick_and_far_enough(bid, table):
    price = ladder.urgent_price(bid, table)
    assert table.is_valid(price)
    assert price >= table.under
    assert price == table.under or (price <= bid * D("0.95") and price <= table.ticks_down(bid, 2))


def test_the_settlement_floor_is_four_fifths_of_intrinsic():
    assert ladder.settlement_floor(D("12.34"), NICKEL_DIME) == D("9.90")


@pytest.mark.parametrize(("remaining", "shown", "child"), [(12, 40, 10), (12, 7, 1), (12, 0, 1), (3, 400, 3)])
def test_a_child_is_a_quarter_of_what_is_shown_and_at_least_one(remaining, shown, child):
    assert ladder.child_quantity(remaining, shown) == child


def test_a_market_that_left_by_more_than_five_percent_has_drifted():
    assert not ladder.has_drifted(D("42.00"), D("40.00"))
    assert not ladder.has_drifted(D("38.00"), D("40.00"))
    assert ladder.has_drifted(D("42.01"), D("40.00"))
    assert ladder.has_drifted(D("37.99"), D("40.00"))
    assert not ladder.has_drifted(D("42.00"), None)


def test_presets_step_by_time_alone():
    normal = ladder.PRESETS[Pace.NORMAL]
    seconds = [0, 9, 10, 39, 40, 400]
    assert [normal.step_at(timedelta(seconds=s)) for s in seconds] == [0, 0, 1, 3, 4, 40]
    assert [ladder.PRESETS[pace].ends_after for pace in (Pace.NORMAL, Pace.FAST, Pace.PATIENT)] == [
        timedelta(seconds=40),
        timedelta(seconds=15),
        timedelta(seconds=100),
    ]
