"""An alert is one a condition, told once a stage, answered by a person, and told again when nobody answers."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from riskengine.models import Alert, AlertDelivery, AlertEvent, Severity
from riskengine.services.watch.alerts import acknowledge, escalate, raise_alerts, resolve, standing
from tests import factories
from tests.riskengine.watch.alerting import NOW, after, new, target
from tests.riskengine.watch.test_races import at_once

pytestmark = pytest.mark.django_db


def kinds(alert: Alert) -> list[str]:
    return list(alert.events.order_by("id").values_list("kind", flat=True))


def deliveries(**which: Any) -> list[tuple[str, int]]:
    rows = AlertDelivery.objects.filter(**which).order_by("target__name", "level")
    return list(rows.values_list("target__name", "level"))


# ---- Raised ----


def test_an_alert_says_what_happened_the_number_the_limit_and_what_to_do() -> None:
    portfolio = factories.portfolio()
    assert raise_alerts([new(portfolio_id=portfolio.pk, market_at=factories.NOW)], now=NOW) == 1
    alert = Alert.objects.get()
    assert (alert.happened, alert.to_do) == ("The kettle holds 0.2 l, under 0.5 l.", "Fill it.")
    assert (float(alert.value), float(alert.limit), alert.unit) == (0.2, 0.5, "l")
    assert (alert.portfolio, alert.market_at, alert.raised_at) == (portfolio, factories.NOW, NOW)
    assert kinds(alert) == ["raised"]


def test_a_condition_that_lasts_is_one_alert_however_often_it_is_seen() -> None:
    target()
    for second in range(0, 60, 15):
        raise_alerts([new()], now=after(seconds=second))
    alert = Alert.objects.get()
    assert (alert.times_seen, alert.raised_at, alert.last_seen_at) == (4, NOW, after(seconds=45))
    assert kinds(alert) == ["raised"]
    assert AlertDelivery.objects.count() == 1


def test_what_is_seen_every_second_is_not_written_every_second() -> None:
    for second in range(9):
        raise_alerts([new()], now=after(seconds=second))
    assert Alert.objects.get().times_seen == 1


def test_a_condition_that_ended_and_comes_back_is_another_alert() -> None:
    target()
    raise_alerts([new()], now=NOW)
    assert resolve(["test:1"], now=after(minutes=1)) == 1
    assert resolve(["test:1"], now=after(minutes=2)) == 0
    raise_alerts([new()], now=after(minutes=3))
    first, second = Alert.objects.order_by("id")
    assert (first.resolved_at, second.resolved_at) == (after(minutes=1), None)
    assert kinds(first) == ["raised", "resolved"]
    assert AlertDelivery.objects.count() == 2


def test_a_higher_stage_is_told_anew_and_needs_another_answer() -> None:
    target()
    raise_alerts([new(severity=Severity.WARNING)], now=NOW)
    acknowledge(alert=Alert.objects.get(), actor=factories.user(is_staff=True), now=after(minutes=1))
    raise_alerts([new(stage=1, happened="It holds 0.1 l.", value=0.1)], now=after(minutes=2))
    alert = Alert.objects.get()
    assert (alert.stage, alert.severity, alert.happened, float(alert.value)) == (1, "critical", "It holds 0.1 l.", 0.1)
    assert alert.acknowledged_at is None
    assert kinds(alert) == ["raised", "acknowledged", "escalated"]
    assert deliveries() == [("target 1", 0), ("target 1", 1)]


def test_a_lower_stage_changes_nothing() -> None:
    raise_alerts([new(stage=2)], now=NOW)
    raise_alerts([new(stage=1, happened="Less.")], now=after(minutes=1))
    alert = Alert.objects.get()
    assert (alert.stage, alert.happened, alert.level) == (2, "The kettle holds 0.2 l, under 0.5 l.", 0)


def test_a_thousand_alerts_take_as_many_statements_as_one() -> None:
    target()
    counts = []
    for first, last in ((0, 1), (1, 1001)):
        with CaptureQueriesContext(connection) as sent:
            assert raise_alerts([new(key=f"test:{n}") for n in range(first, last)], now=NOW) == last - first
        counts.append(len([each for each in sent if "SAVEPOINT" not in each["sql"]]))
    assert counts == [1, 1]
    assert (AlertEvent.objects.count(), AlertDelivery.objects.count()) == (1001, 1001)


def test_no_alert_takes_no_statement() -> None:
    with CaptureQueriesContext(connection) as sent:
        assert raise_alerts([], now=NOW) == 0
        assert resolve([], now=NOW) == 0
    assert not len(sent)


def test_an_alert_of_a_transaction_that_fails_was_never_raised() -> None:
    target()

    def fails() -> None:
        with transaction.atomic():
            raise_alerts([new()], now=NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert not Alert.objects.exists()
    assert not AlertDelivery.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_who_see_the_same_raise_it_once() -> None:
    target()
    told = at_once(*[lambda: raise_alerts([new(key=f"test:{n}") for n in range(20)], now=NOW)] * 4)
    assert sum(told) == 20
    assert (Alert.objects.count(), AlertDelivery.objects.count(), AlertEvent.objects.count()) == (20, 20, 20)


@pytest.mark.parametrize("blank", ["happened", "to_do", "title"])
def test_an_alert_without_words_is_refused_by_the_database(blank: str) -> None:
    with pytest.raises(IntegrityError, match="alert_says_what_to_do"):
        raise_alerts([new(**{blank: ""})], now=NOW)


def test_history_stays_as_it_was_written() -> None:
    raise_alerts([new()], now=NOW)
    with pytest.raises(IntegrityError, match="append-only"):
        AlertEvent.objects.update(detail="something else")


# ---- To whom ----


def test_a_target_has_its_own_severity_and_portfolio() -> None:
    mine, other = factories.portfolio(), factories.portfolio()
    target(name="a everything", minimum_severity=Severity.INFO)
    target(name="b only critical", minimum_severity=Severity.CRITICAL)
    target(name="c mine", portfolio=mine, minimum_severity=Severity.WARNING)
    target(name="d other", portfolio=other, minimum_severity=Severity.INFO)
    target(name="e off", enabled=False, minimum_severity=Severity.INFO)
    raise_alerts([new(severity=Severity.WARNING, portfolio_id=mine.pk)], now=NOW)
    assert deliveries() == [("a everything", 0), ("c mine", 0)]


def test_what_concerns_the_installation_goes_to_targets_of_all_portfolios() -> None:
    target(name="all")
    target(name="one", portfolio=factories.portfolio())
    raise_alerts([new()], now=NOW)
    assert deliveries() == [("all", 0)]


def test_what_is_shown_in_the_product_only_goes_nowhere() -> None:
    target()
    raise_alerts([new(in_app_only=True)], now=NOW)
    assert not AlertDelivery.objects.exists()


# ---- Answered ----


def test_the_owner_and_staff_acknowledge_once() -> None:
    portfolio = factories.portfolio()
    raise_alerts([new(portfolio_id=portfolio.pk)], now=NOW)
    alert = Alert.objects.get()
    assert acknowledge(alert=alert, actor=portfolio.owner, now=after(minutes=1))
    assert not acknowledge(alert=alert, actor=factories.user(is_staff=True), now=after(minutes=2))
    alert.refresh_from_db()
    assert (alert.acknowledged_by, alert.acknowledged_at) == (portfolio.owner, after(minutes=1))
    event = alert.events.get(kind="acknowledged")
    assert (event.actor, event.actor_name) == (portfolio.owner, portfolio.owner.username)


def test_a_stranger_acknowledges_nothing() -> None:
    portfolio = factories.portfolio()
    raise_alerts([new(portfolio_id=portfolio.pk), new(key="house")], now=NOW)
    for alert in Alert.objects.all():
        with pytest.raises(PermissionDenied):
            acknowledge(alert=alert, actor=factories.user(), now=NOW)
    with pytest.raises(PermissionDenied):
        acknowledge(alert=Alert.objects.get(key="house"), actor=portfolio.owner, now=NOW)


def test_what_has_ended_needs_no_answer() -> None:
    raise_alerts([new()], now=NOW)
    resolve(["test:1"], now=NOW)
    assert not acknowledge(alert=Alert.objects.get(), actor=factories.user(is_staff=True), now=after(minutes=1))


# ---- Not answered ----


def test_a_critical_alert_without_an_answer_goes_to_all_targets_once_a_level() -> None:
    target(name="a")
    target(name="b late riser", minimum_severity=Severity.CRITICAL)
    raise_alerts([new()], now=NOW)
    assert escalate(after(seconds=299)) == 0
    assert escalate(after(minutes=5)) == 1
    assert escalate(after(minutes=5, seconds=2)) == 0
    assert escalate(after(minutes=14)) == 0
    assert escalate(after(minutes=15)) == 1
    assert escalate(after(hours=8)) == 0
    assert deliveries() == [(name, level) for name in ("a", "b late riser") for level in (0, 1, 2)]
    assert kinds(Alert.objects.get()) == ["raised", "escalated", "escalated"]


def test_an_escalation_reaches_targets_whatever_their_severity_but_not_other_portfolios() -> None:
    mine, other = factories.portfolio(), factories.portfolio()
    target(name="mine", portfolio=mine, minimum_severity=Severity.CRITICAL)
    target(name="other", portfolio=other)
    raise_alerts([new(portfolio_id=mine.pk)], now=NOW)
    escalate(after(minutes=5))
    assert deliveries() == [("mine", 0), ("mine", 1)]


@pytest.mark.parametrize("answered", ["acknowledged", "ended", "only a warning"])
def test_nothing_is_escalated_that_was(answered: str) -> None:
    raise_alerts([new(severity=Severity.WARNING if answered == "only a warning" else Severity.CRITICAL)], now=NOW)
    if answered == "acknowledged":
        acknowledge(alert=Alert.objects.get(), actor=factories.user(is_staff=True), now=NOW)
    if answered == "ended":
        resolve(["test:1"], now=NOW)
    assert escalate(after(hours=1)) == 0


@pytest.mark.django_db(transaction=True)
def test_two_who_escalate_do_it_once() -> None:
    target()
    raise_alerts([new()], now=NOW)
    assert sum(at_once(*[lambda: escalate(after(minutes=5))] * 4)) == 1
    assert deliveries() == [("target 1", 0), ("target 1", 1)]


def test_a_new_stage_waits_its_own_time() -> None:
    raise_alerts([new()], now=NOW)
    raise_alerts([new(stage=1)], now=NOW + timedelta(minutes=4))
    assert escalate(after(minutes=5)) == 0
    assert escalate(after(minutes=9)) == 1


def test_what_stands_are_the_alerts_whose_condition_lasts() -> None:
    portfolio = factories.portfolio()
    raise_alerts([new(portfolio_id=portfolio.pk), new(key="b"), new(key="c", code="OTHER")], now=NOW)
    resolve(["b"], now=NOW)
    (stands,) = standing(["TEST"])
    assert (stands.key, stands.portfolio_id, stands.last_seen_at) == ("test:1", portfolio.pk, NOW)
