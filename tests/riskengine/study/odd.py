"""Accounts whose record is odd: no trade, one, only losses, a deposit in the middle. January 2021; money USD."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from positions.models import CashKind, CashMovement, ClockKind, EquitySnapshot, Portfolio, Position
from positions.services.portfolio import ClockSetting
from tests import factories
from tests.riskengine.market import WALL, sessions

PAID = Decimal("13320.00")  # what a bet of the factory costs
DEPOSIT = Decimal("20000.00")
DAYS = [day for day, *_ in sessions() if date(2021, 1, 4) <= day <= date(2021, 1, 15)]
STANDS_AT = datetime(2021, 1, 15, 21, 10, tzinfo=UTC)  # ten minutes after the last of these sessions


def account(**changes: Any) -> Portfolio:
    """One that has lived through these ten sessions and stands at the end of the last."""
    clock = ClockSetting(
        kind=ClockKind.SIMULATED,
        market_started_at=datetime(2021, 1, 4, 14, tzinfo=UTC),
        speed=Decimal(0),
        label="made up for a test",
    )
    made = factories.portfolio(clock=clock, now=WALL, **{"is_demo": True} | changes)
    made.clock.market_started_at = STANDS_AT
    made.clock.save()
    return made


def trade(of: Portfolio, pnl: str, *, day: int, **changes: Any) -> Position:
    """A bet of 13,320 that was closed on that one of the days, an hour after its entry; with its fills."""
    opened_at = datetime.combine(DAYS[day], factories.NOW.timetz())
    closed_at = opened_at + timedelta(hours=1)
    made = factories.decision(of, decided_at=opened_at, expires_at=opened_at + timedelta(seconds=60))
    position = factories.position(
        of,
        decision=made,
        **{
            "status": "closed",
            "quantity_open": 0,
            "entry_at": opened_at,
            "closed_at": closed_at,
            "close_cause": "stop" if Decimal(pnl) < 0 else "target",
            "realised_pnl": Decimal(pnl),
            "fees": Decimal("3.90"),
            "entry_cost": PAID,
            "exit_proceeds": PAID + Decimal(pnl) + Decimal("3.90"),
        }
        | changes,
    )
    bought = factories.opening_order(
        made, status="filled", filled_quantity=3, created_at=opened_at, finished_at=opened_at
    )
    factories.fill(bought, position, quantity=3, fee=Decimal("1.95"), filled_at=opened_at)
    intent = "stop" if Decimal(pnl) < 0 else "target"
    sold = factories.exit_order(
        position, intent, quantity=3, status="filled", filled_quantity=3, created_at=closed_at, finished_at=closed_at
    )
    price = ((PAID + Decimal(pnl) + Decimal("3.90")) / 300).quantize(Decimal("0.0001"))
    factories.fill(sold, position, quantity=3, price=price, fee=Decimal("1.95"), filled_at=closed_at)
    return position


def live(of: Portfolio, days: int = len(DAYS), *, deposit_on: int | None = None) -> Portfolio:
    """Its snapshots: equity is what was paid in and what its trades have made so far."""
    EquitySnapshot.objects.filter(portfolio=of).delete()
    paid_in = sum(of.cash_movements.values_list("amount", flat=True), Decimal(0))
    made: dict[date, Decimal] = {}
    for position in of.positions.all():
        day = position.closed_at.date()
        made[day] = made.get(day, Decimal(0)) + position.realised_pnl
    equity = paid_in
    for number, day in enumerate(DAYS[:days]):
        opens_at = datetime(day.year, day.month, day.day, 14, 30, tzinfo=UTC)
        deposit = DEPOSIT if number == deposit_on else Decimal(0)
        ends = equity + deposit + made.get(day, Decimal(0))
        last = number == days - 1
        EquitySnapshot.objects.create(
            portfolio=of,
            session_on=day,
            equity_start_of_day=equity,
            cash_start_of_day=equity,
            net_deposits=deposit,
            taken_at=opens_at,
            equity_end_of_day=None if last else ends,
            closed_at=None if last else opens_at + timedelta(hours=6, minutes=30),
        )
        if deposit:
            CashMovement.objects.create(
                portfolio=of,
                kind=CashKind.DEPOSIT,
                amount=deposit,
                moved_at=opens_at + timedelta(hours=2),
                settles_on=day,
                note="paid in",
            )
        equity = ends
    Portfolio.objects.filter(pk=of.pk).update(cash=equity, settled_cash=equity)
    of.refresh_from_db()
    return of


def no_trade() -> Portfolio:
    return live(account(slug="no-trade"))


def one_trade() -> Portfolio:
    made = account(slug="one-trade")
    trade(made, "1332.00", day=1)
    return live(made)


def only_losses() -> Portfolio:
    made = account(slug="only-losses")
    for number, pnl in enumerate(("-3330.00", "-2664.00", "-3330.00", "-1332.00", "-3330.00")):
        trade(made, pnl, day=number)
    return live(made)


def a_deposit() -> Portfolio:
    """Plus 6,000 on 60,000, then 20,000 paid in, then minus 4,300 on 86,000: 10% up and 5% down, 4.5% in all."""
    made = account(slug="a-deposit")
    trade(made, "6000.00", day=1)
    trade(made, "-4300.00", day=7)
    return live(made, deposit_on=5)


ACCOUNTS = {"no trade": no_trade, "one trade": one_trade, "only losses": only_losses, "a deposit": a_deposit}
