"""An installation with nothing in it says what comes next, with ways that lead there."""

import re

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from accounts.models import User
from accounts.services import RISK_MANAGERS, ensure_groups
from positions.models import Portfolio
from tests import factories

pytestmark = pytest.mark.django_db


def desk_of(user: User) -> tuple[Client, str]:
    client = Client()
    client.force_login(user)
    return client, client.get("/desk/").content.decode()


def ways(page: str) -> list[str]:
    return re.findall(r'href="(/[^"]*/add/|/api/[^"]*)"', page[page.index("<main") :])


def test_a_superuser_is_led_through_every_step_and_each_way_leads_there():
    client, page = desk_of(factories.user("first", is_staff=True, is_superuser=True))
    assert ways(page) == [
        "/admin/accounts/user/add/",
        "/admin/accounts/riskprofile/add/",
        "/admin/positions/portfolio/add/",
        "/api/v1/docs/",
        "/admin/riskengine/alerttarget/add/",
    ]
    for way in ways(page):
        assert client.get(way).status_code == 200, way


def test_the_steps_end_at_a_desk():
    first = factories.user("first", is_staff=True, is_superuser=True)
    client, _ = desk_of(first)
    given = {
        "name": "Ours", "slug": "ours", "owner": first.pk, "profile": factories.profile().pk, "mode": "paper",
        "broker": "paper", "quote_source": "a feed", "paper_extra_ticks": "1", "cash": "60000",
    }  # fmt: skip
    answer = client.post("/admin/positions/portfolio/add/", given)
    assert answer.status_code == 302, answer.content.decode()
    assert Portfolio.objects.get().slug == "ours"
    page = client.get("/desk/").content.decode()
    assert "No portfolio yet" not in page
    assert 'id="tour"' in page


def test_staff_see_no_way_that_is_closed_to_them():
    ensure_groups()
    manager = factories.user("manager", is_staff=True)
    manager.groups.add(Group.objects.get(name=RISK_MANAGERS))
    client, page = desk_of(manager)
    assert "/admin/accounts/user/add/" not in page
    assert "/admin/positions/portfolio/add/" not in page
    assert "A superuser adds portfolios." in page
    for way in ways(page):
        assert client.get(way).status_code == 200, way


def test_who_is_not_staff_learns_whom_to_ask_and_what_it_takes():
    factories.portfolio()
    _, page = desk_of(factories.user("newcomer"))
    assert "None belongs to you" in page
    assert "Ask a staff user to create one for <strong>newcomer</strong>" in page
    assert ways(page) == []
