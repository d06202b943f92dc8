"""How much of each limit was used over the day: points of the session, gaps where nothing was known."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from positions.models import OptionQuote
from riskengine.models import ReadingPoint
from riskengine.services.watch.outlook import outlook
from tests.riskengine.watch import guarded
from tests.riskengine.watch.desk import Desk, seven, zero
from tests.riskengine.watch.guarded import look

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> Desk:
    return guarded.guarded()


def points(desk: Desk) -> list[tuple[str, Decimal | None]]:
    rows = ReadingPoint.objects.filter(portfolio=desk.portfolio).order_by("slot_at")
    new_york = timedelta(hours=-5)
    return [(f"{point.market_at + new_york:%H:%M:%S}", point.day_pnl) for point in rows]


def used(desk: Desk, at: str) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in outlook(portfolio=desk.portfolio, now=desk.bet.wall(desk.at(at)))["limit_use"]}


def test_the_first_risk_check_of_each_five_minutes_leaves_a_point(desk: Desk) -> None:
    for at, bid in (("10:43:00", "199.0000"), ("10:43:30", "198.0000"), ("10:45:10", "197.0000")):
        look(desk, at, bid, "risk")
    assert points(desk) == [("10:43:00", -100), ("10:45:10", -300)]


def test_while_the_exchange_is_closed_there_is_none(desk: Desk) -> None:
    for at in ("09:29:59", "16:00:00"):
        desk.check(at, "risk")
    assert points(desk) == []


def test_the_same_minutes_again_replace_their_point(desk: Desk) -> None:
    """A recorded day that is run again."""
    for at in ("10:43:00", "10:48:00"):
        look(desk, at, "199.0000", "risk")
    OptionQuote.objects.filter(quoted_at__gt=desk.at("10:42:30")).delete()
    look(desk, "10:43:05", "190.0000", "risk")
    assert points(desk) == [("10:43:05", -1_000), ("10:48:00", -100)]


def test_what_is_not_known_leaves_none_and_the_next_known_does(desk: Desk) -> None:
    OptionQuote.objects.all().delete()
    desk.check("10:43:00", "risk")
    assert points(desk) == []
    look(desk, "10:43:30", "199.0000", "risk")
    assert points(desk) == [("10:43:30", -100)]


def test_the_page_has_the_last_and_the_most_of_each_limit(desk: Desk) -> None:
    for at, bid in (("10:43:00", "197.0000"), ("10:50:00", "155.0000"), ("10:55:00", "188.0000")):
        look(desk, at, bid, "risk")
    rows = used(desk, "10:56:00")
    loss = rows["Day loss, of L2"]
    assert (loss["now"], loss["most"], loss["most_at"][11:16]) == (pytest.approx(0.2), pytest.approx(0.75), "10:50")
    assert rows["Exposure"]["now"] == pytest.approx(20_000 / 48_000)
    assert "Delta" in rows


def test_a_point_stands_against_the_limits_of_its_own_revision(desk: Desk) -> None:
    look(desk, "10:43:00", "170.0001", "risk")
    desk.bet.revise(max_daily_loss="0.12")
    look(desk, "10:55:00", "170.0001", "risk")
    loss = used(desk, "10:56:00")["Day loss, of L2"]
    assert (loss["most"], loss["now"]) == (pytest.approx(0.5, abs=1e-4), pytest.approx(2_999.99 / 7_200, abs=1e-4))


def test_a_time_without_checks_is_a_gap_and_no_line_through_it(desk: Desk) -> None:
    for at in ("10:43:00", "10:48:00", "10:53:00", "11:30:00"):
        look(desk, at, "199.0000", "risk")
    segments = used(desk, "11:31:00")["Day loss, of L2"]["segments"]
    assert [len(segment.split()) for segment in segments] == [3, 2]


def test_seven_day_portfolios_have_no_limit_of_greeks() -> None:
    desk = seven()
    desk.check("10:43:00", "risk")
    assert set(used(desk, "10:44:00")) == {
        "Day loss, of L2", "Exposure", "Exposure as one bet", "5-session drawdown", "20-session drawdown",
    }  # fmt: skip


def test_before_the_first_check_nothing_is_drawn() -> None:
    desk = zero()
    assert used(desk, "10:44:00") == {}
