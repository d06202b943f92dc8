"""Splits of what is held (A-22): contracts and prices change, money and risk do not."""

from datetime import date, time
from decimal import Decimal

import pytest

from positions.market.calendar import new_york_instant
from positions.models import Instrument, MarketClock, Order, Position, PositionEvent, Split
from positions.services.settlement import start_session
from positions.services.splits import apply_splits
from tests.positions.test_working_races import at_once
from tests.riskengine import market
from tests.riskengine.watch.desk import Desk, seven

TUESDAY = date(2021, 1, 5)
BEFORE_OPEN = new_york_instant(TUESDAY, time(8))


def split(new: int = 4, old: int = 1, on: date = TUESDAY) -> Split:
    apple = Instrument.objects.get(symbol="AAPL")
    return Split.objects.create(instrument=apple, effective_on=on, new_shares=new, old_shares=old, source="test")


def held(**changes: object) -> tuple[Desk, Position]:
    """40 AAPL 130 calls bought on Monday at 5.00, stop 4.20 by now; last quoted at 5.20 x 5.24."""
    desk = seven()
    MarketClock.objects.update(market_ends_at=None)  # its market goes on into the next day
    given = {"regime": "seven_day", "current_stop": Decimal("4.20"), "high_water": Decimal("5.40")} | changes
    position = desk.hold(40, "5.00", **given)
    desk.quote("15:59", "5.20", "5.24")
    return desk, position


def applied(desk: Desk) -> int:
    return apply_splits(portfolio=desk.portfolio, day=TUESDAY, at=BEFORE_OPEN, now=desk.bet.wall(BEFORE_OPEN))


@pytest.mark.django_db
def test_four_for_one_is_four_times_the_contracts_at_a_quarter_of_every_price() -> None:
    desk, position = held()
    split()
    assert applied(desk) == 1
    position.refresh_from_db()
    assert str(position.contract) == "AAPL 2021-01-11 32.5C"
    assert position.contract.occ_symbol == "AAPL  210111C00032500"
    assert (position.quantity_opened, position.quantity_open) == (160, 160)
    assert (position.average_entry_price, position.entry_cost) == (Decimal("1.25"), Decimal("20000.00"))
    assert (position.initial_stop, position.current_stop, position.high_water) == (
        Decimal("1.00"),
        Decimal("1.05"),
        Decimal("1.35"),
    )
    assert (position.split_factor, position.realised_pnl) == (4, 0)
    event = PositionEvent.objects.get(kind="split")
    assert (event.before["contracts"], event.after["contracts"]) == (40, 160)
    assert (event.before["stop"], event.after["stop"]) == ("4.2000", "1.0500")


@pytest.mark.django_db
def test_a_split_is_applied_once() -> None:
    desk, position = held()
    split()
    assert (applied(desk), applied(desk)) == (1, 0)
    position.refresh_from_db()
    assert position.quantity_open == 160


@pytest.mark.django_db
@pytest.mark.parametrize("on", [market.MONDAY, date(2021, 1, 6)])
def test_what_was_bought_on_its_day_or_is_looked_at_before_it_is_not_split(on: date) -> None:
    desk, position = held()
    split(on=on)
    assert applied(desk) == 0
    position.refresh_from_db()
    assert position.quantity_open == 40


@pytest.mark.django_db
def test_the_slices_sold_so_far_are_counted_in_new_contracts() -> None:
    desk, position = held(quantity_open=30, exit_proceeds=Decimal("6000.00"))
    position.slices.filter(number=1).update(state="filled", contracts_filled=10)
    split()
    applied(desk)
    assert list(position.slices.order_by("number").values_list("contracts_filled", flat=True)) == [40, 0, 0]
    position.refresh_from_db()
    assert (position.quantity_opened, position.quantity_open) == (160, 120)


@pytest.mark.django_db
def test_a_ratio_that_is_no_whole_number_leaves_an_adjusted_contract_that_is_only_closed() -> None:
    desk, position = held()
    split(3, 2)
    applied(desk)
    position.refresh_from_db()
    assert (position.contract.root, position.contract.is_adjusted) == ("AAPL1", True)
    assert (position.quantity_open, position.average_entry_price, position.current_stop) == (
        40,
        Decimal("5.00"),
        Decimal("4.20"),
    )
    assert position.split_factor == Decimal("1.5")


@pytest.mark.django_db
def test_the_split_moves_no_equity_trips_no_stop_and_fires_no_slice() -> None:
    """The first looks of the day see the book as it was; the first quotes, a quarter of yesterday's, are no crash."""
    desk, position = held()
    cash = desk.portfolio.cash
    split()
    desk.check(BEFORE_OPEN, "risk")
    position.refresh_from_db()
    assert position.quantity_open == 160
    snapshot = desk.portfolio.equity_snapshots.get(session_on=TUESDAY)
    assert snapshot.equity_start_of_day == Position.objects.get().portfolio.cash + 40 * 100 * Decimal("5.20")
    for minute in range(31, 40):
        at = new_york_instant(TUESDAY, time(9, minute))
        desk.quote(at, "1.29", "1.31", contract=position.contract)
        checked = desk.check(at, "risk")
        assert not checked.errors
    assert desk.sold() == []
    position.refresh_from_db()
    assert (position.current_stop, position.high_water) == (Decimal("1.05"), Decimal("1.35"))
    desk.portfolio.refresh_from_db()
    assert (desk.portfolio.state, desk.portfolio.cash) == ("ACTIVE", cash - 20_000)


@pytest.mark.django_db
def test_after_it_the_stop_holds_at_the_new_price() -> None:
    desk, position = held()
    split()
    applied(desk)
    position.refresh_from_db()
    start_session(portfolio=desk.portfolio, at=BEFORE_OPEN, now=desk.bet.wall(BEFORE_OPEN))
    for minute in (31, 32):
        at = new_york_instant(TUESDAY, time(9, minute))
        desk.quote(at, "1.04", "1.05", contract=position.contract)
        desk.check(at, "risk")
    assert desk.sold() == [("stop", 160)]
    assert Order.objects.get().contract.strike == Decimal("32.5")


@pytest.mark.django_db
def test_an_order_that_still_works_is_cancelled_first() -> None:
    desk, position = held()
    desk.quote("15:30", "3.90", "3.95")
    desk.quote("15:31", "3.89", "3.95")
    for at in ("15:30", "15:31"):
        desk.check(at, "risk")
    assert desk.sold() == [("stop", 40)]
    split()
    applied(desk)
    assert not Order.objects.live().exists()
    position.refresh_from_db()
    assert position.quantity_open == 160
    assert desk.portfolio.paper_orders.filter(status="working").count() == 0


@pytest.mark.django_db
def test_the_strike_is_rounded_to_the_cent() -> None:
    """Apple's seven for one of 2014-06-09: the 645 calls became 92.14 calls."""
    desk = seven()
    contract = market.stock("AAPL", "645")
    position = desk.hold(3, "14.00", contract=contract, regime="seven_day")
    split(7)
    applied(desk)
    position.refresh_from_db()
    assert str(position.contract) == "AAPL 2021-01-11 92.14C"
    assert (position.quantity_open, position.average_entry_price, position.initial_stop) == (
        21,
        Decimal(2),
        Decimal("1.6"),
    )


@pytest.mark.django_db(transaction=True)
def test_two_at_once_split_once() -> None:
    desk, position = held()
    split()
    done = at_once(*[lambda: applied(desk)] * 4)
    assert sorted(done) == [0, 0, 0, 1]
    position.refresh_from_db()
    assert position.quantity_open == 160


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("times", "contracts", "price"),
    [(2, 1, "0.05"), (3, 7, "10.01"), (7, 600, "14.37"), (20, 33, "88.88"), (50, 1, "0.11")],
)
def test_what_was_paid_and_what_is_at_risk_stay(times: int, contracts: int, price: str) -> None:
    desk = seven()
    position = desk.hold(contracts, price, regime="seven_day")
    paid, at_risk = position.entry_cost, (position.average_entry_price - position.initial_stop) * contracts * 100
    split(times)
    applied(desk)
    position.refresh_from_db()
    assert (position.quantity_open, position.entry_cost) == (contracts * times, paid)
    after = (position.average_entry_price - position.initial_stop) * position.quantity_open * 100
    rounding = Decimal("0.00005") * position.quantity_open * 100  # a stop has four places
    assert abs(after - at_risk) <= rounding + Decimal("0.01")
