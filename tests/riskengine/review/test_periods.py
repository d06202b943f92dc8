"""When reviews are due: holidays, half days, clock changes, the turn of a year, an account that is younger."""

import csv
import gzip
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from positions.market.calendar import Calendar, Session, new_york, new_york_instant
from positions.recorded import SESSIONS
from riskengine.services.review.periods import DUE_AT, MOST, Period, due


@pytest.fixture(scope="module")
def calendar() -> Calendar:
    """The recorded sessions of 2019 to 2022."""
    with gzip.open(SESSIONS, "rt") as rows:
        return Calendar(
            Session(
                date.fromisoformat(row["session"]),
                datetime.fromisoformat(row["open_utc"]),
                datetime.fromisoformat(row["close_utc"]),
                row["early"] == "True",
            )
            for row in csv.DictReader(rows)
            if "2019" <= row["session"][:4] <= "2022"
        )


def ny(text: str) -> datetime:
    day, _, at = text.partition(" ")
    return new_york_instant(date.fromisoformat(day), datetime.strptime(at, "%H:%M").time())  # noqa: DTZ007


def found(calendar: Calendar, at: str, since: str, kind: str = "weekly") -> list[tuple[str, str, str]]:
    periods = due(calendar, at=ny(at), since=ny(f"{since} 00:00"))
    return [
        (each.first.isoformat(), each.last.isoformat(), f"{new_york(each.due_at):%Y-%m-%d %H:%M}")
        for each in periods
        if each.kind == kind
    ]


def test_a_week_is_due_on_friday_at_17_and_not_a_minute_before(calendar: Calendar) -> None:
    assert found(calendar, "2021-01-08 16:59", "2021-01-04") == []
    assert found(calendar, "2021-01-08 17:00", "2021-01-04") == [("2021-01-04", "2021-01-08", "2021-01-08 17:00")]


def test_a_friday_that_is_a_holiday_is_a_friday_all_the_same(calendar: Calendar) -> None:
    """Good Friday, 2 April 2021: the week had four sessions."""
    assert calendar.session(date(2021, 4, 2)) is None
    assert found(calendar, "2021-04-02 17:00", "2021-03-29") == [("2021-03-29", "2021-04-02", "2021-04-02 17:00")]


def test_after_a_half_day_it_is_17_too(calendar: Calendar) -> None:
    """The Friday after Thanksgiving closes at 13:00."""
    assert found(calendar, "2021-11-26 14:00", "2021-11-22") == []
    assert found(calendar, "2021-11-26 17:00", "2021-11-22")[0][2] == "2021-11-26 17:00"


def test_over_a_clock_change_it_is_17_on_the_wall(calendar: Calendar) -> None:
    before, after = (found(calendar, f"2021-03-{day} 17:00", "2021-03-08")[-1][2] for day in ("12", "19"))
    assert (before, after) == ("2021-03-12 17:00", "2021-03-19 17:00")
    weeks = due(calendar, at=ny("2021-03-19 17:00"), since=ny("2021-03-08 00:00"))
    assert weeks[1].due_at - weeks[0].due_at == timedelta(days=7) - timedelta(hours=1)


def test_a_week_without_a_session_has_no_review() -> None:
    """Exchanges have closed for longer than a holiday."""
    days = [date(2021, 1, 4) + timedelta(days=each) for each in (0, 1, 2, 3, 4, 14, 15, 16, 17, 18)]
    sessions = [Session(day, ny(f"{day} 09:30"), ny(f"{day} 16:00"), False) for day in days]
    closed = Calendar(sessions)
    assert [row[0] for row in found(closed, "2021-01-22 17:00", "2021-01-04")] == ["2021-01-04", "2021-01-18"]
    one, other = due(closed, at=ny("2021-01-22 17:00"), since=ny("2021-01-04 00:00"))
    assert (one.ends_at, other.begins_at) == (ny("2021-01-08 17:00"), ny("2021-01-08 17:00"))


def test_a_month_is_due_on_the_first_session_of_the_next(calendar: Calendar) -> None:
    """1 May 2021 is a Saturday; 1 January 2021 a holiday before a weekend: due on the 4th, and the quarter with it."""
    assert found(calendar, "2021-05-03 16:59", "2021-04-01", "monthly") == []
    assert found(calendar, "2021-05-03 17:00", "2021-04-01", "monthly") == [
        ("2021-04-01", "2021-04-30", "2021-05-03 17:00")
    ]
    year_end = [("2020-12-01", "2020-12-31", "2021-01-04 17:00")]
    assert found(calendar, "2021-01-04 17:00", "2020-12-15", "monthly") == year_end
    assert found(calendar, "2021-01-04 17:00", "2020-12-15", "quarterly") == [
        ("2020-10-01", "2020-12-31", "2021-01-04 17:00")
    ]


def test_an_account_is_reviewed_from_its_first_trade_on(calendar: Calendar) -> None:
    assert found(calendar, "2021-01-22 18:00", "2021-01-13") == [
        ("2021-01-11", "2021-01-15", "2021-01-15 17:00"),
        ("2021-01-18", "2021-01-22", "2021-01-22 17:00"),
    ]
    assert found(calendar, "2021-01-22 18:00", "2021-01-23") == []
    assert due(calendar, at=ny("2021-01-22 18:00"), since=ny("2021-01-22 17:30")) == [], "its week is the next one"


def test_what_was_missed_is_caught_up_as_far_as_a_quarter_of_weeks(calendar: Calendar) -> None:
    weeks = found(calendar, "2021-12-31 17:00", "2020-06-01")
    assert len(weeks) == MOST["weekly"] == 13
    assert weeks[-1][1] == "2021-12-31"
    assert len(found(calendar, "2021-12-31 17:00", "2020-06-01", "monthly")) == 12
    assert [row[0] for row in found(calendar, "2021-12-31 17:00", "2020-06-01", "quarterly")] == [
        "2020-10-01", "2021-01-01", "2021-04-01", "2021-07-01",
    ]  # fmt: skip


def test_where_the_calendar_ends_nothing_is_guessed(calendar: Calendar) -> None:
    short = Calendar([each for day, each in calendar.by_day.items() if day <= date(2021, 4, 30)])
    assert found(short, "2021-05-10 17:00", "2021-04-01", "monthly") == []


def test_they_come_in_the_order_in_which_they_were_due(calendar: Calendar) -> None:
    kinds = [each.kind for each in due(calendar, at=ny("2021-01-04 17:00"), since=ny("2020-12-28 00:00"))]
    assert kinds == ["weekly", "monthly", "quarterly"]
    assert [each.name for each in due(calendar, at=ny("2021-01-04 17:00"), since=ny("2020-12-28 00:00"))] == [
        "week of 28 Dec 2020", "December 2020", "fourth quarter of 2020",
    ]  # fmt: skip


@given(minutes=st.integers(0, 60 * 24 * 365), later=st.integers(0, 60 * 24 * 30))
def test_what_is_due_stays_due_and_no_day_is_in_two_periods_of_a_kind(
    calendar: Calendar, minutes: int, later: int
) -> None:
    at = datetime(2020, 6, 1, 12, tzinfo=UTC) + timedelta(minutes=minutes)
    since = ny("2021-03-01 00:00")
    periods = due(calendar, at=at, since=since)
    then = due(calendar, at=at + timedelta(minutes=later), since=since)
    for kind in MOST:
        mine: list[Period] = [each for each in periods if each.kind == kind]
        assert all(each.due_at <= at and new_york(each.due_at).time() == DUE_AT for each in mine)
        assert all(each.ends_at > since and each.first <= each.last for each in mine)
        assert all(before.last < after.first for before, after in pairwise(mine))
        assert all(before.ends_at == after.begins_at for before, after in pairwise(mine)), "nothing in two or in none"
        assert {each for each in mine if each.last > new_york(at).date() - timedelta(days=14)} <= set(then)
