"""Money paid in or out while a risk check runs is in its cash and among its deposits, or in neither: it makes no loss,
hides none, and is counted once. Each is booked by a second connection, between two reads of the check."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from positions.models import CashMovement, EquitySnapshot, Portfolio
from positions.services.portfolio import move_cash
from riskengine.loading.equity import EquityDays, equity_days
from riskengine.models import Reading
from riskengine.services.watch import guards, monitoring
from tests.riskengine.watch.desk import Desk
from tests.riskengine.watch.guarded import guarded, tripped
from tests.riskengine.watch.test_breakers_rules import started

pytestmark = pytest.mark.django_db(transaction=True)


def paid(desk: Desk, amount: int, at: str) -> None:
    """By another connection, committed."""

    def book() -> None:
        try:
            kind = "deposit" if amount > 0 else "withdrawal"
            move_cash(portfolio=desk.portfolio, kind=kind, amount=Decimal(amount), market_at=desk.at(at), note="")
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(book).result()


def before(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, act: Callable[[], None]) -> None:
    """Do it once, just before the check goes on with this."""
    real, waiting = getattr(module, name), [act]

    def patched(*given: Any, **named: Any) -> Any:
        while waiting:
            waiting.pop()()
        return real(*given, **named)

    monkeypatch.setattr(module, name, patched)


def today(desk: Desk, at: str) -> EquityDays:
    return equity_days(desk.portfolio.pk, until=desk.at(at)).take(desk.day, desk.day)


READS = [
    (monitoring, "watched_portfolios"),
    (monitoring, "load"),
    (guards, "load_memory"),
    (guards, "load_facts"),
    (guards, "latch"),
]


@pytest.mark.parametrize(("module", "name"), READS)
@pytest.mark.parametrize("at", ["10:42:59", "10:43:01"])  # the clock of who books it, and that of the check
@pytest.mark.parametrize("amount", [40_000, -40_000])
def test_it_trips_nothing_and_hides_nothing_whenever_it_is_booked(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, at: str, amount: int
) -> None:
    desk = guarded()
    started(desk, 2, "60000.00")
    desk.check("10:42:30", "risk")
    kept = Reading.objects.get()
    before(monkeypatch, module, name, lambda: paid(desk, amount, at))
    desk.check("10:43:00", "risk")
    seen = Reading.objects.get()
    assert tripped() == set()
    assert Portfolio.objects.get().state == "ACTIVE"
    assert (seen.day_pnl, seen.drawdown_20) == (kept.day_pnl, kept.drawdown_20)
    days = today(desk, "10:43:02")
    assert (days.profit[0], days.deposits[0]) == (float(kept.day_pnl or 0), amount)
    assert days.end[0] == float(kept.equity or 0) + amount
    desk.confirm("10:43:30")
    desk.check("10:43:30", "risk")
    assert tripped() == set()
    assert today(desk, "10:43:31").profit[0] == days.profit[0]


def test_paid_in_while_the_day_begins_it_is_of_the_day_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its time is told before the account is had, and the snapshot is taken first: the day before ended without it."""
    desk = guarded()
    started(desk, 1, "60000.00")
    EquitySnapshot.objects.filter(session_on=desk.day).update(taken_at=desk.at("10:42:31"))
    paid(desk, 40_000, "10:42:30")
    first, last = EquitySnapshot.objects.order_by("session_on")
    assert (first.net_deposits, last.net_deposits) == (0, 40_000)
    assert CashMovement.objects.latest("id").moved_at > last.taken_at
    desk.check("10:43:00", "risk")
    days = equity_days(desk.portfolio.pk, until=desk.at("10:43:01"))
    assert days.deposits.tolist() == [60_000.0, 40_000.0], "the first is what the account was opened with"
    assert days.profit.tolist() == [0.0, float(Reading.objects.get().day_pnl or 0)]


def test_paid_in_between_a_look_and_the_snapshot_that_it_takes_it_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its time is later than that of the look, and it is in the cash that the day starts with: of the day before."""
    desk = guarded()
    started(desk, 1, "60000.00")
    EquitySnapshot.objects.filter(session_on=desk.day).delete()
    before(monkeypatch, monitoring, "start_session", lambda: paid(desk, 40_000, "10:43:01"))
    desk.check("10:43:00", "risk")
    desk.confirm("10:43:30")
    desk.check("10:43:30", "risk")
    assert tripped() == set()
    days = equity_days(desk.portfolio.pk, until=desk.at("10:43:31"))
    assert days.deposits.tolist() == [100_000.0, 0.0]
    assert days.profit[0] == days.start[1] - 100_000.0
    assert days.profit[1] == float(Reading.objects.get().day_pnl or 0)
    assert Reading.objects.get().drawdown_20 == 0.0
