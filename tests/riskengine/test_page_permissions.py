"""Who is let in on every page and behind every button, as the product lists them: what is added is tried without a word
here. Another's things do not exist, whether their account is named in the address or one's own beside their id."""

import re

import pytest
from django.test import Client
from django.urls import get_resolver

from positions.models import Decision, Order, Portfolio, Position
from riskengine.models import Alert, Breaker, Review, RolloutStep, Shadow
from tests import factories
from tests.riskengine.test_api_permissions import World, signed_in, world

__all__ = ["world"]  # the account with one of everything
pytestmark = pytest.mark.django_db

PLACES = re.compile(r"<\w+:(\w+)>")
ROUTES = [str(each.pattern) for each in get_resolver("riskengine.urls").url_patterns]
OF_ONE = [route for route in ROUTES if "<" in route]
BESIDE = [route for route in OF_ONE if "<slug:slug>" in route and route.count("<") > 1]


def address(world: World, route: str, **others: str) -> str:
    given = world.paths | others
    if route.startswith("profiles/"):
        given = given | {"slug": world.bet.portfolio.profile.slug}
    return "/" + PLACES.sub(lambda place: str(given[place[1]]), route)


def stands(world: World) -> tuple[object, ...]:
    """What a button could have changed."""
    portfolio = Portfolio.objects.get(pk=world.bet.portfolio.pk)
    counted = (Decision, Order, Position, RolloutStep, Shadow)
    return (
        portfolio.state,
        portfolio.mode,
        portfolio.profile.revisions.count(),
        *(each.objects.count() for each in counted),
        *Review.objects.values_list("state", flat=True),
        *Alert.objects.values_list("acknowledged_at", flat=True),
        *Breaker.objects.values_list("version", flat=True),
    )


@pytest.mark.parametrize("route", ROUTES)
def test_who_has_not_signed_in_is_asked_to(world: World, route: str) -> None:
    before = stands(world)
    for answer in (Client().get(address(world, route)), Client().post(address(world, route), {"reason": "x"})):
        assert answer.status_code in (302, 405), answer.status_code
        if answer.status_code == 302 and route:
            assert answer["Location"].startswith("/accounts/sign-in/"), answer["Location"]
    assert stands(world) == before


@pytest.mark.parametrize("route", OF_ONE)
def test_what_is_a_stranger_s_does_not_exist(world: World, route: str) -> None:
    client, before = signed_in(factories.portfolio().owner), stands(world)
    for answer in (client.get(address(world, route)), client.post(address(world, route), {"reason": "x"})):
        assert answer.status_code in (404, 405), answer.status_code
    assert stands(world) == before


@pytest.mark.parametrize("route", BESIDE)
def test_nor_under_the_name_of_an_account_of_one_s_own(world: World, route: str) -> None:
    mine = factories.portfolio()
    client, place = signed_in(mine.owner), address(world, route, slug=mine.slug)
    for answer in (client.get(place), client.post(place, {"reason": "x"})):
        assert answer.status_code in (404, 405), answer.status_code


@pytest.mark.parametrize("route", ROUTES)
def test_no_other_site_presses_a_button(world: World, route: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.bet.portfolio.owner)
    assert client.post(address(world, route), {"reason": "x"}).status_code == 403
