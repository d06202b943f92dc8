"""The group “Risk manager” exists after the migrations and can be brought up to date."""

import pytest
from django.contrib.auth.models import Group

from accounts.services import RISK_MANAGER_PERMISSIONS, RISK_MANAGERS, ensure_groups

pytestmark = pytest.mark.django_db


def permissions() -> set[str]:
    group = Group.objects.get(name=RISK_MANAGERS)
    return {f"{p.content_type.app_label}.{p.codename}" for p in group.permissions.select_related("content_type")}


def test_it_has_every_permission_on_its_list():
    listed = {f"{app}.{action}_{model}" for app, model, actions in RISK_MANAGER_PERMISSIONS for action in actions}
    assert permissions() == listed


def test_bringing_it_up_to_date_twice_changes_nothing():
    before = permissions()
    ensure_groups()
    assert permissions() == before
