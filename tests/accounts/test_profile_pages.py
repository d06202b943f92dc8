"""The parameters for who trades under them: who sees which, what is said, and that nothing can be changed there."""

from datetime import timedelta
from decimal import Decimal
from html import unescape

import pytest
from django.test import Client

from accounts.defaults import GROUPS, LADDERS, PARAMETERS
from accounts.models import RiskProfile, User
from accounts.services import hold_limit, restore_revision, revise_profile
from tests import factories
from tests.riskengine.counts import statements

pytestmark = pytest.mark.django_db

NOW = factories.NOW


@pytest.fixture
def owner() -> User:
    return factories.user("owner")


@pytest.fixture
def profile(owner: User) -> RiskProfile:
    return factories.portfolio(owner=owner, name="The account").profile


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text_of(user: User, profile: RiskProfile, query: str = "") -> str:
    answer = client_of(user).get(f"/profiles/{profile.slug}/{query}")
    assert answer.status_code == 200
    return " ".join(unescape(answer.content.decode()).split())


def revise(profile: RiskProfile, based_on: int, reason: str, **numbers) -> None:
    revise_profile(
        profile=profile,
        based_on=based_on,
        numbers=numbers,
        ladders={},
        reason=reason,
        author=factories.user(),
        now=NOW + timedelta(hours=based_on),
    )


def test_who_trades_under_a_profile_sees_every_number_of_it(owner, profile):
    page = text_of(owner, profile)
    assert "The account trades" in page
    for title in GROUPS.values():
        assert title in page
    for parameter in PARAMETERS.values():
        assert f'<tr id="{parameter.name}">' in page
        assert parameter.help in page
        assert parameter.source in page
    for ladder in LADDERS.values():
        assert f'id="ladder-{ladder.name}"' in page


def test_a_stranger_finds_no_profile_and_staff_find_each(profile):
    stranger = factories.portfolio().owner
    assert client_of(stranger).get(f"/profiles/{profile.slug}/").status_code == 404
    staff = factories.user("staff", is_staff=True)
    unused = factories.profile()
    assert "no portfolio trades yet" in text_of(staff, unused)


def test_who_is_not_signed_in_is_sent_to_the_sign_in(profile):
    for address in ("/profiles/", f"/profiles/{profile.slug}/"):
        assert Client().get(address)["Location"].startswith("/accounts/sign-in/?next=")


def test_nothing_is_changed_here(owner, profile):
    client = client_of(owner)
    assert client.post(f"/profiles/{profile.slug}/", {"max_daily_loss": "0.5"}).status_code == 405
    page = text_of(owner, profile)
    assert "/admin/" not in page
    assert page.count('method="post"') == 1  # signing out
    assert "changed by staff, never here" in page


def test_the_only_profile_is_shown_at_once_and_several_are_listed(owner, profile):
    client = client_of(owner)
    assert client.get("/profiles/")["Location"] == f"/profiles/{profile.slug}/"
    second = factories.portfolio(owner=owner).profile
    page = client.get("/profiles/").content.decode()
    assert f"/profiles/{profile.slug}/" in page
    assert f"/profiles/{second.slug}/" in page


def test_two_portfolios_under_one_profile_list_it_once(owner, profile):
    factories.portfolio(owner=owner, of=profile)
    assert client_of(owner).get("/profiles/")["Location"] == f"/profiles/{profile.slug}/"


def test_without_a_portfolio_the_list_says_why_it_is_empty():
    page = client_of(factories.user()).get("/profiles/").content.decode()
    assert "No portfolio of yours" in page


def test_the_header_leads_there_and_staff_to_where_they_are_changed(owner, profile):
    assert '<a href="/profiles/" aria-current="page">Parameters</a>' in text_of(owner, profile)
    assert 'href="/admin/accounts/riskprofile/">Parameters</a>' in text_of(factories.user(is_staff=True), profile)


def test_what_the_owner_must_be_told_stands_at_the_top_with_the_profile_s_own_numbers(owner, profile):
    page = text_of(owner, profile)
    for told in (
        "5.2% from 15:00 to 15:44 and 7.9% after 15:45",
        "usually correlate above 0.8",
        "The largest bet puts 40.0% of the account",
        "the minimum is bet all the same",
    ):
        assert page.index(told) < page.index('id="sizing"')
    revise(profile, 1, "Better practice.", below_minimum_policy="refuse")
    assert "the minimum is bet all the same" not in text_of(owner, profile)


def test_the_history_names_author_reason_and_change_the_newest_first(owner, profile):
    revise(profile, 1, "Smaller days.", max_daily_loss=Decimal("0.08"))
    restore_revision(profile=profile, number=1, based_on=2, reason="Back.", author=owner, now=NOW + timedelta(hours=3))
    page = text_of(owner, profile)
    history = page[page.index('id="revisions"') :]
    assert history.index("Back.") < history.index("Smaller days.") < history.index("The source's numbers.")
    assert "owner, 2021-01-04 13:42 New York, restores revision 1" in history
    assert '<td data-label="Before">10.0%</td><td data-label="After">8.0%</td>' in history
    assert "/restore/" not in page


def test_any_two_revisions_are_compared(owner, profile):
    revise(profile, 1, "One.", max_daily_loss=Decimal("0.08"))
    revise(profile, 2, "Two.", max_daily_loss=Decimal("0.07"), max_vix_threshold=Decimal(28))
    page = text_of(owner, profile, "?from=1&to=3")
    compared = page[page.index('id="compared"') : page.index('<article class="revision"')]
    assert "From revision 1 to revision 3" in compared
    assert '<td data-label="Before">10.0%</td><td data-label="After">7.0%</td>' in compared
    assert '<td data-label="Before">30</td><td data-label="After">28</td>' in compared
    assert "Nothing differs" in text_of(owner, profile, "?from=2&to=2")


def test_an_earlier_revision_is_shown_whole_and_says_that_it_is_not_in_force(owner, profile):
    revise(profile, 1, "Smaller days.", max_daily_loss=Decimal("0.08"))
    now, then = text_of(owner, profile), text_of(owner, profile, "?revision=1")
    assert "Revision 2 is in force" in now
    assert "L2 −8.0%" in now
    assert "default 10.0%" in now
    assert "Revision 1 is <strong>not</strong> in force" in then
    assert "L2 −10.0%" in then
    assert "default 10.0%" not in then


@pytest.mark.parametrize("query", ["?revision=9", "?revision=0", "?from=x", "?to=-1", "?revision=" + "9" * 5000])
def test_a_revision_that_there_is_not_has_no_page(owner, profile, query):
    assert client_of(owner).get(f"/profiles/{profile.slug}/{query}").status_code == 404


def test_a_limit_that_a_breaker_holds_says_so(owner, profile):
    hold_limit(profile=profile, parameter="max_daily_loss", held_by="day loss breaker", now=NOW)
    assert "L2: daily loss limit is held by the day loss breaker" in text_of(owner, profile)


def test_more_revisions_take_no_more_statements(owner, profile):
    client = client_of(owner)
    with statements() as one:
        client.get(f"/profiles/{profile.slug}/?from=1")
    revise(profile, 1, "One.", max_daily_loss=Decimal("0.08"))
    revise(profile, 2, "Two.", max_daily_loss=Decimal("0.07"))
    with statements() as three:
        client.get(f"/profiles/{profile.slug}/?from=1")
    assert len(three) == len(one) <= 12
