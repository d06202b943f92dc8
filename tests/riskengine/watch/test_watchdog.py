"""A clock that stands still cannot say so: others see it, from beside and from outside."""

import json
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from positions.models import Heartbeat, OrderEvent, Portfolio
from riskengine import tasks
from riskengine.models import Alert, AlertDelivery, Breaker, BreakerCode, BreakerEvent, Pulse
from riskengine.services.watch.alerts import acknowledge, raise_alerts
from riskengine.services.watch.delivery import Delivered
from riskengine.services.watch.watchdog import run_alerts
from tests import factories
from tests.riskengine.watch.alerting import NOW, Hook, after, new, target, web_server

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


def ticking(since: float = 600, ago: float = 0) -> None:
    at = NOW - timedelta(seconds=ago)
    Pulse.objects.update_or_create(name="alerts", defaults={"at": at, "since": at - timedelta(seconds=since)})


def checked(portfolio: Portfolio, seconds_ago: float) -> None:
    at = NOW - timedelta(seconds=seconds_ago)
    Heartbeat.objects.update_or_create(
        portfolio=portfolio, scope="risk", defaults={"finished_at": at, "market_at": factories.NOW}
    )


def codes() -> list[str]:
    return list(Alert.objects.filter(resolved_at=None).order_by("id").values_list("code", flat=True))


# ---- From beside: the alerts task ----


def test_with_nothing_to_say_the_task_takes_one_statement(portfolio: Portfolio) -> None:
    checked(portfolio, 10)
    ticking()
    with CaptureQueriesContext(connection) as sent:
        assert run_alerts(now=NOW) == Delivered()
    assert len(sent) == 1


def test_the_task_notes_that_the_clock_came_by() -> None:
    for second in (0, 2, 4, 6, 90, 92):
        run_alerts(now=after(seconds=second))
    pulse = Pulse.objects.get()
    assert (pulse.at, pulse.since) == (after(seconds=90), after(seconds=90)), "a gap of a minute begins it anew"


@pytest.mark.parametrize(("seconds", "stale"), [(90, False), (91, True)])
def test_a_portfolio_that_is_not_checked_is_an_alert_from_91_seconds_on(
    portfolio: Portfolio, seconds: float, stale: bool
) -> None:
    checked(portfolio, seconds)
    ticking()
    run_alerts(now=NOW)
    assert codes() == (["CHECKS_STALLED"] if stale else [])


def test_it_says_how_old_the_check_is_and_ends_when_it_is_checked_again(portfolio: Portfolio, hook: Hook) -> None:
    checked(portfolio, 120)
    ticking()
    assert run_alerts(now=NOW) == Delivered(sent=1)
    assert run_alerts(now=after(seconds=2)) == Delivered()
    alert = Alert.objects.get()
    assert "finished 120 s ago; the limit is 90 s" in alert.happened
    assert (alert.severity, alert.portfolio, float(alert.value), float(alert.limit)) == (
        "critical",
        portfolio,
        120.0,
        90.0,
    )
    checked(portfolio, 0)
    run_alerts(now=after(seconds=4))
    alert.refresh_from_db()
    assert alert.resolved_at == after(seconds=4)


def test_a_portfolio_never_checked_is_as_stale_as_it_is_old() -> None:
    ticking()
    factories.portfolio(now=NOW - timedelta(seconds=80))
    run_alerts(now=NOW)
    assert codes() == []
    run_alerts(now=after(seconds=20))
    assert codes() == ["CHECKS_STALLED"]


def test_a_product_that_has_just_started_is_given_time_to_check(portfolio: Portfolio) -> None:
    checked(portfolio, 40_000)
    run_alerts(now=NOW)
    for second in range(2, 90, 8):
        run_alerts(now=after(seconds=second))
    assert codes() == []
    run_alerts(now=after(seconds=90))
    assert codes() == ["CHECKS_STALLED"]


def test_the_task_sends_and_tells_again_what_nobody_answers(hook: Hook) -> None:
    raise_alerts([new()], now=NOW)
    assert run_alerts(now=NOW) == Delivered(sent=1)
    assert run_alerts(now=after(minutes=4)) == Delivered()
    assert run_alerts(now=after(minutes=5)) == Delivered(sent=1)
    assert [json.loads(body)["level"] for _, body in hook.requests] == [0, 1]


def test_beat_sends_the_task_to_the_queue_of_what_may_take_long(settings: Any) -> None:
    entry = settings.CELERY_BEAT_SCHEDULE["alerts"]
    assert (entry["schedule"], entry["task"]) == (2.0, "riskengine.tasks.alerts")
    assert tasks.alerts.queue == "work"
    tasks.alerts()
    assert Pulse.objects.exists()


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


# ---- From outside ----


@pytest.fixture
def noon() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("watchdog", *arguments, stdout=out)
    return out.getvalue()


def test_the_watchdog_is_content_while_everything_is_checked(noon: None, portfolio: Portfolio) -> None:
    checked(portfolio, 12)
    ticking(ago=3)
    assert run() == "1 portfolios, the oldest check 12 s ago, the clock 3 s ago; the limit is 90 s.\n"


@pytest.mark.parametrize(
    ("check", "clock", "sentence"),
    [
        (91, 3, "1 of 1 portfolios were not checked for 91 s; the limit is 90 s."),
        (12, 91, "The clock last came by 91 s ago; the limit is 90 s."),
    ],
)
def test_the_watchdog_says_what_stands_still(
    noon: None, portfolio: Portfolio, check: float, clock: float, sentence: str
) -> None:
    checked(portfolio, check)
    ticking(ago=clock)
    with pytest.raises(CommandError) as problem:
        run()
    assert sentence in str(problem.value)
    assert problem.value.returncode == 1


def test_the_limit_can_be_given(noon: None, portfolio: Portfolio) -> None:
    checked(portfolio, 100)
    ticking()
    assert "the limit is 120 s" in run("--max-age", "120")
    with pytest.raises(CommandError, match="not checked for 100 s; the limit is 60 s"):
        run("--max-age", "60")
    assert "finished 100 s ago; the limit is 60 s" in Alert.objects.get().happened
    with pytest.raises(CommandError, match="between 1 and 86400"):
        run("--max-age", "0")


def test_a_clock_that_never_came_by_is_a_problem(noon: None) -> None:
    with pytest.raises(CommandError, match="No clock has ever come by"):
        run()


def test_a_stalled_beat_is_an_alert_that_leaves_without_beat_or_workers(
    noon: None, portfolio: Portfolio, hook: Hook
) -> None:
    checked(portfolio, 300)
    ticking(ago=300)
    for _ in range(2):
        with pytest.raises(CommandError):
            run()
    assert sorted(codes()) == ["CHECKS_STALLED", "CLOCK_STALLED"]
    assert sorted(json.loads(body)["code"] for _, body in hook.requests) == ["CHECKS_STALLED", "CLOCK_STALLED"]
    assert "No check runs by itself" in Alert.objects.get(code="CLOCK_STALLED").happened
    checked(portfolio, 0)
    run_alerts(now=after(seconds=2))
    assert codes() == [], "the clock is back"


def test_a_quiet_watchdog_raises_nothing(noon: None, portfolio: Portfolio) -> None:
    with pytest.raises(CommandError):
        run("--quiet")
    assert not Alert.objects.exists()
    assert not AlertDelivery.objects.exists()


def test_without_a_database_the_watchdog_says_so(noon: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost() -> None:
        raise OperationalError("the server is gone\n")

    with monkeypatch.context() as patch:
        patch.setattr("django.db.connection.cursor", lost)
        patch.setattr("riskengine.services.watch.watchdog.Pulse.objects.filter", lambda **_: lost())
        with pytest.raises(CommandError, match=r"cannot be asked: the server is gone$"):
            run()


# ---- For whoever supervises ----


def test_ready_when_everything_is_checked(noon: None, client: Client, portfolio: Portfolio) -> None:
    checked(portfolio, 12)
    ticking(ago=3)
    answer = client.get("/readyz")
    assert (answer.status_code, "no-store" in answer["Cache-Control"]) == (200, True)
    assert answer.json() == {
        "ready": True,
        "database": True,
        "migrated": True,
        "portfolios": 1,
        "oldest_check_seconds": 12.0,
        "clock_seconds": 3.0,
        "problems": [],
    }


def test_not_ready_when_the_clock_stands_still_and_no_portfolio_is_named(
    noon: None, client: Client, portfolio: Portfolio
) -> None:
    checked(portfolio, 300)
    ticking(ago=300)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert len(answer.json()["problems"]) == 2
    assert "Weekly" not in answer.text


def test_not_ready_when_the_database_is_older_than_the_code(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM django_migrations WHERE id = (SELECT max(id) FROM django_migrations WHERE app = 'riskengine')"
        )
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["problems"] == ["The database is older than the code: run manage.py migrate."]


def test_only_looked_at(client: Client) -> None:
    assert client.post("/readyz").status_code == 405
