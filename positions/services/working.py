"""Working the orders: one pass brings every live order of every portfolio up to a moment (A-08, A-09).

    answers and look-ups -> paper fills -> booking -> steps that are due (cancel, replace, finish, send) -> outbox ->
    broker, and again until the moment has nothing more to say

A pass is harmless twice, late, or beside another one: every change is conditional, written under the portfolio's lock,
and what leaves the house goes through the outbox. What a killed pass left behind the next one finds and finishes.
"""

import logging
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import groupby

from django.db import transaction

from positions.brokers import broker_of, outbox, paper
from positions.brokers.base import Acknowledgement, BrokerUnavailable, Execution
from positions.brokers.base import Broker as BrokerProtocol
from positions.brokers.ladder import SETTLEMENT_WINDOW
from positions.brokers.outbox import Delivery
from positions.brokers.paper import Terms
from positions.brokers.quotes import Quote, last_quotes
from positions.market.calendar import Session
from positions.market.clock import market_now
from positions.market_selectors import underlying_prices
from positions.models import Broker, Portfolio
from positions.services import live_orders as rows
from positions.services import step_rows
from positions.services.desk import lock_portfolio_row, open_session, workplaces
from positions.services.fills import Planner, book_executions
from positions.services.live_orders import Holding, LiveOrder
from positions.services.order_changes import Change, change_orders, is_busy
from positions.services.portfolio import SYSTEM_NAME
from positions.services.steps import Situation, decide, due

logger = logging.getLogger(__name__)

# An execution bears the broker's time, and a clock may have been set back since its order: what was executed so long
# before the oldest live order is asked for too. What is booked already is left out by its order.
CLOCKS_APART = timedelta(minutes=5)
MOST_ROUNDS = 20  # a moment is over after 3 or 4; a fault must not turn it into a loop without end


@dataclass(frozen=True, slots=True)
class Worked:
    """Whether anything changed, when each portfolio must be looked at next (market time), and what went wrong."""

    changed: bool
    next_at: dict[int, datetime] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)


def work_orders(*, now: datetime, plan: Planner, portfolio_ids: Collection[int] | None = None) -> Worked:
    """One pass over the live orders of these portfolios (None: of all) at wall time `now`.

    With nothing live it is one statement. `plan` gives a position its exits when its entry fills. A portfolio that
    fails does not keep the others waiting: its error is logged and returned, and the next pass tries again.
    """
    live = rows.live_orders(None if portfolio_ids is None else sorted(portfolio_ids))
    if not live:
        return Worked(False)
    changed, next_at, errors = False, {}, {}
    by_portfolio = {key: list(group) for key, group in groupby(live, key=lambda order: order.portfolio_id)}
    places = workplaces(by_portfolio)
    for portfolio_id, orders in by_portfolio.items():
        desk = _Desk(*places[portfolio_id], now, plan)
        try:
            changed |= desk.work(orders)
        except Exception as error:
            if is_busy(error):
                logger.info("%s: somebody else is at its orders; the next pass works them.", desk.portfolio)
            else:
                logger.exception("%s: its orders were not worked.", desk.portfolio)
                errors[portfolio_id] = f"{type(error).__name__}: {error}"
        if desk.next_at is not None:
            next_at[portfolio_id] = desk.next_at
    return Worked(changed, next_at, errors)


def work_portfolio(portfolio: Portfolio, *, now: datetime, plan: Planner) -> bool:
    """The same for one portfolio, whose errors are the caller's; whether anything changed."""
    live = rows.live_orders([portfolio.pk])
    return _Desk(*workplaces([portfolio.pk])[portfolio.pk], now, plan).work(live) if live else False


class _Desk:
    """The orders of one portfolio at one moment."""

    def __init__(self, portfolio: Portfolio, terms: Terms, now: datetime, plan: Planner) -> None:
        self.portfolio, self.terms, self.now, self.plan = portfolio, terms, now, plan
        self.at = market_now(portfolio.clock, now)
        self.next_at: datetime | None = None
        self._quotes: dict[int, Quote] = {}

    @cached_property
    def broker(self) -> BrokerProtocol:
        return broker_of(self.portfolio)

    @cached_property
    def session(self) -> Session | None:
        return open_session(self.at)

    def work(self, orders: list[LiveOrder]) -> bool:
        """Rounds until one asks for no other; whether anything changed."""
        changed = False
        for number in range(MOST_ROUNDS):
            done, again, orders = self._round(orders, first=number == 0)
            changed |= done
            if not again:
                break
        return changed

    def _round(self, orders: list[LiveOrder], *, first: bool) -> tuple[bool, bool, list[LiveOrder]]:
        """Whether anything changed, whether that asks for another round, and the orders that are live now."""
        children = [order for order in orders if order.parent_id is not None]
        delivery = self._deliver(children)
        submitted = delivery.submitted > 0
        accepted = self._accept(delivery, children)
        answers = delivery.acknowledgements | self._look_up(children, delivery)
        untold = first or _told_of_fills(children, answers)
        booked = self._book(children, ask=untold) if untold or submitted else 0
        # What ends by a fill while a message about it is on its way leaves the message behind: it is laid aside.
        between = any(child.status in ("submitting", "cancelling") for child in children)
        if booked:
            orders = rows.live_orders([self.portfolio.pk])
        if not (delivery or answers or (booked and between)):
            if not due(orders, self.at):
                self.next_at = min((o.next_step_at for o in orders if o.next_step_at is not None), default=None)
                return accepted or booked > 0, False, orders
            steps = decide(orders, self._situation(orders, self._holdings(orders)))
            if not steps:
                self.next_at = steps.next_at
                return accepted or booked > 0, False, orders
        stepped, orders = self._step(orders, delivery, answers, booked)
        return accepted or booked > 0 or stepped, stepped, orders

    # ---- The broker ----

    def _deliver(self, children: Sequence[LiveOrder]) -> Delivery:
        if not any(child.status in ("submitting", "cancelling") for child in children):
            return Delivery()
        return outbox.deliver(self.portfolio.pk, self.broker, at=self.at, now=self.now)

    def _accept(self, delivery: Delivery, children: Sequence[LiveOrder]) -> bool:
        """The usual answer, that all is working: noted at once, since it changes neither exposure nor cash."""
        if not (delivery.submitted and delivery.is_plain):
            return False
        known = {key: each.broker_order_id for key, each in delivery.acknowledgements.items()}
        sent = [each for each in children if each.client_order_id in known]
        if not all(each.status == "submitting" for each in sent):
            return False
        changes = [
            Change(
                each.order_id,
                each.status,
                "working",
                self.at,
                broker_order_id=known[each.client_order_id],
            )
            for each in sent
        ]
        change_orders(changes, actor_name=SYSTEM_NAME, now=self.now, sent=delivery.sent)
        for each in sent:
            each.status = "working"
        delivery.clear()
        return True

    def _look_up(self, children: Sequence[LiveOrder], delivery: Delivery) -> dict[str, Acknowledgement]:
        """How the orders stand whose answer was lost or is awaited. No answer is no answer: they stay unknown."""
        awaited = [
            child.client_order_id
            for child in children
            if child.status in ("unknown", "cancelling") and child.client_order_id not in delivery.acknowledgements
        ]
        if not awaited:
            return {}
        try:
            return {each.client_order_id: each for each in self.broker.lookup(awaited)}
        except BrokerUnavailable as error:
            logger.warning("%s: the broker cannot say how %d orders stand: %s", self.portfolio, len(awaited), error)
            return {}

    def _book(self, children: Sequence[LiveOrder], *, ask: bool) -> int:
        """Book what was executed. `ask`: there may be something even when the paper broker has just filled nothing."""
        if not children:
            return 0
        if self.portfolio.broker == Broker.PAPER:
            filled = paper.match(self.portfolio, at=self.at, terms=self.terms)
            if not (filled or ask):
                return 0
        try:
            found = self.broker.executions(self.portfolio, min(child.created_at for child in children) - CLOCKS_APART)
        except BrokerUnavailable as error:
            logger.warning("%s: the broker does not say what it executed: %s", self.portfolio, error)
            return 0
        new = _not_booked(children, found)
        return book_executions(self.portfolio, new, at=self.at, now=self.now, plan=self.plan) if new else 0

    # ---- The steps ----

    def _step(
        self,
        seen: Sequence[LiveOrder],
        delivery: Delivery,
        answers: dict[str, Acknowledgement],
        booked: int,
    ) -> tuple[bool, list[LiveOrder]]:
        """Apply the answers and take the steps that are due, under the portfolio's lock; the live orders after it."""
        with transaction.atomic():
            lock_portfolio_row(self.portfolio.pk)
            holdings = self._holdings(seen, lock=True)
            orders = [
                order
                for order in rows.live_orders([self.portfolio.pk], lock=True)
                # an exit placed since on a position that is not locked here: its turn is the next pass
                if order.position_id is None or order.position_id in holdings
            ]
            orders, answered = step_rows.apply_answers(orders, delivery, answers, at=self.at, now=self.now)
            if booked or answers.keys() - delivery.acknowledgements.keys():
                outbox.forget_finished(self.portfolio.pk, self.now)
            steps = decide(orders, self._situation(orders, holdings))
            orders = step_rows.take(steps, orders, holdings, at=self.at, now=self.now)
        self.next_at = steps.next_at
        return answered or bool(steps), orders

    def _holdings(self, orders: Sequence[LiveOrder], *, lock: bool = False) -> dict[int, Holding]:
        held = any(order.position_id is not None for order in orders)
        return rows.holdings(self.portfolio.pk, lock=lock) if held else {}

    def _situation(self, orders: Sequence[LiveOrder], holdings: dict[int, Holding]) -> Situation:
        missing = {order.contract_id for order in orders} - self._quotes.keys()
        self._quotes |= last_quotes(missing, source=self.portfolio.quote_source, at=self.at)
        return Situation(
            at=self.at,
            session=self.session,
            quotes=self._quotes,
            freshness=self.terms.freshness,
            holdings=holdings,
            spot=self._spot(orders),
        )

    def _spot(self, orders: Sequence[LiveOrder]) -> dict[int, Decimal]:
        """Underlying prices, wanted only while what expires today is sold in the last minutes (A-17)."""
        session = self.session
        if session is None or session.closes_at - self.at > SETTLEMENT_WINDOW:
            return {}
        wanted = {order.underlying_id for order in orders if order.is_urgent and order.expires_on == session.day}
        found = underlying_prices(wanted, source=self.portfolio.quote_source, now=self.at) if wanted else {}
        return {each.instrument_id: each.price for each in found.values()}


def _not_booked(children: Sequence[LiveOrder], executions: Sequence[Execution]) -> list[Execution]:
    """The executions of live orders that have more of them than is booked. An order that has ended has all of its own
    booked, or it would not have ended; one that is not ours says so when it is looked for."""
    filled = {child.client_order_id: child.filled for child in children}
    executed = Counter[str]()
    for each in {each.execution_id: each for each in executions}.values():
        executed[each.client_order_id] += each.quantity
    return [
        each
        for each in executions
        if each.client_order_id in filled and executed[each.client_order_id] > filled[each.client_order_id]
    ]


def _told_of_fills(children: Sequence[LiveOrder], answers: dict[str, Acknowledgement]) -> bool:
    """Whether an answer counts more contracts than are booked."""
    return any(
        child.client_order_id in answers and answers[child.client_order_id].filled_quantity > child.filled
        for child in children
    )
