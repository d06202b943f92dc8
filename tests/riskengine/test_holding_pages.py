"""The pages on which a person sells a part of a position, tightens its stop, and writes about it."""

from collections.abc import Iterator
from datetime import time
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db.models import F
from django.test import Client

from accounts.models import User
from positions.market.calendar import new_york_instant
from positions.models import ExchangeSession, Order, Portfolio, Position
from tests import factories
from tests.riskengine import market
from tests.riskengine.market import MONDAY, Bet

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> User:
    return factories.user("owner")


@pytest.fixture
def bet(owner: User) -> Bet:
    return market.zero_dte(owner=owner)


@pytest.fixture
def client(bet: Bet, owner: User) -> Iterator[Client]:
    with time_machine.travel(bet.wall(), tick=False):
        yield signed_in(owner)


@pytest.fixture
def position(bet: Bet) -> Position:
    return bet.hold(bet.contract, 4, "40.00")


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def at(position: Position, page: str) -> str:
    return f"/portfolios/{position.portfolio.slug}/positions/{position.pk}/{page}"


# ---- A part ----


def test_the_record_leads_to_all_that_may_be_done(client: Client, position: Position) -> None:
    page = client.get(at(position, "")).content.decode()
    for link in ("close/", "close-part/", "tighten/"):
        assert f'href="{at(position, link)}"' in page


def test_the_number_is_chosen_and_asked_once_more_with_bid_age_and_what_stays(
    client: Client, position: Position
) -> None:
    page = client.get(at(position, "close-part/")).content.decode()
    assert "1 to 4" in page
    page = client.get(at(position, "close-part/"), {"contracts": "3"}).content.decode()
    assert "Sell 3 contracts now" in page
    assert "<strong>3 of 4</strong> open contracts are sold, <strong>1 stays open</strong>" in page
    assert "The bid is <strong>$44.00</strong>, <span>7 s old</span>" in page
    assert "with the stop at $20.00 as it is" in page
    assert not Order.objects.exists()


def test_all_of_it_may_be_the_part_and_is_said(client: Client, position: Position) -> None:
    page = client.get(at(position, "close-part/"), {"contracts": "4"}).content.decode()
    assert "are offered, as a part is: not below a floor" in page
    assert f'href="{at(position, "close/")}">close the position</a> instead' in page


def test_pressed_twice_it_is_one_part(client: Client, position: Position) -> None:
    sent = {"contracts": "1", "parts": "0"}
    answer = client.post(at(position, "close-part/"), sent, follow=True)
    assert answer.redirect_chain == [(at(position, ""), 302)]
    assert "Selling 1 of SPXW 3,700 call" in answer.content.decode()
    again = client.post(at(position, "close-part/"), sent, follow=True)
    assert "since you looked" in again.content.decode()
    assert [(order.intent, order.quantity) for order in Order.objects.all()] == [("manual_reduce", 1)]
    page = client.get(at(position, "close-part/"), {"contracts": "1"}).content.decode()
    assert 'name="parts" value="1"' in page
    assert "Part closed by a person: 0 of 1 sold" in client.get(at(position, "")).content.decode()


def test_what_works_already_is_said_and_not_offered(client: Client, position: Position) -> None:
    factories.exit_order(position, "slice", quantity=1, pace="normal")
    page = client.get(at(position, "close-part/")).content.decode()
    assert "working orders sell 1 of them, so 3 are free" in page
    answer = client.get(at(position, "close-part/"), {"contracts": "4"})
    assert answer.status_code == 422
    assert "choose a number from 1 to 3" in answer.content.decode()


@pytest.mark.parametrize("contracts", ["0", "two", "1.5", "-1", ""])
def test_a_number_that_cannot_be_read_sells_nothing(client: Client, position: Position, contracts: str) -> None:
    said = "a whole number of at least 1"
    assert said in client.get(at(position, "close-part/"), {"contracts": contracts}).content.decode()
    sent = {"contracts": contracts, "parts": "0"}
    assert said in client.post(at(position, "close-part/"), sent, follow=True).content.decode()
    assert not Order.objects.exists()


def test_outside_the_session_there_is_nothing_to_press(client: Client, bet: Bet, position: Position) -> None:
    with time_machine.travel(bet.wall(new_york_instant(MONDAY, time(16, 1))), tick=False):
        page = client.get(at(position, "close-part/"), {"contracts": "1"}).content.decode()
    assert "The session is closed" in page
    assert '<button class="primary">' not in page


def test_in_a_market_time_without_sessions_it_is_said(client: Client, bet: Bet, position: Position) -> None:
    ExchangeSession.objects.filter(session_on__gte=MONDAY).delete()
    answer = client.get(at(position, "close-part/"), {"contracts": "1"})
    page = answer.content.decode()
    assert "The exchange calendar does not reach" in page
    assert 'class="primary"' not in page


# ---- The stop ----


def test_the_stop_is_tightened_with_a_reason_and_the_record_says_so(client: Client, position: Position) -> None:
    page = client.get(at(position, "tighten/")).content.decode()
    assert "The stop stands at <strong>$20.00</strong>" in page
    assert "Give less than the bid, which is <strong>$44.00</strong>, <span>7 s old</span>" in page
    sent = {"stop": "41.50", "reason": "The gap is closed."}
    answer = client.post(at(position, "tighten/"), sent, follow=True)
    assert answer.redirect_chain == [(at(position, ""), 302)]
    page = answer.content.decode()
    assert "stands at $41.50." in page
    assert "Stop tightened by hand from $20.00 to $41.50: The gap is closed." in page
    position.refresh_from_db()
    assert position.current_stop == Decimal("41.5")


@pytest.mark.parametrize(
    ("stop", "reason", "said"),
    [
        ("20.00", "Why not.", "never widened"),
        ("44.00", "Why not.", "would sell at once"),
        ("41.00", " ", "Say why"),
        ("forty", "Why not.", "at most four decimals"),
        ("41.00001", "Why not.", "at most four decimals"),
    ],
)
def test_what_cannot_be_set_is_said_beside_what_was_entered(
    client: Client, position: Position, stop: str, reason: str, said: str
) -> None:
    answer = client.post(at(position, "tighten/"), {"stop": stop, "reason": reason})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert said in page
    assert f'value="{stop}"' in page
    position.refresh_from_db()
    assert position.current_stop == Decimal(20)


def test_the_chart_shows_where_the_stop_was_tightened(client: Client, position: Position) -> None:
    client.post(at(position, "tighten/"), {"stop": "41.50", "reason": "Enough."})
    assert [point["value"] for point in client.get(at(position, "path/")).json()["stop"]] == [20.0, 41.5]


# ---- The journal ----


def test_a_note_is_kept_and_shown_with_who(client: Client, position: Position) -> None:
    answer = client.post(at(position, "note/"), {"text": "Bought <the> dip."}, follow=True)
    assert answer.redirect_chain == [(f"{at(position, '')}#journal", 302)]
    page = answer.content.decode()
    assert "Bought &lt;the&gt; dip." in page
    assert position.notes.get().author_name == "owner"


def test_tags_are_added_and_removed_and_lead_to_the_positions_that_have_them(
    client: Client, bet: Bet, position: Position
) -> None:
    other = bet.hold(bet.contract, 1, "40.00")
    page = client.post(at(position, "tags/"), {"tag": "Gap"}, follow=True).content.decode()
    assert "/positions/?tag=gap" in page
    assert "Tagged gap" in page
    listed = client.get("/positions/", {"tag": "gap"}).content.decode()
    assert at(position, "") in listed
    assert at(other, "") not in listed
    assert at(other, "") in client.get("/positions/").content.decode()
    client.post(at(position, "tags/"), {"remove": "gap"})
    assert not position.tags.exists()
    assert "No longer tagged gap" in client.get(at(position, "")).content.decode()
    assert "No position has the tag “gap”" in client.get("/positions/", {"tag": "gap"}).content.decode()


def test_what_is_held_stands_before_what_is_closed(client: Client, bet: Bet, position: Position) -> None:
    closed = bet.hold(bet.contract, 1, "40.00")
    Position.objects.filter(pk=closed.pk).update(
        status="closed", quantity_open=0, closed_at=bet.at, close_cause="stop", version=F("version") + 1
    )
    listed = client.get("/positions/").content.decode()
    assert 0 < listed.index(at(position, "")) < listed.index(at(closed, ""))
    assert ">Tags</th>" not in listed, "nobody has given one"


@pytest.mark.parametrize(
    ("page", "sent", "said"),
    [
        ("note/", {"text": " "}, "a note cannot be empty"),
        ("note/", {"text": "x" * 2_001}, "at most 2,000 letters"),
        ("tags/", {"tag": "two words"}, "is no tag"),
    ],
)
def test_what_is_no_note_or_tag_is_said(
    client: Client, position: Position, page: str, sent: dict[str, str], said: str
) -> None:
    assert said in client.post(at(position, page), sent, follow=True).content.decode()


def test_staff_without_the_permission_read_and_do_not_write(client: Client, position: Position) -> None:
    client.post(at(position, "note/"), {"text": "Bought the dip."})
    clerk = signed_in(factories.user("clerk", is_staff=True))
    page = clerk.get(at(position, "")).content.decode()
    assert "Bought the dip." in page
    assert "Keep the note" not in page
    assert clerk.post(at(position, "note/"), {"text": "Mine."}).status_code == 403
    assert clerk.post(at(position, "tags/"), {"tag": "mine"}).status_code == 403


# ---- Nobody else's ----

SENT: dict[str, dict[str, Any]] = {
    "close-part/": {"contracts": "1", "parts": "0"},
    "tighten/": {"stop": "41.50", "reason": "Enough."},
    "note/": {"text": "Mine."},
    "tags/": {"tag": "mine"},
}


@pytest.mark.parametrize("page", SENT)
def test_a_stranger_finds_none_of_it(client: Client, position: Position, page: str) -> None:
    stranger = signed_in(factories.user("stranger"))
    assert stranger.post(at(position, page), SENT[page]).status_code == 404
    assert at(position, "") not in stranger.get("/positions/").content.decode()
    position.refresh_from_db()
    assert (position.version, Order.objects.count(), position.notes.count()) == (1, 0, 0)


@pytest.mark.parametrize("page", SENT)
def test_another_portfolio_s_address_changes_nothing(client: Client, position: Position, page: str) -> None:
    other: Portfolio = factories.portfolio(owner=position.portfolio.owner)
    path = f"/portfolios/{other.slug}/positions/{position.pk}/{page}"
    assert client.post(path, SENT[page]).status_code == 404


@pytest.mark.parametrize("page", SENT)
def test_nothing_is_done_without_the_token_of_the_page(client: Client, position: Position, page: str) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(position.portfolio.owner)
    assert strict.post(at(position, page), SENT[page]).status_code == 403
    assert (Order.objects.count(), position.notes.count(), position.tags.count()) == (0, 0, 0)


@pytest.mark.parametrize("page", ["note/", "tags/"])
def test_nothing_is_written_by_following_a_link(client: Client, position: Position, page: str) -> None:
    assert client.get(at(position, page), SENT[page]).status_code == 405
