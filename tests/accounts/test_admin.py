"""The parameters pages of the admin."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from accounts.models import ApiToken, RiskProfile
from accounts.selectors import ladders_of, latest_revision, numbers_of
from accounts.services import RISK_MANAGERS, hold_limit, restore_revision, revise_profile
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def profile() -> RiskProfile:
    return factories.profile()


@pytest.fixture
def manager(client: Client) -> Client:
    person = factories.user("maria", is_staff=True)
    person.groups.add(Group.objects.get(name=RISK_MANAGERS))
    client.force_login(person)
    return client


def page(profile: RiskProfile, name: str = "change", *args) -> str:
    return reverse(f"admin:accounts_riskprofile_{name}", args=[profile.pk, *args])


def as_typed(profile: RiskProfile, **changes) -> dict[str, str]:
    """What the browser posts when nothing was changed, and the changes."""
    latest = latest_revision(profile)
    typed = {"based_on": str(latest.number), "reason": "Less risk in March."}
    for name, value in numbers_of(latest).items():
        if value is not False:
            typed[name] = "on" if value is True else str(value)
    for name, steps in ladders_of(latest).items():
        for row, step in enumerate(steps):
            typed |= {
                f"{name}-{row}-inclusive": "1" if step.inclusive else "0",
                f"{name}-{row}-threshold": str(step.threshold),
                f"{name}-{row}-value": str(step.value),
            }
    return typed | changes


def test_the_form_shows_every_number_with_percent_bounds_and_source(manager, profile):
    html = manager.get(page(profile)).content.decode()
    assert 'name="max_position_size" value="0.4"' in html
    assert "From 0.1% to 100.0% (fraction), by default 40.0%. Source: SPEC 3, 9, 55, B-25. Now 0.4 = 40.0%." in html
    assert 'name="vix_factor-2-threshold"' in html
    for title in ("How big: the account and its bets", "When to stop: circuit breakers"):
        assert title in html


def test_the_form_tells_the_owner_what_the_numbers_mean_together(manager, profile):
    html = manager.get(page(profile)).content.decode()
    for text in (
        "5 positions of 20.0% would be 100.0%; the exposure limit of 80.0% binds first, at 4 minimum bets or 2 maximum",
        "2 maximum bets in one symbol are 80.0%",
        "The daily loss limit of 10.0% is half of one minimum bet of 20.0%",
        "5.0% × 0.5 = 2.5% lies inside a normal spread",
        "“refuse” does not bet then",
    ):
        assert text in html


def test_saving_puts_the_next_revision_in_force(manager, profile):
    response = manager.post(page(profile), as_typed(profile, max_vix_threshold="28"), follow=True)
    assert "Revision 2 is in force. Open positions keep theirs." in response.content.decode()
    latest = latest_revision(profile)
    assert (latest.number, latest.max_vix_threshold, latest.author_name) == (2, 28, "maria")
    assert latest.reason == "Less risk in March."


@pytest.mark.parametrize(
    ("name", "looser", "sentence"),
    [
        ("max_daily_loss", "0.12", "L2: daily loss limit is held at 10.0% by the {0}: {1} it can be lowered, but not"),
        ("vix_clear_minutes", "4", "Calm before the VIX breaker clears is held at 5 min by the {0}: {1} it can be rai"),
        ("halt_flattens", None, "The halt flattens is held at yes by the {0}: {1} it cannot be turned off."),
        ("volatility_index", "VIX1D", "Volatility index is held at VIX by the {0}: {1} it stays as it is."),
    ],
)
def test_a_held_limit_is_not_loosened_in_the_form_and_the_page_says_which_way(manager, profile, name, looser, sentence):
    holder, until = "breaker of smart-0dte", "until that has cleared"
    hold_limit(profile=profile, parameter=name, held_by=holder, now=factories.NOW)
    typed = as_typed(profile)
    typed.pop(name)
    response = manager.post(page(profile), typed | ({name: looser} if looser else {}))
    assert response.context["adminform"].form.errors[name][0].startswith(sentence.format(holder, until))
    assert latest_revision(profile).number == 1
    said = sentence.split(" is held")[0] + f" is held by the {holder}: {until} it "
    assert said in manager.get(page(profile)).content.decode()
    manager.post(page(profile), as_typed(profile, max_vix_threshold="28"))
    assert latest_revision(profile).number == 2, "what is not held is saved beside it"


@pytest.mark.parametrize("typed", ["NaN", "sNaN", "Infinity", "1e9999999", "1e-9999999", "1" * 5000])
@pytest.mark.parametrize("cell", ["vix_factor-0-threshold", "partial_profit-0-value", "max_vix_threshold"])
def test_a_cell_that_is_no_usable_number_is_refused_with_a_sentence(manager, profile, cell, typed):
    response = manager.post(page(profile), as_typed(profile, **{cell: typed}))
    assert response.status_code == 200
    assert response.context["adminform"].form.errors[cell.split("-")[0]]
    assert latest_revision(profile).number == 1


def test_saving_a_ladder_changes_that_ladder_only(manager, profile):
    before = ladders_of(latest_revision(profile))
    manager.post(page(profile), as_typed(profile, **{"confidence_factor-3-value": "1.75"}))
    after = ladders_of(latest_revision(profile))
    assert after["confidence_factor"][3].value == Decimal("1.75")
    assert {name for name in after if after[name] != before[name]} == {"confidence_factor"}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"max_position_size": "1.4"}, "Maximum bet must be between 0.1% and 100.0%; you entered 140.0%."),
        ({"max_position_size": "0.1"}, "The minimum bet must not be more than the maximum bet; you entered 20.0% and"),
        ({"max_daily_loss": "0.3"}, "L2 (daily limit) must be below L3 (emergency halt); you entered 30.0% and 20.0%."),
        ({"max_vix_threshold": ""}, "Highest VIX for entries is missing. It must be between 1 and 200."),
        ({"max_total_positions": "2.5"}, "Enter a whole number."),
        ({"max_position_size": "NaN"}, "Enter a number."),
        ({"max_position_size": "0.40000001"}, "no more than 6 decimal places"),
        ({"reason": ""}, "Say why the numbers are changed."),
        ({"vix_factor-1-threshold": "abc"}, "VIX factor, step 2: “abc” is not a number."),
        ({"vix_factor-1-value": ""}, "VIX factor, step 2 needs both a threshold and a value."),
        ({"vix_factor-1-threshold": "22"}, "VIX factor: thresholds must rise; step 3 starts at 20"),
        ({"partial_profit-0-value": "0.6"}, "Partial profit: the shares add up to 110.0%, more than 100.0%."),
        ({}, "These are the numbers in force already: nothing to save."),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence_and_what_was_typed_is_kept(manager, profile, changes, sentence):
    response = manager.post(page(profile), as_typed(profile, **changes))
    html = response.content.decode()
    assert response.status_code == 200
    assert sentence in html
    assert all(f'value="{typed}"' in html for typed in changes.values() if typed)
    assert profile.revisions.count() == 1


def test_the_second_of_two_editors_is_told(manager, profile):
    typed = as_typed(profile, max_vix_threshold="28")
    manager.post(page(profile), as_typed(profile, max_vix_threshold="25"))
    html = manager.post(page(profile), typed).content.decode()
    assert "maria saved revision 2 while you were editing revision 1." in html
    assert latest_revision(profile).max_vix_threshold == 25


def test_one_who_was_faster_between_checking_and_saving_is_told_about_too(manager, profile, monkeypatch):
    def overtake(form, **given):
        revise(profile, 1, max_vix_threshold=Decimal(26))
        return revise(profile, 1, max_vix_threshold=Decimal(28))

    monkeypatch.setattr("accounts.forms.RiskProfileForm.revise", overtake)
    response = manager.post(page(profile), as_typed(profile, max_vix_threshold="28"), follow=True)
    assert "saved revision 2 while you were editing revision 1" in response.content.decode()
    assert profile.revisions.count() == 1  # the whole request was one transaction


def revise(profile: RiskProfile, based_on: int, **numbers):
    return revise_profile(
        profile=profile, based_on=based_on, numbers=numbers, ladders={}, reason="x", author=None, now=factories.NOW
    )


def test_the_history_shows_who_why_and_what_changed(manager, profile):
    manager.post(page(profile), as_typed(profile, max_position_size="0.35"))
    html = manager.get(page(profile, "history")).content.decode()
    assert "Revision 2" in html
    assert "Less risk in March." in html
    assert "maria" in html
    assert "40.0%" in html
    assert "35.0%" in html
    assert page(profile, "restore", 1) in html
    assert page(profile, "restore", 2) not in html  # the one in force


def test_restoring_shows_the_differences_asks_why_and_inserts_the_old_numbers(manager, profile):
    before = numbers_of(latest_revision(profile))
    revise(profile, 1, max_position_size=Decimal("0.35"))
    address = page(profile, "restore", 1)
    html = manager.get(address).content.decode()
    assert "35.0%" in html
    assert profile.revisions.count() == 2  # looking restores nothing
    html = manager.post(address, {"based_on": "2", "reason": ""}).content.decode()
    assert "Say why the earlier numbers are restored." in html
    response = manager.post(address, {"based_on": "2", "reason": "It was better."}, follow=True)
    assert "Revision 3 has the numbers of revision 1 and is in force." in response.content.decode()
    latest = latest_revision(profile)
    assert (latest.number, latest.restored_from.number, numbers_of(latest)) == (3, 1, before)


def test_restoring_on_an_old_page_is_refused(manager, profile):
    revise(profile, 1, max_position_size=Decimal("0.35"))
    revise(profile, 2, max_position_size=Decimal("0.36"))
    html = manager.post(page(profile, "restore", 1), {"based_on": "2", "reason": "x"}).content.decode()
    assert "saved revision 3 while you were editing revision 2" in html


def test_a_new_profile_starts_with_the_source_s_numbers(manager):
    address = reverse("admin:accounts_riskprofile_add")
    assert manager.get(address).status_code == 200
    manager.post(address, {"name": "Careful", "slug": "careful", "system": "mag7-7dte"})
    assert latest_revision(RiskProfile.objects.get(slug="careful")).max_position_size == Decimal("0.66")


def test_one_who_may_only_look_is_led_to_the_history_and_may_not_restore(client, profile):
    viewer = factories.user(is_staff=True)
    viewer.user_permissions.set(Group.objects.get(name=RISK_MANAGERS).permissions.filter(codename__startswith="view"))
    client.force_login(viewer)
    assert client.get(page(profile)).url == page(profile, "history")
    assert "Restore" not in client.get(page(profile, "history")).content.decode()
    assert client.post(page(profile, "restore", 1), {"based_on": "1", "reason": "x"}).status_code == 403
    assert client.post(page(profile), as_typed(profile, max_vix_threshold="28")).status_code in (302, 403)
    assert profile.revisions.count() == 1


def test_a_stranger_sees_no_parameters(client, profile):
    client.force_login(factories.user())
    for name in ("change", "history"):
        assert client.get(page(profile, name)).status_code == 302  # to the sign-in


def test_revisions_are_read_only_and_show_every_number_and_ladder(manager, profile):
    revision = latest_revision(profile)
    address = reverse("admin:accounts_riskprofilerevision_change", args=[revision.pk])
    html = manager.get(address).content.decode()
    assert "from 0.0%: ×1; from 70.0%: ×1.25" in html
    assert "<td>40.0%</td>" in html
    assert 'name="max_position_size"' not in html
    assert manager.post(address, {"max_position_size": "1"}).status_code == 403
    assert manager.get(reverse("admin:accounts_riskprofilerevision_add")).status_code == 403
    assert manager.get(reverse("admin:accounts_riskprofilerevision_delete", args=[revision.pk])).status_code == 403


def test_lists_render(manager, profile):
    revise(profile, 1, max_vix_threshold=Decimal(28))
    restore_revision(
        profile=profile, number=1, based_on=2, reason="Back.", author=None, now=factories.NOW + timedelta(days=1)
    )
    for name in ("riskprofile", "riskprofilerevision"):
        response = manager.get(reverse(f"admin:accounts_{name}_changelist"))
        assert response.status_code == 200
        assert profile.name in response.content.decode()
    assert "restores revision 1" in manager.get(page(profile, "history")).content.decode()


def test_a_token_s_secret_is_shown_once(client):
    admin = factories.user(is_staff=True, is_superuser=True)
    client.force_login(admin)
    address = reverse("admin:accounts_apitoken_add")
    assert client.get(address).status_code == 200
    response = client.post(
        address, {"user": admin.pk, "name": "report", "scopes": ["read"], "valid_days": "30"}, follow=True
    )
    token = ApiToken.objects.get()
    assert "The secret, shown this once: bsz_" in response.content.decode()
    assert token.key_digest not in response.content.decode()
    detail = client.get(reverse("admin:accounts_apitoken_change", args=[token.pk])).content.decode()
    assert token.key_digest not in detail
    client.post(reverse("admin:accounts_apitoken_changelist"), {"action": "revoke", "_selected_action": [token.pk]})
    token.refresh_from_db()
    assert token.revoked_at is not None
