"""The ticket's pages without a browser: who may see them, what they answer, what they say when they cannot."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.test import Client

from accounts.models import User
from accounts.services import RISK_MANAGERS
from positions.models import Instrument, Portfolio
from tests import factories
from tests.browser import market

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SIZE = "/portfolios/smart-0dte/size/"
ANSWER = f"{SIZE}answer/"
CHAIN = f"{SIZE}chain/"
CALL, PUT = "SPXW210104C03700000", "SPXW210104P03800000"


@pytest.fixture(scope="module")
def recorded_minutes(
    django_db_setup: None, django_db_blocker: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    with django_db_blocker.unblock(), transaction.atomic():
        market.load(tmp_path_factory.mktemp("recordings"), NOW)
        yield
        transaction.set_rollback(True)
    connection.close()


@pytest.fixture
def demo_user(recorded_minutes: None, db: None) -> User:
    return User.objects.get(username="demo")


@pytest.fixture
def client(demo_user: User) -> Client:
    signed_in = Client()
    signed_in.force_login(demo_user)
    return signed_in


@pytest.mark.parametrize("address", ["/", SIZE, ANSWER, CHAIN])
def test_who_is_not_signed_in_is_sent_to_the_sign_in(recorded_minutes: None, db: None, address: str) -> None:
    answer = Client().get(address)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/sign-in/?next=")


@pytest.mark.parametrize("address", [SIZE, ANSWER, CHAIN, "/portfolios/none/size/"])
def test_a_stranger_finds_nothing(recorded_minutes: None, db: None, address: str) -> None:
    stranger = Client()
    stranger.force_login(factories.user("stranger"))
    answer = stranger.get(address)
    assert answer.status_code == 404
    assert "Smart-0DTE" not in answer.content.decode()


def test_an_owner_who_is_not_staff_sees_the_page_without_parameters(demo_user: User) -> None:
    owner = factories.user("owner")
    Portfolio.objects.filter(slug="smart-0dte").update(owner=owner)
    client = Client()
    client.force_login(owner)
    page = client.get(SIZE).content.decode()
    assert "/admin/" not in page
    assert "/portfolios/mag7-7dte/" not in page


def test_the_first_page_is_the_desk(client: Client) -> None:
    answer = client.get("/")
    assert (answer.status_code, answer["Location"]) == (302, "/desk/")


def test_without_a_portfolio_the_page_says_what_to_do(recorded_minutes: None, db: None) -> None:
    client = Client()
    client.force_login(factories.user("newcomer"))
    page = client.get("/desk/").content.decode()
    assert "No portfolio yet" in page
    assert "Ask a staff user to create one for <strong>newcomer</strong>" in page


@pytest.mark.parametrize("address", [SIZE, ANSWER, CHAIN])
def test_nothing_is_sized_by_post(client: Client, address: str) -> None:
    assert client.post(address).status_code == 405


def test_the_page_answers_the_whole_question_in_its_address(client: Client) -> None:
    page = client.get(SIZE, {"contract": CALL, "confidence": "0.70"}).content.decode()
    assert "Buy 4 at $34.60: $13,840, 23.1% of the account." in page
    assert re.search(r"✓ all \d+ pass", page)
    for section in ("Why exactly this many", "What it can cost", "Targets and stop now", "What went in", "W1"):
        assert section in page


def test_no_page_leaves_an_inline_script_or_style_for_the_policy_to_block(client: Client) -> None:
    answer = client.get(SIZE, {"contract": CALL, "confidence": "0.70"})
    page = answer.content.decode()
    assert "default-src 'self'" in answer["Content-Security-Policy"]
    assert " style=" not in page
    assert "<style" not in page
    assert "onclick" not in page


def test_pages_are_never_stored(client: Client) -> None:
    for address in (SIZE, ANSWER, CHAIN):
        assert "no-store" in client.get(address, {"confidence": "0.7"})["Cache-Control"]


def test_a_demo_is_labelled_with_its_recording_and_its_market_clock(client: Client) -> None:
    page = client.get(SIZE).content.decode()
    assert "<strong>Demo</strong>" in page
    assert "ecorded market of 2021-01-04 (SPXW)" in page
    assert "10:40:20" in page
    assert "recorded 2021-01-04 · stopped" in page
    assert "Mag7-7DTE demo" in page, "the switcher names every portfolio"


def test_a_first_visit_asks_for_a_contract_and_sizes_nothing(client: Client) -> None:
    page = client.get(SIZE).content.decode()
    assert "Pick a contract from the chain." in page
    assert "Why exactly this many" not in page


@pytest.mark.parametrize(
    "contract", [CALL, "SPXW  210104C03700000", CALL.lower()], ids=["compact", "padded", "small letters"]
)
def test_a_symbol_is_read_in_every_form(client: Client, contract: str) -> None:
    assert "Buy 4 at $34.60" in client.get(ANSWER, {"contract": contract, "confidence": "0.7"}).content.decode()


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"confidence": "1.4"}, "Confidence must be a number from 0 to 1; you entered 1.4."),
        ({"confidence": "NaN"}, "Confidence must be a number from 0 to 1; you entered NaN."),
        ({"confidence": "1e999"}, "Confidence must be a number from 0 to 1; you entered 1e999."),
        ({"confidence": "<b>"}, "Confidence must be a number from 0 to 1; you entered &lt;b&gt;."),
        ({"confidence": ""}, "Confidence must be a number from 0 to 1."),
        ({}, "Confidence must be a number from 0 to 1."),
        (
            {"confidence": "0.7", "win_probability": "2"},
            "Chance of winning must be a number from 0 to 1; you entered 2.",
        ),
        ({"confidence": "0.7", "payoff": "0"}, "Payoff must be a number from 0.01 to 100; you entered 0."),
        ({"confidence": "0.7", "contract": "SPXW"}, "is not an OCC option symbol"),
        ({"confidence": "0.7", "contract": "SPXW210104C09999000"}, "is not among the contracts"),
        ({"confidence": "0.7", "contract": "SPXW\x00"}, "Null characters are not allowed."),
    ],
)
def test_an_unusable_question_gets_a_sentence(client: Client, asked: dict[str, str], sentence: str) -> None:
    answer = client.get(ANSWER, {"contract": CALL} | asked)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert client.get(SIZE, {"contract": CALL} | asked).status_code == 200


def test_a_refusal_says_so_names_the_gate_and_offers_what_passes(client: Client) -> None:
    page = client.get(ANSWER, {"contract": "SPXW210104P03700000", "confidence": "0.7"}).content.decode()
    assert '<span class="unseen">Refused.</span>' in page
    assert "MAX_DELTA" in page
    assert f'name="contract" value="{CALL}">Take SPXW 3700 call, 2021-01-04 instead' in page.replace("3,700", "3700")
    assert page.index("refuses</span>") < page.index("passes</span>"), "what refuses comes first"


def test_what_the_profile_waives_is_labelled(client: Client) -> None:
    page = client.get(ANSWER, {"contract": PUT, "confidence": "0.95"}).content.decode()
    assert '<span class="tag">waived</span>' in page


def test_the_users_odds_are_compared_with_kelly(client: Client) -> None:
    asked = {"contract": CALL, "confidence": "0.7", "win_probability": "0.55", "payoff": "1"}
    page = client.get(ANSWER, asked).content.decode()
    assert "By your odds full Kelly is 10.0% of the account; this bet is 2.3 times that." in page
    assert "By your odds" not in client.get(ANSWER, {"contract": CALL, "confidence": "0.7"}).content.decode()


def test_closes_read_from_another_class_are_labelled(client: Client) -> None:
    alias = Instrument.objects.get(symbol="GOOGL")
    Instrument.objects.filter(symbol="SPX").update(closes_alias=alias, closes_alias_label="closes of another class")
    assert "closes of another class" in client.get(ANSWER, {"contract": CALL, "confidence": "0.7"}).content.decode()


def test_the_search_narrows_the_chain(client: Client) -> None:
    page = client.get(CHAIN, {"q": "3700 P"}).content.decode()
    assert "SPXW210104P03700000" in page
    assert CALL not in page


def test_an_expiration_narrows_the_chain(client: Client) -> None:
    page = client.get(CHAIN, {"expiration": "2021-01-06"}).content.decode()
    assert "SPXW210106C03700000" in page
    assert CALL not in page


@pytest.mark.parametrize("asked", [{"q": "!?"}, {"q": "x" * 500}, {"q": "\x00"}, {"expiration": "soon"}, {"q": "ZZZZ"}])
def test_a_search_that_finds_nothing_or_cannot_be_read_still_answers(client: Client, asked: dict[str, str]) -> None:
    assert client.get(CHAIN, asked).status_code == 200
    assert client.get(SIZE, asked).status_code == 200


def test_a_market_without_quotes_says_so(client: Client) -> None:
    page = client.get("/portfolios/mag7-7dte/size/").content.decode()
    assert "No quote is known at this market time." in page


def test_the_picked_contract_is_marked(client: Client) -> None:
    page = client.get(SIZE, {"contract": CALL, "confidence": "0.7"}).content.decode()
    assert f'name="contract" value="{CALL}" aria-current="true"' in page


def test_signing_out_is_a_post(client: Client) -> None:
    assert client.get("/accounts/sign-out/").status_code == 405
    assert client.post("/accounts/sign-out/").status_code == 302
    assert client.get(SIZE).status_code == 302


def test_a_wrong_password_gets_one_sentence(recorded_minutes: None, db: None) -> None:
    page = Client().post("/accounts/sign-in/", {"username": "demo", "password": "wrong"}).content.decode()
    assert "The name and the password do not belong together." in page


CLOCK = "/portfolios/smart-0dte/clock/"


def test_a_recorded_market_is_set_to_another_minute_and_the_question_stays(client: Client) -> None:
    asked = f"?contract={CALL}&confidence=0.8"
    answer = client.post(CLOCK, {"at": "10:13"}, headers={"referer": f"http://testserver{SIZE}{asked}"})
    assert (answer.status_code, answer["Location"]) == (302, f"{SIZE}{asked}")
    assert "NY <time" in (page := client.get(SIZE).content.decode())
    assert "T10:13:" in page or "T15:13:" in page


@pytest.mark.parametrize(
    ("at", "said"), [("25:99", "hours and minutes"), ("", "hours and minutes"), ("03:00", "Choose")]
)
def test_a_minute_outside_the_recording_is_refused_with_a_sentence(client: Client, at: str, said: str) -> None:
    page = client.post(CLOCK, {"at": at}, follow=True).content.decode()
    assert said in page


def test_only_who_may_see_the_portfolio_sets_its_market_time(recorded_minutes: None, db: None) -> None:
    stranger = Client()
    stranger.force_login(factories.user("stranger"))
    assert stranger.post(CLOCK, {"at": "10:13"}).status_code == 404
    assert stranger.get(CLOCK).status_code in (404, 405)


def test_who_may_only_look_at_the_portfolio_does_not_set_its_market_time(recorded_minutes: None, db: None) -> None:
    def post_as(user: User) -> int:
        signed_in = Client()
        signed_in.force_login(user)
        return signed_in.post(CLOCK, {"at": "10:13"}).status_code

    manager = factories.user("maria", is_staff=True)
    manager.groups.add(Group.objects.get(name=RISK_MANAGERS))
    owner = factories.user("owner")
    Portfolio.objects.filter(slug="smart-0dte").update(owner=owner)
    assert post_as(factories.user("staff", is_staff=True)) == 403
    assert (post_as(owner), post_as(manager)) == (302, 302)
