"""Agreeing with the broker before anything is opened (A-02, A-08): after a restart openings wait for it, exits never.

    orders without an answer are looked up -> what was executed and is not booked is booked -> what was traded at the
    broker is adopted -> holdings are compared

With the paper broker agreed is agreed until the next restart; other accounts can be traded past us and are compared
again every minute. Where the broker holds less than is open here and tells no sale, exits sell at most what it
confirmed; where it holds more and tells no purchase, that is adopted at its average price once the difference has
lasted; where it cannot be asked, or knows something that cannot be booked, openings go on waiting and a person is told.
Each difference is a row from when it begins until it ends, and is logged at both. `now` is wall time; quantities in
contracts.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Q

from positions.brokers import broker_of
from positions.brokers.base import BrokerUnavailable, Execution, Holding
from positions.market.calendar import new_york_date
from positions.market.clock import market_now
from positions.models import (
    Broker,
    BrokerDifference,
    OrderStatus,
    Portfolio,
    Position,
    PositionEvent,
    Side,
)
from positions.services.adoption import adopt, buy, sorted_out
from positions.services.desk import open_session
from positions.services.fills import Planner, book_executions
from positions.services.order_changes import limit_lock_waits
from positions.services.portfolio import SYSTEM_NAME, lock_portfolio
from positions.services.working import work_portfolio

logger = logging.getLogger(__name__)

DIFFERS, AGREES = "broker_differs", "broker_agrees"
LOOKS_BACK = timedelta(days=7)  # for executions that are not booked: a weekly option lives no longer
COMPARED_AGAIN_AFTER = timedelta(minutes=1)
# A purchase that the broker counts already and does not tell yet must not be booked twice.
ADOPTED_AFTER = timedelta(minutes=1)
_said: dict[int, str] = {}  # by portfolio why it waits, as it was last logged by this process


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
    """Reconcile every portfolio that waits for it or is due to be compared again; one statement when none is. One that
    fails waits on, and keeps none of the others waiting."""
    found: dict[int, Reconciled] = {}
    again = ~Q(broker=Broker.PAPER) & Q(reconciled_at__lte=now - COMPARED_AGAIN_AFTER)
    due = Portfolio.objects.filter(Q(reconciled_at=None) | again).select_related("clock", "profile").order_by("id")
    for portfolio in due:
        try:
            looked = reconcile(portfolio=portfolio, now=now, plan=plan)
        except Exception as error:  # whatever it was: the others must be reconciled
            looked = Reconciled(False, waits=f"{type(error).__name__}: {error!s:.200}")
            if _said.get(portfolio.pk) != looked.waits:
                logger.exception("%s: it could not be reconciled with its broker; openings wait.", portfolio)
                _said[portfolio.pk] = looked.waits
        found[portfolio.pk] = looked
        _say(portfolio, looked)
    return found


def _say(portfolio: Portfolio, looked: Reconciled) -> None:
    """Log why it waits when that begins or changes, and when it is over: not at every look."""
    before = _said.get(portfolio.pk, "")
    if looked.waits and looked.waits != before:
        logger.warning("%s: it is not reconciled with its broker yet; openings wait. %s", portfolio, looked.waits)
    if looked.agreed and before:
        logger.warning("%s: it is reconciled with its broker.", portfolio)
    if looked.waits:
        _said[portfolio.pk] = looked.waits
    else:
        _said.pop(portfolio.pk, None)


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
        held = {each.contract_id: each for each in broker.holdings(portfolio, new_york_date(at))}
    except (BrokerUnavailable, LookupError) as error:
        return Reconciled(False, waits=str(error) or "The broker does not answer.")
    own, orphans = sorted_out(portfolio, executions)
    book_executions(portfolio, own, at=at, now=now, plan=plan)
    left = adopt(portfolio, orphans, at=at, now=now, plan=plan)
    return _compare(portfolio, held, left, at, now)


@transaction.atomic
def _compare(
    portfolio: Portfolio, held: Mapping[int, Holding], left: list[Execution], at: datetime, now: datetime
) -> Reconciled:
    limit_lock_waits()
    locked = lock_portfolio(portfolio.pk)
    today = new_york_date(at)
    rows = Position.objects.held().filter(portfolio=portfolio, contract__expiration_on__gte=today)
    by_contract: dict[int, list[Position]] = {}
    for position in rows.order_by("id").select_for_update(no_key=True, of=("self",)):
        by_contract.setdefault(position.contract_id, []).append(position)
    busy = set(locked.orders.live().values_list("contract_id", flat=True))
    over_night = open_session(at) is None
    here: dict[int, int] = {}
    there: dict[int, int] = {}
    for contract_id in sorted(by_contract.keys() | held.keys()):
        positions, at_broker = by_contract.get(contract_id, []), held.get(contract_id)
        if not positions and at_broker is not None and at_broker.expires_on <= today and over_night:
            continue  # settled here after today's close: the broker's book follows over night
        confirmed = at_broker.quantity if at_broker is not None else 0
        open_here = sum(position.quantity_open for position in positions)
        if confirmed != open_here and contract_id in busy and locked.reconciled_at is not None:
            continue  # what fills between the broker's two answers is no difference: the next look compares it
        if confirmed != open_here:
            here[contract_id], there[contract_id] = open_here, confirmed
        for position in positions:
            mine = min(position.quantity_open, max(confirmed, 0))
            confirmed -= mine
            _confirm(position, mine if there.get(contract_id, open_here) < open_here else None, at, now)
    unclear = busy | {each.contract_id for each in left}
    for each in _noted(locked, here, there, now):
        price = _price_of_surplus(held.get(each.contract_id), by_contract.get(each.contract_id, []), each)
        if price is not None and each.contract_id not in unclear:
            _adopt_surplus(locked, each, price, at)
            BrokerDifference.objects.filter(pk=each.pk).update(ended_at=now)
            here.pop(each.contract_id)
    if not (here or left):
        Portfolio.objects.filter(pk=portfolio.pk).update(reconciled_at=now)
        return Reconciled(True)
    Portfolio.objects.filter(pk=portfolio.pk).update(reconciled_at=None)
    if here:
        return Reconciled(False, differences={each: there[each] - here[each] for each in here})
    told = ", ".join(each.execution_id for each in left[:3])
    return Reconciled(False, waits=f"The broker tells {len(left)} trades that cannot be booked here: {told}.")


def _noted(
    locked: Portfolio, here: Mapping[int, int], there: Mapping[int, int], now: datetime
) -> list[BrokerDifference]:
    """A row for each difference as long as it lasts with the same numbers; those that have lasted long enough to be
    adopted."""
    standing = list(locked.broker_differences.filter(ended_at=None).select_related("contract").order_by("id"))
    same = {
        each.contract_id: each
        for each in standing
        if (here.get(each.contract_id), there.get(each.contract_id)) == (each.here, each.there)
    }
    for each in standing:
        if each.contract_id not in same:
            BrokerDifference.objects.filter(pk=each.pk).update(ended_at=now)
            if each.contract_id not in here:
                logger.warning("%s: the broker's holdings agree again: %s.", locked, each.contract)
    for contract_id in here.keys() - same.keys():
        made = BrokerDifference.objects.create(
            portfolio=locked, contract_id=contract_id, here=here[contract_id], there=there[contract_id], began_at=now
        )
        logger.error("%s: the broker's holdings differ: %s. Openings wait.", locked, made)
    return [each for each in same.values() if each.began_at <= now - ADOPTED_AFTER]


# ---- More at the broker ----


def _price_of_surplus(
    at_broker: Holding | None, positions: list[Position], difference: BrokerDifference
) -> Decimal | None:
    """What the surplus cost a share, so that all of it together costs what the broker says. None: it does not say, or
    what it says cannot be; then nothing is invented. None as well for fewer than ours."""
    surplus = difference.there - difference.here
    if surplus <= 0 or at_broker is None or at_broker.average_price is None:
        return None
    ours = sum((position.average_entry_price * position.quantity_open for position in positions), Decimal(0))
    price = ((at_broker.average_price * at_broker.quantity - ours) / surplus).quantize(Decimal("0.0001"))
    return price if price > 0 else None


def _adopt_surplus(locked: Portfolio, difference: BrokerDifference, price: Decimal, at: datetime) -> None:
    """Contracts whose purchase the broker does not tell: at its price, without a fee. Booked once a difference."""
    buy(
        locked,
        difference.contract,
        Execution(
            execution_id=f"holding-{locked.slug}-{difference.pk}",
            client_order_id="",
            quantity=difference.there - difference.here,
            price=price,
            fee=Decimal(0),
            executed_at=at,
            contract_id=difference.contract_id,
            side=str(Side.BUY),
        ),
    )
    logger.warning("%s: adopted at the broker's price of %s: %s.", locked, price, difference)


# ---- Fewer at the broker ----


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
        kind=DIFFERS if confirmed is not None else AGREES,
        actor_name=SYSTEM_NAME,
        before=before,
        after={"confirmed": confirmed, "open": position.quantity_open},
    )
