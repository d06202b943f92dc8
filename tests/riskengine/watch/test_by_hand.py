"""What a person does to an open position: sells a part of it, tightens its stop. Never more sold than is open, never a
stop that is lowered, whoever else acts at the same moment."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db.models import Sum

from accounts.models import User
from positions.models import Fill, Order, Position
from riskengine.services.decide.closing import NotClosable, close_part, close_position, part_offer
from riskengine.services.watch import writing
from riskengine.services.watch.monitoring import run_check
from riskengine.services.watch.tightening import NotTightenable, tighten_stop, tightening
from riskengine.services.watch.working import run_orders
from tests import factories
from tests.riskengine.watch.desk import Desk, fresh, seven, zero
from tests.riskengine.watch.test_adopted import adopted
from tests.riskengine.watch.test_races import at_once
from tests.riskengine.watch.test_stops import hold_seven

NOW = "10:42:07"


@pytest.fixture
def desk(db: None) -> Desk:
    return zero(owner=factories.user("owner"))


@pytest.fixture
def committed(transactional_db: None) -> Desk:
    return zero(owner=factories.user("owner"))


def owner() -> User:
    return User.objects.get(username="owner")


def sell(desk: Desk, position: Position, contracts: int, at: str = NOW, **given: Any) -> Order:
    now = desk.bet.wall(desk.at(at))
    return close_part(position=position, contracts=contracts, now=now, actor=owner(), **given)


def tighten(desk: Desk, position: Position, stop: str, at: str = NOW, reason: str = "Enough.") -> Position:
    now = desk.bet.wall(desk.at(at))
    return tighten_stop(position=position, stop=Decimal(stop), reason=reason, actor=owner(), now=now)


def work(desk: Desk, start: str, seconds: int) -> None:
    for passed in range(seconds + 1):
        run_orders(now=desk.bet.wall(desk.at(start) + timedelta(seconds=passed)))


def sold_contracts(position: Position) -> int:
    fills = Fill.objects.filter(position=position, order__side="sell")
    return fills.aggregate(total=Sum("quantity"))["total"] or 0


# ---- A part ----


def test_a_part_is_sold_and_the_rest_stays_open_and_guarded(desk: Desk) -> None:
    position = desk.hold(10)
    order = sell(desk, position, 4)
    assert (order.intent, order.quantity, order.pace) == ("manual_reduce", 4, "fast")
    assert order.verdict["by"] == "owner"
    assert order.verdict["sentence"] == "owner closed a part: 6 of 10 stay."
    [event] = desk.events("manual_reduce_ordered")
    assert event.after["contracts"] == 4
    work(desk, NOW, 16)
    assert (fresh(position).quantity_open, fresh(position).status) == (6, "open")
    desk.quote("10:43:00", "20.00", "20.40")
    desk.check("10:43:00")
    assert desk.sold() == [("manual_reduce", 4), ("stop", 6)]


def test_it_is_not_given_away_for_less_than_the_bid_less_one_percent_of_the_mid(desk: Desk) -> None:
    order = sell(desk, desk.hold(10), 4)
    assert order.worst_price == Decimal("39.60")  # 40.00 less 0.402, on the tick above


def test_what_is_not_sold_in_time_stays_open(desk: Desk) -> None:
    position = desk.hold(10)
    order = sell(desk, position, 4)
    desk.quote("10:42:08", "39.00", "39.20")
    work(desk, "10:42:08", 17)
    order.refresh_from_db()
    assert (order.status, order.filled_quantity, fresh(position).quantity_open) == ("cancelled", 0, 10)


def test_what_works_already_is_not_sold_again(desk: Desk) -> None:
    position = desk.hold(3)
    factories.exit_order(position, "slice", quantity=1, pace="normal")
    offer = part_offer(position, now=desk.bet.wall(desk.at(NOW)))
    assert (offer.open, offer.free.contracts, offer.free.promised, offer.problem) == (3, 2, 1, "")
    with pytest.raises(NotClosable, match="1 in working orders, 2 free"):
        sell(desk, position, 3)
    assert sell(desk, position, 2).quantity == 2
    with pytest.raises(NotClosable, match="No contract is free to be sold: 3 in working orders, 0 free"):
        sell(desk, position, 1)


def test_a_tier_sells_only_what_a_person_has_left_of_it(desk: Desk) -> None:
    position = desk.hold(10)
    sell(desk, position, 9)
    desk.quote("10:43:00", "47.00", "47.20")
    desk.check("10:43:00")
    assert desk.sold() == [("manual_reduce", 9), ("slice", 1)]


@pytest.mark.parametrize("contracts", [0, -1, 11])
def test_a_number_that_is_not_there_is_refused(desk: Desk, contracts: int) -> None:
    with pytest.raises(NotClosable, match="Choose a whole number from 1 to 10"):
        sell(desk, desk.hold(10), contracts)
    assert desk.sold() == []


def test_a_page_that_was_drawn_before_another_part_was_ordered_orders_nothing(desk: Desk) -> None:
    position = desk.hold(10)
    sell(desk, position, 2, parts_before=0)
    with pytest.raises(NotClosable, match="since you looked"):
        sell(desk, position, 2, parts_before=0)
    assert desk.sold() == [("manual_reduce", 2)]


def test_without_a_bid_a_part_has_no_price(desk: Desk) -> None:
    position = desk.hold(10)
    desk.quote("10:42:05", None, "40.40")
    with pytest.raises(NotClosable, match="Nobody bids for it"):
        sell(desk, position, 1)


def test_nothing_is_sold_outside_the_session_or_beside_a_close(desk: Desk) -> None:
    position = desk.hold(10)
    with pytest.raises(NotClosable, match="The session is closed"):
        sell(desk, position, 1, at="16:00:01")
    close_position(position=position, now=desk.bet.wall(desk.at(NOW)), actor=owner())
    with pytest.raises(NotClosable, match="being closed already"):
        sell(desk, position, 1)


def test_closing_all_takes_the_place_of_a_part(desk: Desk) -> None:
    position = desk.hold(10)
    part = sell(desk, position, 4)
    close_position(position=position, now=desk.bet.wall(desk.at("10:42:08")), actor=owner())
    part.refresh_from_db()
    assert part.status == "cancelling"
    work(desk, "10:42:08", 30)
    assert (fresh(position).quantity_open, sold_contracts(position)) == (0, 10)


def test_more_than_the_broker_confirms_is_not_sold(desk: Desk) -> None:
    position = desk.hold(10)
    Position.objects.filter(pk=position.pk).update(broker_quantity=2, version=position.version + 1)
    with pytest.raises(NotClosable, match="the broker confirms 2 of them"):
        sell(desk, fresh(position), 3)
    assert sell(desk, fresh(position), 2).quantity == 2


# ---- At once ----


def outcome(call: Callable[[], Any]) -> Callable[[], Any]:
    def answered() -> Any:
        try:
            return call()
        except (NotClosable, NotTightenable) as problem:
            return problem

    return answered


def test_two_people_at_once_never_promise_more_than_is_open(committed: Desk) -> None:
    position = committed.hold(10)
    answers = at_once(*[outcome(lambda: sell(committed, position, 6))] * 4)
    assert sum(isinstance(each, Order) for each in answers) == 1
    assert sum(isinstance(each, NotClosable) for each in answers) == 3
    assert committed.sold() == [("manual_reduce", 6)]


def test_a_page_pressed_twice_at_once_sells_one_part(committed: Desk) -> None:
    position = committed.hold(10)
    answers = at_once(*[outcome(lambda: sell(committed, position, 2, parts_before=0))] * 4)
    assert sum(isinstance(each, Order) for each in answers) == 1
    assert committed.sold() == [("manual_reduce", 2)]


@pytest.mark.parametrize("bid", ["46.00", "20.00"])
def test_a_person_and_exit_checks_at_once_never_sell_more_than_is_open(committed: Desk, bid: str) -> None:
    """Tiers at 46, the stop at 20: whoever comes first, ten contracts are sold at most."""
    position = committed.hold(10)
    committed.quote("10:43:00", bid, f"{float(bid) + 0.2:.2f}")
    now = committed.bet.wall(committed.at("10:43:00"))
    check = lambda: run_check(now=now, scope="exit", exclusive=False)  # noqa: E731
    part = outcome(lambda: sell(committed, position, 8, at="10:43:00"))
    pair = at_once(check, part, check, part)
    assert not [each for each in pair if isinstance(each, Exception) and not isinstance(each, NotClosable)]
    run_check(now=now, scope="exit", exclusive=False)
    sales = [order for order in committed.orders if order.status != "cancelling" and order.intent != "stop"]
    assert sum(order.quantity for order in sales) <= 10
    work(committed, "10:43:00", 30)
    assert fresh(position).quantity_open == 10 - sold_contracts(position) >= 0


def test_a_part_while_a_tier_fills_never_sells_more_than_is_open(committed: Desk) -> None:
    position = committed.hold(10)
    committed.quote("10:43:00", "47.00", "47.00")
    committed.check("10:43:00")  # all three tiers are ordered but the last contract
    now = committed.bet.wall(committed.at("10:43:01"))
    working = lambda: run_orders(now=now)  # noqa: E731
    parts = outcome(lambda: sell(committed, position, 1, at="10:43:01"))
    at_once(working, parts, parts, working)
    work(committed, "10:43:02", 45)
    promised = sum(order.open_quantity for order in committed.orders if order.is_live)
    assert sold_contracts(position) + promised <= 10
    assert fresh(position).quantity_open == 10 - sold_contracts(position) >= 0


# ---- The stop ----


def test_a_stop_is_raised_with_who_why_the_old_and_the_new(desk: Desk) -> None:
    position = tighten(desk, desk.hold(10), "36.50", reason=" The gap is closed. ")
    assert (position.current_stop, position.initial_stop) == (Decimal("36.5"), Decimal(30))
    [event] = desk.events("stop_tightened")
    assert (event.actor_name, event.detail["reason"]) == ("owner", "The gap is closed.")
    assert (Decimal(event.before["stop"]), Decimal(event.after["stop"])) == (Decimal(30), Decimal("36.5"))


def test_the_exit_check_sells_at_the_tightened_stop(desk: Desk) -> None:
    position = desk.hold(10)
    tighten(desk, position, "39.00")
    for at in ("10:43:00", "10:44:00"):
        desk.quote(at, "38.90" if at == "10:43:00" else "38.80", "39.20")
        desk.check(at)
    assert desk.sold() == [("stop", 10)]


@pytest.mark.parametrize("stop", ["30.00", "29.99", "0.01"])
def test_a_stop_is_never_widened(desk: Desk, stop: str) -> None:
    position = desk.hold(10)
    with pytest.raises(NotTightenable, match="never widened") as refused:
        tighten(desk, position, stop)
    assert (refused.value.code, fresh(position).current_stop) == ("NOT_TIGHTER", Decimal(30))


@pytest.mark.parametrize("stop", ["40.00", "41.00", "1000000"])
def test_a_stop_that_would_sell_at_once_is_refused_with_the_bid(desk: Desk, stop: str) -> None:
    position = desk.hold(10)
    with pytest.raises(NotTightenable, match="would sell at once") as refused:
        tighten(desk, position, stop)
    assert (refused.value.code, fresh(position).current_stop) == ("SELLS_AT_ONCE", Decimal(30))


def test_without_a_bid_or_a_reason_or_with_too_many_decimals_nothing_is_changed(desk: Desk) -> None:
    position = desk.hold(10)
    with pytest.raises(ValidationError, match="Say why"):
        tighten(desk, position, "36", reason="  ")
    with pytest.raises(ValidationError, match="four decimals"):
        tighten(desk, position, "36.00001")
    desk.quote("10:42:05", None, "40.40")
    with pytest.raises(NotTightenable, match="Nobody bids"):
        tighten(desk, position, "36")
    assert fresh(position).version == position.version


@pytest.mark.django_db
def test_the_dynamic_stop_goes_on_from_a_tightened_one_and_never_lowers_it() -> None:
    desk = seven(owner=factories.user("owner"))
    position = hold_seven(desk)
    desk.quote("10:43:00", "5.90", "6.00")
    tighten(desk, position, "5.50", at="10:43:00")
    desk.check("10:43:01", "risk")  # its own rule says 5.225
    assert fresh(position).current_stop == Decimal("5.5")
    desk.quote("10:44:00", "7.40", "7.50")
    desk.check("10:44:00", "risk")
    assert fresh(position).current_stop > Decimal("5.5")


def test_a_check_that_judged_the_old_stop_writes_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    position, lock = desk.hold(10), writing.Writer._lock
    desk.quote("10:43:00", "29.00", "29.40")  # under the old stop: a breach would be counted

    def tightened_first(writer: Any, rows: Any) -> Any:
        Position.objects.filter(pk=position.pk).update(current_stop=Decimal("35"), version=position.version + 1)
        return lock(writer, rows)

    with monkeypatch.context() as patch:
        patch.setattr(writing.Writer, "_lock", tightened_first)
        desk.check("10:43:00")
    assert (fresh(position).current_stop, fresh(position).stop_breaches) == (Decimal(35), 0)


def test_of_two_people_at_once_the_second_is_held_to_the_first(committed: Desk) -> None:
    position = committed.hold(10)
    stops = ("32.00", "33.00", "34.00", "35.00")
    answers = at_once(*[outcome(lambda stop=stop: tighten(committed, position, stop)) for stop in stops])
    assert not [each for each in answers if isinstance(each, Exception) and not isinstance(each, NotTightenable)]
    assert fresh(position).current_stop == Decimal(35)
    told = [Decimal(event.after["stop"]) for event in committed.events("stop_tightened")]
    assert told == sorted(told)


def test_a_person_and_a_check_that_raises_the_stop_at_once_leave_the_higher_one(transactional_db: None) -> None:
    desk = seven(owner=factories.user("owner"))
    position = hold_seven(desk)
    desk.quote("10:43:00", "5.90", "6.00")
    now = desk.bet.wall(desk.at("10:43:00"))
    check = lambda: run_check(now=now, scope="risk", exclusive=False)  # noqa: E731
    answers = at_once(check, outcome(lambda: tighten(desk, position, "5.50", at="10:43:00")), check)
    assert not [each for each in answers if isinstance(each, Exception)]
    assert fresh(position).current_stop == Decimal("5.5")


def test_what_is_closed_has_no_stop_to_tighten(desk: Desk) -> None:
    position = desk.hold(10, quantity_open=0, status="closed", closed_at=desk.bet.at)
    with pytest.raises(NotTightenable, match="not open any more"):
        tighten(desk, position, "36")


# ---- Adopted ----


def test_an_adopted_position_gets_its_first_stop_by_its_rule_and_is_tightened_from_there(desk: Desk) -> None:
    position = adopted(desk)
    first = tightening(position, now=desk.bet.wall(desk.at("10:42:30")))
    assert first.is_first
    with pytest.raises(NotTightenable, match="By the rule of its system its first stop is"):
        tighten(desk, position, str(first.stop - 1), at="10:42:30")
    assert fresh(position).initial_stop is None
    tightened = tighten(desk, position, str(first.stop + 2), at="10:42:30")
    assert (tightened.initial_stop, tightened.current_stop) == (first.stop, first.stop + 2)
    assert [event.kind for event in position.events.order_by("id")][-2:] == ["stop_given", "stop_tightened"]


def test_the_first_stop_of_what_was_adopted_is_its_owner_s_to_give_or_staff_s_who_may(desk: Desk) -> None:
    position, clerk = adopted(desk), factories.user("clerk", is_staff=True)
    with pytest.raises(NotTightenable, match="its owner gives it the first one"):
        tighten_stop(
            position=position,
            stop=Decimal("38"),
            reason="Mine.",
            actor=clerk,
            now=desk.bet.wall(desk.at("10:42:30")),
        )
    assert fresh(position).initial_stop is None
