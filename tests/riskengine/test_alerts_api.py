"""Alerts over the API, on the desk and in the admin: who sees what, who answers, and what never comes out again."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from accounts.models import Scope, User
from accounts.services import issue_token
from positions.models import Portfolio
from riskengine.models import Alert, AlertDelivery, AlertTarget, Severity, TargetKind
from riskengine.services.watch.alerts import raise_alerts, resolve
from tests import factories
from tests.riskengine.asking import errors
from tests.riskengine.counts import assert_counted
from tests.riskengine.watch.alerting import NOW, after, new, target

pytestmark = pytest.mark.django_db

ALERTS = "/api/v1/alerts/"


@pytest.fixture
def portfolio() -> Iterator[Portfolio]:
    factories.user("stranger")
    factories.user("staff", is_staff=True)
    factories.user("boss", is_staff=True, is_superuser=True)
    made = factories.portfolio(owner=factories.user("owner"), slug="owners", name="Weekly")
    with time_machine.travel(after(minutes=1), tick=False):
        yield made


@pytest.fixture
def alert(portfolio: Portfolio) -> Alert:
    raise_alerts([new(portfolio_id=portfolio.pk)], now=NOW)
    return Alert.objects.get()


def signed_in(username: str, **options: Any) -> Client:
    client = Client(**options)
    client.force_login(User.objects.get(username=username), backend="django.contrib.auth.backends.ModelBackend")
    return client


def answer(client: Client, alert: Alert, body: Any = None, **headers: str) -> Any:
    return client.post(
        f"{ALERTS}{alert.pk}/acknowledge/", json.dumps(body or {}), content_type="application/json", headers=headers
    )


def listed(client: Client, **which: Any) -> list[str]:
    return [each["title"] for each in client.get(ALERTS, which).json()["results"]]


def token(*scopes: Scope) -> dict[str, str]:
    user = User.objects.get(username="owner")
    _, secret = issue_token(user=user, name="test", scopes=scopes, now=NOW, valid_for=timedelta(days=1))
    return {"Authorization": f"Bearer {secret}"}


# ---- The API ----


def test_an_alert_is_read_with_everything_that_became_of_it(alert: Alert) -> None:
    (row,) = signed_in("owner").get(ALERTS).json()["results"]
    assert (row["portfolio"], row["code"], row["severity"]) == ("owners", "TEST", "critical")
    assert (row["happened"], row["value"], row["limit"], row["unit"], row["to_do"]) == (
        "The kettle holds 0.2 l, under 0.5 l.",
        "0.200000",
        "0.500000",
        "l",
        "Fill it.",
    )
    detail = signed_in("owner").get(f"{ALERTS}{alert.pk}/").json()
    assert {name: detail[name] for name in row} == row
    assert [event["kind"] for event in detail["events"]] == ["raised"]


def test_staff_see_the_installation_too_and_others_their_own(alert: Alert) -> None:
    raise_alerts([new(key="house", title="House")], now=NOW)
    assert listed(signed_in("staff")) == ["House", "The kettle is dry"]
    assert listed(signed_in("owner")) == ["The kettle is dry"]
    assert listed(signed_in("stranger")) == []


def test_a_stranger_gets_404_and_changes_nothing(alert: Alert) -> None:
    stranger = signed_in("stranger")
    for response in (stranger.get(f"{ALERTS}{alert.pk}/"), answer(stranger, alert)):
        assert (response.status_code, errors(response)) == (404, [("not_found", "")])
    for missing in (alert.pk + 1, 10**30):
        assert stranger.get(f"{ALERTS}{missing}/").status_code == 404
    alert.refresh_from_db()
    assert alert.acknowledged_at is None


def test_who_is_not_signed_in_gets_401(alert: Alert) -> None:
    assert Client().get(ALERTS).status_code == 401
    assert answer(Client(), alert).status_code == 401


def test_the_owner_acknowledges_and_a_repeat_is_answered_the_same(alert: Alert) -> None:
    owner = signed_in("owner")
    first, second = answer(owner, alert), answer(owner, alert)
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()
    assert (first.json()["acknowledged_by"], first.json()["acknowledged_at"]) == ("owner", "2026-03-02T15:01:00Z")
    assert [event["kind"] for event in first.json()["events"]] == ["raised", "acknowledged"]


def test_an_acknowledgement_takes_no_field(alert: Alert) -> None:
    response = answer(signed_in("owner"), alert, {"note": "seen"})
    assert (response.status_code, errors(response)) == (400, [("unknown_field", "note")])


def test_a_token_needs_the_scope(alert: Alert) -> None:
    assert answer(Client(), alert, **token(Scope.READ)).status_code == 403
    assert Client().get(ALERTS, headers=token(Scope.READ)).status_code == 200
    assert answer(Client(), alert, **token(Scope.TRADE)).status_code == 200


def test_alerts_are_filtered(alert: Alert) -> None:
    owner = signed_in("owner")
    other = factories.portfolio(owner=User.objects.get(username="owner"), slug="others")
    raise_alerts([new(key="b", title="B", severity=Severity.INFO, portfolio_id=other.pk, code="OTHER")], now=NOW)
    resolve(["b"], now=NOW)
    for which, found in (
        ({"open": "true"}, ["The kettle is dry"]),
        ({"open": "false"}, ["B"]),
        ({"severity": "info"}, ["B"]),
        ({"code": "TEST"}, ["The kettle is dry"]),
        ({"portfolio": "others"}, ["B"]),
        ({"acknowledged": "true"}, []),
        ({"position": 4}, []),
    ):
        assert listed(owner, **which) == found, which
    for which in ({"severity": "loud"}, {"position": "x"}, {"position": "1e999"}):
        assert owner.get(ALERTS, which).status_code == 400, which


def test_alerts_come_in_pages_by_cursor(alert: Alert) -> None:
    raise_alerts([new(key=f"more:{n}", portfolio_id=alert.portfolio_id) for n in range(4)], now=NOW)
    owner, page, seen = signed_in("owner"), f"{ALERTS}?page_size=2", []
    while page:
        body = owner.get(page).json()
        seen += [each["id"] for each in body["results"]]
        page = body["next"]
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 5


def test_reading_alerts_takes_as_many_statements_for_ten_as_for_one(alert: Alert) -> None:
    owner = signed_in("owner")
    for _ in range(2):
        with assert_counted("api alerts"):
            owner.get(ALERTS)
        raise_alerts([new(key=f"more:{n}", portfolio_id=alert.portfolio_id) for n in range(10)], now=NOW)
    with assert_counted("api alert"):
        owner.get(f"{ALERTS}{alert.pk}/")


# ---- The desk ----


def test_the_desk_says_what_stands_in_words_and_shape(alert: Alert) -> None:
    raise_alerts([new(key="b", title="A warning", severity=Severity.WARNING, portfolio_id=alert.portfolio_id)], now=NOW)
    page = signed_in("owner").get("/desk/").content.decode()
    assert page.index("A warning") < page.index("The kettle is dry")
    for words in ("▲", "◆", "Critical", "Warning", "What to do:", "Fill it.", "60 s ago", "Acknowledge"):
        assert words in page
    assert f'action="/alerts/{alert.pk}/acknowledge/"' in page


def test_an_empty_feed_says_so(portfolio: Portfolio) -> None:
    assert "No alert stands." in signed_in("owner").get("/desk/live/").content.decode()


def test_the_button_acknowledges_and_is_gone(alert: Alert) -> None:
    owner = signed_in("owner")
    response = owner.post(f"/alerts/{alert.pk}/acknowledge/", follow=True)
    assert response.redirect_chain == [("/desk/", 302)]
    page = response.content.decode()
    assert "Acknowledged: The kettle is dry." in page
    assert "Acknowledged by owner at 10:01:00" in page
    assert f"/alerts/{alert.pk}/acknowledge/" not in page


def test_what_has_ended_stays_for_an_hour(alert: Alert) -> None:
    resolve(["test:1"], now=after(seconds=30))
    owner = signed_in("owner")
    assert "Ended at 10:00:30" in owner.get("/desk/live/").content.decode()
    with time_machine.travel(after(minutes=62), tick=False):
        assert "The kettle is dry" not in owner.get("/desk/live/").content.decode()


def test_the_button_needs_its_token_and_the_right_person(alert: Alert) -> None:
    address = f"/alerts/{alert.pk}/acknowledge/"
    assert signed_in("owner", enforce_csrf_checks=True).post(address).status_code == 403
    assert signed_in("stranger").post(address).status_code == 404
    assert signed_in("owner").get(address).status_code == 405
    assert Client().post(address)["Location"].startswith("/accounts/sign-in/")
    assert "The kettle is dry" not in signed_in("stranger").get("/desk/live/").content.decode()
    alert.refresh_from_db()
    assert alert.acknowledged_at is None


# ---- The admin ----

GIVEN = {"name": "Hook", "kind": "webhook", "minimum_severity": "warning", "enabled": "on", "portfolio": ""}
SECRET = "https://8.8.8.8/services/T000/SECRET"
ADD = "admin:riskengine_alerttarget_add"


def test_staff_add_a_target_and_its_address_never_comes_out(portfolio: Portfolio) -> None:
    boss = signed_in("boss")
    assert boss.get(reverse(ADD)).status_code == 200
    sent = boss.post(reverse(ADD), GIVEN | {"new_address": SECRET, "new_secret": "quiet"})
    assert sent.status_code == 302, sent.context["errors"]
    saved = AlertTarget.objects.get()
    assert (saved.address, saved.signing_secret, saved.created_at) == (SECRET, "quiet", after(minutes=1))
    change = reverse("admin:riskengine_alerttarget_change", args=[saved.pk])
    for page in (boss.get(change), boss.get(reverse("admin:riskengine_alerttarget_changelist"))):
        text = page.content.decode()
        assert "https://8.8.8.8/…" in text
        assert "SECRET" not in text
        assert "quiet" not in text.replace('class="quiet', "")
    assert "SECRET" not in str(list(LogEntry.objects.values_list("change_message", "object_repr")))


def test_left_empty_address_and_secret_stay(portfolio: Portfolio) -> None:
    saved = target(name="Hook", address=SECRET, signing_secret="quiet")
    change = reverse("admin:riskengine_alerttarget_change", args=[saved.pk])
    assert signed_in("boss").post(change, GIVEN | {"name": "Other"}).status_code == 302
    saved.refresh_from_db()
    assert (saved.name, saved.address, saved.signing_secret) == ("Other", SECRET, "quiet")
    signed_in("boss").post(change, GIVEN | {"unsigned": "on"})
    saved.refresh_from_db()
    assert saved.signing_secret == ""


@pytest.mark.parametrize(
    ("kind", "address", "sentence"),
    [
        ("webhook", "https://127.0.0.1/x", "not an address of the public internet"),
        ("webhook", "https://169.254.169.254/latest", "not an address of the public internet"),
        ("webhook", "http://8.8.8.8/x", "begins with https://"),
        ("apprise", "json://8.8.8.8/x", "must begin with one of"),
        ("email", "desk@example.com", "set EMAIL_URL"),
        ("webhook", "", "Say where the alerts go."),
    ],
)
def test_an_address_that_must_not_be_reached_is_not_saved(
    portfolio: Portfolio, settings: Any, kind: str, address: str, sentence: str
) -> None:
    settings.EMAIL_HOST = ""
    sent = signed_in("boss").post(reverse(ADD), GIVEN | {"kind": kind, "new_address": address})
    assert sent.status_code == 200
    assert sentence in sent.content.decode()
    assert not AlertTarget.objects.exists()


@pytest.mark.parametrize("username", ["owner", "staff"])
def test_nobody_else_adds_a_target(portfolio: Portfolio, username: str) -> None:
    sent = signed_in(username).post(reverse(ADD), GIVEN | {"new_address": SECRET})
    assert sent.status_code in (302, 403)
    assert not AlertTarget.objects.exists()


def test_alerts_and_deliveries_are_to_be_looked_at(alert: Alert) -> None:
    boss = signed_in("boss")
    target(kind=TargetKind.APPRISE, address="discord://SECRET/TOKEN")
    raise_alerts([new(key="b", portfolio_id=alert.portfolio_id)], now=NOW)
    delivery = AlertDelivery.objects.get()
    for name, row in (("alert", delivery.alert), ("alertdelivery", delivery)):
        address = reverse(f"admin:riskengine_{name}_change", args=[row.pk])
        assert "SECRET" not in boss.get(address).content.decode()
        assert boss.get(reverse(f"admin:riskengine_{name}_changelist")).status_code == 200
        assert boss.post(address, {}).status_code == 403
        assert boss.post(reverse(f"admin:riskengine_{name}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
        assert boss.get(reverse(f"admin:riskengine_{name}_add")).status_code == 403


def test_a_target_is_switched_off_not_deleted(portfolio: Portfolio) -> None:
    saved = target()
    delete = reverse("admin:riskengine_alerttarget_delete", args=[saved.pk])
    assert signed_in("boss").post(delete, {"post": "yes"}).status_code == 403
