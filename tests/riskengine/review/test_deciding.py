"""A person decides a review: every question answered, by who may, once; a halt halts, a change names its revision."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied, ValidationError

from accounts.models import User
from accounts.services import RISK_MANAGERS, ensure_groups, revise_profile
from positions.models import Portfolio, PortfolioStateChange
from riskengine.models import Alert, Review, ReviewAnswer
from riskengine.services.review import deciding
from riskengine.services.review.deciding import AlreadyDecided, NotHalted, comment, link_revision, revisions_since
from tests import factories
from tests.riskengine.review.reviewing import ANSWER, answers, decided, look, reviewed, week
from tests.riskengine.watch.desk import Desk

pytestmark = pytest.mark.django_db


def manager() -> User:
    ensure_groups()
    user = factories.user("manager", is_staff=True)
    user.groups.add(Group.objects.get(name=RISK_MANAGERS))
    return user


def revise(desk: Desk, review: Review) -> int:
    """A revision that comes into force an hour after the review was made."""
    made = revise_profile(
        profile=desk.portfolio.profile,
        based_on=1,
        numbers={"overnight_report_minutes": 45},
        ladders={},
        reason="As the review says.",
        author=None,
        now=review.created_at + timedelta(hours=1),
    )
    return made.number


def problems(review: Review, decision: str = "keep", **given: object) -> dict[str, list[str]]:
    with pytest.raises(ValidationError) as found:
        decided(review, decision, **given)
    assert Review.objects.get(pk=review.pk).state == "open"
    assert not ReviewAnswer.objects.exists()
    return found.value.message_dict


def test_keeping_keeps_answers_name_and_reason() -> None:
    review = decided(reviewed(week()))
    kept = Review.objects.get(pk=review.pk)
    assert (kept.state, kept.decision, kept.reason) == ("decided", "keep", "Nothing speaks for a change.")
    assert kept.decided_by_name == kept.portfolio.owner.get_username()
    assert [each.text for each in kept.answers.order_by("id")] == [ANSWER] * 5
    assert kept.answers.get(code="luck").question.startswith("Can the record be told from luck?")
    assert not kept.awaits_revision


def test_every_question_a_decision_and_a_reason_or_nothing_is_kept() -> None:
    review = reviewed(week())
    given = answers(review) | {"luck": "  ", "unanswered": "x" * 4_001}
    found = problems(review, "", answers=given, reason=" ")
    assert set(found) == {"luck", "unanswered", "decision", "reason"}
    assert "4,001" in found["unanswered"][0]
    assert set(problems(review, answers=answers(review) | {"more": "x"})) == {"answers"}
    assert set(problems(review, answers=answers(review, "a\0b"))) == {each["code"] for each in review.questions}
    assert set(problems(review, "keep", revision=1)) == {"revision"}


def test_who_may_and_who_may_not() -> None:
    review = reviewed(week())
    for who in (factories.user("stranger"), factories.user("clerk", is_staff=True)):
        with pytest.raises(PermissionDenied):
            decided(review, actor=who)
        with pytest.raises(PermissionDenied):
            comment(review=review, text="x", actor=who, now=review.created_at)
    assert decided(review, actor=manager()).decided_by_name == "manager"


def test_it_is_decided_once() -> None:
    review = reviewed(week())
    decided(review)
    with pytest.raises(AlreadyDecided, match="has decided this review already: Keep"):
        decided(review, "halt")
    assert Portfolio.objects.get().state == "ACTIVE"


def test_to_halt_stops_entries_in_the_same_act() -> None:
    review = decided(reviewed(week()), "halt", reason="I do not understand this week.")
    assert review.state == "decided"
    assert Portfolio.objects.get().state == "REDUCING"
    change = PortfolioStateChange.objects.latest("id")
    assert (change.cause, change.actor) == ("kill_switch", review.portfolio.owner)
    assert change.reason == "Weekly review, week of 4 Jan 2021: I do not understand this week."


def test_without_the_halt_there_is_no_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    review = reviewed(week())
    killed = deciding.kill

    def fails(**given: object) -> object:
        done = killed(**given)  # type: ignore[arg-type]
        return [type(done[0])(done[0].portfolio, "ACTIVE", 0, "Nothing was done: the lock was not had.")]

    monkeypatch.setattr(deciding, "kill", fails)
    with pytest.raises(NotHalted, match="the lock was not had"):
        decided(review, "halt")
    assert Review.objects.get(pk=review.pk).state == "open"
    assert Portfolio.objects.get().state == "ACTIVE"
    assert not ReviewAnswer.objects.exists()


def test_to_halt_takes_the_permission_to_halt() -> None:
    review = reviewed(week())
    user = manager()
    group = Group.objects.get(name=RISK_MANAGERS)
    group.permissions.remove(group.permissions.get(codename="halt_portfolio"))
    with pytest.raises(PermissionDenied, match="To halt takes"):
        decided(review, "halt", actor=User.objects.get(pk=user.pk))
    assert Review.objects.get(pk=review.pk).state == "open"


def test_a_change_names_a_revision_that_came_after_the_review() -> None:
    desk = week()
    review = reviewed(desk)
    assert not revisions_since(review).exists()
    assert set(problems(review, "change", revision=1)) == {"revision"}
    number = revise(desk, review)
    assert [each.number for each in revisions_since(review)] == [2]
    assert decided(review, "change", revision=number).revision.number == 2


def test_a_change_that_is_to_follow_is_named_later_and_once() -> None:
    desk = week()
    review = reviewed(desk)
    decided(review, "change")
    look(desk, "17:02")
    number = revise(desk, review)
    with pytest.raises(ValidationError):
        link_revision(review=review, revision=1, actor=review.portfolio.owner, now=review.created_at)
    linked = link_revision(review=review, revision=number, actor=review.portfolio.owner, now=review.created_at)
    assert (linked.revision.number, linked.decision) == (2, "change")
    assert not Alert.objects.filter(code="REVIEW_CHANGE_DUE", resolved_at__isnull=True).exists()
    with pytest.raises(ValidationError, match="waits for no revision"):
        link_revision(review=review, revision=number, actor=review.portfolio.owner, now=review.created_at)


def test_comments_are_written_before_and_after() -> None:
    review = reviewed(week())
    owner = review.portfolio.owner
    comment(review=review, text=" First look. ", actor=owner, now=review.created_at)
    decided(review)
    comment(review=review, text="After it.", actor=owner, now=review.created_at)
    assert list(review.comments.order_by("id").values_list("text", flat=True)) == ["First look.", "After it."]
    for text in (" ", "x" * 4_001, "a\0b"):
        with pytest.raises(ValidationError):
            comment(review=review, text=text, actor=owner, now=review.created_at)


def test_a_line_break_of_a_browser_counts_as_the_one_character_that_it_showed() -> None:
    review = reviewed(week())
    text = "line\n" * 800  # 4,000 characters, which a browser sends as 4,800
    sent = text.replace("\n", "\r\n")
    written = comment(review=review, text=sent, actor=review.portfolio.owner, now=review.created_at)
    assert written.text == text.strip()
    decided(review, answers=answers(review, sent), reason=sent)
    assert review.answers.first().text == text.strip()
