"""What a person does on the pages: place a bet, let a waiting one through, close a position; once each, whatever is
pressed how often."""

from collections.abc import Iterator
from datetime import time, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from accounts.models import User
from positions.market.calendar import new_york_instant
from positions.models import Decision, Heartbeat, Order, Portfolio, PositionEvent
from tests import factories
from tests.riskengine import market
from tests.riskengine.market import MONDAY, Bet

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> User:
    return factories.user("owner")


@pytest.fixture
def bet(owner: User) -> Bet:
    made = market.zero_dte(owner=owner)
    Heartbeat.objects.create(
        portfolio=made.portfolio, scope="risk", finished_at=made.wall() - timedelta(seconds=5), market_at=made.at
    )
    return made


@pytest.fixture
def client(bet: Bet, owner: User) -> Iterator[Client]:
    with time_machine.travel(bet.wall(), tick=False):
        signed_in = Client()
        signed_in.force_login(owner)
        yield signed_in


def button(bet: Bet, **changes: Any) -> dict[str, Any]:
    """What the ticket's button sends."""
    symbol = bet.contract.occ_symbol.replace(" ", "")
    return {
        "contract": symbol,
        "confidence": "0.70",
        "contracts": 4,
        "pace": "normal",
        "key": "a-key-of-a-form",
    } | changes


def place(client: Client, bet: Bet, **changes: Any) -> Any:
    return client.post(f"/portfolios/{bet.portfolio.slug}/place/", button(bet, **changes), follow=True)


# ---- Place ----


def test_the_ticket_offers_a_button_that_says_what_it_does(client: Client, bet: Bet) -> None:
    asked = {"contract": bet.contract.occ_symbol.replace(" ", ""), "confidence": "0.70"}
    page = client.get(f"/portfolios/{bet.portfolio.slug}/size/", asked).content.decode()
    assert "Place 3 contracts, 22.2% of this account" in page
    refused = client.get(f"/portfolios/{bet.portfolio.slug}/size/", asked | {"confidence": "0.5"}).content.decode()
    assert "Place " not in refused
    assert "is under 0.65, the lowest tradable" in refused


def test_pressing_it_places_exactly_what_it_named_and_leads_to_the_desk(client: Client, bet: Bet) -> None:
    answer = place(client, bet)
    assert answer.redirect_chain == [("/desk/", 302)]
    order = Order.objects.get()
    assert (order.intent, order.quantity, order.pace, order.portfolio) == ("open", 4, "normal", bet.portfolio)
    made = Decision.objects.get()
    assert (made.approved, made.contracts, made.requested_by_name, made.confirmed_by.username) == (
        True, 4, "owner", "owner",
    )  # fmt: skip
    page = answer.content.decode()
    assert "Placed: 4 of SPXW 3,700 call, 2021-01-04, at most $44.80 a share." in page
    assert "0 of 4" in page, "the working order stands on the desk"


def test_what_is_only_proposed_waits_on_the_desk_until_it_is_confirmed(client: Client, bet: Bet) -> None:
    answer = place(client, bet, propose="1")
    assert not Order.objects.exists()
    made = Decision.objects.get()
    assert (made.approved, made.confirmed_by) == (True, None)
    assert "approved, and waits for a person to confirm it" in answer.content.decode()
    assert "Waiting for you" in client.get("/desk/").content.decode()
    client.post(f"/decisions/{made.pk}/confirm/")
    assert Order.objects.get().quantity == 4


def test_pressed_twice_it_is_one_entry(client: Client, bet: Bet) -> None:
    place(client, bet)
    again = place(client, bet)
    assert Order.objects.count() == Decision.objects.count() == 1
    assert "nothing was ordered twice" in again.content.decode()


def test_a_key_of_another_entry_is_refused(client: Client, bet: Bet) -> None:
    place(client, bet)
    answer = place(client, bet, contracts=5)
    assert Order.objects.count() == 1
    assert "Use a new key" in answer.content.decode()


def test_fewer_contracts_than_offered_may_be_placed(client: Client, bet: Bet) -> None:
    place(client, bet, contracts=3)
    assert Order.objects.get().quantity == 3


def test_a_refusal_leads_to_its_decision_with_every_gate(client: Client, bet: Bet) -> None:
    Heartbeat.objects.all().delete()
    answer = place(client, bet)
    made = Decision.objects.get()
    assert not Order.objects.exists()
    assert answer.redirect_chain == [(f"/decisions/{made.pk}/", 302)]
    page = answer.content.decode()
    assert made.refusal_sentence in page
    assert made.refusal_code in page
    assert "Nothing was ordered." in page
    assert "Why exactly this many" in page


@pytest.mark.parametrize(
    ("spoiled", "said"),
    [
        ({"contracts": "0"}, "a whole number of at least 1"),
        ({"contracts": "two"}, "a whole number of at least 1"),
        ({"confidence": "7"}, "Confidence must be a number from 0 to 1"),
        ({"contract": "SPXW210104C09999000"}, "is not among the contracts"),
    ],
)
def test_what_cannot_be_read_is_said_and_orders_nothing(
    client: Client, bet: Bet, spoiled: dict[str, str], said: str
) -> None:
    assert said in place(client, bet, **spoiled).content.decode()
    assert not Decision.objects.exists()


def test_a_stranger_places_nothing(client: Client, bet: Bet) -> None:
    stranger = Client()
    stranger.force_login(factories.user("stranger"))
    assert place(stranger, bet).status_code == 404
    assert not Decision.objects.exists()


def test_nothing_is_placed_by_following_a_link(client: Client, bet: Bet) -> None:
    assert client.get(f"/portfolios/{bet.portfolio.slug}/place/", button(bet)).status_code == 405


def test_a_decision_that_waits_for_a_person_can_be_confirmed_once(client: Client, bet: Bet) -> None:
    waiting = factories.decision(
        bet.portfolio,
        contract=bet.contract,
        contracts=4,
        limit_price="44.80",
        decided_at=bet.at,
        expires_at=bet.at + timedelta(seconds=60),
        inputs={"request": {"pace": "fast"}},
    )
    desk = client.get("/desk/").content.decode()
    assert "Waiting for you" in desk
    assert "Place 4 contracts" in desk
    assert "Confirm and place 4 contracts" in client.get(f"/decisions/{waiting.pk}/").content.decode()
    answer = client.post(f"/decisions/{waiting.pk}/confirm/", follow=True)
    assert answer.redirect_chain == [("/desk/", 302)]
    assert Order.objects.get().pace == "fast"
    assert "Waiting for you" not in answer.content.decode()
    client.post(f"/decisions/{waiting.pk}/confirm/", follow=True)
    assert Order.objects.count() == 1


# ---- Cancel ----


def test_what_is_not_filled_of_an_entry_can_be_taken_back(client: Client, bet: Bet) -> None:
    place(client, bet)
    order = Order.objects.get()
    assert "Cancel the rest" in client.get("/desk/").content.decode()
    answer = client.post(f"/orders/{order.pk}/cancel/", follow=True)
    order.refresh_from_db()
    assert order.status == "cancelling"
    page = answer.content.decode()
    assert "Cancelling the opening of SPXW 3,700 call" in page
    assert "Cancel the rest" not in page


def test_an_exit_is_never_taken_back(client: Client, bet: Bet) -> None:
    position = bet.hold(bet.contract, 4, "40.00")
    stop = factories.exit_order(position, "stop", created_at=bet.at)
    assert "Cancel the rest" not in client.get("/desk/").content.decode()
    assert "an exit never is" in client.post(f"/orders/{stop.pk}/cancel/", follow=True).content.decode()
    stop.refresh_from_db()
    assert stop.status == "working"


def test_a_stranger_cancels_nothing(client: Client, bet: Bet) -> None:
    place(client, bet)
    stranger = Client()
    stranger.force_login(factories.user("stranger"))
    order = Order.objects.get()
    assert stranger.post(f"/orders/{order.pk}/cancel/").status_code == 404
    assert client.get(f"/orders/{order.pk}/cancel/").status_code == 405


# ---- Close ----


def closing(bet: Bet, position: Any) -> str:
    return f"/portfolios/{bet.portfolio.slug}/positions/{position.pk}/close/"


def test_closing_is_asked_once_more_before_anything_is_sold(client: Client, bet: Bet) -> None:
    position = bet.hold(bet.contract, 4, "40.00")
    page = client.get(closing(bet, position)).content.decode()
    assert "Sell 4 contracts now" in page
    assert "+$1,600" in page
    assert not Order.objects.exists()


def test_closing_sells_everything_and_is_one_order_however_often_it_is_pressed(client: Client, bet: Bet) -> None:
    position = bet.hold(bet.contract, 4, "40.00")
    answer = client.post(closing(bet, position), follow=True)
    order = Order.objects.get()
    assert (order.intent, order.side, order.quantity, order.pace) == ("manual_close", "sell", 4, "urgent")
    assert order.verdict["by"] == "owner"
    assert PositionEvent.objects.get(position=position).kind == "manual_close_ordered"
    assert "Closing 4 of SPXW 3,700 call" in answer.content.decode()
    again = client.post(closing(bet, position), follow=True)
    assert Order.objects.count() == 1
    assert "being closed already" in again.content.decode()


def test_closing_takes_the_place_of_working_slices(client: Client, bet: Bet) -> None:
    position = bet.hold(bet.contract, 4, "40.00")
    working = factories.exit_order(position, "slice", quantity=1, pace="normal")
    client.post(closing(bet, position))
    working.refresh_from_db()
    assert working.status == "cancelling"


def test_nothing_is_sold_while_the_session_is_closed(client: Client, bet: Bet) -> None:
    position = bet.hold(bet.contract, 4, "40.00")
    with time_machine.travel(bet.wall(new_york_instant(MONDAY, time(16, 1))), tick=False):
        answer = client.post(closing(bet, position), follow=True)
    assert "The session is closed" in answer.content.decode()
    assert not Order.objects.exists()


def test_staff_may_close_and_a_stranger_may_not(client: Client, bet: Bet) -> None:
    position = bet.hold(bet.contract, 4, "40.00")
    stranger, staff = Client(), Client()
    stranger.force_login(factories.user("stranger"))
    assert stranger.post(closing(bet, position)).status_code == 404
    assert not Order.objects.exists()
    staff.force_login(factories.user("staff", is_staff=True))
    staff.post(closing(bet, position))
    assert Order.objects.get().verdict["by"] == "staff"


def test_another_portfolios_address_closes_nothing(client: Client, bet: Bet, owner: User) -> None:
    position = bet.hold(bet.contract, 4, "40.00")
    other: Portfolio = factories.portfolio(owner=owner)
    assert client.post(f"/portfolios/{other.slug}/positions/{position.pk}/close/").status_code == 404
    assert not Order.objects.exists()
