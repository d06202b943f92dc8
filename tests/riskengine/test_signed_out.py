"""Buttons pressed after the session has ended, filters that hold anything, and sentences that stay true."""

import pytest
from django.test import Client

from tests.riskengine.watch import guarded
from tests.riskengine.watch.desk import Desk

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> Desk:
    return guarded.guarded()


@pytest.fixture
def owner(desk: Desk) -> Client:
    client = Client()
    client.force_login(desk.portfolio.owner)
    return client


def test_who_has_to_sign_in_comes_back_to_the_page_and_is_told_that_nothing_was_done(desk: Desk) -> None:
    place = f"/portfolios/{desk.portfolio.slug}/place/"
    ticket = f"/portfolios/{desk.portfolio.slug}/size/?contract=SPXW210104C03700000"
    answer = Client().post(place, {}, headers={"referer": f"http://testserver{ticket}"})
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/sign-in/?next=/portfolios/")
    assert "size" in answer["Location"]
    assert "place" not in answer["Location"]


@pytest.mark.parametrize("referer", ["", "https://elsewhere.example/x", "//elsewhere.example", "nonsense"])
def test_and_to_the_desk_where_the_page_is_not_ours(desk: Desk, referer: str) -> None:
    answer = Client().post(f"/portfolios/{desk.portfolio.slug}/place/", {}, headers={"referer": referer})
    assert answer["Location"] == "/accounts/sign-in/?next=/desk/"


@pytest.mark.parametrize("page", ["decisions", "positions", "orders"])
@pytest.mark.parametrize("name", ["portfolio", "verdict", "tag", "page"])
def test_a_filter_may_hold_anything(owner: Client, page: str, name: str) -> None:
    for value in ("%00", "%F0%9F%92%A5", "'%22%3Cscript%3E", "9" * 400):
        assert owner.get(f"/{page}/?{name}={value}").status_code == 200


def test_a_wrong_number_of_contracts_keeps_the_question(desk: Desk, owner: Client) -> None:
    asked = {"contract": "SPXW210104C03700000", "confidence": "0.7", "contracts": "1000000001", "key": "k" * 12}
    answer = owner.post(f"/portfolios/{desk.portfolio.slug}/place/", asked | {"pace": "normal"}, follow=True)
    assert answer.request["QUERY_STRING"] == "contract=SPXW210104C03700000&confidence=0.7"
    assert "One order takes at most 1,000,000 contracts" in answer.content.decode()


def test_letting_an_active_portfolio_go_on_says_that_it_is(desk: Desk, owner: Client) -> None:
    page = owner.get(f"/portfolios/{desk.portfolio.slug}/go-on/").content.decode()
    assert "It is ACTIVE already." in page
    assert "nothing is opened" not in page
