"""A small market for tests of orders: one session, quotes as they are said, a planner, and a portfolio in its clock.

Wall time is market time here, as in a replay, so that one instant serves as both `at` and `now`.
"""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from positions.models import (
    ClockKind,
    Decision,
    ExchangeSession,
    OptionContract,
    OptionQuote,
    Order,
    Pace,
    Portfolio,
    Position,
    UnderlyingBar,
)
from positions.selectors import ledger_cash
from positions.services.fills import ExitPlan
from positions.services.orders import ExitIntent, Opening, place_exits, place_openings
from positions.services.portfolio import ClockSetting
from positions.services.working import Worked, work_orders
from tests import factories

SOURCE = "test feed"
OPEN = datetime(2021, 1, 4, 14, 30, tzinfo=UTC)  # 09:30 in New York
START = datetime(2021, 1, 4, 15, 0, tzinfo=UTC)  # 10:00 in New York
CLOSE = datetime(2021, 1, 4, 21, 0, tzinfo=UTC)
DAYS = [date(2020, 12, 31), *(date(2021, 1, day) for day in (4, 5, 6, 7, 8, 11, 12, 13, 14, 15))]
SECOND = timedelta(seconds=1)
LADDER = ((Decimal("0.05"), 3300), (Decimal("0.10"), 6600), (Decimal("0.15"), 10_000))


def sessions() -> None:
    """The sessions around the day, all from 09:30 to 16:00 New York."""
    ExchangeSession.objects.bulk_create(
        [
            ExchangeSession(
                exchange="XNYS",
                session_on=day,
                open_at=datetime(day.year, day.month, day.day, 14, 30, tzinfo=UTC),
                close_at=datetime(day.year, day.month, day.day, 21, 0, tzinfo=UTC),
                is_early=False,
            )
            for day in DAYS
        ],
        ignore_conflicts=True,
    )


def portfolio(**changes: Any) -> Portfolio:
    """$60,000 in a recorded market whose time is the wall time of the test."""
    sessions()
    clock = ClockSetting(kind=ClockKind.RECORDED, market_started_at=OPEN, label="test")
    return factories.portfolio(now=OPEN, clock=clock, quote_source=SOURCE, **changes)


def quote(contract: OptionContract, at: datetime, bid: str | None, ask: str | None, size: int = 400) -> OptionQuote:
    return OptionQuote.objects.create(
        contract=contract,
        source=SOURCE,
        quoted_at=at,
        changed_at=at,
        confirmed_at=at,
        bid=None if bid is None else Decimal(bid),
        ask=None if ask is None else Decimal(ask),
        bid_size=size,
        ask_size=size,
    )


def underlying(contract: OptionContract, at: datetime, price: str) -> None:
    UnderlyingBar.objects.create(
        instrument=contract.underlying,
        source=SOURCE,
        bar_at=at,
        **dict.fromkeys(("open", "high", "low", "close"), Decimal(price)),
    )


def plan(decision: Decision, average: Decimal, contracts: int, entry_at: datetime) -> ExitPlan:
    """The morning ladder and a stop 25% under the entry."""
    return ExitPlan("morning", (average * Decimal("0.75")).quantize(Decimal("0.0001")), LADDER)


def opening(of: Portfolio, contracts: int = 3, *, worst: str = "45", pace: str = Pace.NORMAL, **changes: Any) -> Order:
    """An approved opening of so many contracts, not sent yet. The mid at its decision is 44.30."""
    at = changes.pop("at", START)
    mid = changes.pop("mid", "44.30")
    decision = factories.decision(
        of,
        contracts=contracts,
        indicative_contracts=contracts,
        limit_price=Decimal(worst),
        decided_at=at,
        expires_at=at + timedelta(seconds=60),
        **changes,
    )
    wanted = Opening(decision, pace, reference_mid=Decimal(mid), quote_at=at)
    return place_openings([wanted], at=at, now=at, actor_name="test")[0]


def exit_of(position: Position, intent: str, at: datetime, slices: Any = (), **changes: Any) -> list[Order]:
    """Place one exit; `slices` are (slice number, contracts)."""
    by_number = {each.number: each.pk for each in position.slices.all()}
    covered = tuple((by_number[number], count) for number, count in slices)
    given = {
        "position_id": position.pk,
        "intent": intent,
        "quantity": sum(count for _, count in covered) or position.quantity_open,
        "slices": covered,
        "verdict": {"rule": intent},
        "reference_mid": None,
        "reference_bid": None,
        "quote_at": at,
    }
    return place_exits([ExitIntent(**given | changes)], at={position.portfolio_id: at}, now=at)


def work(at: datetime, **changes: Any) -> Worked:
    worked = work_orders(now=at, plan=plan, **changes)
    assert not worked.errors
    return worked


def work_until(at: datetime, until: datetime) -> None:
    """Every moment the orders ask to be looked at."""
    while at <= until:
        worked = work(at)
        if not worked.next_at:
            return
        at = min(worked.next_at.values())


def children(order: Order) -> list[Order]:
    """The orders that were sent for it, in their order."""
    return list(order.children.order_by("id"))


def bought(
    of: Portfolio,
    contracts: int = 3,
    *,
    at: datetime = START,
    bid: str = "44.00",
    ask: str = "44.60",
    **changes: Any,
) -> Position:
    """A position opened at the ask, through the whole pipeline."""
    order = opening(of, contracts, at=at, **changes)
    quote(order.contract, at, bid, ask)
    work_until(at, at + timedelta(seconds=39))
    return Position.objects.get(decision=order.decision)


def check_books(of: Portfolio, start: Decimal = Decimal("60000.00")) -> None:
    """cash = start + sells - buys - fees = the ledger, and every position's quantities hold."""
    of.refresh_from_db()
    total = start
    for position in Position.objects.filter(portfolio=of):
        sells = position.orders.filter(side="sell", parent__isnull=False)
        total += position.exit_proceeds - position.entry_cost - position.fees
        sold = sum(order.filled_quantity for order in sells)
        assert position.quantity_open == position.quantity_opened - sold >= 0
        live = sum(order.open_quantity for order in sells if order.is_live)
        assert live <= position.quantity_open
    assert of.cash == total == ledger_cash(of)
