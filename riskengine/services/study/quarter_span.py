"""What a simulated quarter is asked to be, and which sessions it has."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta

from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import connection

from accounts.models import User
from positions.market.calendar import Calendar, OutsideCalendar, Session
from positions.market_selectors import exchange_calendar

MOST_SEED = 99_999  # the source's name has 40 characters
MOST_SESSIONS = 260
LONGEST_SLUG = 50


class QuarterRefused(Exception):
    """Nothing was simulated. The message is one line for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked for: a system, a seed, how many sessions from which day on, under which name, and whose it is."""

    system: str
    seed: int
    sessions: int
    slug: str
    owner: User
    first_day: date


def last_quarter(calendar: Calendar, today: date) -> date:
    """The first session of the last calendar quarter that is over: nothing is simulated that lies ahead."""
    start = date(today.year, 3 * ((today.month - 1) // 3) + 1, 1)
    before = start - timedelta(days=1)
    return calendar.on_or_after(date(before.year, before.month - 2, 1)).day


def rest_of_quarter(calendar: Calendar, first_day: date) -> int:
    """How many sessions its calendar quarter has from that one on."""
    month = 3 * ((first_day.month - 1) // 3) + 3
    last = date(first_day.year, month, 31 if month in (3, 12) else 30)
    return len(calendar.between(first_day, min(last, calendar.last)))


def sessions_of(request: Request, today: date) -> list[Session]:
    if not 0 <= request.seed <= MOST_SEED:
        raise QuarterRefused(f"The seed is {request.seed}: give a whole number from 0 to {MOST_SEED:,}.")
    try:
        validate_slug(request.slug[: LONGEST_SLUG + 1])
    except ValidationError as problem:
        raise QuarterRefused(f"--slug {request.slug:.60}: {' '.join(problem.messages)}") from problem
    if len(request.slug) > LONGEST_SLUG:
        raise QuarterRefused(f"--slug has {len(request.slug):,} characters: at most {LONGEST_SLUG}.")
    if not 1 <= request.sessions <= MOST_SESSIONS:
        raise QuarterRefused(f"{request.sessions} sessions are asked for: give 1 to {MOST_SESSIONS}.")
    calendar = exchange_calendar()
    try:
        found = [calendar.on_or_after(request.first_day)]
        while len(found) < request.sessions:
            found.append(calendar.next(found[-1].day))
        calendar.next(found[-1].day)
    except OutsideCalendar as problem:
        raise QuarterRefused(f"{problem} Import sessions, or choose another first day.") from problem
    if calendar.next(found[-1].day).day >= today:
        raise QuarterRefused(
            f"{request.sessions} sessions from {found[0].day} end on {found[-1].day}, and today is {today}: a "
            "simulated quarter lies in the past. Give an earlier --from, or fewer sessions."
        )
    return found


@contextmanager
def by_nobody_else(slug: str) -> Iterator[None]:
    """One process at a time lives through a quarter: two would buy everything twice. Raises QuarterRefused."""
    key = ["simulated quarter", slug]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtext(%s), hashtext(%s))", key)
        if not cursor.fetchone()[0]:
            raise QuarterRefused(
                f"{slug!r} is being simulated by another process. Wait for it, or give another --slug."
            )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(hashtext(%s), hashtext(%s))", key)


def wait_for_other_sessions() -> None:
    """Until this transaction ends no other quarter lives through a session: two of the same days list the same
    contracts, and each would wait for the other's until one of them is given up."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('simulated session'), 0)")
