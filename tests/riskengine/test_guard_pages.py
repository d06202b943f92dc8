"""The kill switch, clearings and the risk page without a browser: who may, what is shown, what is done."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from accounts.models import User
from accounts.services import RISK_MANAGERS
from positions.market.calendar import new_york
from positions.models import Portfolio, PortfolioStateChange
from riskengine.models import Breaker, BreakerEvent
from riskengine.services.watch.outlook import outlook
from tests import factories
from tests.riskengine import market
from tests.riskengine.test_preview_correlation import up_and_down
from tests.riskengine.watch.desk import Desk, zero

pytestmark = pytest.mark.django_db

KILL = {"verbs": ["stop_entries", "cancel_openings"], "reason": "A test."}


@pytest.fixture
def desk() -> Desk:
    return zero()


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def owner(desk: Desk) -> Client:
    return signed_in(desk.portfolio.owner)


@pytest.fixture
def manager(desk: Desk) -> Client:
    user = factories.user("risk", is_staff=True)
    user.groups.add(Group.objects.get(name=RISK_MANAGERS))
    return signed_in(user)


def state(desk: Desk) -> str:
    return Portfolio.objects.values_list("state", flat=True).get(pk=desk.portfolio.pk)


def trip(desk: Desk, code: str = "loss_l2") -> Breaker:
    """As the check left it after a loss of 6,600 booked with nothing open."""
    desk.check("10:42:07", "risk")
    Portfolio.objects.filter(pk=desk.portfolio.pk).update(cash=Decimal(53_400))
    desk.check("10:42:37", "risk")
    return Breaker.objects.get(code=code, state="tripped")


# ---- Kill switch ----


def test_the_owner_stops_the_portfolio_by_typing_its_name(desk: Desk, owner: Client) -> None:
    page = owner.get("/stop/").content.decode()
    assert desk.portfolio.name in page
    asked = {**KILL, "portfolios": [desk.portfolio.slug], "confirm": desk.portfolio.name.upper()}
    assert owner.post("/stop/", asked)["Location"] == "/desk/"
    assert state(desk) == "REDUCING"
    change = PortfolioStateChange.objects.latest("id")
    assert (change.cause, change.reason, change.actor_name) == (
        "kill_switch", "A test.", desk.portfolio.owner.get_username(),
    )  # fmt: skip


def test_the_card_says_who_stopped_it_when_and_why(desk: Desk, owner: Client) -> None:
    asked = {**KILL, "portfolios": [desk.portfolio.slug], "confirm": desk.portfolio.name}
    owner.post("/stop/", asked)
    change = PortfolioStateChange.objects.latest("id")
    at = new_york(change.changed_at).strftime("%d %b %H:%M:%S")
    told = f"the state is REDUCING since {at} by {change.actor_name}: A test"
    assert told in owner.get("/desk/").content.decode()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"confirm": "something else"}, "Nothing was done yet."),
        ({"confirm": ""}, "Nothing was done yet."),
        ({"reason": " "}, "Say why"),
        ({"verbs": []}, "Say what is to be done."),
        ({"portfolios": []}, "Say which portfolios."),
        ({"verbs": ["explode"]}, "Select a valid choice"),
    ],
)
def test_what_is_not_confirmed_or_said_stops_nothing(
    desk: Desk, owner: Client, changes: dict[str, object], sentence: str
) -> None:
    asked = {**KILL, "portfolios": [desk.portfolio.slug], "confirm": desk.portfolio.name, **changes}
    answer = owner.post("/stop/", asked)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert state(desk) == "ACTIVE"


def test_flatten_sells_at_the_next_exit_check(desk: Desk, owner: Client) -> None:
    desk.hold(3)
    asked = {"verbs": ["flatten"], "reason": "Out.", "portfolios": [desk.portfolio.slug]}
    owner.post("/stop/", {**asked, "confirm": desk.portfolio.name})
    assert state(desk) == "FLATTENING"
    desk.check("10:42:08")
    assert desk.sold() == [("flatten", 3)]


def test_several_are_stopped_together_by_typing_all(desk: Desk) -> None:
    factories.portfolio(owner=desk.portfolio.owner, slug="other", name="Other")
    asked = {**KILL, "portfolios": [desk.portfolio.slug, "other"]}
    client = signed_in(desk.portfolio.owner)
    assert client.post("/stop/", {**asked, "confirm": "Other"}).status_code == 422
    assert client.post("/stop/", {**asked, "confirm": "all"}).status_code == 302
    assert state(desk) == "REDUCING"


def test_a_stranger_can_stop_nothing(desk: Desk) -> None:
    stranger = signed_in(factories.user("stranger"))
    assert "There is no portfolio that you may stop" in stranger.get("/stop/").content.decode()
    asked = {**KILL, "portfolios": [desk.portfolio.slug], "confirm": desk.portfolio.name}
    assert stranger.post("/stop/", asked).status_code == 422
    assert state(desk) == "ACTIVE"


# ---- Clearing ----


def test_a_risk_manager_clears_with_a_reason(desk: Desk, manager: Client) -> None:
    breaker = trip(desk)
    Portfolio.objects.filter(pk=desk.portfolio.pk).update(cash=Decimal(60_000))
    address = f"/breakers/{breaker.pk}/clear/"
    assert "Clear it, in my name" in manager.get(address).content.decode()
    assert manager.post(address, {"reason": ""}).status_code == 422
    assert manager.post(address, {"reason": "Looked at."})["Location"] == f"/portfolios/{desk.portfolio.slug}/risk/"
    breaker.refresh_from_db()
    assert (breaker.state, breaker.cleared_by_name, breaker.cleared_reason) == ("clear", "risk", "Looked at.")


def test_while_the_loss_stands_it_cannot_be_cleared(desk: Desk, manager: Client) -> None:
    breaker = trip(desk)
    answer = manager.post(f"/breakers/{breaker.pk}/clear/", {"reason": "I want to."})
    assert answer.status_code == 422
    assert "still at the limit" in answer.content.decode()
    assert BreakerEvent.objects.filter(kind="cleared").count() == 0


def test_the_owner_reads_who_may_and_cannot(desk: Desk, owner: Client) -> None:
    breaker = trip(desk)
    address = f"/breakers/{breaker.pk}/clear/"
    assert "Only staff with the permission" in owner.get(address).content.decode()
    assert owner.post(address, {"reason": "Mine."}).status_code == 403
    breaker.refresh_from_db()
    assert breaker.state == "tripped"


def test_a_stranger_finds_neither_breaker_nor_risk_page(desk: Desk) -> None:
    breaker = trip(desk)
    stranger = signed_in(factories.user("stranger"))
    for address in (f"/breakers/{breaker.pk}/clear/", f"/portfolios/{desk.portfolio.slug}/risk/"):
        assert stranger.get(address).status_code == 404
    assert stranger.post(f"/portfolios/{desk.portfolio.slug}/go-on/", {"reason": "x"}).status_code == 404


def test_a_risk_manager_lets_a_stopped_portfolio_trade_again(desk: Desk, owner: Client, manager: Client) -> None:
    owner.post("/stop/", {**KILL, "portfolios": [desk.portfolio.slug], "confirm": desk.portfolio.name})
    address = f"/portfolios/{desk.portfolio.slug}/go-on/"
    assert owner.post(address, {"reason": "Mine."}).status_code == 403
    assert manager.post(address, {"reason": "All is well."}).status_code == 302
    assert state(desk) == "ACTIVE"


# ---- Risk page ----


def shown(desk: Desk) -> dict:
    portfolio = Portfolio.objects.select_related("clock", "profile").get(pk=desk.portfolio.pk)
    return outlook(portfolio=portfolio, now=desk.bet.wall(desk.at("10:42:07")))


def test_an_empty_portfolio_has_nothing_to_lose(desk: Desk) -> None:
    found = shown(desk)
    assert [row["value"] for row in found["greeks"]] == [0, 0, 0, 0]
    assert {cell["pnl"] for row in found["scenarios"]["rows"] for cell in row["cells"]} == {0}
    assert (found["exposure"], found["concentration"], found["bets_by_size"]) == (0, [], None)


def test_the_greeks_scenarios_and_bets_of_a_book_of_two(desk: Desk, owner: Client) -> None:
    market.closes("SPX", up_and_down)
    market.closes("QQQ", up_and_down)
    of = market.stock("QQQ", "310", "C", expires=market.MONDAY)
    known_at = desk.bet.at.replace(second=0)
    market.bar("QQQ", known_at, Decimal(310))
    market.quote(of, known_at, bid="1.95", ask="2.00")
    desk.hold(3)
    desk.bet.hold(of, 20, "2.00")
    desk.check("10:42:07", "risk")
    found = shown(desk)
    assert all(row["value"] for row in found["greeks"])
    rows = {row["move"]: row["cells"] for row in found["scenarios"]["rows"]}
    places = dict(zip(found["scenarios"]["spot_moves"], range(20), strict=False))
    assert rows[0.0][places[0.0]]["pnl"] == 0
    assert rows[0.0][places[-0.1]]["pnl"] == pytest.approx(-found["exposure"], rel=0.02)  # all of it is lost
    assert rows[0.0][places[0.1]]["pnl"] > 0
    assert [each["name"] for each in found["concentration"]] == ["QQQ", "SPX"]
    assert found["exposure"] == pytest.approx(16_060)
    assert found["effective"] == pytest.approx(16_060, rel=1e-3)
    assert found["heat"]["rows"][0]["cells"][1]["rho"] == pytest.approx(1, abs=1e-3)
    assert found["heat"]["rows"][0]["cells"][1]["sample"] >= 40
    page = owner.get(f"/portfolios/{desk.portfolio.slug}/risk/")
    assert page.status_code == 200


def test_what_cannot_be_priced_is_named_and_nothing_is_summed_without_it(desk: Desk) -> None:
    desk.hold(3)
    desk.quote("10:42:05", None, "40.40")
    found = shown(desk)
    assert found["scenarios"]["unpriced"] == ["SPXW 3,700C"]
    assert [row["value"] for row in found["greeks"]] == [None, None, None, None]
    assert {cell["pnl"] for row in found["scenarios"]["rows"] for cell in row["cells"]} == {None}


def test_tripped_breakers_stand_first_with_what_they_did(desk: Desk, owner: Client) -> None:
    trip(desk)
    page = owner.get(f"/portfolios/{desk.portfolio.slug}/risk/").content.decode()
    assert page.index("L2: daily loss limit") < page.index("What they did")
    assert "tripped" in page
    assert "6,600" in page
