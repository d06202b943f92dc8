"""A clock that was set back between an order and its fill, or a broker whose clock is behind ours: no fill is lost."""

from datetime import timedelta

import pytest

from positions.models import MarketClock, OrderStatus, Position
from tests.positions.market_day import SECOND, START, check_books, opening, portfolio, quote, work

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("back", [timedelta(seconds=20), timedelta(minutes=4)])
def test_what_was_executed_before_its_order_by_the_clock_is_booked(back: timedelta) -> None:
    of = portfolio()
    order = opening(of)
    quote(order.contract, START - back, "44.00", "44.60")
    quote(order.contract, START, "44.00", "44.60")
    work(START)
    MarketClock.objects.update(market_started_at=MarketClock.objects.get().market_started_at - back)
    quote(order.contract, START - back + SECOND, "43.80", "44.00")
    for second in range(1, 60):
        work(START + second * SECOND)
    order.refresh_from_db()
    assert (order.status, order.filled_quantity) == (OrderStatus.FILLED, 3)
    position = Position.objects.get()
    assert position.quantity_open == 3
    assert position.entry_at < order.created_at
    check_books(of)
