"""Alerts from the real thing: a broker that refuses, a loss that trips, each from the market to the words."""

from typing import Any

import pytest

from positions.models import Heartbeat
from positions.services import working
from riskengine.models import Alert
from riskengine.services.watch.watchdog import run_alerts
from tests.positions.flaky_broker import REJECTED, FlakyBroker
from tests.positions.market_day import SECOND, START, bought, exit_of, opening, portfolio, quote, work
from tests.riskengine.watch import guarded
from tests.riskengine.watch.guarded import AT_LIMIT, fall

pytestmark = pytest.mark.django_db


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> FlakyBroker:
    flaky = FlakyBroker()
    monkeypatch.setattr(working, "broker_of", lambda portfolio: flaky)
    return flaky


def said(code: str) -> Any:
    return Alert.objects.filter(code=code, resolved_at=None).first()


def test_an_opening_that_the_broker_refuses(broker: FlakyBroker) -> None:
    order = opening(portfolio())
    quote(order.contract, START, "44.00", "44.60")
    broker.on_submit = REJECTED
    work(START)
    run_alerts(now=START)
    alert = said("ORDER_REJECTED")
    assert (alert.severity, alert.portfolio) == ("warning", order.portfolio)
    assert alert.happened.endswith("(Open, 3 contracts): not today")


def test_a_stop_that_the_broker_refuses_twice(broker: FlakyBroker) -> None:
    position = bought(portfolio())
    at = START + 60 * SECOND
    quote(position.contract, at, "33.00", "33.40")
    exit_of(position, "stop", at)
    broker.on_submit = REJECTED
    work(at)
    run_alerts(now=at)
    assert said("EXIT_FAILING") is None
    work(at + 2 * SECOND)
    run_alerts(now=at + 2 * SECOND)
    alert = said("EXIT_FAILING")
    assert (alert.severity, alert.position, float(alert.value)) == ("critical", position, 2.0)
    assert "not today" in alert.happened
    broker.mend()
    work(at + 4 * SECOND)
    run_alerts(now=at + 6 * SECOND)
    assert said("EXIT_FAILING") is None, "it was sold"


def test_a_stop_that_nobody_takes_or_the_broker_does_not_answer(broker: FlakyBroker) -> None:
    position = bought(portfolio())
    at = START + 60 * SECOND
    quote(position.contract, at, "33.00", "33.40")
    exit_of(position, "stop", at)

    def checked(seconds: int) -> None:
        """The last risk check has seen so many seconds go by; the orders are not worked."""
        Heartbeat.objects.update_or_create(
            portfolio=position.portfolio,
            scope="risk",
            defaults={"finished_at": at + seconds * SECOND, "market_at": at + seconds * SECOND},
        )
        run_alerts(now=at + seconds * SECOND)

    checked(59)
    assert said("EXIT_WAITING") is None
    checked(60)
    alert = said("EXIT_WAITING")
    assert (alert.severity, alert.position, float(alert.value), float(alert.limit)) == ("critical", position, 60, 60)
    assert "(Stop) has waited for 60 s" in alert.happened
    quote(position.contract, at + 61 * SECOND, "33.00", "33.40")
    for second in range(61, 81):
        work(at + second * SECOND)
    checked(90)
    assert said("EXIT_WAITING") is None, "it was sold"


@pytest.mark.parametrize(
    ("code", "severity"), [("loss_l1", "warning"), ("loss_l2", "critical"), ("loss_l3", "critical")]
)
def test_a_loss_that_trips(code: str, severity: str) -> None:
    desk = guarded.guarded()
    fall(desk, AT_LIMIT[code])
    run_alerts(now=desk.bet.wall(desk.at("10:43:05")))
    limit = {"loss_l1": 3_000, "loss_l2": 6_000, "loss_l3": 12_000}[code]
    (alert,) = [each for each in Alert.objects.filter(code="BREAKER_TRIPPED") if float(each.limit) == limit]
    assert (alert.severity, alert.unit, alert.portfolio) == (severity, "USD", desk.portfolio)
    assert f"${limit:,}.00" in alert.happened
    assert alert.to_do


def test_a_loss_that_comes_near_its_limit() -> None:
    """75% of $6,000 is $4,500: a bid of 155."""
    desk = guarded.guarded()
    fall(desk, "155.0000")
    desk.check("10:43:30", "risk")
    run_alerts(now=desk.bet.wall(desk.at("10:43:31")))
    near = Alert.objects.get(code="BREAKER_NEAR", title__startswith="L2")
    assert (near.severity, float(near.value), float(near.limit)) == ("warning", 4_500.0, 6_000.0)
    assert "$4,500.00" in near.happened
