"""Which periods are looked back on, and since when a review of each is due (P-30). New York dates, aware instants.

    weekly      Monday to Friday of each week with a session    Friday 17:00, a holiday or not; what happened counts
                                                                from the Friday 17:00 before
    monthly     a calendar month                                17:00 of the first session after it
    quarterly   a calendar quarter                              17:00 of the first session after it

17:00 is after every close, a half day's too, and exists on every day: clocks change at night.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from positions.market.calendar import Calendar, OutsideCalendar, new_york_date, new_york_instant
from riskengine.models import ReviewKind

DUE_AT = time(17, 0)
FRIDAY = timedelta(days=4)
DAY, WEEK = timedelta(days=1), timedelta(days=7)
# How far back what was missed is caught up: a quarter of weeks, a year of months and of quarters.
MOST = {str(ReviewKind.WEEKLY): 13, str(ReviewKind.MONTHLY): 12, str(ReviewKind.QUARTERLY): 4}


@dataclass(frozen=True, slots=True)
class Period:
    """Both days are included. `due_at`: from when on its review is due. What happened from `begins_at` on and before
    `ends_at` is told in it: the periods of a kind share each border, so that nothing is in two of them or in none."""

    kind: str
    first: date
    last: date
    begins_at: datetime
    ends_at: datetime
    due_at: datetime

    @property
    def name(self) -> str:
        """Week of 4 Jan 2021, January 2021, first quarter 2021."""
        return period_name(self.kind, self.first)


def period_name(kind: str, first: date) -> str:
    if kind == ReviewKind.WEEKLY:
        return f"week of {first.day} {first:%b %Y}"
    if kind == ReviewKind.MONTHLY:
        return f"{first:%B %Y}"
    return f"{('first', 'second', 'third', 'fourth')[(first.month - 1) // 3]} quarter of {first.year}"


def due(calendar: Calendar, *, at: datetime, since: datetime) -> list[Period]:
    """The periods that end after market time `since` and whose reviews are due by market time `at`, the oldest first;
    of each kind the last `MOST`. What the calendar does not reach is left out: nothing is guessed."""
    today = new_york_date(at)
    found = []
    spans: dict[str, Iterator[tuple[date, date]]] = {
        str(ReviewKind.WEEKLY): _weeks(today),
        str(ReviewKind.MONTHLY): _spans(today, 1),
        str(ReviewKind.QUARTERLY): _spans(today, 3),
    }
    for kind, back in spans.items():
        mine: list[Period] = []
        for first, last in back:
            ends_at = _ends_at(kind, last)
            if len(mine) == MOST[kind] or ends_at <= since or first < calendar.first:
                break
            due_at = _due_at(calendar, kind, first, last)
            if due_at is not None and due_at <= at:
                mine.append(Period(kind, first, last, _begins_at(calendar, kind, first), ends_at, due_at))
        found += mine
    return sorted(found, key=lambda each: (each.due_at, each.last - each.first))


def _weeks(today: date) -> Iterator[tuple[date, date]]:
    """Monday and Friday of this week and of those before it."""
    monday = today - timedelta(days=today.weekday())
    while True:
        yield monday, monday + FRIDAY
        monday -= WEEK


def _spans(today: date, months: int) -> Iterator[tuple[date, date]]:
    """The calendar months or quarters that are over, the latest first."""
    begin = date(today.year, today.month - (today.month - 1) % months, 1)
    while True:
        last = begin - timedelta(days=1)
        begin = date(last.year, last.month - (months - 1), 1)
        yield begin, last


def _ends_at(kind: str, last: date) -> datetime:
    """A week ends when its review is due: what comes on that evening cannot be in it, and is the next week's."""
    return new_york_instant(last, DUE_AT) if kind == ReviewKind.WEEKLY else new_york_instant(last + DAY, time())


def _begins_at(calendar: Calendar, kind: str, first: date) -> datetime:
    """Where the one before it ended: before a week without a session, which has no review, the last week with one."""
    if kind != ReviewKind.WEEKLY:
        return new_york_instant(first, time())
    monday = first - WEEK
    while monday >= calendar.first and not calendar.between(monday, monday + FRIDAY):
        monday -= WEEK
    return _ends_at(kind, monday + FRIDAY)


def _due_at(calendar: Calendar, kind: str, first: date, last: date) -> datetime | None:
    """None for a week without a session, and where the calendar ends before it can be told."""
    try:
        if kind == ReviewKind.WEEKLY:
            day = last if calendar.between(first, last) else None
        else:
            day = calendar.on_or_after(last + DAY).day
    except OutsideCalendar:
        return None
    return None if day is None else new_york_instant(day, DUE_AT)
