"""Sources of signals in the admin: made with a secret that is shown once, switched off, never turned into another."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from accounts.services import RISK_MANAGERS, ensure_groups
from riskengine.models import Handling, Signal, SignalSource, SourceKind, TierReview
from riskengine.services.signals.choosing import run_signals
from riskengine.services.signals.webhook import digest_of_secret, webhook_source
from tests import factories
from tests.riskengine import market
from tests.riskengine.entering import checked
from tests.riskengine.market import Bet
from tests.riskengine.signals.sending import send, source

pytestmark = pytest.mark.django_db

ADD, LIST = "admin:riskengine_signalsource_add", "admin:riskengine_signalsource_changelist"


@pytest.fixture
def bet() -> Bet:
    return checked(market.zero_dte(owner=factories.user("owner")))


@pytest.fixture
def manager() -> Client:
    """A risk manager, who needs no more than the group gives."""
    ensure_groups()
    user = factories.user("manager", is_staff=True)
    user.groups.add(Group.objects.get(name=RISK_MANAGERS))
    client = Client()
    client.force_login(user)
    return client


def given(bet: Bet, **changes: Any) -> dict[str, Any]:
    asked = {"name": "The hook", "portfolio": bet.portfolio.pk, "slug": "hook", "kind": "webhook", "handling": "show"}
    return asked | {"enabled": "on"} | changes


def shown_secret(response: Any) -> str:
    (found,) = re.findall(r"whs_[\w-]{43}", response.content.decode())
    return found


def test_a_webhook_gets_a_secret_that_is_shown_once(bet: Bet, manager: Client) -> None:
    assert manager.get(reverse(ADD)).status_code == 200
    made = manager.post(reverse(ADD), given(bet), follow=True)
    secret = shown_secret(made)
    assert "/api/v1/signals/webhook/hook/" in made.content.decode()
    saved = SignalSource.objects.get()
    assert saved.secret_hash == digest_of_secret(secret)
    assert webhook_source("hook", secret) == saved
    change = reverse("admin:riskengine_signalsource_change", args=[saved.pk])
    for address in (change, reverse(LIST), reverse(LIST)):
        page = manager.get(address).content.decode()
        assert secret not in page
        assert saved.secret_hash not in page
    logged = str(list(LogEntry.objects.values_list("change_message", "object_repr")))
    assert secret not in logged
    assert saved.secret_hash not in logged


@pytest.mark.parametrize("kind", [SourceKind.API, SourceKind.CSV, SourceKind.GENERATOR])
def test_other_kinds_have_none(bet: Bet, manager: Client, kind: Any) -> None:
    made = manager.post(reverse(ADD), given(bet, kind=kind.value), follow=True)
    assert "whs_" not in made.content.decode()
    assert (SignalSource.objects.get().kind, SignalSource.objects.get().secret_hash) == (kind, "")


def test_nobody_makes_a_demo_source(bet: Bet, manager: Client) -> None:
    assert manager.post(reverse(ADD), given(bet, kind="demo")).status_code == 200
    assert not SignalSource.objects.exists()


def test_it_is_switched_off_and_handled_otherwise_and_stays_what_it_is(bet: Bet, manager: Client) -> None:
    saved = source(bet, slug="model", handling=Handling.SHOW)
    other = factories.portfolio(slug="other")
    change = reverse("admin:riskengine_signalsource_change", args=[saved.pk])
    asked = given(bet, name="Renamed", handling="enter", portfolio=other.pk, slug="another", kind="csv", enabled="")
    assert manager.post(change, asked).status_code == 302
    saved.refresh_from_db()
    assert (saved.name, saved.handling, saved.enabled) == ("Renamed", "enter", False)
    assert (saved.portfolio, saved.slug, saved.kind) == (bet.portfolio, "model", "api")
    delete = reverse("admin:riskengine_signalsource_delete", args=[saved.pk])
    assert manager.post(delete, {"post": "yes"}).status_code == 403


def test_a_new_secret_ends_the_old_one(bet: Bet, manager: Client) -> None:
    hook = source(bet, SourceKind.WEBHOOK, slug="hook", secret_hash=digest_of_secret("old"))
    plain = source(bet, slug="model")
    asked = {"action": "another_secret", "_selected_action": [hook.pk, plain.pk]}
    page = manager.post(reverse(LIST), asked, follow=True)
    secret = shown_secret(page)
    assert "is no webhook" in page.content.decode()
    assert webhook_source("hook", "old") is None
    assert webhook_source("hook", secret) == hook
    assert secret not in manager.get(reverse(LIST)).content.decode()
    assert LogEntry.objects.get().change_message == "New secret."


def test_nobody_else_makes_a_source_or_a_secret(bet: Bet) -> None:
    hook = source(bet, SourceKind.WEBHOOK, slug="hook", secret_hash=digest_of_secret("old"))
    factories.user("clerk", is_staff=True)
    for username in ("owner", "clerk"):
        client = Client()
        client.force_login(type(bet.portfolio.owner).objects.get(username=username))
        assert client.post(reverse(ADD), given(bet, slug="x")).status_code in (302, 403)
        client.post(reverse(LIST), {"action": "another_secret", "_selected_action": [hook.pk]})
    assert SignalSource.objects.count() == 1
    assert webhook_source("hook", "old") == hook


def test_signals_and_reviews_are_to_be_looked_at(bet: Bet, manager: Client) -> None:
    signal = send(bet, "0.30", of=source(bet), components=[{"name": "trend", "value": 0.4}])
    run_signals(now=bet.wall())
    review = TierReview.objects.create(
        portfolio=bet.portfolio,
        tier=Decimal("0.7"),
        reviewed_at=bet.at + timedelta(minutes=1),
        reviewed_by=bet.portfolio.owner,
        reviewed_by_name="owner",
        reason="Looked at.",
        trades=30,
        wins=3,
    )
    for name, row in (("signal", signal), ("tierreview", review)):
        address = reverse(f"admin:riskengine_{name}_change", args=[row.pk])
        assert manager.get(reverse(f"admin:riskengine_{name}_changelist")).status_code == 200
        assert manager.get(address).status_code == 200
        assert manager.post(address, {}).status_code == 403
        assert (
            manager.post(reverse(f"admin:riskengine_{name}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
        )
        assert manager.get(reverse(f"admin:riskengine_{name}_add")).status_code == 403
    page = manager.get(reverse("admin:riskengine_signal_change", args=[signal.pk])).content.decode()
    assert "Confidence 0.30 is under 0.65" in page
    listed = reverse("admin:riskengine_signal_changelist")
    assert signal.source.name in manager.get(listed, {"dropped_code": "MIN_CONFIDENCE"}).content.decode()
    assert Signal.objects.get().state == "dropped"
