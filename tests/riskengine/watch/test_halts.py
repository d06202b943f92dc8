"""While the underlying is halted exits are frozen; the first quote after it must be confirmed (A-24)."""

from datetime import timedelta

import pytest

from positions.models import TradingHalt
from tests.riskengine.watch.desk import Desk, rich, seven

pytestmark = pytest.mark.django_db


def halt(desk: Desk, at: str, until: str | None = None) -> TradingHalt:
    return TradingHalt.objects.create(
        instrument=desk.contract.underlying,
        halted_at=desk.at(at),
        resumed_at=None if until is None else desk.at(until),
        reason="News pending.",
        source="test",
    )


@pytest.fixture
def desk() -> Desk:
    """10 contracts at 40.00, stop 30.00."""
    made = rich()
    made.hold()
    return made


def test_nothing_is_sold_while_it_is_halted_and_a_person_is_told_of_what_expires_today(desk: Desk) -> None:
    halt(desk, "10:43:00")
    for second in (0, 1, 2):
        desk.quote(f"10:44:0{second}", "10.00", "10.40")
        result = desk.check(f"10:44:0{second}")
        assert "halted" in str(result.errors)
    assert desk.sold() == []
    (event,) = desk.events("exit_error")
    assert event.after["code"] == "UNDERLYING_HALTED"


def test_what_expires_later_is_frozen_without_an_alarm() -> None:
    desk = seven()
    desk.hold(40, "5.00", regime="seven_day")
    halt(desk, "10:43:00")
    for second in (0, 30):
        desk.quote(f"10:44:{second:02d}", "1.00", "1.05")
        assert desk.check(f"10:44:{second:02d}", "risk").errors == {}
    assert desk.sold() == []


def test_the_forced_close_comes_as_soon_as_it_is_resumed(desk: Desk) -> None:
    halt(desk, "15:40:00", "15:50:00")
    desk.quote("15:39:00", "41.00", "41.40")
    desk.check("15:46:00")
    assert desk.sold() == []
    desk.check("15:50:00")
    assert desk.sold() == [("forced_close", 10)]


def test_the_reopening_quote_stops_out_only_when_a_second_one_confirms_it(desk: Desk) -> None:
    """A bid far under the stop fires at once on any other day."""
    halt(desk, "10:43:00", "10:50:00")
    desk.quote("10:50:05", "10.00", "10.40")
    desk.check("10:50:05")
    desk.check("10:50:06")
    assert desk.sold() == []
    desk.quote("10:50:07", "10.50", "10.90")
    desk.check("10:50:07")
    assert desk.sold() == [("stop", 10)]


def test_without_a_halt_the_same_quote_stops_out_at_once(desk: Desk) -> None:
    desk.quote("10:50:05", "10.00", "10.40")
    desk.check("10:50:05")
    assert desk.sold() == [("stop", 10)]


def test_a_quote_of_before_the_halt_is_no_price_after_it(desk: Desk) -> None:
    desk.quote("10:42:59", "44.50", "44.90")
    halt(desk, "10:43:00", "10:43:20")
    desk.check("10:43:25")
    assert desk.sold() == [], "tier 2 was crossed by a quote that nobody stands behind any more"
    desk.quote("10:43:30", "44.50", "44.90")
    desk.check("10:43:30")
    assert desk.sold() == [("slice", 7)]


def test_a_halt_of_another_day_changes_nothing(desk: Desk) -> None:
    yesterday = halt(desk, "10:00:00", "10:05:00")
    TradingHalt.objects.filter(pk=yesterday.pk).update(
        halted_at=yesterday.halted_at - timedelta(days=3), resumed_at=yesterday.resumed_at - timedelta(days=3)
    )
    desk.quote("10:50:05", "10.00", "10.40")
    desk.check("10:50:05")
    assert desk.sold() == [("stop", 10)]
