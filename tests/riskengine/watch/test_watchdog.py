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

from positions.models import Portfolio
from riskengine import tasks
from riskengine.models import Alert, AlertDelivery, Pulse
from riskengine.services.watch.alerts import raise_alerts
from riskengine.services.watch.delivery import Delivered
from riskengine.services.watch.watchdog import run_alerts
from tests import factories
from tests.riskengine.watch.alerting import NOW, Hook, after, checked, codes, new, target, web_server

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
