"""From the signal to the closed position without a person in the middle, by the services of every second."""

from decimal import Decimal

import pytest
from django.db.models import Sum

from positions.models import Fill, OptionQuote, Position
from positions.selectors import ledger_cash
from positions.services.working import work_orders
from riskengine.services.decide.plan import exit_plan
from tests.riskengine import entering, market
from tests.riskengine.watch.desk import Desk, runs_on, seconds_after, seven, zero

pytestmark = pytest.mark.django_db

START = {"zero": Decimal(60_000), "seven": Decimal(100_000)}


def second(desk: Desk, at: str) -> None:
    """What happens in one second: both checks, and the orders before and after them."""
    now = desk.bet.wall(desk.at(at))
    work_orders(now=now, plan=exit_plan)
    desk.check(at, "exit")
    desk.check(at, "risk")
    work_orders(now=now, plan=exit_plan)
    cash_is_whole(desk)


def cash_is_whole(desk: Desk) -> None:
    """cash = start + sells - buys - fees, to the cent, and is the sum of the ledger."""
    desk.portfolio.refresh_from_db()
    fills = Fill.objects.filter(order__portfolio=desk.portfolio)
    flow = sum(
        (fill.price * fill.quantity * 100 * (1 if fill.order.side == "sell" else -1) - fill.fee)
        for fill in fills.select_related("order")
    )
    start = desk.portfolio.equity_snapshots.earliest("session_on").equity_start_of_day
    assert desk.portfolio.cash == start + Decimal(flow).quantize(Decimal("0.01")) == ledger_cash(desk.portfolio)


def worked(desk: Desk, *times: str) -> None:
    for at in times:
        second(desk, at)


def enter(desk: Desk, confidence: str = "0.70") -> Position:
    """A check lets the entry pass, the ladder works it to the ask, and its fill opens the position."""
    desk.check("10:42:07", "risk")
    answer = entering.enter(desk.bet, confidence)
    assert answer.order is not None, answer.decision.refusal_sentence
    worked(desk, "10:42:07", "10:42:17", "10:42:27", "10:42:37", "10:42:38", "10:42:40", "10:42:42", "10:42:44")
    return Position.objects.get(decision=answer.decision)


def bar(desk: Desk, minute: int, bid: str, ask: str, size: int = 500) -> None:
    """The quote of a minute, and the seconds in which a slice's order is worked down to the bid."""
    at = f"10:{minute}:00"
    desk.quote(at, bid, ask)
    OptionQuote.objects.filter(contract=desk.contract, quoted_at=desk.at(at)).update(bid_size=size, ask_size=size)
    worked(desk, at, *(f"10:{minute}:{each:02}" for each in (1, 2, 3, 4, 10, 11, 20, 21, 30, 31, 32, 33, 34, 35, 36)))


def closes(position: Position) -> list[tuple[str, int]]:
    """Contracts sold by intent, in the order of their fills."""
    rows = Fill.objects.filter(position=position, order__side="sell").order_by("id")
    sold: dict[str, int] = {}
    for intent, quantity in rows.values_list("order__intent", "quantity"):
        sold[intent] = sold.get(intent, 0) + quantity
    return list(sold.items())


def test_a_same_day_bet_fills_a_tier_and_stops_out_with_the_rest() -> None:
    desk = zero()
    OptionQuote.objects.update(bid_size=500, ask_size=500)
    position = enter(desk)
    assert (position.quantity_open, position.average_entry_price) == (3, Decimal("40.40"))
    assert position.current_stop == Decimal("30.30")
    bar(desk, 43, "42.60", "43.00")  # over 5% of 40.40
    position.refresh_from_db()
    assert closes(position) == [("slice", 1)]
    first = position.slices.get(number=1)
    assert (first.state, first.contracts_filled) == ("filled", 1)
    bar(desk, 44, "30.00", "30.40")
    assert closes(position) == [("slice", 1)], "one quote under the stop is no confirmation"
    bar(desk, 45, "29.90", "30.30")
    position.refresh_from_db()
    assert closes(position) == [("slice", 1), ("stop", 2)]
    assert (position.status, position.close_cause, position.quantity_open) == ("closed", "stop", 0)


def test_a_gap_through_every_tier_closes_the_position_with_one_intent() -> None:
    desk = zero()
    OptionQuote.objects.update(bid_size=500, ask_size=500)
    position = enter(desk)
    bar(desk, 43, "47.00", "47.40")
    position.refresh_from_db()
    assert (position.status, closes(position), desk.sold()) == ("closed", [("slice", 3)], [("slice", 3)])
    assert position.realised_pnl > 0


def test_a_weekly_bet_takes_its_slices_raises_its_stop_and_goes_by_it() -> None:
    desk = seven()
    runs_on(desk)
    OptionQuote.objects.update(bid_size=2_000, ask_size=2_000)
    position = enter(desk)
    opened = position.quantity_open
    assert (opened, position.average_entry_price) == (81, Decimal("5.05"))
    bar(desk, 43, "6.85", "6.90", size=2_000)  # +35.6%: past the first two slices
    position.refresh_from_db()
    taken = sum(each.contracts_filled for each in position.slices.all())
    assert closes(position) == [("slice", taken)]
    assert taken == opened - position.quantity_open == (opened * 5000 + 5000) // 10_000
    raised = position.current_stop
    assert raised == Decimal("5.95"), "half of the gain is locked"
    low = "5.90", "5.95"
    bar(desk, 44, *low, size=2_000)
    bar(desk, 45, *low, size=2_000)
    position.refresh_from_db()
    assert closes(position) == [("slice", taken), ("stop", opened - taken)]
    assert (position.status, position.current_stop) == ("closed", raised)


def test_what_is_left_at_the_forced_close_is_sold_before_the_close() -> None:
    desk = zero()
    OptionQuote.objects.update(bid_size=500, ask_size=500)
    position = enter(desk)
    desk.quote("15:45:00", "40.00", "40.40")
    OptionQuote.objects.filter(quoted_at=desk.at("15:45:00")).update(bid_size=500)
    worked(desk, "15:45:00", "15:45:01", "15:45:02")
    position.refresh_from_db()
    assert (position.status, closes(position)) == ("closed", [("forced_close", 3)])
    assert position.closed_at < seconds_after(desk.at("16:00:00"), -600)
    assert Fill.objects.filter(position=position).aggregate(fees=Sum("fee"))["fees"] == position.fees
    assert desk.portfolio.quote_source == market.SOURCE
