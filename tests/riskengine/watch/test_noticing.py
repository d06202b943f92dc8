"""What a check tells a person: once a condition, with the number and the limit, until it is over."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext

from positions.models import Heartbeat, MarketClock, Position, UnderlyingBar
from riskengine.models import Alert, AlertEvent
from riskengine.services.watch import judgement, noticing, writing
from riskengine.services.watch.monitoring import run_check
from tests import factories
from tests.riskengine import market
from tests.riskengine.watch.desk import Desk, hold_seven, seven, zero

pytestmark = pytest.mark.django_db

LARGE = {"min_size_at_entry": Decimal("20000.00")}  # 10 contracts at 40.00 are two minimum bets


@pytest.fixture
def desk() -> Desk:
    desk = zero()
    desk.bet.revise(max_effective_exposure="5")  # that the book is one bet is told apart (test_readings)
    return desk


def stands(*codes: str) -> list[tuple[str, int]]:
    rows = Alert.objects.filter(resolved_at=None, code__in=codes) if codes else Alert.objects.filter(resolved_at=None)
    return list(rows.order_by("id").values_list("code", "stage"))


def looks(desk: Desk, *times: str) -> None:
    for at in times:
        desk.check(at, "risk")


# ---- What cannot be judged ----


def test_a_portfolio_that_cannot_be_judged_is_told_once_and_over_when_it_can(desk: Desk) -> None:
    clock = MarketClock.objects.filter(portfolio=desk.portfolio)
    kept = clock.values().get()
    clock.delete()
    for second in range(3):
        run_check(now=desk.bet.wall() + timedelta(seconds=second), scope="exit", exclusive=False)
    alert = Alert.objects.get()
    assert (alert.code, alert.portfolio, alert.severity) == ("CHECK_FAILED", desk.portfolio, "warning")
    assert "No market time: the portfolio has no clock." in alert.happened
    MarketClock.objects.create(**kept)
    looks(desk, "10:42:20")
    assert stands() == [("CHECK_FAILED", 0)], "both checks must have looked again"
    looks(desk, "10:42:50")
    assert stands() == []


def test_an_exit_that_fails_is_critical_and_names_its_position(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    first = desk.hold()
    second = desk.hold(contract=market.spxw("3705"))
    for position in (first, second):
        desk.quote("10:43:00", "20.00", "20.40", contract=position.contract)
    place = writing.place_exits

    def refuses_the_second(intents: Any, **given: Any) -> Any:
        if any(intent.position_id == second.pk for intent in intents):
            raise DatabaseError("a constraint")
        return place(intents, **given)

    monkeypatch.setattr(writing, "place_exits", refuses_the_second)
    for at in ("10:43:00", "10:43:01", "10:43:15"):
        desk.check(at)
    (alert,) = Alert.objects.filter(code="EXIT_ERROR")
    assert (alert.position, alert.severity, alert.times_seen) == (second, "critical", 2)
    assert "a constraint" in alert.happened
    assert not Alert.objects.filter(code="CHECK_FAILED").exists(), "one thing is told once"
    monkeypatch.setattr(writing, "place_exits", place)
    looks(desk, "10:43:46")
    assert stands("EXIT_ERROR") == []


def test_a_computation_that_fails_in_one_portfolio_is_told_of_that_one(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    week = seven()
    broken = hold_seven(week)

    def fails(**_: Any) -> None:
        raise FloatingPointError("a rule that cannot be computed")

    monkeypatch.setattr(judgement.stops, "dynamic_stop", fails)
    desk.check("10:43:00", "risk")
    (alert,) = Alert.objects.filter(code="EXIT_ERROR")
    assert (alert.portfolio, alert.position) == (week.portfolio, broken)


# ---- The forced close that is late ----


@pytest.mark.parametrize(("at", "stage"), [("15:50:00", 0), ("15:55:00", 1), ("15:58:00", 2)])
def test_a_close_that_still_works_at_10_5_and_2_minutes_is_told_each_time(desk: Desk, at: str, stage: int) -> None:
    position = desk.hold()
    factories.exit_order(position, "forced_close", created_at=desk.at("15:45:00"))
    desk.check("15:49:59")
    assert stands("FORCED_CLOSE_LATE") == []
    for each in ("15:50:00", "15:55:00", "15:58:00"):
        if each <= at:
            desk.check(each)
    (alert,) = Alert.objects.filter(code="FORCED_CLOSE_LATE")
    assert (alert.stage, alert.level, alert.position) == (stage, stage, position)
    left = {"15:50:00": "10.0", "15:55:00": "5.0", "15:58:00": "2.0"}[at]
    assert f"{left} minutes are left to the close, and 10 contracts" in alert.happened
    kinds = list(AlertEvent.objects.filter(alert=alert).order_by("id").values_list("kind", flat=True))
    assert kinds == ["raised", *["escalated"] * stage]


# ---- Large positions ----


def bar(desk: Desk, price: str) -> None:
    UnderlyingBar.objects.filter(instrument__symbol="SPX").delete()
    market.bar("SPX", desk.at("10:42:00"), Decimal(price))


def large(desk: Desk, **changes: Any) -> Position:
    bar(desk, "500")  # 10 contracts stand for 500,000: under ten equities of 60,000
    return desk.hold(**LARGE | changes)


def test_a_small_position_is_told_nothing_of(desk: Desk) -> None:
    desk.hold(min_size_at_entry=Decimal("26666.68"))
    desk.quote("10:43:00", "37.00", "42.00")
    looks(desk, "10:43:00")
    assert stands() == []


def test_a_loss_of_5_10_and_15_percent_of_the_premium_is_told_at_each(desk: Desk) -> None:
    position = large(desk, initial_stop=Decimal("20.00"), current_stop=Decimal("20.00"))
    for at, bid, expected in (
        ("10:43:00", "38.01", []),
        ("10:43:30", "38.00", [("LARGE_LOSS", 0)]),
        ("10:44:00", "36.00", [("LARGE_LOSS", 1)]),
        ("10:44:30", "38.50", [("LARGE_LOSS", 1)]),
        ("10:45:00", "34.00", [("LARGE_LOSS", 2)]),
        ("10:45:30", "39.50", []),
    ):
        desk.quote(at, bid, f"{float(bid) + 0.4:.2f}")
        looks(desk, at)
        assert stands() == expected, at
    alert = Alert.objects.get()
    assert (alert.position, alert.severity) == (position, "critical")
    assert "bought at $40.00 is bid $34.00: 15.00% of the premium is gone; the limit is 15%." in alert.happened
    assert (float(alert.value), float(alert.limit)) == (0.15, 0.15)


def test_three_quarters_of_the_way_to_the_stop(desk: Desk) -> None:
    large(desk)
    desk.quote("10:43:00", "32.50", "32.90")
    looks(desk, "10:43:00")
    assert ("LARGE_NEAR_STOP", 0) in stands()
    assert "75% of the way from $40.00 to its stop at $30.00" in Alert.objects.get(code="LARGE_NEAR_STOP").happened


def test_a_wide_spread_is_told_although_the_quote_cannot_be_sold_on(desk: Desk) -> None:
    large(desk)
    desk.quote("10:43:00", "40.00", "44.30")
    looks(desk, "10:43:00")
    assert stands() == [("LARGE_WIDE_SPREAD", 0)]


def test_an_hour_and_half_an_hour_before_the_close_of_its_last_day(desk: Desk) -> None:
    large(desk)
    for at, expected in (
        ("14:59:58", []),
        ("15:00:00", [("LARGE_CLOSE_NEAR", 0)]),
        ("15:29:58", [("LARGE_CLOSE_NEAR", 0)]),
        ("15:30:00", [("LARGE_CLOSE_NEAR", 1)]),
    ):
        desk.quote(at, "40.00", "40.40")
        looks(desk, at)
        assert stands() == expected, at


def test_shares_worth_more_than_ten_equities(desk: Desk) -> None:
    desk.hold(**LARGE)
    bar(desk, "600")
    looks(desk, "10:43:00")
    assert stands() == []
    bar(desk, "600.01")
    looks(desk, "10:43:10")
    assert stands() == [("LARGE_NOTIONAL", 0)]
    assert "shares worth $600,010" in Alert.objects.get().happened


def test_a_position_that_is_closed_is_told_nothing_more_of(desk: Desk) -> None:
    position = large(desk, initial_stop=Decimal("20.00"), current_stop=Decimal("20.00"))
    desk.quote("10:43:00", "37.00", "37.40")
    looks(desk, "10:43:00")
    assert stands() == [("LARGE_LOSS", 0)]
    Position.objects.filter(pk=position.pk).update(
        status="closed", quantity_open=0, closed_at=desk.at("10:43:05"), version=position.version + 5
    )
    looks(desk, "10:43:30")
    assert stands() == []


def test_without_a_fresh_quote_nothing_is_told_and_nothing_ends(desk: Desk) -> None:
    large(desk, initial_stop=Decimal("20.00"), current_stop=Decimal("20.00"))
    desk.quote("10:43:00", "37.00", "37.40")
    looks(desk, "10:43:00", "10:59:00")
    assert stands("LARGE_LOSS") == [("LARGE_LOSS", 0)]


def test_the_exit_check_says_nothing_of_large_positions(desk: Desk) -> None:
    large(desk)
    desk.quote("10:43:00", "36.00", "36.40")
    desk.check("10:43:00")
    assert stands() == []


# ---- What it costs, and what its failure leaves alone ----


def test_a_risk_check_takes_as_many_statements_for_ten_large_positions_as_for_one(desk: Desk) -> None:
    counts = []
    bar(desk, "500")
    for strikes in (range(3705, 3710, 5), range(3710, 3755, 5)):
        for strike in strikes:
            desk.hold(1, contract=market.spxw(str(strike)), min_size_at_entry=Decimal("2000.00"))
            desk.quote("10:43:00", "37.00", "37.40", contract=market.spxw(str(strike)))
        with CaptureQueriesContext(connection) as sent:
            desk.check("10:43:00", "risk")
        counts.append(len([each for each in sent if "riskengine_alert" in each["sql"]]))
    assert Alert.objects.filter(code="LARGE_LOSS").count() == 10
    assert counts == [2, 2]


def test_what_cannot_be_said_leaves_the_check_as_it_is(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.hold()
    desk.quote("10:43:00", "20.00", "20.40")

    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("no words")

    monkeypatch.setattr(noticing, "load_large", fails)
    result = desk.check("10:43:00", "risk")
    assert (result.orders, desk.sold(), result.errors) == (1, [("stop", 10)], {})
    assert Heartbeat.objects.filter(scope="risk").exists()


def test_a_replay_tells_nobody(desk: Desk) -> None:
    large(desk)
    desk.quote("10:43:00", "36.00", "36.40")
    desk.check("10:43:00", "risk", alerts=False)
    assert not Alert.objects.exists()
