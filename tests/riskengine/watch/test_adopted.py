"""Positions adopted from the broker under watch: counted, never stopped before a person opts in, and told of once."""

from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied, ValidationError
from django.test import Client

from accounts.models import User
from accounts.services import RISK_MANAGERS, ensure_groups
from positions.models import Portfolio, Position, PositionEvent
from positions.services import reconciliation, working
from positions.services.reconciliation import await_reconciliation, reconcile
from riskengine.models import Alert
from riskengine.services.decide.plan import exit_plan
from riskengine.services.watch.opting_in import NotProtectable, give_stop, proposal
from riskengine.services.watch.working import run_orders
from tests import factories
from tests.positions import by_hand
from tests.positions.flaky_broker import FlakyBroker
from tests.riskengine.entering import checked, enter, refused
from tests.riskengine.watch.desk import Desk, fresh, seven, zero

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> Desk:
    return zero(owner=factories.user("owner"))


@pytest.fixture
def manager() -> User:
    ensure_groups()
    user = factories.user("manager", is_staff=True)
    user.groups.add(Group.objects.get(name=RISK_MANAGERS))
    return user


def adopted(desk: Desk, quantity: int = 2, price: str = "40.00") -> Position:
    """Bought by hand at 10:41, and found at the next reconciliation."""
    by_hand.buy(desk.portfolio, desk.contract, quantity, price, desk.at("10:41:00"))
    await_reconciliation()
    portfolio = Portfolio.objects.get(pk=desk.portfolio.pk)
    assert reconcile(portfolio=portfolio, now=desk.bet.wall(desk.at("10:42:01")), plan=exit_plan).agreed
    return Position.objects.get(origin="manual")


def opted_in(desk: Desk, position: Position, at: str = "10:42:30", actor: User | None = None) -> Position:
    who = actor or User.objects.get(username="owner")
    give_stop(position=position, actor=who, reason="Mine.", now=desk.bet.wall(desk.at(at)))
    return fresh(position)


# ---- Exits only after a person opts in ----


def test_before_a_person_opts_in_no_price_sells_it_and_afterwards_its_stop_does(desk: Desk) -> None:
    position = adopted(desk)
    for at in ("10:43:00", "10:43:01", "10:43:02"):
        desk.quote(at, "20.00", "20.40")
        desk.check(at)
    assert desk.sold() == []
    desk.quote("10:44:00", "36.00", "36.40")
    position = opted_in(desk, position, "10:44:00")
    assert (position.initial_stop, position.current_stop) == (Decimal("30.00"), Decimal("30.00"))
    desk.check("10:44:01")
    assert desk.sold() == []
    for at in ("10:45:00", "10:45:01"):
        desk.quote(at, "29.90", "30.20")
        desk.check(at)
    assert desk.sold() == [("stop", 2)]


def test_profit_of_before_the_opt_in_is_not_locked_in() -> None:
    desk = seven(owner=factories.user("owner"))
    position = adopted(desk, 4, "5.00")
    desk.quote("10:43:00", "9.00", "9.05")
    desk.check("10:43:00", "risk")
    desk.quote("10:44:00", "5.20", "5.25")
    assert fresh(position).high_water == Decimal("5.00")
    position = opted_in(desk, position, "10:44:00")
    desk.check("10:44:00", "risk")
    position = fresh(position)
    assert (position.initial_stop, position.current_stop, position.high_water) == (
        Decimal("4.00"), Decimal("4.00"), Decimal("5.20"),
    )  # fmt: skip
    assert desk.sold() == []


def test_without_a_stop_it_is_closed_before_its_expiration_all_the_same(desk: Desk) -> None:
    adopted(desk)
    desk.quote("15:45:00", "38.00", "38.40")
    desk.check("15:45:00")
    assert desk.sold() == [("forced_close", 2)]


def test_its_loss_counts_for_the_circuit_breakers(desk: Desk) -> None:
    adopted(desk, 4)
    for second in range(3):
        at = f"10:43:{second:02}"
        desk.quote(at, "9.00", "9.20")  # 31.00 a share on 4 contracts: $12,400 of $60,000
        desk.check(at)
    assert Portfolio.objects.get().state == "FLATTENING"
    desk.check("10:43:03")
    assert desk.sold() == [("emergency", 4)]


# ---- The opt-in ----


def test_an_opt_in_leaves_a_row_with_name_and_reason(desk: Desk) -> None:
    position = opted_in(desk, adopted(desk))
    event = PositionEvent.objects.get(kind="stop_given")
    assert (event.position, event.actor_name, event.detail["reason"]) == (position, "owner", "Mine.")
    assert (event.before, event.after) == ({"stop": None}, {"stop": "30.0000"})


def test_the_second_person_is_told_that_it_has_a_stop(desk: Desk) -> None:
    position = adopted(desk)
    opted_in(desk, position)
    with pytest.raises(NotProtectable, match="It has a stop already: 30"):
        opted_in(desk, position, "10:42:31")


def test_who_may_not_gives_none_and_nobody_without_a_reason(desk: Desk, manager: User) -> None:
    position, now = adopted(desk), desk.bet.wall(desk.at("10:42:30"))
    for stranger in (factories.user("stranger"), factories.user("clerk", is_staff=True)):
        with pytest.raises(PermissionDenied):
            give_stop(position=position, actor=stranger, reason="Mine.", now=now)
    with pytest.raises(ValidationError):
        give_stop(position=position, actor=manager, reason=" ", now=now)
    assert fresh(position).initial_stop is None


def test_what_was_opened_here_is_not_opted_in(desk: Desk) -> None:
    with pytest.raises(NotProtectable, match="opened here"):
        proposal(desk.hold(), now=desk.bet.wall(desk.at("10:42:30")))


def test_a_risk_manager_gives_a_stop_in_the_admin_and_is_warned_that_it_sells_at_once(
    desk: Desk, manager: User
) -> None:
    position = adopted(desk)
    desk.quote("10:44:00", "20.00", "20.40")
    client = Client()
    with time_machine.travel(desk.bet.wall(desk.at("10:44:01")), tick=False):
        client.force_login(manager)
        path = f"/admin/positions/position/{position.pk}/give-stop/"
        assert f'href="{path}"' in client.get("/admin/positions/position/").content.decode()
        page = client.get(path).content.decode()
        assert "the stop is 30" in page
        assert "the next checks will sell it" in page
        assert client.post(path, {"reason": ""}).status_code == 200
        assert fresh(position).initial_stop is None
        assert client.post(path, {"reason": "Mine."}).status_code == 302
        assert fresh(position).current_stop == Decimal("30.00")
        assert f'href="{path}"' not in client.get("/admin/positions/position/").content.decode()
        client.force_login(factories.user("clerk", is_staff=True))
        assert client.get(path).status_code == 403


# ---- Where it is seen ----


def test_desk_record_and_api_show_it_without_a_decision(desk: Desk) -> None:
    position = opted_in(desk, adopted(desk))
    root, api = f"/portfolios/{desk.portfolio.slug}", f"/api/v1/portfolios/{desk.portfolio.slug}"
    client = Client()
    with time_machine.travel(desk.bet.wall(desk.at("10:42:31")), tick=False):
        client.force_login(User.objects.get(username="owner"))
        page = client.get(f"{root}/positions/{position.pk}/").content.decode()
        assert "Adopted from the broker: 2 bought there at" in page
        assert "Given its stop at" in page
        assert client.get(f"{root}/positions/{position.pk}/path/").status_code == 200
        assert client.get("/desk/").status_code == 200
        shown = client.get(f"{api}/positions/{position.pk}/").json()
        assert (shown["origin"], shown["decision"], shown["quantity_open"]) == ("manual", None, 2)
        orders_shown = client.get(f"{api}/orders/").json()["results"]
        assert {each["intent"] for each in orders_shown} == {"adopted_open"}
        assert client.get("/orders/").status_code == 200
        assert client.get(f"{root}/risk/").status_code == 200


# ---- What is told ----


def codes(*wanted: str) -> list[str]:
    return list(Alert.objects.filter(resolved_at=None, code__in=wanted).order_by("id").values_list("code", flat=True))


def test_a_position_without_a_stop_is_told_once_until_it_has_one(desk: Desk) -> None:
    position = adopted(desk)
    for at in ("10:42:10", "10:42:20", "10:42:30"):
        desk.check(at, "risk")
    [alert] = Alert.objects.filter(code="NO_STOP")
    assert (alert.position, alert.severity) == (position, "warning")
    assert "2 contracts bought at the broker at" in alert.happened
    assert "Give it a stop" in alert.to_do
    opted_in(desk, position)
    desk.check("10:42:40", "risk")
    assert codes("NO_STOP") == []


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> FlakyBroker:
    flaky = FlakyBroker()
    monkeypatch.setattr(working, "broker_of", lambda portfolio: flaky)
    monkeypatch.setattr(reconciliation, "broker_of", lambda portfolio: flaky)
    return flaky


def orders(desk: Desk, *times: str) -> None:
    for at in times:
        run_orders(now=desk.bet.wall(desk.at(at)))


def differing(desk: Desk, broker: FlakyBroker, by: int) -> Position:
    position = adopted(desk)
    broker.by_hand[desk.contract.pk] = by
    await_reconciliation()
    return position


@pytest.mark.parametrize(
    ("by", "happened", "to_do"),
    [
        (-1, "1 at the broker, 2 open here, 1 fewer", "sell at most the 1 that the broker confirms"),
        (3, "5 at the broker, 2 open here, 3 more", "Nothing here watches these 3"),
    ],
)
def test_a_difference_is_one_alert_that_says_what_how_many_and_what_to_do(
    desk: Desk, broker: FlakyBroker, by: int, happened: str, to_do: str
) -> None:
    differing(desk, broker, by)
    orders(desk, "10:42:10")
    assert codes("BROKER_DIFFERS") == [], "what fills between two answers is over at the next look"
    orders(desk, *(f"10:42:{second}" for second in range(11, 40)))
    [alert] = Alert.objects.filter(code="BROKER_DIFFERS")
    assert (alert.portfolio, alert.severity) == (desk.portfolio, "critical")
    assert happened in alert.happened
    assert to_do in alert.to_do


def test_entries_are_refused_while_it_lasts_and_it_is_over_when_they_agree(desk: Desk, broker: FlakyBroker) -> None:
    differing(desk, broker, -1)
    orders(desk, "10:42:10", "10:42:11")
    checked(desk.bet)
    assert refused(enter(_anew(desk))) != ""
    assert "NOT_RECONCILED" in _failed_gates()
    broker.by_hand.clear()
    orders(desk, "10:42:12")
    desk.check("10:42:30", "risk")
    assert codes("BROKER_DIFFERS") == ["BROKER_DIFFERS"], "it may be seen again"
    desk.check("10:42:50", "risk")
    assert codes("BROKER_DIFFERS") == []


def _anew(desk: Desk) -> Any:
    desk.portfolio.refresh_from_db()
    return desk.bet


def _failed_gates() -> list[str]:
    decision = Portfolio.objects.get().decisions.latest("id")
    return [gate["rule"] for gate in decision.gates if not gate["passed"]]
