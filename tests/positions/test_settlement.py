"""What expired is settled, and a session starts with its snapshot."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from positions.models import (
    CashMovement,
    DailyClose,
    EquitySnapshot,
    ExerciseStyle,
    Order,
    OrderStatus,
    PaperOrder,
    PositionStatus,
    Settlement,
)
from positions.selectors import ledger_cash
from positions.services.settlement import settle_expired, start_session
from tests import factories
from tests.positions.market_day import CLOSE, START, bought, exit_of, portfolio, quote, underlying, work

pytestmark = pytest.mark.django_db
D = Decimal
LATER = CLOSE + timedelta(minutes=1)
TOMORROW = CLOSE + timedelta(hours=17, minutes=30)


@pytest.fixture
def of():
    return portfolio()


def held(of, strike: str = "3700", right: str = "C", **changes):
    contract = factories.contract(strike=strike, right=right, **changes)
    return factories.position(of, contract=contract)


def settle(of, at=LATER) -> int:
    return settle_expired(portfolio=of, at=at, now=at)


def test_a_cash_settled_option_is_paid_its_intrinsic_on_the_official_close(of):
    position = bought(of)
    underlying(position.contract, CLOSE, "3712.34")
    assert settle(of) == 1
    position.refresh_from_db()
    assert (position.status, position.close_cause, position.closed_at) == (PositionStatus.CLOSED, "settled", LATER)
    movement = CashMovement.objects.get(kind="settlement")
    assert (movement.amount, movement.settles_on) == (D("3702.00"), date(2021, 1, 5))
    assert position.realised_pnl == D("3702.00") - position.entry_cost - position.fees
    of.refresh_from_db()
    assert of.cash == ledger_cash(of) == D("60000") - D("13380") - D("1.95") + D("3702.00")
    assert position.events.get(kind="closed").after["official_close"] == "3712.3400"


def test_settling_again_changes_nothing(of):
    position = bought(of)
    underlying(position.contract, CLOSE, "3712.34")
    settle(of)
    assert settle(of) == 0
    assert CashMovement.objects.filter(kind="settlement").count() == 1


def test_nothing_is_settled_before_the_close_or_before_its_day(of):
    position = bought(of)
    held(of, expires=date(2021, 1, 5))
    underlying(position.contract, CLOSE - timedelta(minutes=1), "3712.34")
    assert settle(of, CLOSE - timedelta(seconds=1)) == 0
    assert settle(of, CLOSE) == 1


@pytest.mark.parametrize(("right", "strike"), [("C", "3800"), ("P", "3600"), ("C", "3712.34")])
def test_a_worthless_option_is_closed_at_nothing(of, right, strike):
    position = held(of, strike, right)
    underlying(position.contract, CLOSE, "3712.34")
    assert settle(of) == 1
    position.refresh_from_db()
    assert (position.status, position.close_cause, position.exit_proceeds) == ("closed", "expired", D("0"))
    assert not CashMovement.objects.filter(kind="settlement").exists()


def test_without_bars_the_recorded_close_of_that_day_is_official(of):
    position = held(of)
    underlying(position.contract, CLOSE - timedelta(minutes=30), "3900")
    DailyClose.objects.create(
        instrument=position.contract.underlying,
        session_on=date(2021, 1, 4),
        close=D("3710"),
        adjusted_close=D("3710"),
        source="test",
    )
    assert settle(of) == 1
    assert CashMovement.objects.get(kind="settlement").amount == D("3000.00")


def test_without_an_official_price_a_person_is_told_and_it_is_tried_again(of):
    position = held(of)
    assert settle(of) == 1
    position.refresh_from_db()
    assert (position.status, position.quantity_open) == (PositionStatus.EXPIRED, 3)
    assert "official closing price" in position.events.get(kind="settlement_needed").after["why"]
    assert settle(of) == 0
    underlying(position.contract, CLOSE, "3710")
    assert settle(of) == 1
    position.refresh_from_db()
    assert position.status == PositionStatus.CLOSED


@pytest.mark.parametrize(("price", "status"), [("70.01", "expired"), ("70.00", "closed")])
def test_a_physical_option_in_the_money_waits_for_a_person(of, price, status):
    position = held(
        of,
        "70",
        root="AAPL",
        underlying=factories.instrument("AAPL", "stock"),
        settlement=Settlement.PM_PHYSICAL,
        exercise_style=ExerciseStyle.AMERICAN,
    )
    underlying(position.contract, CLOSE, price)
    assert settle(of) == 1
    assert settle(of) == 0
    position.refresh_from_db()
    assert position.status == status
    assert not CashMovement.objects.filter(kind="settlement").exists()


def test_orders_left_are_cancelled_before_the_position_is_settled(of):
    position = bought(of)
    underlying(position.contract, CLOSE, "3712.34")
    at = CLOSE - timedelta(minutes=2)
    quote(position.contract, at, None, "0.05")
    (close,) = exit_of(position, "forced_close", at)
    exit_of(position, "slice", at, [(1, 1)])
    work(at)
    assert PaperOrder.objects.filter(status="working").count() == 1
    assert settle(of) == 1
    close.refresh_from_db()
    assert close.status == OrderStatus.CANCELLED
    assert not Order.objects.live().exists()
    assert not PaperOrder.objects.filter(status="working").exists()
    assert {s.state for s in position.slices.all()} == {"cancelled"}


def test_a_session_starts_once_with_cash_and_last_usable_bids(of):
    position = bought(of)
    contract = position.contract
    quote(contract, CLOSE - timedelta(minutes=2), "40.00", "40.40")
    quote(contract, CLOSE - timedelta(minutes=1), "10.00", "70.00")  # too wide to be usable
    quote(contract, CLOSE + timedelta(minutes=5), "20.00", "20.10")  # after the session
    of.refresh_from_db()
    assert start_session(portfolio=of, at=TOMORROW, now=TOMORROW)
    assert not start_session(portfolio=of, at=TOMORROW, now=TOMORROW)
    snapshot = EquitySnapshot.objects.get(session_on=date(2021, 1, 5))
    assert snapshot.equity_start_of_day == of.cash + D("12000.00")
    assert (snapshot.cash_start_of_day, snapshot.taken_at) == (of.cash, TOMORROW)
    yesterday = EquitySnapshot.objects.get(session_on=date(2021, 1, 4))
    assert (yesterday.equity_end_of_day, yesterday.closed_at) == (snapshot.equity_start_of_day, CLOSE)


def test_a_spread_of_three_ticks_is_usable_for_a_cheap_option(of):
    position = bought(of)
    quote(position.contract, CLOSE - timedelta(minutes=1), "0.10", "0.25")
    start_session(portfolio=of, at=TOMORROW, now=TOMORROW)
    of.refresh_from_db()
    assert EquitySnapshot.objects.get(session_on=date(2021, 1, 5)).equity_start_of_day == of.cash + 30


def test_what_was_received_yesterday_settles_at_the_start(of):
    position = bought(of)
    at = START + timedelta(minutes=1)
    quote(position.contract, at, "40.00", "40.40")
    exit_of(position, "stop", at)
    work(at)
    of.refresh_from_db()
    assert of.settled_cash < of.cash
    start_session(portfolio=of, at=TOMORROW, now=TOMORROW)
    of.refresh_from_db()
    assert of.settled_cash == of.cash


def test_a_day_without_a_session_does_not_start(of):
    saturday = CLOSE + timedelta(days=5)
    assert not start_session(portfolio=of, at=saturday, now=saturday)
    assert EquitySnapshot.objects.filter(portfolio=of).count() == 1
