"""Portfolios, market data and trading in the admin: lists and pages open, and history is read-only."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from accounts.services import RISK_MANAGERS, hold_limit, lift_holds
from positions.models import (
    OrderEvent,
    PartialProfitTaking,
    Portfolio,
    Position,
    PositionEvent,
    PositionNote,
    PositionTag,
)
from tests import factories

pytestmark = pytest.mark.django_db

READ_ONLY = [
    "cashmovement", "correlationrun", "dailyclose", "decision", "equitysnapshot", "fill", "openinterest",
    "optioncontract", "optionquote", "optiontradebar", "order", "orderevent", "outboxmessage", "partialprofittaking",
    "portfoliomodechange", "portfoliostatechange", "position", "positionevent", "positionnote", "providerrun",
    "underlyingbar", "vixreading",
]  # fmt: skip


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(factories.user("boss", is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def held() -> Position:
    held = factories.position(factories.portfolio())
    slice_ = factories.exit_slice(held)
    order = factories.exit_order(held)
    fill = factories.fill(order, held)
    OrderEvent.objects.create(order=order, happened_at=factories.NOW, to_status="working", actor_name="test")
    PositionEvent.objects.create(position=held, happened_at=factories.NOW, kind="opened", actor_name="test")
    PositionNote.objects.create(position=held, text="Bought.", author_name="test", written_at=factories.NOW)
    PositionTag.objects.create(position=held, word="gap", added_by_name="test", added_at=factories.NOW)
    PartialProfitTaking.objects.create(
        position=held, slice=slice_, fill=fill, contracts=1, closed_fraction="0.333333", price="46.62",
        profit_fraction="0.05", taken_at=factories.NOW,
    )  # fmt: skip
    return held


def ours() -> list[str]:
    return [m._meta.model_name for m in admin.site._registry if m._meta.app_label == "positions"]


@pytest.mark.parametrize("name", ours())
def test_every_list_and_page_opens(boss, held, name):
    model = next(m for m in admin.site._registry if m._meta.label_lower == f"positions.{name}")
    listed = boss.get(reverse(f"admin:positions_{name}_changelist"), {"q": "x"} if name == "decision" else {})
    assert listed.status_code == 200
    row = model.objects.first()
    if row:
        assert boss.get(reverse(f"admin:positions_{name}_change", args=[row.pk])).status_code == 200


@pytest.mark.parametrize("name", READ_ONLY)
def test_what_services_write_is_read_only_even_for_a_superuser(boss, held, name):
    assert boss.get(reverse(f"admin:positions_{name}_add")).status_code == 403
    model = next(m for m in admin.site._registry if m._meta.label_lower == f"positions.{name}")
    row = model.objects.first()
    if row:
        assert boss.post(reverse(f"admin:positions_{name}_change", args=[row.pk]), {}).status_code == 403
        assert boss.get(reverse(f"admin:positions_{name}_delete", args=[row.pk])).status_code == 403


def test_a_list_of_decisions_does_not_read_their_traces(boss, held, django_assert_max_num_queries):
    for _ in range(5):
        factories.decision(held.portfolio)
    with django_assert_max_num_queries(12) as queries:
        boss.get(reverse("admin:positions_decision_changelist"))
    assert not any('"trace"' in query["sql"] for query in queries.captured_queries)


def test_a_portfolio_is_opened_with_its_clock_cash_and_history(boss):
    profile, owner = factories.profile(), factories.user()
    address = reverse("admin:positions_portfolio_add")
    assert boss.get(address).context["adminform"].form["paper_extra_ticks"].value() == 1
    typed = {
        "name": "Mine",
        "slug": "mine",
        "owner": owner.pk,
        "profile": profile.pk,
        "mode": "paper",
        "broker": "paper",
        "quote_source": "live",
        "paper_extra_ticks": "1",
        "cash": "60000",
    }
    assert "starts with cash" in boss.post(address, typed | {"cash": "0"}).content.decode()
    for mode in ("live-manual", "live"):  # past every checklist and signature (P-27)
        refused = boss.post(address, typed | {"mode": mode, "broker": "alpaca"}).content.decode()
        assert "A portfolio begins off or on paper." in refused
    assert not Portfolio.objects.exists()
    assert boss.post(address, typed).status_code == 302
    portfolio = Portfolio.objects.get(slug="mine")
    assert (portfolio.system, portfolio.cash, portfolio.clock.kind) == (profile.system, 60000, "live")
    assert portfolio.paper_extra_ticks == 1
    assert portfolio.state_changes.get().actor_name == "boss"


def test_name_and_profile_are_edited_but_state_mode_and_cash_are_not(boss):
    portfolio = factories.portfolio()
    address = reverse("admin:positions_portfolio_change", args=[portfolio.pk])
    typed = settings_of(portfolio) | {"name": "Renamed"}
    other = factories.profile("mag7-7dte")
    html = boss.post(address, typed | {"profile": other.pk} | formsets(portfolio)).content.decode()
    assert "This profile is for Mag7-7DTE accounts." in html
    forged = {"state": "HALTED", "cash": "1", "mode": "off", "slug": "stolen"}
    assert boss.post(address, typed | forged | formsets(portfolio)).status_code == 302
    after = Portfolio.objects.get(pk=portfolio.pk)
    assert (after.name, after.state, after.cash, after.mode, after.slug) == (
        "Renamed", "ACTIVE", 60000, "paper", portfolio.slug,
    )  # fmt: skip


def test_while_a_limit_is_held_there_is_no_other_profile(boss):
    """Not even an equal one: it would hold nothing there, and could be loosened."""
    portfolio = factories.portfolio()
    so_far, other = portfolio.profile, factories.profile()
    hold_limit(profile=so_far, parameter="max_daily_loss", held_by="day loss breaker", now=factories.NOW)
    address = reverse("admin:positions_portfolio_change", args=[portfolio.pk])
    typed = settings_of(portfolio) | formsets(portfolio)
    html = boss.post(address, typed | {"profile": other.pk}).content.decode()
    assert "is held by: day loss breaker" in html
    assert "once that has cleared" in html
    assert Portfolio.objects.get(pk=portfolio.pk).profile == so_far
    assert boss.post(address, typed | {"profile": so_far.pk}).status_code == 302
    lift_holds(profile=so_far, held_by="day loss breaker", now=factories.NOW)
    assert boss.post(address, typed | {"profile": other.pk}).status_code == 302
    assert Portfolio.objects.get(pk=portfolio.pk).profile == other


def test_what_paper_fills_cost_is_changed_while_the_account_is_off(boss):
    """Set at the end of twenty sessions it would pass for what they were traded at (P-28)."""
    portfolio = factories.portfolio()
    address = reverse("admin:positions_portfolio_change", args=[portfolio.pk])
    typed = settings_of(portfolio) | formsets(portfolio) | {"paper_extra_ticks": "1"}
    assert "Step it back to off" in boss.post(address, typed).content.decode()
    assert Portfolio.objects.get().paper_extra_ticks == 0
    Portfolio.objects.update(mode="off")
    assert boss.post(address, typed).status_code == 302
    assert Portfolio.objects.get().paper_extra_ticks == 1


def settings_of(portfolio: Portfolio) -> dict[str, object]:
    return {
        "name": portfolio.name,
        "owner": portfolio.owner_id,
        "profile": portfolio.profile_id,
        "quote_source": "live",
        "paper_extra_ticks": portfolio.paper_extra_ticks,
    }


def formsets(portfolio: Portfolio) -> dict[str, str]:
    return {
        f"{prefix}-{part}": "0"
        for prefix in ("clock", "heartbeats", "equity_snapshots", "state_changes")
        for part in ("TOTAL_FORMS", "INITIAL_FORMS")
    }


def test_a_risk_manager_sees_portfolios_and_decisions_but_no_tokens(client, held):
    person = factories.user(is_staff=True)
    person.groups.add(Group.objects.get(name=RISK_MANAGERS))
    client.force_login(person)
    assert client.get(reverse("admin:positions_portfolio_change", args=[held.portfolio_id])).status_code == 200
    assert client.get(reverse("admin:positions_decision_changelist")).status_code == 200
    assert client.get(reverse("admin:accounts_apitoken_changelist")).status_code == 403
    assert client.get(reverse("admin:positions_portfolio_add")).status_code == 403
