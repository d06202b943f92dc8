"""Numbers tried out beside those in force: the same judgement at the same moment, which decides nothing."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection, transaction
from django.test import Client

from accounts.models import RiskProfileRevision
from accounts.selectors import latest_revision
from accounts.services import revise_profile
from positions.models import Order
from riskengine.forms import ShadowForm
from riskengine.models import ShadowDecision
from riskengine.services.decide import shadow as judging
from riskengine.services.decide.shadow import own_numbers
from riskengine.services.rollout.trying import NotTried, compared, end_shadow, put_in_force, running, start_shadow
from tests.riskengine import threads
from tests.riskengine.entering import checked, enter
from tests.riskengine.market import zero_dte
from tests.riskengine.rollout.test_steps import manager

pytestmark = pytest.mark.django_db


@pytest.fixture
def bet():
    return checked(zero_dte())


def try_out(bet, by=None, **changes):
    asked = {"portfolio": bet.portfolio, "changes": changes, "reason": "Fewer bets.", "now": bet.wall()}
    return start_shadow(**asked, actor=by or manager())


def test_what_the_numbers_in_force_let_through_the_others_may_refuse(bet):
    shadow = try_out(bet, min_confidence_threshold="0.90")
    decision = enter(bet).decision
    assert decision.approved
    said = ShadowDecision.objects.get()
    assert (said.decision_id, said.approved, said.code, said.contracts) == (decision.pk, False, "MIN_CONFIDENCE", 0)
    assert compared(shadow)["counts"] == {"all": 1, "both": 0, "only_real": 1, "only_shadow": 0}
    client = Client()
    client.force_login(bet.portfolio.owner)
    page = client.get(f"/portfolios/{bet.portfolio.slug}/rollout/").content.decode()
    assert "1 by the numbers in force alone" in page
    assert "MIN_CONFIDENCE" in page


def test_under_the_same_numbers_it_says_the_same(bet):
    try_out(bet, losing_streak="4")
    decision = enter(bet).decision
    said = ShadowDecision.objects.get()
    assert (said.contracts, said.dollars) == (decision.contracts, decision.dollars)


def test_it_decides_nothing_and_a_fault_in_it_stops_no_bet(bet, monkeypatch):
    try_out(bet, min_confidence_threshold="0.90")
    monkeypatch.setattr(judging, "shadow_limits", lambda shadow: 1 / 0)
    assert enter(bet).decision.approved
    assert Order.objects.filter(intent="open").count() == 1
    assert not ShadowDecision.objects.exists()


def test_one_is_tried_out_at_a_time_and_within_its_bounds(bet):
    try_out(bet, min_confidence_threshold="0.90")
    with pytest.raises(NotTried, match="end that first"):
        try_out(bet, min_confidence_threshold="0.80")
    end_shadow(shadow=running(bet.portfolio), actor=manager(), now=bet.wall())
    for wrong in ({"min_confidence_threshold": "7"}, {"no_such_number": "1"}, {}, {"max_position_size": "0.01"}):
        with pytest.raises(ValidationError):
            try_out(bet, **wrong)
    with pytest.raises(PermissionDenied):
        try_out(bet, by=bet.portfolio.owner, min_confidence_threshold="0.80")


def test_what_a_form_takes_are_numbers_switches_and_ladders():
    lines = "losing_streak = 4\nhalt_flattens = false\nconfidence_factor = [[0, 1], [0.7, 1.25]]"
    form = ShadowForm({"changes": lines, "reason": "So."})
    assert form.is_valid()
    rows = [["0", "1"], ["0.7", "1.25"]]
    expected = {"losing_streak": "4", "halt_flattens": False, "confidence_factor": rows}
    assert form.cleaned_data["changes"] == expected
    own_numbers({"losing_streak": "4", "halt_flattens": False}, {"confidence_factor": rows})
    for wrong in ("losing_streak", "= 4", "confidence_factor = [[0, 1]", "x = " + "[" * 3_000, "a = 1\na = 2"):
        assert not ShadowForm({"changes": wrong, "reason": "So."}).is_valid()


def test_a_person_puts_it_in_force_as_the_next_revision_and_only_on_what_it_was_tried_beside(bet):
    shadow, by, profile = try_out(bet, min_confidence_threshold="0.90"), manager(), bet.portfolio.profile
    number = latest_revision(profile).number
    revision = put_in_force(shadow=shadow, reason="It refuses what loses.", actor=by, now=bet.wall())
    assert (revision.number, float(revision.min_confidence_threshold)) == (number + 1, 0.9)
    assert running(bet.portfolio) is None
    again = try_out(bet, min_confidence_threshold="0.80")
    other = {"numbers": {"losing_streak": 5}, "ladders": {}, "reason": "Another.", "author": None, "now": bet.wall()}
    revise_profile(profile=profile, based_on=number + 1, **other)
    with pytest.raises(NotTried, match="another is in force"):
        put_in_force(shadow=again, reason="Too late.", actor=by, now=bet.wall())


def test_one_click_puts_an_earlier_revision_in_force_again(bet):
    profile, by = bet.portfolio.profile, manager()
    first = latest_revision(profile)
    changed = {"numbers": {"losing_streak": 5}, "ladders": {}, "reason": "Another.", "author": None, "now": bet.wall()}
    revise_profile(profile=profile, based_on=first.number, **changed)
    client = Client()
    client.force_login(by)
    address = f"/portfolios/{bet.portfolio.slug}/rollout/roll-back/"
    shown = client.get(f"{address}?number={first.number}").content.decode()
    assert f"Rolled back from revision {first.number + 1} on " in shown
    assert shown.count("<tr>") == 2  # the head, and the one number that differs
    for number in (0, first.number + 1, "x", "9" * 20):
        assert client.get(f"{address}?number={number}").status_code == 404
    click = {"number": first.number, "based_on": first.number + 1, "reason": "Rolled back."}
    assert "is in force with the numbers" in client.post(address, click, follow=True).content.decode()
    restored = RiskProfileRevision.objects.filter(profile=profile).latest("number")
    assert (restored.restored_from, restored.losing_streak, restored.author) == (first, first.losing_streak, by)
    assert "Nothing was saved" in client.post(address, click, follow=True).content.decode()  # pressed twice
    client.force_login(bet.portfolio.owner)
    assert client.post(address, click).status_code == 403


def test_the_button_is_about_the_numbers_that_its_person_saw(bet):
    seen, by = try_out(bet, min_confidence_threshold="0.90"), manager()
    client = Client()
    client.force_login(by)
    page = f"/portfolios/{bet.portfolio.slug}/rollout/"
    assert f'name="shadow" value="{seen.pk}"' in client.get(page).content.decode()
    end_shadow(shadow=seen, actor=by, now=bet.wall())
    other = try_out(bet, by=by, min_confidence_threshold="0.66")  # by somebody else, while the page was open
    number = latest_revision(bet.portfolio.profile).number
    for press in ({"shadow": seen.pk, "force": "1"}, {"shadow": seen.pk}, {"force": "1"}):
        assert client.post(f"{page}end/", press).status_code == 302
        assert (running(bet.portfolio), latest_revision(bet.portfolio.profile).number) == (other, number), press
    for reason in ("x" * 1_001, "a\0b"):
        client.post(f"{page}end/", {"shadow": other.pk, "force": "1", "reason": reason})
        assert latest_revision(bet.portfolio.profile).number == number
    assert f"In force as revision {number + 1}" in (
        client.post(f"{page}end/", {"shadow": other.pk, "force": "1"}, follow=True).content.decode()
    )


@pytest.mark.django_db(transaction=True)
def test_who_puts_it_in_force_while_another_saves_the_parameters_is_told(bet):
    shadow, by, profile = try_out(bet, min_confidence_threshold="0.90"), manager(), bet.portfolio.profile
    number = latest_revision(profile).number
    change = {"numbers": {"losing_streak": 5}, "ladders": {}, "reason": "Another.", "author": None, "now": bet.wall()}

    def force() -> str:
        try:
            put_in_force(shadow=shadow, reason="It refuses what loses.", actor=by, now=bet.wall())
        except NotTried as refused:
            return str(refused)
        finally:
            connection.close()
        return ""

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            revise_profile(profile=profile, based_on=number, **change)
            second = pool.submit(force)
            threads.until_one_waits_for_a_lock()
        assert f"saved revision {number + 1} while you were editing" in second.result()
    assert (running(bet.portfolio), latest_revision(profile).losing_streak) == (shadow, 5)
