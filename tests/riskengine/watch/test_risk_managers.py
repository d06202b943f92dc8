"""A risk manager finds in the admin what the work needs: alerts to answer, targets to keep, the kill switch."""

import importlib
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.services import RISK_MANAGERS, ensure_groups
from riskengine.models import Alert, AlertDelivery, AlertTarget
from riskengine.services.watch.alerts import raise_alerts, resolve
from tests import factories
from tests.riskengine.watch.alerting import NOW, after, new, target

pytestmark = pytest.mark.django_db

KILL = "/admin/riskengine/breaker/kill/"


@pytest.fixture
def manager() -> User:
    ensure_groups()
    user = factories.user("manager", is_staff=True)
    user.groups.add(Group.objects.get(name=RISK_MANAGERS))
    return user


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def acknowledged(client: Client, *alerts: Alert) -> Any:
    with time_machine.travel(after(minutes=1), tick=False):
        chosen = {"action": "acknowledge_them", "_selected_action": [each.pk for each in alerts]}
        return client.post(reverse("admin:riskengine_alert_changelist"), chosen, follow=True)


def test_a_risk_manager_sees_alerts_deliveries_and_targets(manager: User) -> None:
    target(name="Phone")
    raise_alerts([new(portfolio_id=factories.portfolio().pk)], now=NOW)
    client = client_of(manager)
    rows = {"alert": Alert, "alertdelivery": AlertDelivery, "alerttarget": AlertTarget}
    for name, model in rows.items():
        page = client.get(reverse(f"admin:riskengine_{name}_changelist"))
        assert page.status_code == 200
        change = reverse(f"admin:riskengine_{name}_change", args=[model.objects.get().pk])
        assert client.get(change).status_code == 200
    assert (
        "Raised" in client.get(reverse("admin:riskengine_alert_change", args=[Alert.objects.get().pk])).content.decode()
    )


def test_a_risk_manager_acknowledges_what_is_chosen_and_is_told_what_was_not(manager: User) -> None:
    portfolio = factories.portfolio()
    raise_alerts([new(key="a", portfolio_id=portfolio.pk), new(key="b", portfolio_id=portfolio.pk)], now=NOW)
    resolve(["b"], now=NOW)
    page = acknowledged(client_of(manager), *Alert.objects.all())
    assert "1 acknowledged; 1 were before or have ended." in page.content.decode()
    answered, ended = Alert.objects.order_by("key")
    assert (answered.acknowledged_by, answered.acknowledged_at) == (manager, after(minutes=1))
    assert ended.acknowledged_at is None


def test_staff_without_the_group_neither_see_nor_acknowledge_in_the_admin() -> None:
    raise_alerts([new(portfolio_id=factories.portfolio().pk)], now=NOW)
    client = client_of(factories.user("clerk", is_staff=True))
    assert acknowledged(client, Alert.objects.get()).status_code == 403
    assert Alert.objects.get().acknowledged_at is None


def test_a_risk_manager_adds_and_changes_a_target_and_deletes_none(manager: User) -> None:
    client = client_of(manager)
    given = {"name": "Hook", "kind": "webhook", "minimum_severity": "warning", "enabled": "on", "portfolio": ""}
    add = reverse("admin:riskengine_alerttarget_add")
    assert client.post(add, given | {"new_address": "https://8.8.8.8/x", "new_secret": ""}).status_code == 302
    saved = AlertTarget.objects.get()
    change = reverse("admin:riskengine_alerttarget_change", args=[saved.pk])
    assert client.post(change, given | {"name": "Other", "enabled": ""}).status_code == 302
    saved.refresh_from_db()
    assert (saved.name, saved.enabled) == ("Other", False)
    delete = reverse("admin:riskengine_alerttarget_delete", args=[saved.pk])
    assert client.post(delete, {"post": "yes"}).status_code == 403


def test_an_installation_from_before_gets_the_permissions_at_its_upgrade(manager: User) -> None:
    group = Group.objects.get(name=RISK_MANAGERS)
    group.permissions.remove(*Permission.objects.filter(codename__in=["view_alert", "add_alerttarget"]))
    assert not User.objects.get(pk=manager.pk).has_perm("riskengine.view_alert")
    importlib.import_module("riskengine.migrations.0005_risk_managers").bring_up_to_date(None, None)
    assert User.objects.get(pk=manager.pk).has_perm("riskengine.view_alert")
    assert User.objects.get(pk=manager.pk).has_perm("riskengine.add_alerttarget")


def test_the_kill_switch_is_found_on_the_index_and_over_the_breakers(manager: User) -> None:
    client = client_of(manager)
    assert f'href="{KILL}"' in client.get("/admin/").content.decode()
    page = client.get("/admin/riskengine/breaker/").content.decode()
    way = reverse("admin:riskengine_breaker_to_the_kill_switch")
    assert f'href="{way}"' in page
    assert client.get(way)["Location"] == KILL


def test_who_may_not_kill_is_shown_no_way_to_it() -> None:
    client = client_of(factories.user("clerk", is_staff=True))
    assert KILL not in client.get("/admin/").content.decode()
    assert client.get(reverse("admin:riskengine_breaker_to_the_kill_switch")).status_code == 403
