"""Slices and targets: what crosses, how many contracts it sells, and in which order the rules of one check speak."""

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from positions.models import Order, OrderStatus, Regime
from tests.riskengine.watch.desk import Desk, arm, fresh, hold_seven, rich, seven, zero

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> Desk:
    return zero()


def slices_of(desk: Desk) -> list[tuple[int, str, int]]:
    position = desk.portfolio.positions.get()
    return list(position.slices.order_by("number").values_list("number", "state", "contracts_pending"))


def test_a_bid_at_the_threshold_sells_the_slice(desk: Desk) -> None:
    desk.hold()
    desk.quote("10:43:00", "42.00", "42.40")  # +5.00%
    desk.check("10:43:00")
    assert desk.sold() == [("slice", 3)]
    assert slices_of(desk) == [(1, "pending", 3), (2, "armed", 0), (3, "armed", 0)]
    assert desk.orders[0].verdict["slices"] == [
        {
            "number": 1,
            "threshold": 0.05,
            "factor": 1.0,
            "effective_threshold": 0.05,
            "trigger_price": 42.0,
            "contracts": 3,
        }
    ]


def test_a_mid_over_the_threshold_does_not(desk: Desk) -> None:
    desk.hold()
    desk.quote("10:43:00", "41.90", "43.00")
    desk.check("10:43:00")
    assert desk.sold() == []


def test_a_gap_through_all_tiers_is_one_order(desk: Desk) -> None:
    desk.hold(12)
    desk.quote("10:43:00", "46.40", "46.80")  # +16%
    desk.check("10:43:00")
    assert desk.sold() == [("slice", 12)]
    assert slices_of(desk) == [(1, "pending", 4), (2, "pending", 4), (3, "pending", 4)]
    desk.quote("10:44:00", "40.80", "41.20")
    desk.check("10:44:00")
    assert desk.sold() == [("slice", 12)]


def test_a_pending_slice_orders_nothing_again(desk: Desk) -> None:
    desk.hold()
    for second in ("00", "01", "02"):
        desk.quote(f"10:43:{second}", "42.00", "42.40")
        desk.check(f"10:43:{second}")
    assert desk.sold() == [("slice", 3)]


def test_a_slice_that_came_back_orders_again(desk: Desk) -> None:
    desk.hold()
    desk.quote("10:43:00", "42.00", "42.40")
    desk.check("10:43:00")
    desk.finish()
    desk.check("10:43:30")
    assert desk.sold() == [("slice", 3), ("slice", 3)]
    assert len({order.client_order_id for order in desk.orders}) == 2


def test_an_unusable_quote_holds_every_slice_back(desk: Desk) -> None:
    position = desk.hold()
    desk.quote("10:43:00", "46.00", "52.00")
    desk.check("10:43:00")
    assert desk.sold() == []
    assert fresh(position).high_water == Decimal(40)


def test_a_stale_quote_holds_every_slice_back(desk: Desk) -> None:
    desk.hold()
    desk.quote("10:43:00", "46.00", "46.40")
    desk.check("10:44:01")
    assert desk.sold() == []


def test_a_gain_that_the_fees_eat_is_none(desk: Desk) -> None:
    """0.05 x 5% is a quarter of a cent, and both fees are 1.3 cents a share."""
    desk.hold(entry="0.20", initial_stop="0.10", current_stop="0.10")
    desk.quote("10:43:00", "0.21", "0.22")
    desk.check("10:43:00")
    assert desk.sold() == []
    desk.quote("10:44:00", "0.22", "0.23")
    desk.check("10:44:00")
    assert [quantity for _, quantity in desk.sold()] == [7]


def test_slices_wait_while_the_entry_is_still_working(desk: Desk) -> None:
    position = desk.hold()
    entry = desk.bet.order(desk.contract, 1, "40.40", decision=position.decision)
    desk.quote("10:43:00", "42.00", "42.40")
    desk.check("10:43:00")
    assert desk.sold() == []
    Order.objects.filter(pk=entry.pk).update(status=OrderStatus.CANCELLED, finished_at=desk.at("10:43:10"))
    desk.check("10:43:10")
    assert desk.sold() == [("slice", 3)]


def test_the_stop_does_not_wait_for_the_entry(desk: Desk) -> None:
    position = desk.hold()
    desk.bet.order(desk.contract, 1, "40.40", decision=position.decision)
    desk.quote("10:43:00", "20.00", "20.40")
    desk.check("10:43:00")
    assert desk.sold() == [("stop", 10)]


@pytest.mark.parametrize(
    ("contracts", "sells"),
    [(1, [0, 1, 0]), (2, [1, 0, 1]), (3, [1, 1, 1]), (12, [4, 4, 4]), (33, [11, 11, 11]), (100, [33, 33, 34])],
)
def test_the_contracts_of_each_tier(desk: Desk, contracts: int, sells: list[int]) -> None:
    desk.hold(contracts)
    for minute, bid in ((43, "42.00"), (44, "44.00"), (45, "46.00")):
        desk.quote(f"10:{minute}:00", bid, f"{Decimal(bid) + Decimal('0.40')}")
        desk.check(f"10:{minute}:00")
    taken = dict.fromkeys((1, 2, 3), 0)
    for order in desk.orders:
        for each in order.verdict["slices"]:
            taken[each["number"]] += each["contracts"]
    assert list(taken.values()) == sells


def test_a_slice_that_would_close_nothing_is_deferred_once(desk: Desk) -> None:
    position = desk.hold(1)
    desk.quote("10:43:00", "42.00", "42.40")
    for second in ("00", "01", "02"):
        desk.check(f"10:43:{second}")
    assert desk.sold() == []
    assert [event.after["number"] for event in desk.events("slice_deferred")] == [1]
    assert slices_of(desk)[0] == (1, "deferred", 0)
    assert fresh(position).version == position.version + 1


def test_a_gap_defers_what_it_carries_into_a_higher_slice(desk: Desk) -> None:
    desk.hold(1)
    desk.quote("10:43:00", "44.00", "44.40")
    desk.check("10:43:00")
    assert desk.sold() == [("slice", 1)]
    assert slices_of(desk) == [(1, "deferred", 0), (2, "pending", 1), (3, "armed", 0)]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(contracts=st.integers(1, 600), bids=st.lists(st.integers(380, 480), min_size=1, max_size=6))
def test_whatever_the_bids_no_more_is_ordered_than_is_held_and_no_slice_twice(contracts: int, bids: list[int]) -> None:
    from django.db import transaction

    with transaction.atomic():
        desk = rich()
        desk.hold(contracts)
        for minute, tenths in enumerate(bids):
            bid = Decimal(tenths) / 10
            desk.quote(f"10:{43 + minute}:00", f"{bid}", f"{bid + Decimal('0.40')}")
            desk.check(f"10:{43 + minute}:00")
            desk.check(f"10:{43 + minute}:00")
        assert sum(order.quantity for order in desk.orders) <= contracts
        numbers = [each["number"] for order in desk.orders for each in order.verdict["slices"]]
        assert len(numbers) == len(set(numbers))
        transaction.set_rollback(True)


# ---- Seven days ----


@pytest.mark.parametrize(
    ("day", "factor"), [("2021-01-04", 1.0), ("2021-01-06", 0.9), ("2021-01-08", 0.75), ("2021-01-11", 0.4)]
)
def test_thresholds_fall_with_the_days_to_expiration(day: str, factor: float) -> None:
    """Seven, five and three calendar days, and the day itself, all of them before the forced close."""
    from datetime import date

    desk = seven()
    desk.bet.portfolio.clock.__class__.objects.filter(portfolio=desk.portfolio).update(market_ends_at=None)
    on = date.fromisoformat(day)
    hold_seven(desk)
    short, exact = 5 * (1 + 0.2 * factor) - 0.01, 5 * (1 + 0.2 * factor)
    desk.quote(desk.at("11:00:00", on), f"{short:.4f}", f"{short + 0.05:.4f}")
    desk.check(desk.at("11:00:00", on), "risk")
    assert desk.sold() == []
    desk.quote(desk.at("11:01:00", on), f"{exact:.4f}", f"{exact + 0.05:.4f}")
    desk.check(desk.at("11:01:00", on), "risk")
    assert desk.sold() == [("slice", 10)]
    assert desk.orders[0].verdict["slices"][0]["factor"] == factor


def test_the_target_closes_only_the_runner() -> None:
    """Three times the risk of 1.00 is a price of 8.00; the first three slices are taken already."""
    desk = seven()
    position = hold_seven(desk, quantity_open=10)
    position.slices.update(state="filled", contracts_filled=10)
    desk.quote("10:43:00", "7.95", "8.05")
    desk.check("10:43:00", "risk")
    assert desk.sold() == []
    desk.quote("10:44:00", "8.00", "8.10")
    desk.check("10:44:00", "risk")
    assert desk.sold() == [("target", 10)]
    assert desk.orders[0].verdict["target"] == 8.0


def test_target_and_slices_crossed_together_are_one_order() -> None:
    desk = seven()
    hold_seven(desk)
    desk.quote("10:43:00", "8.10", "8.20")
    desk.check("10:43:00", "risk")
    desk.check("10:43:01", "risk")
    assert desk.sold() == [("target", 40)]
    assert slices_of(desk) == [(1, "pending", 10), (2, "pending", 10), (3, "pending", 10)]


def test_a_target_leaves_what_is_promised_to_an_armed_slice() -> None:
    """With the stop close under the entry three times the risk is +45%, before the third slice at +50%."""
    desk = seven()
    hold_seven(desk, initial_stop="4.25", current_stop="4.25")
    desk.quote("10:43:00", "7.30", "7.40")
    desk.check("10:43:00", "risk")
    assert desk.sold() == [("target", 30)]
    assert slices_of(desk) == [(1, "pending", 10), (2, "pending", 10), (3, "armed", 0)]


def test_early_targets_recede_before_they_are_reached() -> None:
    """+30% is the target while the gain is under 15%; at +30% it has moved to +60% (B-46)."""
    desk = seven()
    position = hold_seven(desk)
    position.slices.all().delete()
    desk.quote("10:43:00", "6.55", "6.65")
    desk.check("10:43:00", "risk")
    assert desk.sold() == []


# ---- One check, one order ----


def test_the_stop_comes_before_the_slices(desk: Desk) -> None:
    """A stop that stands above the entry, with a slice crossed at the same bid."""
    desk.hold(current_stop="43.00", high_water="46.00")
    desk.quote("10:43:00", "42.00", "42.40")
    desk.check("10:43:00")  # the first witness of the stop; the slice is crossed and sells
    assert desk.sold() == [("slice", 3)]
    desk.quote("10:44:00", "44.00", "44.40")
    desk.finish()
    desk.quote("10:45:00", "38.00", "38.40")  # deep under it
    desk.check("10:45:00")
    assert desk.sold()[1:] == [("stop", 10)]


def test_a_stop_takes_the_place_of_a_working_slice(desk: Desk) -> None:
    desk.hold()
    desk.quote("10:43:00", "42.00", "42.40")
    desk.check("10:43:00")
    desk.quote("10:44:00", "20.00", "20.40")
    desk.check("10:44:00")
    slice_, stop = desk.orders
    assert (slice_.status, stop.intent, stop.quantity) == ("cancelling", "stop", 10)
    desk.check("10:44:01")
    assert len(desk.orders) == 2


def test_the_forced_close_comes_before_the_stop(desk: Desk) -> None:
    desk.hold()
    desk.quote("15:45:00", "20.00", "20.40")
    desk.check("15:45:00")
    assert desk.sold() == [("forced_close", 10)]


def test_the_emergency_comes_before_the_forced_close(desk: Desk) -> None:
    desk.hold()
    desk.state("FLATTENING")
    desk.quote("15:45:00", "20.00", "20.40")
    desk.check("15:45:00")
    assert desk.sold() == [("emergency", 10)]


def test_what_several_regimes_hold_is_judged_by_their_own_ladders(desk: Desk) -> None:
    from tests.riskengine import market

    for strike, regime in (("3705", Regime.MIDDAY), ("3710", Regime.LATE)):
        contract = market.spxw(strike)
        desk.hold(contract=contract, regime=regime)
        desk.quote("10:43:00", "41.60", "42.00", contract=contract)  # +4%
    desk.check("10:43:00")
    assert [(order.verdict["slices"][0]["threshold"], order.quantity) for order in desk.orders] == [(0.03, 3)]


def test_later_revisions_change_nothing_of_an_open_position(desk: Desk) -> None:
    position = desk.hold()
    desk.bet.revise(forced_close_minutes="30")
    desk.check("15:35:00")
    assert desk.sold() == []
    assert position.revision_id != desk.portfolio.profile.revisions.latest("number").pk


def test_arming_is_from_the_stored_slices(desk: Desk) -> None:
    position = desk.hold()
    position.slices.all().delete()
    position.regime = Regime.LATE
    arm(position)
    desk.quote("10:43:00", "42.00", "42.40")
    desk.check("10:43:00")
    assert desk.sold() == [("slice", 10)]
