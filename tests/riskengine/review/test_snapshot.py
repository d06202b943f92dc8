"""What a review counts is all there was, and what comes after its period is not in it."""

from datetime import date, timedelta

import pytest

from positions.models import Position
from riskengine.loading import happened
from riskengine.models import Alert, Breaker, BreakerEvent, DayReport, Review
from riskengine.services.review.day import run_days
from riskengine.services.review.sheet import sheet
from tests.riskengine import market
from tests.riskengine.review.reviewing import at, look, reviewed, sold, trouble, week
from tests.riskengine.watch.desk import Desk, hold_seven

pytestmark = pytest.mark.django_db

WEDNESDAY = date(2021, 1, 6)


def told(desk: Desk, code: str, title: str, number: int) -> None:
    Alert.objects.create(
        portfolio=desk.portfolio, code=code, severity="warning", key=f"{title} {number}", title=title,
        happened="It happened.", to_do="Look.", market_at=at("14:01", WEDNESDAY), raised_at=market.WALL,
        last_seen_at=market.WALL, staged_at=market.WALL, resolved_at=market.WALL,
    )  # fmt: skip


def test_alerts_of_one_code_that_say_different_things_are_counted_apart() -> None:
    desk = week()
    for number in range(3):
        told(desk, "BREAKER_NEAR", "L1 is near its limit", number)
    told(desk, "BREAKER_NEAR", "L3 is near its limit", 0)
    rows = reviewed(desk).snapshot["alerts"]
    assert [(each["title"], each["n"], each["unanswered"]) for each in rows] == [
        ("L1 is near its limit", 3, 3),
        ("L3 is near its limit", 1, 1),
    ]


def test_every_breaker_that_tripped_is_counted_and_what_is_not_listed_is_said() -> None:
    desk = week()
    trouble(desk)
    breaker = Breaker.objects.get()
    BreakerEvent.objects.bulk_create(
        BreakerEvent(
            breaker=breaker, portfolio=desk.portfolio, code="loss_l2", kind=("tripped", "alert")[number % 2],
            happened_at=at("14:01", WEDNESDAY) + timedelta(seconds=number), recorded_at=market.WALL,
            actor_name="risk check", reason=f"Event {number}.",
        )
        for number in range(220)
    )  # fmt: skip
    seen = reviewed(desk).snapshot
    guards = sheet(seen)["guards"]
    assert "breakers tripped 111 times." in guards.lead
    assert "The last 200 of 221 events of breakers are listed." in guards.lead
    assert seen["breakers"][-1]["reason"] == "Event 219."


def test_the_last_bets_are_listed_and_all_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = week()
    monkeypatch.setattr(happened, "MOST", 1)
    bets = reviewed(desk).snapshot["decisions"]
    assert (bets["of"], [each["cause"] for each in bets["bets"]]) == (2, ["stop"])
    assert "The last 1 of 2 bets are listed." in sheet({**Review.objects.get().snapshot})["decisions"].lead


def test_a_bet_that_was_closed_after_the_period_was_open_in_it() -> None:
    desk = week()
    late = sold(desk, date(2021, 1, 11), "-900", "stop")
    Position.objects.filter(pk=late.pk).update(version=3, entry_at=at("15:00", date(2021, 1, 8)))
    look(desk, "17:00", date(2021, 1, 12))
    seen = Review.objects.get(period_start=date(2021, 1, 4)).snapshot
    row = seen["decisions"]["bets"][-1]
    assert row["position"] == late.pk
    assert (row["cause"], row["pnl"], row["closed_at"]) == ("", None, None)
    assert seen["record"]["pnl"] == sum(each["pnl"] or 0 for each in seen["decisions"]["bets"]) == 1000.0


@pytest.mark.parametrize(
    "since",
    [
        {"status": "expired"},
        {"status": "closed", "quantity_open": 0, "close_cause": "settled", "closed_at": at("16:00", date(2021, 1, 11))},
    ],
)
def test_a_day_reported_late_says_what_was_held_then(since: dict) -> None:
    desk = week()
    held = hold_seven(desk, 10, entry_at=at("15:00", WEDNESDAY))
    Position.objects.filter(pk=held.pk).update(version=2, **since)
    run_days(now=desk.bet.wall(at("16:15", date(2021, 1, 12))))
    rows = DayReport.objects.get(session_on=WEDNESDAY).contents["held"]
    assert [(each["position"], each["contracts"]) for each in rows] == [(held.pk, 10)]
