"""A book that is held over a night: the desk's AAPL 130 call, quoted when a test says so."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from positions.models import EquitySnapshot, OptionContract
from riskengine.models import Alert, NightReport
from riskengine.services.watch.night import Nights, run_nights
from tests.riskengine import market
from tests.riskengine.watch.desk import Desk, hold_seven, runs_on, seven

TUESDAY = date(2021, 1, 5)
FRIDAY, AFTER_WEEKEND = date(2021, 1, 15), date(2021, 1, 19)  # Monday the 18th is a holiday


def quoted(
    desk: Desk, at: datetime, bid: str = "5.00", ask: str = "5.05", *, contract: OptionContract | None = None
) -> None:
    """A sound quote, and a price of the underlying, known at that time."""
    of = contract or desk.contract
    desk.quote(at, bid, ask, contract=of)
    market.bar(of.underlying.symbol, at)


def day_starts(desk: Desk, day: date, equity: str = "100000") -> None:
    money = Decimal(equity)
    taken = {"equity_start_of_day": money, "cash_start_of_day": money, "taken_at": desk.at("08:30", day)}
    EquitySnapshot.objects.update_or_create(portfolio=desk.portfolio, session_on=day, defaults=taken)


def evening(contracts: int = 40, *, day: date = market.MONDAY, at: str = "15:30", **changes: Any) -> Desk:
    """Mag7-7DTE at 15:30 of a day, with equity of $100,000 at its start and the AAPL call held."""
    desk = seven(day, **changes)
    runs_on(desk)
    day_starts(desk, day)
    if contracts:
        hold_seven(desk, contracts)
    quoted(desk, desk.at(at))
    return desk


def nights(desk: Desk, at: str | datetime, day: date | None = None) -> Nights:
    when = desk.at(at, day) if isinstance(at, str) else at
    return run_nights(now=desk.bet.wall(when))


def report(desk: Desk, moment: str = "close") -> NightReport:
    return NightReport.objects.get(portfolio=desk.portfolio, moment=moment)


def made() -> list[tuple[str, str]]:
    """Of every report its session and moment."""
    rows = NightReport.objects.order_by("id").values_list("session_on", "moment")
    return [(day.isoformat(), moment) for day, moment in rows]


def told(*, standing: bool = True) -> list[str]:
    rows = Alert.objects.filter(resolved_at__isnull=True) if standing else Alert.objects.all()
    return sorted(rows.values_list("code", flat=True))
