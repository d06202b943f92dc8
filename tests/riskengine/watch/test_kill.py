"""The kill switch: three verbs, from command line, API and admin, effective within one exit check (A-23)."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import User
from accounts.services import ensure_groups
from positions.models import MarketClock, Order, OrderStatus, Portfolio, PortfolioStateChange, Position, State
from riskengine.models import Breaker, BreakerEvent
from riskengine.services.watch import kill as killing
from riskengine.services.watch.clearing import clear_breaker, reactivate
from riskengine.services.watch.kill import Killed, kill
from tests import factories
from tests.riskengine import market
from tests.riskengine.watch import guarded
from tests.riskengine.watch.desk import Desk
from tests.riskengine.watch.test_breakers_rules import started

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


# ---- What a person stopped, only a person lets go on (A-02) ----


def kill_now(desk: Desk, at: str, **given: Any) -> list[Killed]:
    asked = {"reason": "A person wants no entries.", "actor": None, "actor_name": "owner", **given}
    return kill(portfolios=Portfolio.objects.all(), now=desk.bet.wall(desk.at(at)), **asked)


def clear_all(desk: Desk, manager: User) -> None:
    for row in Breaker.objects.filter(state="tripped", code__in=("loss_l3", "drawdown_5", "drawdown_20")).order_by(
        "id"
    ):
        clear_breaker(breaker=row, actor=manager, reason="Seen.", now=desk.bet.wall(desk.at("10:50:00")))


def flatten_all(desk: Desk, proceeds: str, cause: str) -> None:
    desk.check("10:44:01")
    desk.finish()
    guarded.sell(Position.objects.get(), proceeds, desk.at("10:44:05"), cause)
    desk.check("10:44:06", "risk")
    assert Portfolio.objects.get().state == State.HALTED


@pytest.fixture
def fallen(desk: Desk) -> Desk:
    """REDUCING by its drawdown, with a bid that is back."""
    started(desk, 1, "75000")
    for second in range(3):
        guarded.look(desk, f"10:43:{second:02}", "180.0000", "risk")
    assert Portfolio.objects.get().state == State.REDUCING
    return desk


def test_a_kill_is_a_row_also_where_nothing_was_opened_any_more(fallen: Desk, manager: User) -> None:
    kill_now(fallen, "10:44:00")
    kill_now(fallen, "10:44:01")
    row = PortfolioStateChange.objects.get(cause="kill_switch")
    assert (row.from_state, row.to_state, row.actor_name) == ("REDUCING", "REDUCING", "owner")
    clear_all(fallen, manager)
    assert Portfolio.objects.get().state == State.REDUCING
    assert reactivate(portfolio=fallen.portfolio, actor=manager, reason="All is well.", now=fallen.bet.wall())
    assert Portfolio.objects.get().state == State.ACTIVE


def test_without_a_kill_a_clearing_lets_it_go_on(fallen: Desk, manager: User) -> None:
    clear_all(fallen, manager)
    assert Portfolio.objects.get().state == State.ACTIVE


def test_a_kill_that_was_let_go_on_stops_no_later_clearing(fallen: Desk, manager: User) -> None:
    clear_all(fallen, manager)
    kill_now(fallen, "10:44:00")
    reactivate(portfolio=fallen.portfolio, actor=manager, reason="All is well.", now=fallen.bet.wall())
    for second in range(3):
        guarded.look(fallen, f"10:45:{second:02}", "80.0000")
    assert Portfolio.objects.get().state == State.FLATTENING
    fallen.check("10:45:03")
    fallen.finish()
    guarded.sell(Position.objects.get(), "20000", fallen.at("10:45:05"), "emergency")
    fallen.check("10:45:06", "risk")
    clear_all(fallen, manager)
    assert Portfolio.objects.get().state == State.ACTIVE


def test_what_a_person_flattened_stays_halted_when_a_breaker_is_cleared(fallen: Desk, manager: User) -> None:
    kill_now(fallen, "10:44:00", verbs=["flatten"], confirmed=True)
    flatten_all(fallen, "18000", "flatten")
    clear_all(fallen, manager)
    assert Portfolio.objects.get().state == State.HALTED


@pytest.mark.parametrize("at", ["10:42:50", "10:43:03"], ids=["before the loss", "while it is flattened"])
def test_a_kill_outlives_the_emergency_halt(desk: Desk, manager: User, at: str) -> None:
    if at < "10:43:00":
        kill_now(desk, at)
    guarded.fall(desk, "80.0000")
    if at > "10:43:00":
        kill_now(desk, at)
    flatten_all(desk, "9000", "emergency")
    clear_all(desk, manager)
    assert Portfolio.objects.get().state != State.ACTIVE


def test_cancelling_openings_alone_stops_nothing_for_good(desk: Desk) -> None:
    kill_now(desk, "10:43:00", verbs=["cancel_openings"])
    assert not PortfolioStateChange.objects.filter(cause="kill_switch").exists()
    assert Portfolio.objects.get().state == State.ACTIVE


def test_one_without_a_clock_is_stopped_too_and_so_are_those_after_it(desk: Desk) -> None:
    market.seven_dte()
    MarketClock.objects.filter(portfolio=desk.portfolio).delete()
    kill_now(desk, "10:43:00")
    assert set(Portfolio.objects.values_list("state", flat=True)) == {State.REDUCING}


def test_one_that_cannot_be_stopped_is_said_and_the_others_are(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    other = market.seven_dte().portfolio
    plain = killing.change_state

    def fails_for_the_first(**given: Any) -> bool:
        if given["portfolio"].pk == desk.portfolio.pk:
            raise ValidationError("a rule")
        return plain(**given)

    monkeypatch.setattr(killing, "change_state", fails_for_the_first)
    first, second = kill_now(desk, "10:43:00")
    assert "a rule" in first.error
    assert (second.portfolio.pk, second.state, second.error) == (other.pk, State.REDUCING, "")


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
