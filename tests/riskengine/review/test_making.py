"""Reviews are made when they are due: once, late, by several workers, each account by itself; and reminded of."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from positions.models import ExchangeSession, Portfolio, Position
from riskengine.models import Alert, AlertTarget, Projection, Review
from riskengine.services.review import making
from riskengine.services.review.making import run_reviews
from riskengine.services.review.sheet import sheet
from tests import factories
from tests.riskengine.counts import assert_counted
from tests.riskengine.review.reviewing import FRIDAY, at, decided, look, neighbour, reviewed, sold, trouble, week

pytestmark = pytest.mark.django_db


def reminders(*, standing: bool = True) -> list[tuple[str, str]]:
    rows = Alert.objects.filter(code__startswith="REVIEW", resolved_at__isnull=standing)
    return list(rows.order_by("id").values_list("code", "severity"))


def test_before_friday_17_there_is_none_and_then_one() -> None:
    desk = week()
    assert look(desk, "16:59").reviews == []
    made = look(desk)
    assert len(made.reviews) == 1
    assert look(desk, "17:01").reviews == []
    review = Review.objects.get()
    assert (review.kind, review.period_start, review.period_end) == ("weekly", date(2021, 1, 4), date(2021, 1, 8))
    assert (review.due_at, review.made_at, review.created_at) == (at("17:00"), at("17:00"), desk.bet.wall(at("17:00")))
    assert [each["code"] for each in review.questions] == ["followed", "refused", "exits", "luck", "unanswered"]


def test_what_it_says_is_what_happened() -> None:
    desk = week()
    trouble(desk)
    seen = reviewed(desk).snapshot
    record = seen["record"]
    assert (record["n"], record["wins"], record["win_rate"], record["pnl"]) == (2, 1, 0.5, 1000.0)
    assert record["expectancy"] == pytest.approx(0.025)
    assert record["low"] < 0.5 < record["high"]
    assert record["verdict"] == "luck"
    assert [each["start"] for each in seen["equity"]["days"]] == [100_000, 100_000, 102_000, 101_000, 101_000]
    assert (seen["decisions"]["approved"], seen["decisions"]["refused"]) == (2, 2)
    assert seen["refusals"] == [{"code": "MAX_VIX", "n": 2, "sentence": "VIX 41.20 is above the limit of 40."}]
    assert [each["cause"] for each in seen["decisions"]["bets"]] == ["take-profit tier", "stop"]
    assert [each["kind"] for each in seen["breakers"]] == ["Tripped"]
    assert [(each["code"], each["n"], each["unanswered"]) for each in seen["alerts"]] == [("EXIT_WAITING", 1, 1)]
    assert [each["code"] for each in seen["exits"]] == ["EXIT_WAITING"]
    assert [each["number"] for each in seen["revisions"]] == [1]
    assert seen["account"]["period"] == "week of 4 Jan 2021"


def _without(snapshot: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in snapshot.items() if key != name}


def told(*trades: Position) -> list[list[int]]:
    """Which of the trades each weekly review has in its record, the oldest review first."""
    names = {each.pk: number for number, each in enumerate(trades)}
    rows = Review.objects.filter(kind="weekly").order_by("due_at")
    return [[names[pk] for pk in each.snapshot["closed"] if pk in names] for each in rows]


@pytest.mark.parametrize("late", [False, True])
def test_each_closed_trade_is_in_one_weekly_review_whenever_it_is_made(late: bool) -> None:
    """From Friday 17:00 to Friday 17:00: what comes on the evening of a review is the next one's, also where the first
    of the two is made after the weekend."""
    desk = week()
    before = sold(desk, date(2021, 1, 1), "500.00", "settled", "16:59:59")
    trades = [
        sold(desk, date(2021, 1, day), "100.00", "settled", text)
        for day, text in [
            (1, "17:00"), (2, "12:00"), (8, "16:59:59"), (8, "17:00"), (8, "23:59:59"), (9, "12:00"), (15, "16:15"),
            (15, "17:30"),
        ]
    ]  # fmt: skip
    if not late:
        look(desk)
    look(desk, "09:00", date(2021, 1, 11))
    look(desk, "17:00", date(2021, 1, 15))
    assert told(before, *trades) == [[0], [1, 2, 3], [4, 5, 6, 7]]
    seen = Review.objects.get(kind="weekly", period_start=date(2021, 1, 4)).snapshot
    assert (seen["record"]["n"], seen["record"]["pnl"]) == (5, 1300.0), "with the two of the week"
    assert {each["position"] for each in seen["decisions"]["bets"]} >= set(seen["closed"])
    assert (seen["account"]["first"], seen["account"]["ends_at"]) == ("2021-01-04", "2021-01-08T17:00:00-05:00")


def test_what_is_booked_after_the_review_of_its_week_is_in_the_next_one_and_says_so() -> None:
    """Sold at the broker while the product was down, say: the time is the broker's."""
    desk = week()
    look(desk)
    late = sold(desk, FRIDAY, "-700.00", "adopted_close", "15:58")
    look(desk, "17:00", date(2021, 1, 15))
    look(desk, "17:00", date(2021, 1, 22))
    assert told(late) == [[], [0], []]
    seen = Review.objects.get(kind="weekly", period_start=date(2021, 1, 11)).snapshot
    assert (seen["late"], seen["record"]["n"], seen["record"]["pnl"]) == (1, 1, -700.0)
    assert late.pk in [each["position"] for each in seen["decisions"]["bets"]]
    assert "1 of them closed before it" in sheet(seen)["record"].lead


def test_what_a_review_told_that_did_not_keep_it_is_not_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    desk, real = week(), making.snapshot
    with monkeypatch.context() as patched:  # one that was made by an earlier version
        patched.setattr(making, "snapshot", lambda *given, **named: _without(real(*given, **named), "closed"))
        look(desk)
    look(desk, "17:00", date(2021, 1, 15))
    assert Review.objects.get(kind="weekly", period_start=date(2021, 1, 11)).snapshot["closed"] == []


def test_a_bet_that_ends_after_the_last_review_of_an_account_that_is_off_has_its_review() -> None:
    desk = week()
    last = sold(desk, FRIDAY, "100.00", "settled", "18:00")
    Portfolio.objects.update(mode="off")
    look(desk, "12:00", date(2021, 2, 9))
    assert told(last) == [[], [0]]


def test_the_projected_drawdown_stands_beside_the_real_one() -> None:
    """That of the day of the review: a later projection does not change what was seen."""
    desk = week()
    review = reviewed(desk)
    row = Projection.objects.get(system=desk.portfolio.system)
    told = review.snapshot["equity"]["projected_drawdown"]
    assert told == {"low": float(row.max_drawdown_low), "high": float(row.max_drawdown_high), "source": row.source}
    figures = {each.name: each for each in sheet(review.snapshot)["equity"].figures}
    assert figures["Projected drawdown"].value == "−30.0% to −40.0%"
    assert row.source in figures["Projected drawdown"].note
    del review.snapshot["equity"]["projected_drawdown"]  # one that was made before it was kept
    assert "Projected drawdown" not in {each.name for each in sheet(review.snapshot)["equity"].figures}


def test_a_last_session_that_nobody_valued_is_named_beside_the_figures_that_lack_it() -> None:
    seen = reviewed(week()).snapshot
    last = seen["equity"]["days"][-1]
    last["end"] = 103_500.0
    figures = {each.name: each.note for each in sheet(seen)["equity"].figures}
    assert figures["Equity at the end"] == "as last valued"
    last["end"] = None
    figures = {each.name: each.note for each in sheet(seen)["equity"].figures}
    assert figures["Equity at the end"] == "of Thu 7 Jan 2021: what came after was not valued yet"
    assert figures["Profit or loss"].startswith("without what was made from Fri 8 Jan 2021 on; ")


def test_an_account_that_never_decided_anything_has_none() -> None:
    desk = week()
    idle = factories.portfolio(of=desk.portfolio.profile)
    look(desk)
    assert not Review.objects.filter(portfolio=idle).exists()


def test_late_it_is_made_all_the_same_with_what_was_missed_in_between() -> None:
    desk = week()
    look(desk, "12:00", date(2021, 2, 9))
    assert [(each.kind, each.period_start.isoformat()) for each in Review.objects.order_by("id")] == [
        ("weekly", "2021-01-04"), ("weekly", "2021-01-11"), ("weekly", "2021-01-18"), ("weekly", "2021-01-25"),
        ("monthly", "2021-01-01"), ("weekly", "2021-02-01"),
    ]  # fmt: skip
    empty = Review.objects.get(kind="weekly", period_start=date(2021, 1, 11)).snapshot
    assert empty["record"]["n"] == 0
    assert empty["record"]["win_rate"] is None
    assert Review.objects.get(kind="monthly").snapshot["record"]["n"] == 2
    assert len(reminders()) == 2, "the oldest of each kind"


def test_a_run_makes_so_many_and_the_next_one_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "MOST_AT_ONCE", 2)
    desk = week()
    assert [len(look(desk, "12:00", date(2021, 2, 9)).reviews) for _ in range(4)] == [2, 2, 2, 0]


def test_off_it_is_reviewed_as_long_as_it_did_something() -> None:
    desk = week()
    Portfolio.objects.update(mode="off")
    look(desk, "12:00", date(2021, 2, 9))
    assert [each.kind for each in Review.objects.order_by("id")] == ["weekly", "monthly"]
    assert reminders() == [], "nobody is reminded of an account that is off"


def test_two_workers_make_one() -> None:
    desk = week()
    period = making.due(making.exchange_calendar(), at=at("17:00"), since=at("00:00", date(2021, 1, 4)))[0]
    portfolio = Portfolio.objects.select_related("clock", "profile").get()
    now = desk.bet.wall(at("17:00"))
    assert making._make(portfolio, period, at("17:00"), now) is not None
    assert making._make(portfolio, period, at("17:00"), now) is None


def test_one_that_fails_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = week()
    other = neighbour(desk)
    real = making.snapshot

    def broken(portfolio: Portfolio, *given: object, **named: object) -> object:
        if portfolio.pk == desk.portfolio.pk:
            raise ZeroDivisionError("by nothing")
        return real(portfolio, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(making, "snapshot", broken)
    run = look(desk)
    assert run.errors == {desk.portfolio.pk: "by nothing"}
    assert list(Review.objects.values_list("portfolio", flat=True)) == [other.pk]
    monkeypatch.setattr(making, "snapshot", real)
    assert len(look(desk).reviews) == 1


def test_without_a_calendar_nothing_is_due() -> None:
    desk = week()
    ExchangeSession.objects.all().delete()
    assert look(desk).reviews == []


def test_a_quiet_run_takes_so_many_statements() -> None:
    desk = week()
    look(desk)
    with assert_counted("reviews, none due"):
        run_reviews(now=desk.bet.wall(at("17:01")))


# ---- Reminders ----


def test_it_is_told_until_it_is_decided_and_more_loudly_after_two_days() -> None:
    desk = week()
    AlertTarget.objects.create(name="mail", kind="email", address="a@example.com", created_at=desk.bet.wall())
    review = reviewed(desk)
    assert reminders() == [("REVIEW_DUE", "info")]
    alert = Alert.objects.get(code="REVIEW_DUE")
    assert alert.title == f"Weekly review of {desk.portfolio.name} is due"
    assert alert.happened == "The review of the week of 4 Jan 2021 is due since Friday 2021-01-08 17:00 New York."
    assert f"/portfolios/{desk.portfolio.slug}/reviews/{review.pk}/" in alert.to_do
    assert alert.deliveries.count() == 0, "for your information: the target takes warnings"
    look(desk, "16:59", date(2021, 1, 10))
    assert reminders() == [("REVIEW_DUE", "info")]
    look(desk, "17:00", date(2021, 1, 10))
    assert reminders() == [("REVIEW_DUE", "warning")]
    assert alert.deliveries.count() == 1
    decided(review)
    assert reminders() == []
    look(desk, "17:01", date(2021, 1, 10))
    assert reminders() == []


def test_a_change_that_is_to_follow_is_told_until_its_revision_is_named() -> None:
    desk = week()
    review = decided(reviewed(desk), "change")
    look(desk, "17:05")
    assert reminders() == [("REVIEW_CHANGE_DUE", "info")]
    assert review.decided_at is not None
    run_reviews(now=review.decided_at + timedelta(days=2))
    assert ("REVIEW_CHANGE_DUE", "warning") in reminders()


# ---- What the database keeps ----


def refuses(statement: str, *given: object) -> None:
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, given)


def test_what_was_seen_and_asked_and_decided_does_not_change() -> None:
    review = reviewed(week())
    refuses("UPDATE riskengine_review SET snapshot = '{}' WHERE id = %s", review.pk)
    refuses("UPDATE riskengine_review SET questions = '[]' WHERE id = %s", review.pk)
    refuses("DELETE FROM riskengine_review WHERE id = %s", review.pk)
    unanswered = "UPDATE riskengine_review SET state = 'decided', decision = 'keep', reason = 'x', decided_by_id = %s, "
    refuses(
        unanswered + "decided_by_name = 'x', decided_at = now() WHERE id = %s", review.portfolio.owner_id, review.pk
    )
    decided(review)
    refuses("UPDATE riskengine_review SET decision = 'halt' WHERE id = %s", review.pk)
    refuses("UPDATE riskengine_review SET state = 'open', decision = '' WHERE id = %s", review.pk)
    refuses("UPDATE riskengine_reviewanswer SET text = 'x' WHERE review_id = %s", review.pk)
    refuses(
        "INSERT INTO riskengine_reviewanswer (review_id, code, question, text) VALUES (%s, 'new', 'x', 'x')", review.pk
    )
