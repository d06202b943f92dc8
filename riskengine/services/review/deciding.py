"""What a person does with a review: comments, answers every question, decides, and names the revision that results.

    keep      nothing changes
    change    names a revision that came into force since the review was made, or says that it is to follow
    halt      stops entries and takes back openings in the same act, by the kill switch, for the review's reason (A-23)

A decided review does not change any more. Wall times.
"""

from collections.abc import Mapping
from datetime import datetime

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import QuerySet

from accounts.models import RiskProfileRevision, User
from positions.models import Portfolio
from positions.services.order_changes import limit_lock_waits
from riskengine.models import Review, ReviewAnswer, ReviewComment, ReviewDecision, ReviewState
from riskengine.services.decide.entries import unless_busy
from riskengine.services.review.periods import period_name
from riskengine.services.review.reminding import end_reminder
from riskengine.services.watch.kill import DEFAULT, kill, may_kill

DECIDES = "riskengine.decide_review"
LONGEST = 4_000  # of an answer, a comment, a reason
MAY_NOT = "Only the owner of the account, and staff who may decide reviews, can do this."
BUSY = "Somebody is deciding this review just now. Nothing was kept; look again."
MAY_NOT_HALT = "To halt takes the owner of the account, or staff who may halt it. Decide otherwise, or ask one of them."


class AlreadyDecided(ValueError):
    """Nothing was done: somebody has decided this review."""

    def __init__(self, review: Review) -> None:
        super().__init__(
            f"{review.decided_by_name} has decided this review already: {review.get_decision_display()}. "
            "It does not change any more; write a comment, or decide the next one."
        )


class NotHalted(RuntimeError):
    """Nothing was decided, because the account could not be stopped."""


def reviews_of(portfolio: Portfolio) -> QuerySet[Review]:
    """Without what was seen: the open ones first, then the latest due."""
    found = Review.objects.filter(portfolio=portfolio).defer("snapshot", "questions").select_related("revision")
    return found.order_by("-state", "-due_at", "-id")


def may_decide(actor: User, portfolio: Portfolio) -> bool:
    return actor.is_active and (portfolio.owner_id == actor.pk or (actor.is_staff and actor.has_perm(DECIDES)))


def revisions_since(review: Review) -> QuerySet[RiskProfileRevision]:
    """The revisions that a change may name: of the account's profile, in force since the review was made."""
    profile = review.portfolio.profile
    return profile.revisions.filter(in_force_from__gte=review.created_at).order_by("-number")


def decide(
    *,
    review: Review,
    answers: Mapping[str, str],
    decision: str,
    reason: str,
    revision: int | None = None,
    actor: User,
    now: datetime,
) -> Review:
    """Keep the answers and the decision; to halt stops entries first, in the same transaction.

    `revision` is the number of the one that a change led to. Raises PermissionDenied, AlreadyDecided, NotHalted,
    PortfolioBusy when the review is not had within 2 s, and ValidationError with a sentence for each field: an
    unanswered question by its code.
    """
    portfolio = review.portfolio
    if not may_decide(actor, portfolio):
        raise PermissionDenied(MAY_NOT)
    if decision == ReviewDecision.HALT and not may_kill(actor, portfolio):
        raise PermissionDenied(MAY_NOT_HALT)
    given = {code: _lines(text) for code, text in answers.items()}
    why = _lines(reason)
    named = _checked(review, given, decision, why, revision)
    with unless_busy(BUSY), transaction.atomic():
        limit_lock_waits()
        locked = Review.objects.select_for_update(no_key=True, of=("self",)).get(pk=review.pk)
        if locked.state != ReviewState.OPEN:
            raise AlreadyDecided(locked)
        ReviewAnswer.objects.bulk_create(
            ReviewAnswer(review=locked, code=each["code"], question=each["text"], text=given[each["code"]])
            for each in locked.questions
        )
        locked.state, locked.decision, locked.reason = ReviewState.DECIDED, decision, why
        locked.decided_by, locked.decided_by_name, locked.decided_at = actor, actor.get_username(), now
        if named is not None:
            locked.revision, locked.linked_by_name, locked.linked_at = named, actor.get_username(), now
        locked.save(update_fields=[*_DECIDED, *_LINKED])
        if decision == ReviewDecision.HALT:
            _halt(locked, portfolio, why, actor, now)
        end_reminder(locked, now=now)
    return locked


_DECIDED = ("state", "decision", "reason", "decided_by", "decided_by_name", "decided_at")
_LINKED = ("revision", "linked_by_name", "linked_at")


def link_revision(*, review: Review, revision: int, actor: User, now: datetime) -> Review:
    """Name the revision that a decided change led to, once. PortfolioBusy as above."""
    if not may_decide(actor, review.portfolio):
        raise PermissionDenied(MAY_NOT)
    with unless_busy(BUSY), transaction.atomic():
        limit_lock_waits()
        locked = Review.objects.select_for_update(no_key=True, of=("self",)).get(pk=review.pk)
        if not locked.awaits_revision:
            raise ValidationError({"revision": "This review waits for no revision."}, code="nothing_awaited")
        locked.revision, locked.linked_by_name, locked.linked_at = (
            _revision(review, revision),
            actor.get_username(),
            now,
        )
        locked.save(update_fields=list(_LINKED))
        end_reminder(locked, now=now)
    return locked


def comment(*, review: Review, text: str, actor: User, now: datetime) -> ReviewComment:
    """Write about a review, decided or not."""
    if not may_decide(actor, review.portfolio):
        raise PermissionDenied(MAY_NOT)
    said = _lines(text)
    if not said:
        raise ValidationError({"text": "A comment has words."})
    if len(said) > LONGEST:
        raise ValidationError({"text": f"A comment has at most {LONGEST:,} characters; this has {len(said):,}."})
    if "\0" in said:
        raise ValidationError({"text": "A comment is text: take out the NUL character."})
    return ReviewComment.objects.create(
        review=review, author=actor, author_name=actor.get_username(), written_at=now, text=said
    )


def _checked(
    review: Review, given: Mapping[str, str], decision: str, why: str, revision: int | None
) -> RiskProfileRevision | None:
    """The revision named. ValidationError with everything that is wrong at once."""
    problems: dict[str, str] = {}
    for question in review.questions:
        problem = _of_text(given.get(question["code"], ""), "Answer it: what is not answered cannot be decided on.")
        if problem:
            problems[question["code"]] = problem
    unknown = sorted(set(given) - {question["code"] for question in review.questions})
    if unknown:
        problems["answers"] = f"This review has no question “{unknown[0]}”."
    if decision not in ReviewDecision.values:
        problems["decision"] = "Decide: keep, change or halt."
    if problem := _of_text(why, "Say why: the reason is kept with your name."):
        problems["reason"] = problem
    named = None
    if revision is not None:
        try:
            if decision != ReviewDecision.CHANGE:
                raise ValidationError({"revision": "Only a change names a revision."})
            named = _revision(review, revision)
        except ValidationError as problem_found:
            problems["revision"] = problem_found.messages[0]
    if problems:
        raise ValidationError(problems)
    return named


def _lines(text: str) -> str:
    """A browser sends each line break as two characters, and counts it as one where it says how many are left."""
    return text.replace("\r\n", "\n").strip()


def _of_text(text: str, empty: str) -> str:
    if not text:
        return empty
    if "\0" in text:
        return "This is text: take out the NUL character."
    return f"At most {LONGEST:,} characters; this has {len(text):,}." if len(text) > LONGEST else ""


def _revision(review: Review, number: int) -> RiskProfileRevision:
    found = revisions_since(review).filter(number=number).first()
    if found is None:
        raise ValidationError(
            {"revision": f"Revision {number} did not come into force after this review was made: name one that did."}
        )
    return found


def _halt(review: Review, portfolio: Portfolio, why: str, actor: User, now: datetime) -> None:
    name = f"{review.get_kind_display()} review, {period_name(review.kind, review.period_start)}"
    done = kill(
        portfolios=[portfolio],
        verbs=DEFAULT,
        reason=f"{name}: {why}"[:1_000],
        now=now,
        actor=actor,
    )
    if done[0].error:  # the review is not decided either
        raise NotHalted(done[0].error)
