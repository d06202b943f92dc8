"""What happens to orders and breakers is told once, and is over with what it was told of."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from positions.models import OrderEvent, Portfolio
from riskengine.models import Alert, Breaker, BreakerCode, BreakerEvent
from riskengine.services.watch.alerts import acknowledge
from riskengine.services.watch.delivery import Delivered
from riskengine.services.watch.watchdog import run_alerts
from tests import factories
from tests.riskengine.watch.alerting import NOW, Hook, after, checked, codes, target, web_server

pytestmark = pytest.mark.django_db


@pytest.fixture
def portfolio() -> Portfolio:
    return factories.portfolio(name="Weekly", now=NOW - timedelta(days=1))


@pytest.fixture
def hook(settings: Any) -> Iterator[Hook]:
    settings.ALERTS_ALLOW_PRIVATE_TARGETS = True
    with web_server() as server:
        target(address=server.address)
        yield server


# ---- Orders that were refused ----


def rejected(order: Any) -> None:
    type(order).objects.filter(pk=order.pk).update(
        status="rejected", finished_at=factories.NOW, reject_reason="insufficient buying power"
    )
    OrderEvent.objects.create(
        order=order, happened_at=factories.NOW, from_status="submitting", to_status="rejected", actor_name="betsizing"
    )


def test_a_refused_opening_is_told_once_and_ends_when_it_is_acknowledged(portfolio: Portfolio) -> None:
    checked(portfolio, 0)
    order = factories.opening_order(factories.decision(portfolio))
    rejected(order)
    for second in (0, 2, 20):
        run_alerts(now=after(seconds=second))
    alert = Alert.objects.get()
    assert (alert.code, alert.severity, alert.times_seen, alert.resolved_at) == ("ORDER_REJECTED", "warning", 1, None)
    assert "insufficient buying power" in alert.happened
    assert "Nothing was bought." in alert.to_do
    acknowledge(alert=alert, actor=portfolio.owner, now=after(seconds=30))
    for second in (32, 34, 60):
        run_alerts(now=after(seconds=second))
    assert (Alert.objects.count(), codes()) == (1, [])


def test_a_refused_part_that_a_person_asked_for_is_theirs_to_ask_again(portfolio: Portfolio) -> None:
    checked(portfolio, 0)
    rejected(factories.exit_order(factories.position(portfolio), "manual_reduce", quantity=1, pace="fast"))
    run_alerts(now=after(seconds=0))
    alert = Alert.objects.get()
    assert (alert.code, alert.severity) == ("ORDER_REJECTED", "warning")
    assert "is not tried again" in alert.to_do


def test_an_exit_that_is_refused_twice_is_critical_and_ends_with_the_exit(portfolio: Portfolio) -> None:
    checked(portfolio, 0)
    position = factories.position(portfolio)
    intent = factories.exit_order(position)
    rejected(factories.exit_order(position, parent=intent, sequence=2))
    run_alerts(now=NOW)
    assert codes() == []
    rejected(factories.exit_order(position, parent=intent, sequence=3))
    run_alerts(now=after(seconds=2))
    alert = Alert.objects.get()
    assert (alert.code, alert.severity, alert.position, float(alert.value)) == (
        "EXIT_FAILING",
        "critical",
        position,
        2.0,
    )
    intent.status, intent.finished_at = "filled", factories.NOW
    intent.save()
    run_alerts(now=after(seconds=4))
    assert codes() == []


def test_an_exit_refused_over_and_over_is_told_again_as_refusals_double(portfolio: Portfolio) -> None:
    checked(portfolio, 0)
    position = factories.position(portfolio)
    intent = factories.exit_order(position)
    told = []
    for sequence in range(2, 11):
        rejected(factories.exit_order(position, parent=intent, sequence=sequence))
        run_alerts(now=after(seconds=sequence))
        told.append(Alert.objects.values_list("level", flat=True).first())
    assert told == [None, 0, 0, 1, 1, 1, 1, 2, 2]


# ---- Circuit breakers ----


def breaker(portfolio: Portfolio, code: str = "loss_l3", **changes: Any) -> Breaker:
    given = {"state": "tripped", "session_on": factories.SESSION, "tripped_at": factories.NOW}
    return Breaker.objects.create(portfolio=portfolio, code=code, **given | changes)


def happened(of: Breaker, kind: str = "tripped") -> BreakerEvent:
    return BreakerEvent.objects.create(
        breaker=of, portfolio=of.portfolio, code=of.code, kind=kind, happened_at=factories.NOW, recorded_at=NOW,
        actor_name="betsizing", value="12000.00", limit="12000.00",
        reason="The day's loss of $12,000 has reached the emergency limit of $12,000.",
    )  # fmt: skip


def test_a_breaker_that_trips_is_told_once_and_over_when_it_is_cleared(portfolio: Portfolio, hook: Hook) -> None:
    checked(portfolio, 0)
    halt = breaker(portfolio)
    happened(halt)
    assert run_alerts(now=NOW) == Delivered(sent=1)
    for second in (2, 20, 40):
        assert run_alerts(now=after(seconds=second)) == Delivered()
    alert = Alert.objects.get()
    assert (alert.code, alert.severity, alert.unit, float(alert.limit)) == (
        "BREAKER_TRIPPED",
        "critical",
        "USD",
        12_000,
    )
    assert alert.title == "L3: emergency halt tripped"
    assert alert.happened == "The day's loss of $12,000 has reached the emergency limit of $12,000."
    assert "clear it with a written reason" in alert.to_do
    happened(halt, "cleared")
    run_alerts(now=after(seconds=42))
    assert codes() == []
    happened(halt)
    run_alerts(now=after(seconds=44))
    assert Alert.objects.count() == 2, "a second trip is another alert"


@pytest.mark.parametrize("code", BreakerCode.values)
def test_every_breaker_says_what_to_do(portfolio: Portfolio, code: str) -> None:
    checked(portfolio, 0)
    about = factories.instrument() if code == "stop_outs" else None
    happened(breaker(portfolio, code, underlying=about))
    run_alerts(now=NOW)
    assert Alert.objects.get().to_do


def test_a_loss_near_its_limit_is_a_warning_until_the_next_date_or_the_trip(portfolio: Portfolio) -> None:
    checked(portfolio, 0)
    near = breaker(portfolio, "loss_l2", state="clear", alerted_on=factories.SESSION)
    happened(near, "alert")
    run_alerts(now=NOW)
    alert = Alert.objects.get()
    assert (alert.code, alert.severity) == ("BREAKER_NEAR", "warning")
    run_alerts(now=after(hours=3))
    assert codes()[:1] == ["BREAKER_NEAR"]
    Breaker.objects.update(session_on=factories.SESSION + timedelta(days=1))
    run_alerts(now=after(hours=20))
    assert "BREAKER_NEAR" not in codes()
