"""More than five opening intents within a minute (A-04): seen whenever a check looks, off until a person has."""

from datetime import timedelta

import pytest

from positions.models import MarketClock
from riskengine.models import Breaker, BreakerEvent
from riskengine.services.watch.clearing import clear_breaker
from tests import factories
from tests.riskengine.watch.desk import Desk, runs_on, zero
from tests.riskengine.watch.guarded import events, state
from tests.riskengine.watch.test_breakers_rules import ask, manager

pytestmark = pytest.mark.django_db
__all__ = ["manager"]


@pytest.fixture
def desk() -> Desk:
    return zero()


def at(second: int) -> str:
    return f"10:{43 + second // 60}:{second % 60:02}"


def asked(desk: Desk, *seconds: int) -> None:
    for second in seconds:
        ask(desk, at(second))


def test_a_burst_between_two_checks_is_seen(desk: Desk) -> None:
    desk.check(at(0), "risk")
    asked(desk, 1, 13, 25, 37, 49, 58)
    desk.check(at(87), "risk")
    assert state("throttle") == "tripped"
    assert BreakerEvent.objects.get(code="throttle").value == 6


def test_a_burst_is_seen_however_long_nobody_looked(desk: Desk) -> None:
    desk.check(at(0), "risk")
    asked(desk, 1, 5, 10, 15, 20, 25)
    desk.check(at(400), "exit")
    assert state("throttle") == ""
    desk.check(at(401), "risk")
    assert state("throttle") == "tripped"


def test_a_burst_before_the_first_look_of_all_is_seen(desk: Desk) -> None:
    asked(desk, 1, 5, 10, 15, 20, 25)
    desk.check(at(400), "risk")
    assert state("throttle") == "tripped"


def test_a_burst_at_the_close_is_seen_on_the_next_date(desk: Desk) -> None:
    runs_on(desk)
    desk.check("15:58:55", "risk")
    for second in range(6):
        ask(desk, f"15:59:{second:02}")
    desk.check(desk.at("09:00:00", desk.day + timedelta(days=1)), "risk")
    assert state("throttle") == "tripped"


def test_a_burst_that_two_looks_have_one_half_each_of_is_seen(desk: Desk) -> None:
    asked(desk, 0, 1, 2)
    desk.check(at(30), "risk")
    assert state("throttle") != "tripped"
    asked(desk, 31, 32, 59)
    desk.check(at(300), "risk")
    assert state("throttle") == "tripped"


def test_a_limit_that_is_tightened_answers_for_no_burst_that_was_looked_at(desk: Desk) -> None:
    asked(desk, 0, 1, 2, 3)
    desk.check(at(10), "risk")
    desk.check(at(90), "risk")
    desk.bet.revise(max_opening_intents="3")
    desk.check(at(120), "risk")
    assert state("throttle") != "tripped"


def test_two_looks_at_once_latch_it_once(desk: Desk) -> None:
    asked(desk, 0, 1, 2, 3, 4, 5)
    for second in (7, 7, 6):  # the last of them began before the others and was slow
        desk.check(at(second), "risk")
    assert events("throttle") == [("tripped", "betsizing")]


def test_the_sixth_a_minute_after_the_first_is_in_no_window_with_it(desk: Desk) -> None:
    asked(desk, 0, 13, 25, 37, 49, 60)
    desk.check(at(61), "risk")
    assert state("throttle") != "tripped"


def test_five_a_minute_all_day_trip_nothing(desk: Desk) -> None:
    for second in range(0, 600, 12):
        ask(desk, at(second))
        desk.check(at(second + 1), "risk")
    assert state("throttle") != "tripped"


def test_what_a_person_has_answered_for_is_not_counted_again(desk: Desk, manager: object) -> None:
    asked(desk, 1, 2, 3, 4, 5, 6)
    desk.check(at(7), "risk")
    now = desk.bet.wall(desk.at(at(20)))
    clear_breaker(breaker=Breaker.objects.get(code="throttle"), actor=manager, reason="A script.", now=now)
    asked(desk, 21, 22, 23, 24, 25)
    desk.check(at(300), "risk")
    assert state("throttle") == "clear"
    asked(desk, 301, 302, 303, 304, 305, 306)
    desk.check(at(600), "risk")
    assert state("throttle") == "tripped"


def test_each_portfolio_is_counted_alone(desk: Desk) -> None:
    other = factories.portfolio(of=desk.portfolio.profile, slug="another", name="Another")
    same = MarketClock.objects.values("kind", "label", "market_started_at", "wall_started_at", "speed")
    MarketClock.objects.filter(portfolio=other).update(**same.get(portfolio=desk.portfolio))
    for portfolio in (desk.portfolio, other):
        for second in (1, 2, 3):
            when = desk.at(at(second))
            factories.refused(
                portfolio, contract=desk.contract, decided_at=when, expires_at=when + timedelta(seconds=60)
            )
    desk.check(at(7), "risk")
    assert not Breaker.objects.filter(code="throttle").exists()
