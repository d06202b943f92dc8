"""Making the reviews that are due: each once, with its snapshot and its questions (P-30).

Run as often as you like, from as many workers, late or after a crash: (portfolio, kind, first day) is unique, and what
was missed is caught up as far as `periods.MOST` goes. Reminders are written beside, and end when a person has decided.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from django.db import connection, transaction

from positions.market.calendar import Calendar
from positions.market.clock import market_now
from positions.market_selectors import exchange_calendar
from positions.models import Mode, Portfolio
from positions.services.order_changes import as_json, limit_lock_waits
from riskengine.loading.happened import Active, active
from riskengine.models import Review
from riskengine.services.review.periods import Period, due
from riskengine.services.review.questions import questions_of
from riskengine.services.review.reminding import remind
from riskengine.services.review.snapshot import snapshot

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 40  # in one run, some 50 ms each: the same worker sends the alerts. The others come next time.


@dataclass
class Made:
    """Ids of the reviews that were made, how many reminders were new, how many ended, and by portfolio what failed."""

    reviews: list[int] = field(default_factory=list)
    reminders: int = 0
    ended: int = 0
    errors: dict[int, str] = field(default_factory=dict)


def run_reviews(*, now: datetime, portfolio_ids: Collection[int] | None = None, reminders: bool = True) -> Made:
    """Make what is due at wall time `now`, by each portfolio's market time, and remind of what waits for a person.
    One portfolio's trouble is its own: it is logged and tried again at the next look. Eight statements where nothing
    is due. `reminders` false: they are left to the next look.
    """
    run = Made()
    found = Portfolio.objects.filter(clock__isnull=False).select_related("clock", "profile")
    if portfolio_ids is not None:
        found = found.filter(pk__in=list(portfolio_ids))
    portfolios = list(found.order_by("pk"))
    lived = active([each.pk for each in portfolios])
    portfolios = [each for each in portfolios if each.pk in lived]
    if not portfolios:
        return run
    at = {each.pk: market_now(each.clock, now) for each in portfolios}
    kept = _kept(list(at))
    try:
        calendar = exchange_calendar()
    except ValueError:
        logger.warning("No session is known, so no review can be due.")
        return run
    left = MOST_AT_ONCE
    for each in portfolios:
        try:
            for period in _wanted(each, lived[each.pk], calendar, at[each.pk], kept.get(each.pk, set()))[:left]:
                left -= 1
                made = _make(each, period, at[each.pk], now)
                run.reviews += [made] if made is not None else []
        except Exception as error:  # whatever it was: the other portfolios have reviews too
            logger.exception("A review of %s could not be made.", each.name)
            run.errors[each.pk] = f"{error!s:.300}"
    if reminders:
        run.reminders, run.ended = remind(portfolios, at, now=now)
    return run


def _kept(ids: Sequence[int]) -> Mapping[int, set[tuple[str, date]]]:
    """Kind and first day of the reviews that are there, by portfolio id."""
    found: dict[int, set[tuple[str, date]]] = {}
    for pk, kind, first in Review.objects.filter(portfolio__in=ids).values_list("portfolio", "kind", "period_start"):
        found.setdefault(pk, set()).add((kind, first))
    return found


def _wanted(
    portfolio: Portfolio, lived: Active, calendar: Calendar, at: datetime, kept: set[tuple[str, date]]
) -> list[Period]:
    """What is due and not there, from the first trade on. An account that is off is looked back on as long as it did
    something: it need not be reviewed for ever."""
    periods = due(calendar, at=at, since=lived.first)
    if portfolio.mode == Mode.OFF and lived.last is not None:
        periods = [each for each in periods if each.begins_at <= lived.last]
    return [each for each in periods if (each.kind, each.first) not in kept]


def _make(portfolio: Portfolio, period: Period, at: datetime, now: datetime) -> int | None:
    """The new review's id; None where another worker was quicker."""
    seen = snapshot(portfolio, period, now=now)
    with transaction.atomic(), connection.cursor() as cursor:
        limit_lock_waits()
        cursor.execute(
            """
            INSERT INTO riskengine_review
                (portfolio_id, kind, period_start, period_end, due_at, made_at, created_at, snapshot, questions, state,
                 decision, reason, decided_by_name, linked_by_name)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s::jsonb, 'open', '', '', '', '')
            ON CONFLICT (portfolio_id, kind, period_start) DO NOTHING RETURNING id
            """,
            [
                portfolio.pk,
                period.kind,
                period.first,
                period.last,
                period.due_at,
                at,
                now,
                as_json(seen),
                as_json(questions_of(period.kind)),
            ],
        )
        row = cursor.fetchone()
    return None if row is None else int(row[0])
