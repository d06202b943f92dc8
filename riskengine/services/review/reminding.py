"""Reminders: a review that waits for a person, and a change that was decided and has no revision yet.

Of each account and kind the oldest review is told: it ends when a person has decided, and the next one is told.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from django.db import transaction

from positions.market.calendar import new_york
from positions.models import Mode, Portfolio
from riskengine.models import Review, ReviewDecision, ReviewKind, ReviewState, Severity
from riskengine.services.review.periods import period_name
from riskengine.services.watch.alerts import NewAlert, raise_alerts, resolve, standing

REVIEW_DUE, CHANGE_DUE = "REVIEW_DUE", "REVIEW_CHANGE_DUE"
PRESSING = timedelta(days=2)  # from then on it is a warning


def remind(portfolios: Sequence[Portfolio], at: Mapping[int, datetime], *, now: datetime) -> tuple[int, int]:
    """Raise and end the reminders of these portfolios; how many were new, how many ended. An account that is off is
    not reminded of. `at`: market time by portfolio id."""
    by_id = {each.pk: each for each in portfolios}
    told = [*_due(by_id, at), *_changes(by_id, now)]
    said = {each.key for each in told}
    over = [
        each.key for each in standing((REVIEW_DUE, CHANGE_DUE)) if each.portfolio_id in by_id and each.key not in said
    ]
    with transaction.atomic():
        return raise_alerts(told, now=now), resolve(over, now=now)


def end_reminder(review: Review, *, now: datetime) -> None:
    """It was decided, or its revision named: nobody need be reminded any more."""
    resolve([_due_key(review.pk), *([] if review.awaits_revision else [_change_key(review.pk)])], now=now)


def address(slug: str, review_id: int) -> str:
    """The page of a review, without the host: this product does not know under which it is read."""
    return f"/portfolios/{slug}/reviews/{review_id}/"


def _due_key(review_id: int) -> str:
    return f"review_due:{review_id}"


def _change_key(review_id: int) -> str:
    return f"review_change:{review_id}"


def _due(by_id: Mapping[int, Portfolio], at: Mapping[int, datetime]) -> Iterator[NewAlert]:
    rows = Review.objects.filter(portfolio__in=by_id, state=ReviewState.OPEN).defer("snapshot", "questions")
    oldest = rows.order_by("portfolio_id", "kind", "due_at", "id").distinct("portfolio_id", "kind")
    for review in oldest:
        portfolio = by_id[review.portfolio_id]
        if portfolio.mode == Mode.OFF:
            continue
        pressing = at[portfolio.pk] >= review.due_at + PRESSING
        due_at = new_york(review.due_at)
        yield NewAlert(
            code=REVIEW_DUE,
            key=_due_key(review.pk),
            severity=Severity.WARNING if pressing else Severity.INFO,
            title=f"{review.get_kind_display()} review of {portfolio.name} is due"[:150],
            happened=f"The review of {_the(review)} is due since "
            f"{due_at:%A} {due_at:%Y-%m-%d %H:%M} New York"
            f"{': that is more than two days' if pressing else ''}.",
            to_do=f"Answer its questions and decide: {address(portfolio.slug, review.pk)}",
            portfolio_id=portfolio.pk,
            market_at=at[portfolio.pk],
            stage=int(pressing),
        )


def _the(review: Review) -> str:
    """July 2026; the week of 29 Jun 2026."""
    name = period_name(review.kind, review.period_start)
    return name if review.kind == ReviewKind.MONTHLY else f"the {name}"


def _changes(by_id: Mapping[int, Portfolio], now: datetime) -> Iterator[NewAlert]:
    rows = Review.objects.filter(portfolio__in=by_id, decision=ReviewDecision.CHANGE, revision__isnull=True)
    for review in rows.defer("snapshot", "questions").order_by("id"):
        portfolio = by_id[review.portfolio_id]
        if portfolio.mode == Mode.OFF or review.decided_at is None:
            continue
        pressing = now >= review.decided_at + PRESSING
        yield NewAlert(
            code=CHANGE_DUE,
            key=_change_key(review.pk),
            severity=Severity.WARNING if pressing else Severity.INFO,
            title=f"A change was decided for {portfolio.name}, and no revision follows yet"[:150],
            happened=f"{review.decided_by_name} decided on {new_york(review.decided_at):%Y-%m-%d %H:%M} New York to "
            f"change the parameters, in the review of {_the(review)}.",
            to_do=f"Save the parameters, then name the revision: {address(portfolio.slug, review.pk)}",
            portfolio_id=portfolio.pk,
            stage=int(pressing),
        )
