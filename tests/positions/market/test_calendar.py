"""Sessions of the recorded table, and New York dates and times of UTC instants."""

import csv
import gzip
from datetime import UTC, date, datetime, time

import pytest

from positions import recorded
from positions.market.calendar import (
    NEW_YORK,
    Calendar,
    OutsideCalendar,
    Override,
    Session,
    days_to_expiration,
    new_york_date,
    new_york_instant,
)


@pytest.fixture(scope="module")
def sessions() -> list[Session]:
    with gzip.open(recorded.SESSIONS, "rt") as file:
        return [
            Session(
                date.fromisoformat(row["session"]),
                datetime.fromisoformat(row["open_utc"]),
                datetime.fromisoformat(row["close_utc"]),
                row["early"] == "True",
            )
            for row in csv.DictReader(file)
        ]


@pytest.fixture(scope="module")
def calendar(sessions: list[Session]) -> Calendar:
    return Calendar(sessions)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def hours(calendar: Calendar, day: date) -> tuple[str, ...]:
    session = calendar.session(day)
    assert session is not None
    return tuple(f"{at.astimezone(NEW_YORK):%H:%M}" for at in (session.opens_at, session.closes_at))


@pytest.mark.parametrize("day", [date(2026, 11, 27), date(2026, 12, 24), date(2015, 12, 24)])
def test_half_days_close_at_13(calendar: Calendar, day: date) -> None:
    assert hours(calendar, day) == ("09:30", "13:00")
    assert calendar.session(day).closes_early


@pytest.mark.parametrize(
    "day",
    [
        date(2026, 7, 3),  # Independence Day falls on a Saturday
        date(2021, 1, 1),
        date(2021, 1, 2),  # a Saturday
        date(2012, 10, 29),  # the storm
        date(2018, 12, 5),  # days of mourning
        date(2025, 1, 9),
    ],
)
def test_there_is_no_session_on_a_holiday_or_weekend(calendar: Calendar, day: date) -> None:
    assert calendar.session(day) is None
    assert not calendar.is_open(new_york_instant(day, time(11)))


@pytest.mark.parametrize(
    ("day", "opens_at_utc"),
    [
        (date(2021, 3, 12), 14),  # the Friday before clocks go forward
        (date(2021, 3, 15), 13),
        (date(2021, 11, 5), 13),  # the Friday before they go back
        (date(2021, 11, 8), 14),
    ],
)
def test_sessions_keep_new_york_hours_over_clock_changes(calendar: Calendar, day: date, opens_at_utc: int) -> None:
    session = calendar.session(day)
    assert session.opens_at == utc(day.year, day.month, day.day, opens_at_utc, 30)
    assert hours(calendar, day) == ("09:30", "16:00")
    assert session.closes_at - session.opens_at == utc(2021, 1, 1, 6, 30) - utc(2021, 1, 1)


def test_the_utc_date_runs_ahead_of_new_york_in_the_evening() -> None:
    evening = utc(2021, 1, 5, 0, 30)
    assert new_york_date(evening) == date(2021, 1, 4)
    assert days_to_expiration(date(2021, 1, 4), evening) == 0
    assert days_to_expiration(date(2021, 1, 4), utc(2021, 1, 5, 5)) == -1


def test_a_session_is_open_from_its_open_until_just_before_its_close(calendar: Calendar) -> None:
    assert not calendar.is_open(utc(2021, 1, 4, 14, 29, 59))
    assert calendar.is_open(utc(2021, 1, 4, 14, 30))
    assert calendar.is_open(utc(2021, 1, 4, 20, 59, 59))
    assert not calendar.is_open(utc(2021, 1, 4, 21))


def test_minutes_count_from_the_open_and_to_the_close(calendar: Calendar) -> None:
    session = calendar.session(date(2021, 1, 4))
    assert session.minutes_since_open(utc(2021, 1, 4, 14, 35)) == 5.0
    assert session.minutes_since_open(utc(2021, 1, 4, 14)) == -30.0
    assert session.minutes_to_close(utc(2021, 1, 4, 20, 59, 30)) == 0.5


@pytest.mark.parametrize(("day", "at"), [(date(2021, 1, 4), time(15, 45)), (date(2026, 11, 27), time(12, 45))])
def test_forced_close_is_15_minutes_before_that_sessions_close(calendar: Calendar, day: date, at: time) -> None:
    assert calendar.session(day).forced_close_at() == new_york_instant(day, at)


def test_neighbours_skip_weekends_holidays_and_the_years_end(calendar: Calendar) -> None:
    assert calendar.previous(date(2021, 1, 4)).day == date(2020, 12, 31)
    assert calendar.next(date(2020, 12, 31)).day == date(2021, 1, 4)
    assert calendar.on_or_before(date(2021, 1, 3)).day == date(2020, 12, 31)
    assert calendar.on_or_after(date(2021, 1, 1)).day == date(2021, 1, 4)
    assert calendar.on_or_before(date(2021, 1, 4)).day == date(2021, 1, 4)
    assert calendar.back(date(2021, 1, 4), 2).day == date(2020, 12, 30)


def test_sessions_between_counts_both_ends(calendar: Calendar) -> None:
    days = [session.day for session in calendar.between(date(2020, 12, 24), date(2021, 1, 4))]
    assert days[0] == date(2020, 12, 24)
    assert days[-1] == date(2021, 1, 4)
    assert len(days) == 6
    assert calendar.sessions_after(date(2020, 12, 24), date(2021, 1, 4)) == 5
    assert calendar.sessions_after(date(2021, 1, 4), date(2021, 1, 4)) == 0


def test_the_next_open_is_later_the_same_day_or_after_the_weekend(calendar: Calendar) -> None:
    assert calendar.next_open(utc(2021, 1, 4, 14)).day == date(2021, 1, 4)
    assert calendar.next_open(utc(2021, 1, 8, 15)).day == date(2021, 1, 11)
    assert calendar.next_open(utc(2021, 1, 9, 15)).day == date(2021, 1, 11)


@pytest.mark.parametrize(
    "ask",
    [
        lambda calendar: calendar.session(date(2028, 1, 3)),
        lambda calendar: calendar.next(date(2027, 12, 31)),
        lambda calendar: calendar.previous(date(2010, 1, 4)),
        lambda calendar: calendar.is_open(utc(2009, 6, 1, 15)),
        lambda calendar: calendar.back(date(2010, 1, 6), 3),
    ],
)
def test_outside_the_table_it_says_where_the_table_ends(calendar: Calendar, ask) -> None:
    with pytest.raises(OutsideCalendar, match=r"2027-12-31 \(the last known session\).*import_sessions"):
        ask(calendar)


def test_an_override_closes_a_day_or_changes_its_hours(sessions: list[Session]) -> None:
    closed = Override(date(2021, 1, 4), None, None, "a storm")
    shortened = Override(date(2021, 1, 5), time(11), time(13), "a power cut")
    calendar = Calendar(sessions, [closed, shortened])
    assert calendar.session(date(2021, 1, 4)) is None
    assert calendar.next(date(2020, 12, 31)).day == date(2021, 1, 5)
    assert hours(calendar, date(2021, 1, 5)) == ("11:00", "13:00")
    assert calendar.session(date(2021, 1, 5)).closes_early


def test_an_empty_calendar_says_how_to_fill_it() -> None:
    with pytest.raises(ValueError, match="import_sessions"):
        Calendar([])


def test_naive_times_are_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        new_york_date(datetime(2021, 1, 4, 15))  # noqa: DTZ001 (that is the point)


def test_an_hour_that_clocks_skip_does_not_exist() -> None:
    with pytest.raises(ValueError, match="does not exist"):
        new_york_instant(date(2021, 3, 14), time(2, 30))


def test_an_hour_that_clocks_repeat_is_its_first() -> None:
    assert new_york_instant(date(2021, 11, 7), time(1, 30)) == utc(2021, 11, 7, 5, 30)


def test_a_time_is_no_day(calendar: Calendar) -> None:
    with pytest.raises(TypeError, match="new_york_date"):
        calendar.session(utc(2021, 1, 4))
