"""The life of a position as a state machine: whatever the market and the broker do, in whatever order, the books hold.

    cash = start + sells - buys - fees, to the cent, and is the sum of the ledger
    contracts open = opened - sold, never under 0; live orders never offer more than is open
    slices hold what was filled of them; stop and high-water mark only rise once the entry is filled
    nothing is booked twice, nothing is sent twice

`LIVES=500 pytest tests/positions/test_life_of_a_position.py` lives more of them than a usual run has time for.
"""

import os
from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.db.models import Sum
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from positions.models import (
    CashMovement,
    Fill,
    Order,
    OrderEvent,
    OutboxMessage,
    PaperExecution,
    Position,
    PositionStatus,
)
from positions.selectors import ledger_cash
from positions.services import working
from positions.services.orders import cancel_openings
from positions.services.settlement import settle_expired
from positions.services.working import work_orders
from tests.positions import market_day
from tests.positions.flaky_broker import FINE, KILLED, LOST_AFTER, LOST_BEFORE, REJECTED, FlakyBroker
from tests.positions.market_day import CLOSE, SECOND, START, exit_of, opening, plan, quote

EXAMPLES = int(os.environ.get("EXAMPLES", "12"))
PHASES = (Phase.explicit, Phase.generate) if os.environ.get("NOSHRINK") else tuple(Phase)
START_CASH = Decimal("60000.00")
SHARES = [3300, 6600, 10_000]
FAULTS = st.sampled_from([FINE, LOST_BEFORE, LOST_AFTER, REJECTED, KILLED])
BIDS = st.integers(1, 1600).map(lambda ticks: Decimal(ticks) / 20)  # 0.05 to 80.00


class LifeOfAPosition(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.block = transaction.atomic()
        self.block.__enter__()
        self.broker = FlakyBroker()
        self.keep, working.broker_of = working.broker_of, lambda portfolio: self.broker
        self.portfolio = market_day.portfolio()
        self.at = START
        self.marks: dict[int, tuple] = {}

    def teardown(self) -> None:
        try:
            self.comes_to_an_end()
        finally:
            working.broker_of = self.keep
            transaction.set_rollback(True)
            self.block.__exit__(None, None, None)

    # ---- What may happen ----

    @initialize(contracts=st.integers(1, 600), shown=st.sampled_from([1, 7, 40, 400, 3000]))
    def an_opening_is_approved(self, contracts, shown):
        self.order = opening(self.portfolio, contracts, worst="90", at=self.at)
        self.contract = self.order.contract
        quote(self.contract, self.at, "44.00", "44.60", shown)
        self.work()

    @rule(seconds=st.integers(1, 12))
    def time_passes(self, seconds):
        self.at += seconds * SECOND
        self.work()

    @rule(bid=BIDS, ticks=st.integers(-1, 12), shown=st.sampled_from([0, 1, 7, 40, 400]))
    def the_market_moves(self, bid, ticks, shown):
        self.at += SECOND
        quote(self.contract, self.at, str(bid), str(max(Decimal("0.05"), bid + Decimal(ticks) / 20)), shown)
        self.work()

    @rule(side=st.sampled_from(["bid", "ask"]))
    def a_side_goes_missing(self, side):
        self.at += SECOND
        quote(self.contract, self.at, None if side == "bid" else "44.00", None if side == "ask" else "44.60")
        self.work()

    @precondition(lambda self: self.position() is not None)
    @rule(highest=st.integers(1, 3), runner=st.sampled_from([0, 0, 5]))
    def a_gap_crosses_tiers(self, highest, runner):
        """All crossed slices in one order (B-33), with the runner when its target was reached (A-19)."""
        position = self.position()
        slices = list(position.slices.order_by("number"))
        committed = sum(s.contracts_filled + s.contracts_pending for s in slices)
        covered = []
        for each in slices[:highest]:
            if each.state != "armed":
                continue
            target = (position.quantity_opened * SHARES[each.number - 1] + 5000) // 10_000
            if target > committed:
                covered.append((each.number, target - committed))
                committed = target
        if covered:
            sold = {"quantity": sum(count for _, count in covered) + runner} if runner else {}
            prices = {"reference_bid": Decimal("1.00"), "reference_mid": Decimal("1.05")}
            exit_of(position, "target" if runner else "slice", self.at, covered, **sold | prices)
            self.work()

    @precondition(lambda self: self.position() is not None)
    @rule(intent=st.sampled_from(["stop", "forced_close", "emergency", "target"]))
    def an_exit_fires(self, intent):
        position = self.position()
        exit_of(position, intent, self.at, quantity=max(1, position.quantity_open // 4))
        self.work()

    @rule()
    def openings_are_cancelled(self):
        cancel_openings(portfolio=self.portfolio, at=self.at, now=self.at, reason="test", actor_name="test")
        self.work()

    @rule(submit=FAULTS, cancel=st.sampled_from([FINE, LOST_BEFORE, LOST_AFTER, KILLED]))
    def the_broker_falters(self, submit, cancel):
        self.broker.on_submit, self.broker.on_cancel = submit, cancel

    @rule(deaf=st.booleans(), silent=st.booleans(), repeats=st.booleans())
    def the_broker_is_deaf_or_silent_or_repeats_itself(self, deaf, silent, repeats):
        self.broker.deaf, self.broker.silent, self.broker.repeats = deaf, silent, repeats

    @rule()
    def the_broker_mends(self):
        self.broker.mend()
        self.at += timedelta(seconds=11)
        self.work()

    # ---- What must hold ----

    @invariant()
    def cash_is_start_plus_sells_less_buys_less_fees(self):
        self.portfolio.refresh_from_db()
        total = START_CASH
        for fill in Fill.objects.select_related("order"):
            dollars = fill.price * fill.quantity * 100
            total += (dollars if fill.order.side == "sell" else -dollars) - fill.fee
        assert self.portfolio.cash == total == ledger_cash(self.portfolio)
        assert CashMovement.objects.filter(amount=0).count() == 0

    @invariant()
    def quantities_agree(self):
        for position in Position.objects.all():
            sides = Counter()
            for fill in position.fills.select_related("order"):
                sides[fill.order.side] += fill.quantity
            assert position.quantity_opened == sides["buy"]
            assert position.quantity_open == sides["buy"] - sides["sell"] >= 0
            live = [o for o in position.orders.filter(side="sell", parent__isnull=False) if o.is_live]
            assert sum(order.open_quantity for order in live) <= position.quantity_open
            cost_of_sold = position.entry_cost * sides["sell"] / sides["buy"]
            result = position.exit_proceeds - cost_of_sold - position.fees
            assert abs(position.realised_pnl - result) <= Decimal("0.005")

    @invariant()
    def orders_count_their_fills(self):
        for order in Order.objects.annotate(booked=Sum("fills__quantity")):
            if order.parent_id is not None:
                assert order.filled_quantity == (order.booked or 0)
            else:
                children = order.children.aggregate(total=Sum("filled_quantity"))["total"] or 0
                assert order.filled_quantity == children
            last = OrderEvent.objects.filter(order=order).order_by("-id").first()
            assert last is not None
            assert last.to_status == order.status

    @invariant()
    def nothing_is_booked_or_sent_twice(self):
        assert Fill.objects.count() == Fill.objects.values("execution_id").distinct().count()
        booked = Fill.objects.aggregate(total=Sum("quantity"))["total"] or 0
        executed = PaperExecution.objects.aggregate(total=Sum("quantity"))["total"] or 0
        assert booked <= executed
        assert max(Counter(self.broker.submitted).values(), default=1) == 1

    @invariant()
    def slices_hold_what_was_filled_of_them(self):
        for position in Position.objects.all():
            for each in position.slices.all():
                taken = each.profit_takings.aggregate(total=Sum("contracts"))["total"] or 0
                assert each.contracts_filled == taken
                assert (each.contracts_pending > 0) == (each.state == "pending")
                if each.state == "pending":
                    assert each.order.is_live
            for order in position.orders.filter(intent__in=["slice", "target"], parent=None):
                pending = sum(s.contracts_pending for s in position.slices.filter(order=order))
                if order.is_live and position.status == PositionStatus.OPEN:
                    assert pending == order.open_quantity or (
                        order.intent == "target" and pending < order.open_quantity
                    )

    @invariant()
    def stop_and_high_water_only_rise_once_the_entry_is_filled(self):
        for position in Position.objects.all():
            opened, stop, high = self.marks.get(position.pk, (0, Decimal(0), Decimal(0)))
            if opened == position.quantity_opened:
                assert position.current_stop >= stop
                assert position.high_water >= high
            self.marks[position.pk] = (position.quantity_opened, position.current_stop, position.high_water)

    # ---- How it ends ----

    def comes_to_an_end(self) -> None:
        """With broker and market mended, a close sells everything, and nothing stays live."""
        if not hasattr(self, "contract"):
            return
        self.broker.mend()
        self.at += timedelta(seconds=11)
        cancel_openings(portfolio=self.portfolio, at=self.at, now=self.at, reason="test", actor_name="test")
        for _ in range(40):
            quote(self.contract, self.at, "30.00", "30.20", 5000)
            position = self.position()
            if position is not None:
                exit_of(position, "stop", self.at)
            self.work()
            if self.position() is None and not Order.objects.live().exists():
                break
            self.at += 3 * SECOND
        assert not Order.objects.live().exists()
        assert self.position() is None
        self.cash_is_start_plus_sells_less_buys_less_fees()
        self.quantities_agree()
        assert not OutboxMessage.objects.filter(sent_at=None, failed_at=None).exists()
        assert {position.realised_pnl for position in Position.objects.all()} <= {self.portfolio.cash - START_CASH}
        assert settle_expired(portfolio=self.portfolio, at=CLOSE, now=CLOSE) == 0

    def position(self) -> Position | None:
        return Position.objects.held().first()

    def work(self) -> None:
        errors = work_orders(now=self.at, plan=plan).errors
        assert all(error.startswith("Killed") for error in errors.values()), errors


@pytest.mark.django_db
def test_the_books_hold_whatever_market_and_broker_do():
    run_state_machine_as_test(
        LifeOfAPosition,
        settings=settings(
            max_examples=int(os.environ.get("LIVES", "12")),
            phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking would take minutes
            stateful_step_count=20,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
