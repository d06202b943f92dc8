"""The report of a day: once after each close, sent to who asks for it, with what was decided and why."""

from datetime import date
from decimal import Decimal

import pytest
from django.core import mail
from django.db import IntegrityError
from django.db.models import F
from django.test import Client

from positions.models import Portfolio, Position, PositionEvent
from riskengine.models import Alert, AlertDelivery, AlertTarget, DayReport, PositionMark, Reading
from riskengine.services.review import day
from riskengine.services.review.day import Days, run_days
from riskengine.services.watch.delivery import deliver
from tests import factories
from tests.riskengine import market
from tests.riskengine.counts import assert_counted
from tests.riskengine.review.reviewing import at, neighbour, sold, trouble, week
from tests.riskengine.watch.desk import Desk, hold_seven, session

pytestmark = pytest.mark.django_db

WEDNESDAY = date(2021, 1, 6)


def look(desk: Desk, text: str = "16:15", on: date = WEDNESDAY) -> Days:
    return run_days(now=desk.bet.wall(at(text, on)))


def target(name: str = "mail", **changes: object) -> AlertTarget:
    given = {"kind": "email", "address": f"{name}@example.com", "daily_report": True, "created_at": market.WALL}
    return AlertTarget.objects.create(name=name, **given | changes)


def text_of_wednesday(desk: Desk) -> str:
    look(desk)
    return DayReport.objects.get(session_on=WEDNESDAY).text


def test_a_quarter_of_an_hour_after_the_close_and_once() -> None:
    desk = week()
    look(desk, "16:14")
    assert [each.session_on.day for each in DayReport.objects.order_by("id")] == [4, 5]
    assert len(look(desk).made) == 1
    assert look(desk, "16:16").made == []
    assert DayReport.objects.latest("id").made_at == at("16:15", WEDNESDAY)


def test_what_was_decided_and_why() -> None:
    desk = week()
    trouble(desk)
    hold_seven(desk, 10, entry_at=at("15:00", WEDNESDAY))
    said = text_of_wednesday(desk)
    assert f"{desk.portfolio.name}, Wed 6 Jan 2021" in said
    assert "Decided: 0 approved, 2 refused" in said
    assert "REFUSED MAX_VIX. VIX 41.20 is above the limit of 40." in said
    assert "14:00  AAPL 130 call, 2021-01-11  stop  $20,000  −$1,000" in said
    assert "14:00  L2: daily loss limit, tripped (risk check)" in said
    assert "The day's loss is $6,100; the limit is $6,000." in said
    assert "14:01  warning: An exit waits (ended by itself)" in said
    assert "10  AAPL 130 call, 2021-01-11  no bid kept  not known" in said
    assert "Next session: Thu 7 Jan 2021, 09:30 to 16:00." in said
    assert max(map(len, said.splitlines())) <= 110
    assert f"/portfolios/{desk.portfolio.slug}/days/2021-01-06/" in said


def test_an_approval_says_its_size_and_the_rule_that_bound() -> None:
    desk = week()
    factories.decision(
        desk.portfolio,
        contract=desk.contract,
        trace={"binding": "EXPOSURE_ROOM"},
        decided_at=at("10:00", WEDNESDAY),
        expires_at=at("10:00", WEDNESDAY),
    )
    said = " ".join(text_of_wednesday(desk).split())
    assert "10:00 AAPL 130 call, 2021-01-11, confidence 0.70" in said
    assert (
        "APPROVED 3 for $13,320, ×1.11 of the minimum. The room under the exposure limit cut the size. NONE WAS FILLED."
        in said
    )


@pytest.mark.parametrize(
    ("bought", "text", "on_the_page"),
    [(2, " 2 OF THEM WERE FILLED.", ", 2 filled"), (3, "", ""), (0, " NONE WAS FILLED.", ", none filled")],
)
def test_what_was_approved_says_how_much_of_it_was_filled(bought: int, text: str, on_the_page: str) -> None:
    desk = week()
    when = at("10:00", WEDNESDAY)
    decision = factories.decision(desk.portfolio, contract=desk.contract, decided_at=when, expires_at=when)
    if bought:
        position = factories.position(
            desk.portfolio, decision=decision, quantity_opened=bought, quantity_open=bought, entry_at=when
        )
        factories.fill(factories.opening_order(decision), position, quantity=bought, filled_at=when)
    said = " ".join(text_of_wednesday(desk).split())
    assert (" FILLED." in said) == bool(text)
    assert text in said
    client = Client()
    client.force_login(desk.portfolio.owner)
    page = client.get(f"/portfolios/{desk.portfolio.slug}/days/2021-01-06/").content.decode()
    assert f"3 approved{on_the_page}<" in page


def test_what_is_held_is_worth_its_last_bid_of_the_session() -> None:
    desk = week()
    position = hold_seven(desk, 10, entry_at=at("15:00", WEDNESDAY))
    for minute, bid in (("15:58", "5.50"), ("15:59", "6.00")):
        PositionMark.objects.create(
            position=position, slot_at=at(minute, WEDNESDAY), marked_at=at(minute, WEDNESDAY), bid=Decimal(bid)
        )
    look(desk)
    held = DayReport.objects.get(session_on=WEDNESDAY).contents["held"]
    assert [(each["bid"], each["value"], round(each["gain"], 6)) for each in held] == [(6.0, 6000.0, 0.2)]


def test_a_day_that_is_reported_late_says_the_stop_of_its_own_close() -> None:
    desk = week()
    thursday = date(2021, 1, 7)
    position = hold_seven(desk, 10, entry_at=at("15:00", WEDNESDAY))
    for hour, (before, after) in (("10:00", ("4.00", "5.50")), ("14:00", ("5.50", "7.25"))):
        PositionEvent.objects.create(
            position=position,
            happened_at=at(hour, thursday),
            kind="stop_raised",
            actor_name="betsizing",
            before={"stop": before},
            after={"stop": after},
        )
    Position.objects.filter(pk=position.pk).update(current_stop=Decimal("7.25"), version=F("version") + 1)
    look(desk, "16:20", thursday)
    stops = {each.session_on.day: [held["stop"] for held in each.contents["held"]] for each in DayReport.objects.all()}
    assert (stops[6], stops[7]) == ([4.0], [7.25])


def test_profit_is_marked_to_the_market_and_deposits_are_none() -> None:
    desk = week()
    look(desk, "16:15", date(2021, 1, 8))
    by_day = {each.session_on.day: each.contents["equity"] for each in DayReport.objects.all()}
    assert (by_day[5]["profit"], by_day[6]["profit"]) == (2000.0, -1000.0)
    assert by_day[8]["profit"] is None, "no check has valued the account since Friday's start"
    assert "Profit or loss" in DayReport.objects.get(session_on=date(2021, 1, 8)).text


def test_what_closes_in_the_evening_or_on_a_weekend_is_in_one_report_the_next_one() -> None:
    desk = week()
    trades = [
        sold(desk, date(2021, 1, day), "100.00", "settled", text)
        for day, text in [(7, "16:14"), (7, "16:15"), (8, "16:14"), (8, "18:00"), (9, "12:00"), (11, "10:00")]
    ]
    for on in (7, 8, 11):
        look(desk, "16:15", date(2021, 1, on))
    names = {each.pk: number for number, each in enumerate(trades)}
    rows = {each.session_on.day: each for each in DayReport.objects.filter(session_on__gte=date(2021, 1, 7))}
    told = {day: [names[each["position"]] for each in row.contents["closed"]] for day, row in rows.items()}
    assert told == {7: [0], 8: [1, 2], 11: [3, 4, 5]}
    monday = " ".join(rows[11].text.split())
    assert "Fri 18:00" in monday
    assert "Sat 12:00" in monday
    assert "Mon 10:00" not in monday
    client = Client()
    client.force_login(desk.portfolio.owner)
    assert "Fri 18:00" in client.get(f"/portfolios/{desk.portfolio.slug}/days/2021-01-11/").content.decode()


def test_the_last_evening_of_an_account_that_is_off_is_reported_too() -> None:
    desk = week()
    sold(desk, date(2021, 1, 8), "100.00", "settled", "18:00")
    Portfolio.objects.update(mode="off")
    look(desk, "16:15", date(2021, 1, 13))
    assert DayReport.objects.latest("session_on").session_on == date(2021, 1, 11)


def test_a_half_day_is_reported_after_its_own_close() -> None:
    desk = week()
    session(WEDNESDAY, closes="13:00")
    assert len(look(desk, "13:14").made) == 2
    assert len(look(desk, "13:15").made) == 1
    assert "A half day: the session closed at 13:00." in DayReport.objects.get(session_on=WEDNESDAY).text


def test_only_the_last_session_is_sent_and_only_to_who_asks() -> None:
    desk = week()
    other = factories.portfolio()
    target("asks")
    target("of this account", portfolio=desk.portfolio)
    target("of another", portfolio=other)
    target("off", enabled=False)
    target("alerts alone", daily_report=False, minimum_severity="info")
    run = look(desk)
    assert (len(run.made), run.queued) == (3, 2)
    assert sorted(AlertDelivery.objects.values_list("target__name", flat=True)) == ["asks", "of this account"]
    assert not Alert.objects.filter(resolved_at__isnull=True).exists(), "it stands on no desk"


def test_the_mail_is_the_report_and_says_that_it_is_of_a_demo(settings: object) -> None:
    settings.EMAIL_HOST = "mail.example.com"  # type: ignore[attr-defined]
    desk = week()
    Portfolio.objects.update(is_demo=True)
    target("asks")
    Reading.objects.create(
        portfolio=desk.portfolio, state="known", judged_at=market.WALL, market_at=at("16:14", WEDNESDAY),
        cash=Decimal(101_000), equity=Decimal(101_000),
    )  # fmt: skip
    run = look(desk)
    assert deliver(desk.bet.wall(at("16:15", WEDNESDAY))).sent == run.queued == 1
    sent = mail.outbox[0]
    assert sent.subject == f"DEMO {desk.portfolio.name}: Wed 6 Jan 2021: −$1,000 (−1.0%), 0 approved, 2 refused"
    assert sent.body == DayReport.objects.get(session_on=WEDNESDAY).text
    assert sent.body.startswith("DEMO: none of this money is real.")


def test_a_mail_that_is_not_taken_is_sent_again_and_the_report_stays(settings: object) -> None:
    settings.EMAIL_HOST = ""  # type: ignore[attr-defined]
    desk = week()
    target("asks")
    look(desk)
    deliver(desk.bet.wall(at("16:15", WEDNESDAY)))
    assert AlertDelivery.objects.get().state == "failed", "there is no mail server: trying again changes nothing"
    assert DayReport.objects.filter(session_on=WEDNESDAY).exists()


def test_it_goes_by_mail_only() -> None:
    with pytest.raises(IntegrityError):
        target("hook", kind="webhook", address="https://example.com/")


def test_an_account_that_is_off_or_never_decided_has_none() -> None:
    desk = week()
    factories.portfolio(of=desk.portfolio.profile)
    Portfolio.objects.filter(pk=desk.portfolio.pk).update(mode="off")
    look(desk, "16:15", date(2021, 1, 8))
    assert sorted(DayReport.objects.values_list("session_on", flat=True)) == [date(2021, 1, day) for day in (4, 5, 6)]


def test_the_last_day_of_an_account_that_is_off_is_no_news_two_days_later() -> None:
    desk = week()
    target("asks")
    Portfolio.objects.filter(pk=desk.portfolio.pk).update(mode="off")
    run = look(desk, "16:15", date(2021, 1, 8))
    assert (len(run.made), run.queued) == (3, 0)


def test_one_that_fails_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = week()
    other = neighbour(desk)
    real = day.day_contents

    def broken(portfolio: Portfolio, *given: object, **named: object) -> object:
        if portfolio.pk == desk.portfolio.pk:
            raise ZeroDivisionError("by nothing")
        return real(portfolio, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(day, "day_contents", broken)
    run = look(desk, on=date(2021, 1, 4))
    assert run.errors == {desk.portfolio.pk: "by nothing"}
    assert list(DayReport.objects.values_list("portfolio", flat=True)) == [other.pk]


def test_a_quiet_run_takes_so_many_statements() -> None:
    desk = week()
    look(desk)
    with assert_counted("day reports, none due"):
        look(desk, "16:16")
