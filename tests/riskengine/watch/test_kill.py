"""The kill switch: three verbs, from command line, API and admin, effective within one exit check (A-23)."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import User
from accounts.services import ensure_groups
from positions.models import Order, OrderStatus, Portfolio, PortfolioStateChange, State
from riskengine.models import Breaker, BreakerEvent
from tests import factories
from tests.riskengine import market
from tests.riskengine.watch import guarded
from tests.riskengine.watch.desk import Desk

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> Desk:
    made = guarded.guarded(owner=factories.user("owner"))
    made.bet.order(market.spxw("3705"), 1, "10.00")
    return made


@pytest.fixture
def manager() -> User:
    ensure_groups()
    user = factories.user("manager", is_staff=True)
    user.groups.add(user.groups.model.objects.get(name="Risk manager"))
    return user


def opening() -> str:
    return Order.objects.get(intent="open").status


def now(desk: Desk, at: str = "10:43:00") -> Any:
    return time_machine.travel(desk.bet.wall(desk.at(at)), tick=False)


def command(desk: Desk, *given: str) -> str:
    out = StringIO()
    with now(desk):
        call_command("kill", desk.portfolio.slug, "--reason", "I want out.", *given, stdout=out)
    return out.getvalue()


# ---- Command line ----


def test_what_is_flattened_from_the_command_line_was_flattened_by_a_person(desk: Desk) -> None:
    """Also where the login name there is no user's here."""
    command(desk, "--flatten", "--yes")
    desk.check("10:43:01")
    assert desk.sold() == [("flatten", 1)]


def test_by_default_entries_stop_and_openings_are_cancelled(desk: Desk) -> None:
    assert "REDUCING; 1 openings" in command(desk)
    assert (Portfolio.objects.get().state, opening()) == (State.REDUCING, OrderStatus.CANCELLING)
    desk.check("10:43:01")
    assert desk.sold() == []
    change = PortfolioStateChange.objects.latest("id")
    assert (change.cause, change.reason) == ("kill_switch", "I want out.")


def test_a_verb_alone(desk: Desk) -> None:
    command(desk, "--only", "cancel_openings")
    assert (Portfolio.objects.get().state, opening()) == (State.ACTIVE, OrderStatus.CANCELLING)
    Order.objects.update(status=OrderStatus.WORKING)
    command(desk, "--only", "stop_entries")
    assert (Portfolio.objects.get().state, opening()) == (State.REDUCING, OrderStatus.WORKING)


def test_flatten_asks_again_and_without_a_yes_does_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda: "no")
    with pytest.raises(CommandError, match="Nothing was done"):
        command(desk, "--flatten")
    assert (Portfolio.objects.get().state, opening()) == (State.ACTIVE, OrderStatus.WORKING)
    monkeypatch.setattr("builtins.input", lambda: "flatten")
    command(desk, "--flatten")
    assert Portfolio.objects.get().state == State.FLATTENING


def test_flatten_sells_everything_within_one_exit_check(desk: Desk) -> None:
    factories.user("trader", is_superuser=True, is_staff=True)
    command(desk, "--flatten", "--yes", "--by", "trader")
    desk.check("10:43:01")
    assert desk.sold() == [("flatten", 1)]
    assert opening() == OrderStatus.CANCELLING
    command(desk, "--flatten", "--yes")
    desk.check("10:43:02")
    assert len(desk.orders) == 1, "a repeat is harmless"


def test_all_portfolios(desk: Desk) -> None:
    market.seven_dte()
    with now(desk):
        call_command("kill", "--all", "--reason", "Storm.", stdout=StringIO())
    assert set(Portfolio.objects.values_list("state", flat=True)) == {State.REDUCING}


def test_what_is_stricter_already_is_left_as_it_is(desk: Desk) -> None:
    desk.state(State.HALTED)
    command(desk)
    assert Portfolio.objects.get().state == State.HALTED


def test_an_unknown_portfolio_and_an_empty_reason_are_said(desk: Desk) -> None:
    with pytest.raises(CommandError, match="Known"):
        call_command("kill", "nobody", "--reason", "x")
    with pytest.raises(CommandError, match="Say why"):
        call_command("kill", desk.portfolio.slug, "--reason", " ")


# ---- API ----


@pytest.fixture
def post(desk: Desk) -> Callable[..., Any]:
    def send(path: str, body: dict[str, Any], user: User | None = None) -> Any:
        client = Client()
        client.force_login(user or desk.portfolio.owner)
        with now(desk):
            return client.post(f"/api/v1/{path}", body, content_type="application/json")

    return send


def test_its_owner_kills_over_the_api(desk: Desk, post: Callable[..., Any]) -> None:
    answer = post(f"portfolios/{desk.portfolio.slug}/kill/", {"reason": "Out."})
    assert (answer.status_code, answer.json()) == (
        200,
        {"portfolio": desk.portfolio.slug, "state": "REDUCING", "cancelled": 1, "error": ""},
    )


def test_flattening_over_the_api_must_be_confirmed(desk: Desk, post: Callable[..., Any]) -> None:
    path = f"portfolios/{desk.portfolio.slug}/kill/"
    refused = post(path, {"reason": "Out.", "verbs": ["flatten"]})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "FLATTEN_UNCONFIRMED")
    assert Portfolio.objects.get().state == State.ACTIVE
    answer = post(path, {"reason": "Out.", "verbs": ["flatten"], "confirm_flatten": True})
    assert answer.json()["state"] == "FLATTENING"


@pytest.mark.parametrize(
    "body", [{}, {"reason": " "}, {"reason": "x", "verbs": []}, {"reason": "x", "verbs": ["sell"]}]
)
def test_what_cannot_be_read_does_nothing(desk: Desk, post: Callable[..., Any], body: dict[str, Any]) -> None:
    assert post(f"portfolios/{desk.portfolio.slug}/kill/", body).status_code == 400
    assert Portfolio.objects.get().state == State.ACTIVE


def test_a_stranger_finds_nothing_and_kills_only_their_own(desk: Desk, post: Callable[..., Any]) -> None:
    stranger = factories.user("stranger")
    slug = desk.portfolio.slug
    for path in (f"portfolios/{slug}/kill/", f"portfolios/{slug}/reactivate/", f"portfolios/{slug}/breakers/1/clear/"):
        assert post(path, {"reason": "x"}, stranger).status_code == 404
    assert post("kill/", {"reason": "x"}, stranger).json() == []
    assert Portfolio.objects.get().state == State.ACTIVE


def test_staff_without_the_permission_may_look_and_not_kill(desk: Desk, post: Callable[..., Any]) -> None:
    clerk = factories.user("clerk", is_staff=True)
    assert post(f"portfolios/{desk.portfolio.slug}/kill/", {"reason": "x"}, clerk).status_code == 403
    assert post("kill/", {"reason": "x"}, clerk).status_code == 403
    assert Portfolio.objects.get().state == State.ACTIVE


def test_a_risk_manager_returns_it_to_active(desk: Desk, post: Callable[..., Any], manager: User) -> None:
    slug = desk.portfolio.slug
    post(f"portfolios/{slug}/kill/", {"reason": "Out."})
    assert post(f"portfolios/{slug}/reactivate/", {"reason": "Back."}).status_code == 403, "its owner alone may not"
    assert post(f"portfolios/{slug}/reactivate/", {"reason": "Back."}, manager).json() == {"state": "ACTIVE"}


def test_breakers_and_their_events_are_read_and_cleared_over_the_api(
    desk: Desk, post: Callable[..., Any], manager: User
) -> None:
    guarded.fall(desk, "140.0000")
    guarded.quote(desk, "10:43:04", "200.0000")
    slug = desk.portfolio.slug
    client = Client()
    client.force_login(desk.portfolio.owner)
    rows = {row["code"]: row for row in client.get(f"/api/v1/portfolios/{slug}/breakers/").json()}
    assert (rows["loss_l2"]["state"], rows["loss_l2"]["value"]) == ("tripped", "6000.000000")
    told = client.get(f"/api/v1/portfolios/{slug}/breakers/events/?kind=tripped").json()["results"]
    assert {row["code"] for row in told} == {"loss_l1", "loss_l2"}
    path = f"portfolios/{slug}/breakers/{rows['loss_l2']['id']}/clear/"
    assert post(path, {"reason": "x"}).status_code == 403
    assert post(path, {"reason": ""}, manager).status_code == 400
    with time_machine.travel(desk.bet.wall(desk.at("10:43:05")), tick=False):
        signed_in = Client()
        signed_in.force_login(manager)
        answer = signed_in.post(f"/api/v1/{path}", {"reason": "Seen."}, content_type="application/json")
    assert (answer.json()["state"], answer.json()["cleared_by_name"]) == ("clear", "manager")


# ---- Admin ----


def test_a_risk_manager_clears_in_the_admin_with_a_reason(desk: Desk, manager: User) -> None:
    guarded.fall(desk, "140.0000")
    guarded.quote(desk, "10:43:04", "200.0000")
    row = Breaker.objects.get(code="loss_l2")
    client = Client()
    with time_machine.travel(desk.bet.wall(desk.at("10:43:05")), tick=False):
        client.force_login(manager)
        assert "Clear…" in client.get("/admin/riskengine/breaker/").content.decode()
        path = f"/admin/riskengine/breaker/{row.pk}/clear/"
        assert "$6,000.00" in client.get(path).content.decode()
        assert client.post(path, {"reason": " "}).status_code == 200
        assert Breaker.objects.get(pk=row.pk).state == "tripped"
        assert client.post(path, {"reason": "Seen."}).status_code == 302
        assert client.get("/admin/riskengine/breakerevent/").status_code == 200
    assert BreakerEvent.objects.filter(kind="cleared", actor=manager, reason="Seen.").exists()


def test_the_kill_switch_of_the_admin_asks_again_before_it_flattens(desk: Desk, manager: User) -> None:
    client = Client()
    path = "/admin/riskengine/breaker/kill/"
    asked = {"portfolios": [desk.portfolio.pk], "verbs": ["flatten"], "reason": "Out."}
    with now(desk):
        client.force_login(manager)
        assert client.get(path).status_code == 200
        assert "Nothing was done" in client.post(path, asked).content.decode()
        assert Portfolio.objects.get().state == State.ACTIVE
        assert client.post(path, asked | {"confirm_flatten": "on"}).status_code == 302
    assert Portfolio.objects.get().state == State.FLATTENING
    desk.check("10:43:01")
    assert desk.sold() == [("flatten", 1)]


def test_staff_without_the_permissions_see_no_way_in(desk: Desk) -> None:
    client = Client()
    client.force_login(factories.user("clerk", is_staff=True))
    assert client.get("/admin/riskengine/breaker/kill/").status_code == 403
    assert client.get("/admin/riskengine/breaker/1/clear/").status_code == 403
