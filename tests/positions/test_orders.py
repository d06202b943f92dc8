"""Placing intents: what is written, and what a repeat or a race leaves alone."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from positions.models import ExitSlice, Order, OrderEvent, OrderStatus, PositionEvent
from positions.services.orders import ExitIntent, Opening, cancel_openings, place_exits, place_openings
from tests import factories
from tests.positions.market_day import START, exit_of, opening, portfolio

pytestmark = pytest.mark.django_db
D = Decimal


def held(contracts: int = 12, slices: int = 3):
    position = factories.position(portfolio(), quantity_opened=contracts, quantity_open=contracts)
    for number in range(1, slices + 1):
        factories.exit_slice(position, number)
    return position


def test_an_opening_reserves_the_worst_price_of_its_decision():
    of = portfolio()
    order = opening(of, 3, worst="45")
    assert (order.status, order.quantity, order.worst_price, order.next_step_at) == ("planned", 3, D("45"), START)
    assert of.orders.reserved_dollars() == D("13500")
    assert [event.to_status for event in order.events.all()] == ["planned"]


def test_a_decision_becomes_one_order():
    order = opening(portfolio())
    again = Opening(order.decision, "normal", reference_mid=D("44.30"), quote_at=START)
    with pytest.raises(IntegrityError), transaction.atomic():
        place_openings([again], at=START, now=START, actor_name="test")
    assert Order.objects.count() == 1


def test_an_opening_is_never_urgent():
    with pytest.raises(ValueError, match="not urgent"):
        opening(portfolio(), pace="urgent")


def test_the_client_id_says_day_decision_and_intent_and_leaves_room_for_children():
    order = opening(portfolio(slug="a-very-long-name-of-a-portfolio"))
    assert order.client_order_id == f"a-very-long-name.210104.d{order.decision_id}.open.1"
    assert len(order.client_order_id) <= 58


def test_a_slice_order_covers_all_crossed_slices_and_marks_them_pending():
    position = held()
    (order,) = exit_of(position, "slice", START, [(1, 4), (2, 4)], reference_bid=D("47.00"), reference_mid=D("47.20"))
    assert (order.quantity, order.slice.number, order.pace, order.worst_price) == (8, 2, "normal", D("46.60"))
    assert [(s.state, s.contracts_pending, s.order_id) for s in ExitSlice.objects.order_by("number")] == [
        ("pending", 4, order.pk),
        ("pending", 4, order.pk),
        ("armed", 0, None),
    ]
    version = position.version
    position.refresh_from_db()
    assert position.version == version + 1
    event = PositionEvent.objects.get()
    assert (event.kind, event.after["contracts"], event.detail) == ("slice_pending", 8, {"rule": "slice"})


def test_a_pending_slice_is_not_ordered_again():
    position = held()
    exit_of(position, "slice", START, [(1, 4)])
    assert exit_of(position, "slice", START, [(1, 4)]) == []
    (again,) = exit_of(position, "slice", START, [(1, 4), (2, 4)])
    assert (again.quantity, again.sequence) == (4, 2)


def test_what_is_promised_to_a_live_order_is_not_sold_twice():
    position = held()
    exit_of(position, "slice", START, [(1, 4), (2, 4)])
    (target,) = exit_of(position, "target", START, quantity=12)
    assert target.quantity == 4
    assert exit_of(position, "slice", START, [(3, 4)]) == []
    assert exit_of(position, "target", START, quantity=1) == []


def test_a_whole_close_sells_everything_at_any_price_and_asks_the_cancel_of_the_rest():
    position = held()
    (slice_order,) = exit_of(position, "slice", START, [(1, 4)])
    (stop,) = exit_of(position, "stop", START)
    assert (stop.quantity, stop.worst_price, stop.pace) == (12, D("0.05"), "urgent")
    slice_order.refresh_from_db()
    assert slice_order.status == OrderStatus.CANCELLING
    assert OrderEvent.objects.filter(order=slice_order).last().detail == {"reason": "whole close"}
    assert ExitSlice.objects.get(number=1).state == "pending"  # until the broker has confirmed


def test_a_position_closes_as_a_whole_once():
    position = held()
    exit_of(position, "stop", START)
    assert exit_of(position, "forced_close", START) == []
    assert exit_of(position, "slice", START, [(1, 4)]) == []
    assert Order.objects.filter(position=position).count() == 1


def test_slices_and_target_of_one_check_share_what_is_open():
    position = held()
    of = {"verdict": {}, "reference_mid": D("50.00"), "reference_bid": D("49.90"), "quote_at": START}
    slices = tuple((s.pk, 4) for s in position.slices.order_by("number")[:2])
    orders = place_exits(
        [
            ExitIntent(position_id=position.pk, intent="target", quantity=6, slices=(), **of),
            ExitIntent(position_id=position.pk, intent="slice", quantity=8, slices=slices, **of),
        ],
        at={position.portfolio_id: START},
        now=START,
    )
    assert [(order.intent, order.quantity) for order in orders] == [("target", 6), ("slice", 6)]
    assert [s.contracts_pending for s in position.slices.order_by("number")] == [4, 2, 0]


def test_a_closed_position_gets_no_exit():
    position = factories.position(portfolio(), quantity_open=0, status="closed", closed_at=START)
    intent = ExitIntent(position.pk, "stop", 3, (), {}, None, None, None)
    assert place_exits([intent], at={position.portfolio_id: START}, now=START) == []


def test_many_exits_cost_as_many_statements_as_one():
    of = portfolio()
    counts = []
    for many in (1, 20):
        positions = [
            factories.position(of, contract=factories.contract(strike=str(3000 + 10 * many + n))) for n in range(many)
        ]
        for each in positions:
            factories.exit_slice(each, 1)
        intents = [
            ExitIntent(p.pk, "slice", 1, ((p.slices.get().pk, 1),), {}, D("44.40"), D("44.30"), START)
            for p in positions[: many // 2 or 1]
        ]
        intents += [ExitIntent(p.pk, "stop", 3, (), {}, None, None, START) for p in positions[many // 2 :]]
        with CaptureQueriesContext(
            connection,
        ) as queries:
            place_exits(intents, at={of.pk: START}, now=START)
        counts.append(len(queries))
    assert counts[1] <= counts[0] + 1


def test_openings_are_cancelled_once():
    of = portfolio()
    opening(of)
    given = {"portfolio": of, "at": START, "now": START, "reason": "halted", "actor_name": "breaker"}
    assert cancel_openings(**given) == 1
    assert cancel_openings(**given) == 0
    order = Order.objects.get()
    assert order.status == OrderStatus.CANCELLING
    last = order.events.last()
    assert (last.actor_name, last.detail, last.from_status) == ("breaker", {"reason": "halted"}, "planned")


def test_a_second_exit_of_the_same_kind_is_numbered():
    position = held()
    (first,) = exit_of(position, "slice", START, [(1, 1)])
    (second,) = exit_of(position, "slice", START + timedelta(seconds=1), [(2, 1)])
    assert [first.client_order_id[-8:], second.client_order_id[-8:]] == [".slice.1", ".slice.2"]
