"""A desk whose one contract makes a cent of loss a tick: bought at 200.00, on an account of $60,000.

L1 stands at a bid of 170.00 ($3,000), L2 at 140.00 ($6,000), L3 at 80.00 ($12,000); 1.5 times that is 155, 110 and 20.
"""

from datetime import date, datetime, time
from decimal import Decimal

from positions.market.calendar import new_york_instant
from positions.models import ClockKind, OptionQuote, Portfolio, Position
from positions.services.portfolio import ClockSetting
from riskengine.models import Breaker, BreakerEvent
from tests.riskengine import market
from tests.riskengine.watch.desk import Desk, zero

AT_LIMIT = {"loss_l1": "170.0000", "loss_l2": "140.0000", "loss_l3": "80.0000"}


def guarded(**changes: object) -> Desk:
    desk = zero(**changes)
    desk.hold(1, "200.00", initial_stop=Decimal(1), current_stop=Decimal(1))
    OptionQuote.objects.all().delete()
    desk.quote("10:42:00", "200.0000", "200.4000")
    return desk


def quote(desk: Desk, at: str | datetime, bid: str) -> None:
    """A usable one."""
    desk.quote(at, bid, f"{Decimal(bid) + Decimal('0.4'):.4f}")


def look(desk: Desk, at: str | datetime, bid: str, scope: str = "exit") -> None:
    quote(desk, at, bid)
    desk.check(at, scope)


def fall(desk: Desk, bid: str, second: int = 0) -> None:
    """Three distinct quotes a second apart, each looked at."""
    for k in range(3):
        look(desk, f"10:43:{second + k:02}", bid)


def state(code: str, portfolio: Portfolio | None = None) -> str:
    """Read anew from the database, as a process does that was just started."""
    rows = Breaker.objects.filter(code=code)
    rows = rows if portfolio is None else rows.filter(portfolio=portfolio)
    return rows.values_list("state", flat=True).first() or ""


def tripped() -> set[str]:
    """The codes of tripped breakers."""
    return set(Breaker.objects.filter(state="tripped").values_list("code", flat=True))


def events(code: str) -> list[tuple[str, str]]:
    rows = BreakerEvent.objects.filter(code=code).order_by("id")
    return list(rows.values_list("kind", "actor_name"))


def sell(position: Position, proceeds: str, at: datetime, cause: str = "stop") -> None:
    """The position is closed, its cash booked."""
    money = Decimal(proceeds)
    Portfolio.objects.filter(pk=position.portfolio_id).update(
        cash=position.portfolio.__class__.objects.get(pk=position.portfolio_id).cash + money
    )
    Position.objects.filter(pk=position.pk).update(
        quantity_open=0,
        status="closed",
        closed_at=at,
        close_cause=cause,
        exit_proceeds=money,
        realised_pnl=money - position.entry_cost,
        version=position.version + 10,
    )


def recorded(day: date) -> ClockSetting:
    """The clock of the test recordings of a day."""
    return ClockSetting(
        kind=str(ClockKind.RECORDED),
        market_started_at=new_york_instant(day, market.STARTS),
        market_ends_at=new_york_instant(day, time(23)),
        label=f"recorded market of {day}",
    )
