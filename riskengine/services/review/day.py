"""The report of a day: once a session is over, what was decided and why, what was bought and sold, what is held (P-30).

Made 15 minutes after each session's own close, by the market clock of each account, with what happened since the report
of the session before: what closes in the evening or on a weekend is in the next one, and nothing in none. It is kept as
a row that there is once (account, session): run as often as you like, from as many workers. It goes by e-mail to the
targets that ask for it, through the outbox of alerts, in the transaction that makes it. A session that was missed is
made up for as far as `BACK` goes and is not sent: yesterday's mail helps nobody, the page has it.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db import connection, transaction

from positions.market.calendar import Calendar, OutsideCalendar, Session, new_york_date, new_york_instant
from positions.market.clock import market_now
from positions.market_selectors import exchange_calendar
from positions.models import Mode, Portfolio
from positions.services.order_changes import as_json, limit_lock_waits
from positions.services.portfolio import SYSTEM_NAME
from riskengine.loading.happened import Active, active
from riskengine.models import Alert, AlertDelivery, AlertEvent, AlertEventKind, AlertTarget, DayReport, Severity
from riskengine.services.notify.message import DAY_REPORT
from riskengine.services.review.day_contents import day_contents
from riskengine.services.review.day_text import headline, text_of

logger = logging.getLogger(__name__)

AFTER_CLOSE = timedelta(minutes=15)
BACK = 65  # sessions that are made up for: a quarter
DAYS_BACK = timedelta(days=110)  # holds as many
MOST_AT_ONCE = 100


@dataclass
class Days:
    """Ids of the reports that were made, how many mails were queued, and by portfolio what failed."""

    made: list[int] = field(default_factory=list)
    queued: int = 0
    errors: dict[int, str] = field(default_factory=dict)


def run_days(*, now: datetime, portfolio_ids: Collection[int] | None = None, send: bool = True) -> Days:
    """Make the reports whose session is over at wall time `now`. One account's trouble is its own: it is logged and
    tried again at the next look. Four statements where nothing is due. `send` false: nobody is mailed."""
    run = Days()
    found = Portfolio.objects.filter(clock__isnull=False).select_related("clock", "profile")
    if portfolio_ids is not None:
        found = found.filter(pk__in=list(portfolio_ids))
    portfolios = list(found.order_by("pk"))
    lived = active([each.pk for each in portfolios])
    portfolios = [each for each in portfolios if each.pk in lived]
    if not portfolios:
        return run
    at = {each.pk: market_now(each.clock, now) for each in portfolios}
    try:
        calendar = exchange_calendar()
    except ValueError:
        logger.warning("No session is known, so no day can be over.")
        return run
    kept = _kept(at)
    left = MOST_AT_ONCE
    for each in portfolios:
        over, last = _over(calendar, at[each.pk], each, lived[each.pk])
        for session in [one for one in over if one.day not in kept.get(each.pk, ())][:left]:
            left -= 1
            try:
                _make(each, session, calendar, at[each.pk], now, run, send=send and session.day == last)
            except Exception as error:  # whatever it was: the other accounts had a day too
                logger.exception("The day of %s could not be reported.", each.name)
                run.errors[each.pk] = f"{error!s:.300}"
    return run


def _kept(at: Mapping[int, datetime]) -> Mapping[int, set[date]]:
    earliest = min(new_york_date(moment) for moment in at.values()) - DAYS_BACK
    rows = DayReport.objects.filter(portfolio__in=list(at), session_on__gte=earliest)
    found: dict[int, set[date]] = {}
    for pk, day in rows.values_list("portfolio", "session_on"):
        found.setdefault(pk, set()).add(day)
    return found


def _over(
    calendar: Calendar, at: datetime, portfolio: Portfolio, lived: Active
) -> tuple[Sequence[Session], date | None]:
    """The last sessions that are over, the oldest first, of the time in which the account did something; and the day of
    the last one of all, whether it did something or not: news is sent of no other."""
    began, today = new_york_date(lived.first), new_york_date(at)
    first = max(began, today - DAYS_BACK, calendar.first)
    if not first <= today <= calendar.last:
        return [], None  # beyond the calendar nothing is guessed
    sessions = [each for each in calendar.between(first, today) if lived.first < _told_until(each) <= at][-BACK:]
    last = sessions[-1].day if sessions else None
    if portfolio.mode == Mode.OFF and lived.last is not None:
        sessions = [each for each in sessions if _told_from(calendar, each) <= lived.last]
    return sessions, last


def _told_until(session: Session) -> datetime:
    return session.closes_at + AFTER_CLOSE


def _told_from(calendar: Calendar, session: Session) -> datetime:
    """Where the report of the session before ended."""
    try:
        return _told_until(calendar.previous(session.day))
    except OutsideCalendar:
        return new_york_instant(session.day, time())


def _make(
    portfolio: Portfolio,
    session: Session,
    calendar: Calendar,
    at: datetime,
    now: datetime,
    run: Days,
    *,
    send: bool,
) -> None:
    since, until = _told_from(calendar, session), _told_until(session)
    contents = day_contents(portfolio, session, _next(calendar, session), since=since, until=until, at=at)
    text = text_of(contents)
    with transaction.atomic(), connection.cursor() as cursor:
        limit_lock_waits()
        cursor.execute(
            """
            INSERT INTO riskengine_dayreport (portfolio_id, session_on, made_at, created_at, contents, text)
            VALUES (%s, %s, %s, %s, %s::jsonb, %s)
            ON CONFLICT (portfolio_id, session_on) DO NOTHING RETURNING id
            """,
            [portfolio.pk, session.day, at, now, as_json(contents), text],
        )
        row = cursor.fetchone()
        if row is None:
            return  # another worker was quicker, and has queued it
        run.made.append(int(row[0]))
        if send:
            run.queued += _queue(portfolio, session.day, headline(contents), text, at, now)


def _next(calendar: Calendar, session: Session) -> Session | None:
    try:
        return calendar.next(session.day)
    except OutsideCalendar:
        return None


def _queue(portfolio: Portfolio, day: date, title: str, text: str, at: datetime, now: datetime) -> int:
    """For every e-mail target that asks for it; how many. The alert that carries it is over when it is made: it waits
    for nobody and stands on no desk."""
    targets = AlertTarget.objects.filter(daily_report=True, enabled=True)
    mine = [each for each in targets.order_by("id") if each.portfolio_id in (None, portfolio.pk)]
    if not mine:
        return 0
    alert = Alert.objects.create(
        portfolio=portfolio,
        code=DAY_REPORT,
        severity=Severity.INFO,
        key=f"day_report:{portfolio.pk}:{day}",
        title=title[:150],
        happened=text,
        to_do="Nothing: this is the report of the day.",
        market_at=at,
        raised_at=now,
        last_seen_at=now,
        staged_at=now,
        resolved_at=now,
    )
    AlertEvent.objects.create(alert=alert, kind=AlertEventKind.RAISED, level=0, happened_at=now, actor_name=SYSTEM_NAME)
    AlertDelivery.objects.bulk_create(
        AlertDelivery(alert=alert, target=each, level=0, next_attempt_at=now, created_at=now) for each in mine
    )
    return len(mine)


def day_report(portfolio: Portfolio, day: date) -> DayReport | None:
    return portfolio.day_reports.filter(session_on=day).first()


def days_around(portfolio: Portfolio, day: date) -> dict[str, Any]:
    """The reports before and after a day, and the days themselves as links need them."""
    days = DayReport.objects.filter(portfolio=portfolio).values_list("session_on", flat=True)
    return {
        "earlier": days.filter(session_on__lt=day).order_by("-session_on").first(),
        "later": days.filter(session_on__gt=day).order_by("session_on").first(),
    }


def last_days(portfolio: Portfolio, most: int = 10) -> list[date]:
    """The sessions of the last reports, the newest first."""
    days = DayReport.objects.filter(portfolio=portfolio).order_by("-session_on")
    return list(days.values_list("session_on", flat=True)[:most])
