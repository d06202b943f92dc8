"""Agreeing with the broker before anything is opened (A-02, A-08): after a restart openings wait for it, exits never.

    orders without an answer are looked up -> what was executed and is not booked is booked -> holdings are compared

Agreed is agreed until the next restart. Where the broker holds less than is open here, exits sell at most what it
confirmed; where it cannot be asked, or knows something that is not on the books, openings go on waiting and a person is
told. `now` is wall time; quantities in contracts.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction

from positions.brokers import broker_of
from positions.brokers.base import BrokerUnavailable, Holding
from positions.market.calendar import new_york_date
from positions.market.clock import market_now
from positions.models import OrderStatus, Portfolio, Position, PositionEvent
from positions.services.fills import Planner, book_executions
from positions.services.order_changes import limit_lock_waits
from positions.services.portfolio import SYSTEM_NAME, lock_portfolio
from positions.services.working import work_portfolio

logger = logging.getLogger(__name__)

DIFFERS, AGREES = "broker_differs", "broker_agrees"
LOOKS_BACK = timedelta(days=7)  # for executions that are not booked: a weekly option lives no longer


@dataclass(frozen=True, slots=True)
class Reconciled:
    """Whether broker and books agree. `waits` says why they cannot be compared yet; `differences` are contracts held at
    the broker less those open here, by contract id."""

    agreed: bool
    waits: str = ""
    differences: Mapping[int, int] = field(default_factory=dict)


def await_reconciliation() -> int:
    """Openings of every portfolio wait from now on until it is reconciled: what a restart begins with. How many."""
    return Portfolio.objects.exclude(reconciled_at=None).update(reconciled_at=None)


def reconcile_waiting(*, now: datetime, plan: Planner) -> dict[int, Reconciled]:
    """Reconcile every portfolio that waits for it; one statement when none does. One that fails waits on, and keeps
    none of the others waiting."""
    found: dict[int, Reconciled] = {}
    for portfolio in Portfolio.objects.filter(reconciled_at=None).select_related("clock").order_by("id"):
        try:
            found[portfolio.pk] = reconcile(portfolio=portfolio, now=now, plan=plan)
        except Exception as error:
            logger.exception("%s: it could not be reconciled with its broker; openings wait.", portfolio)
            found[portfolio.pk] = Reconciled(False, waits=f"{type(error).__name__}: {error!s:.200}")
    return found


def reconcile(*, portfolio: Portfolio, now: datetime, plan: Planner) -> Reconciled:
    """One look at one portfolio. A query that fails is unknown, not flat: nothing is concluded from it."""
    at = market_now(portfolio.clock, now)
    work_portfolio(portfolio, now=now, plan=plan)
    lost = portfolio.orders.filter(status=OrderStatus.UNKNOWN).count()
    if lost:
        return Reconciled(False, waits=f"The broker has not said yet how {lost} orders stand.")
    try:
        broker = broker_of(portfolio)
        executions = broker.executions(portfolio, at - LOOKS_BACK)
        book_executions(portfolio, executions, at=at, now=now, plan=plan)
        held = {each.contract_id: each for each in broker.holdings(portfolio, new_york_date(at))}
    except (BrokerUnavailable, LookupError) as error:
        return Reconciled(False, waits=str(error) or "The broker does not answer.")
    return _compare(portfolio, held, at, now)


@transaction.atomic
def _compare(portfolio: Portfolio, held: Mapping[int, Holding], at: datetime, now: datetime) -> Reconciled:
    limit_lock_waits()
    lock_portfolio(portfolio.pk)
    today = new_york_date(at)
    rows = Position.objects.held().filter(portfolio=portfolio, contract__expiration_on__gte=today)
    by_contract: dict[int, list[Position]] = {}
    for position in rows.order_by("id").select_for_update(no_key=True, of=("self",)):
        by_contract.setdefault(position.contract_id, []).append(position)
    differences = {}
    for contract_id in sorted(by_contract.keys() | held.keys()):
        positions, at_broker = by_contract.get(contract_id, []), held.get(contract_id)
        if not positions and at_broker is not None and at_broker.expires_on <= today:
            continue  # settled here after today's close: the broker's book follows over night
        confirmed = at_broker.quantity if at_broker is not None else 0
        difference = confirmed - sum(position.quantity_open for position in positions)
        if difference:
            differences[contract_id] = difference
        for position in positions:
            left = min(position.quantity_open, confirmed)
            confirmed -= left
            _confirm(position, left if difference < 0 else None, at, now)
    if differences:
        logger.error("%s: the broker's holdings differ by contract: %s. Openings wait.", portfolio, differences)
        return Reconciled(False, differences=differences)
    Portfolio.objects.filter(pk=portfolio.pk).update(reconciled_at=now)
    return Reconciled(True)


def _confirm(position: Position, confirmed: int | None, at: datetime, now: datetime) -> None:
    """Note what the broker holds of it, None where it agrees; said once."""
    if position.broker_quantity == confirmed:
        return
    before = {"confirmed": position.broker_quantity, "open": position.quantity_open}
    position.broker_quantity, position.broker_quantity_at = confirmed, now
    position.version += 1
    position.save(update_fields=["broker_quantity", "broker_quantity_at", "version"])
    PositionEvent.objects.create(
        position=position,
        happened_at=at,
        kind=AGREES if confirmed is None else DIFFERS,
        actor_name=SYSTEM_NAME,
        before=before,
        after={"confirmed": confirmed, "open": position.quantity_open},
    )
