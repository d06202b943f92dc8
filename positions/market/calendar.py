"""Sessions of the New York Stock Exchange, and New York dates and times of UTC instants.

Regular hours are 09:30 to 16:00 America/New_York; a half-day closes at 13:00. Options follow the exchange's sessions
here: what SPY or SPX options trade after 16:00 is no session to plan an exit in (SPEC section 9).

A calendar is made from rows: the recorded table (XNYS, 2010 to 2027) with the overrides laid over it. Library
calendars have gaps (a day of mourning, a storm), so an override row closes a day or changes its hours. Outside the
table nothing is guessed: OutsideCalendar says where it ends. Nothing here reads a clock.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
REGULAR_OPEN = time(9, 30)
REGULAR_CLOSE = time(16, 0)
FORCED_CLOSE_MINUTES = 15


class OutsideCalendar(LookupError):
    """The date lies before the first or after the last session the table knows."""


def new_york(instant: datetime) -> datetime:
    """An aware instant as New York wall time."""
    if instant.tzinfo is None:
        raise ValueError(f"{instant} has no time zone; times must be aware.")
    return instant.astimezone(NEW_YORK)


def new_york_date(instant: datetime) -> date:
    """The New York calendar date of an aware instant: still the 4th when UTC says the 5th."""
    return new_york(instant).date()


def new_york_instant(day: date, at: time) -> datetime:
    """The UTC instant of a New York date and time. An hour that a clock change repeats is its first; one that it
    skips is refused."""
    local = datetime.combine(day, at, tzinfo=NEW_YORK)
    instant = local.astimezone(UTC)
    if instant.astimezone(NEW_YORK).replace(tzinfo=None) != local.replace(tzinfo=None):
        raise ValueError(f"{day} {at:%H:%M} does not exist in New York: clocks went forward over it.")
    return instant


def days_to_expiration(expires_on: date, instant: datetime) -> int:
    """Whole New York calendar days from the instant's date; negative when expired."""
    return (expires_on - new_york_date(instant)).days


@dataclass(frozen=True, slots=True)
class Session:
    """One trading day. `opens_at` and `closes_at` are aware UTC; `closes_early` when it ends before 16:00."""

    day: date
    opens_at: datetime
    closes_at: datetime
    closes_early: bool

    def contains(self, instant: datetime) -> bool:
        """Open from the opening instant on; at the closing instant it is closed."""
        return self.opens_at <= instant < self.closes_at

    def minutes_since_open(self, instant: datetime) -> float:
        """Minutes since the open; negative before it."""
        return (instant - self.opens_at) / timedelta(minutes=1)

    def minutes_to_close(self, instant: datetime) -> float:
        """Minutes to the close; negative after it."""
        return (self.closes_at - instant) / timedelta(minutes=1)

    def forced_close_at(self, minutes_before_close: int = FORCED_CLOSE_MINUTES) -> datetime:
        """When positions that expire in this session are closed (A-17): 15:45, on a half-day 12:45."""
        return self.closes_at - timedelta(minutes=minutes_before_close)


@dataclass(frozen=True, slots=True)
class Override:
    """What an override row says of a day: other hours, or (`opens` and `closes` empty) no session at all."""

    day: date
    opens: time | None
    closes: time | None
    reason: str

    def session(self) -> Session | None:
        if self.opens is None or self.closes is None:
            return None
        return Session(
            self.day,
            new_york_instant(self.day, self.opens),
            new_york_instant(self.day, self.closes),
            closes_early=self.closes < REGULAR_CLOSE,
        )


class Calendar:
    """Sessions in ascending order, each day at most once. Days are New York dates.

    It answers for the days from `first` to `last`: those of its first and last session unless told otherwise.
    """

    def __init__(
        self,
        sessions: Iterable[Session],
        overrides: Iterable[Override] = (),
        *,
        first: date | None = None,
        last: date | None = None,
    ) -> None:
        by_day = {session.day: session for session in sessions}
        if not by_day:
            raise ValueError("The calendar has no sessions. Import them: manage.py import_sessions FILE.")
        self.first, self.last = first or min(by_day), last or max(by_day)
        for override in overrides:
            session = override.session()
            if session is None:
                by_day.pop(override.day, None)
            else:
                by_day[override.day] = session
        self.by_day: Mapping[date, Session] = dict(sorted(by_day.items()))
        self._days = list(self.by_day)

    def session(self, day: date) -> Session | None:
        """The session of a day; None on a weekend or holiday."""
        self._check(day)
        return self.by_day.get(day)

    def session_at(self, instant: datetime) -> Session | None:
        """The session that is open at this instant, if any."""
        session = self.session(new_york_date(instant))
        return session if session is not None and session.contains(instant) else None

    def is_open(self, instant: datetime) -> bool:
        return self.session_at(instant) is not None

    def on_or_before(self, day: date) -> Session:
        """The session of this day, or the last one before it."""
        self._check(day)
        return self._at(bisect_right(self._days, day) - 1, day)

    def on_or_after(self, day: date) -> Session:
        """The session of this day, or the first one after it."""
        self._check(day)
        return self._at(bisect_left(self._days, day), day)

    def previous(self, day: date) -> Session:
        """The last session before this day."""
        self._check(day)
        return self._at(bisect_left(self._days, day) - 1, day)

    def next(self, day: date) -> Session:
        """The first session after this day."""
        self._check(day)
        return self._at(bisect_right(self._days, day), day)

    def back(self, day: date, sessions: int) -> Session:
        """The session `sessions` before this day: back(day, 1) is previous(day)."""
        self._check(day)
        return self._at(bisect_left(self._days, day) - sessions, day)

    def between(self, first: date, last: date) -> list[Session]:
        """All sessions from `first` to `last`, both included."""
        self._check(first)
        self._check(last)
        days = self._days[bisect_left(self._days, first) : bisect_right(self._days, last)]
        return [self.by_day[day] for day in days]

    def sessions_after(self, earlier: date, later: date) -> int:
        """Sessions after `earlier` up to and including `later`: how old `earlier`'s data is, in sessions."""
        self._check(earlier)
        self._check(later)
        return bisect_right(self._days, later) - bisect_right(self._days, earlier)

    def next_open(self, instant: datetime) -> Session:
        """The first session that opens after this instant."""
        session = self.on_or_after(new_york_date(instant))
        return session if instant < session.opens_at else self.next(session.day)

    def _check(self, day: date) -> None:
        if isinstance(day, datetime):
            raise TypeError("A day is a date; use new_york_date(instant).")
        if not self.first <= day <= self.last:
            raise self._outside(day)

    def _at(self, position: int, day: date) -> Session:
        if not 0 <= position < len(self._days):
            raise self._outside(day)
        return self.by_day[self._days[position]]

    def _outside(self, day: date) -> OutsideCalendar:
        return OutsideCalendar(
            f"The exchange calendar does not reach what {day} needs: it knows the sessions from {self.first} to "
            f"{self.last} (the last known session). Import a longer table: manage.py import_sessions FILE."
        )
