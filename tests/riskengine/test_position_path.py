"""What the chart of a position draws: bids, stop, high-water mark, tiers and fills, on New York's clock."""

from datetime import datetime, timedelta

import pytest
from django.test import Client

from positions.models import OptionQuote, Position
from riskengine.services.watch.path import POINTS, path_of
from tests import factories
from tests.riskengine.watch.desk import Desk, fresh, hold_seven, seven, zero

pytestmark = pytest.mark.django_db


def seconds(text: str, day: str = "2021-01-04") -> int:
    return int(datetime.fromisoformat(f"{day} {text}+00:00").timestamp())


def drawn(desk: Desk, position: Position, at: str = "10:44:00") -> dict:
    return path_of(fresh(position), desk.portfolio, now=desk.bet.wall(desk.at(at)))


def test_times_are_those_that_a_clock_in_new_york_shows() -> None:
    desk = zero()
    position = desk.hold()
    desk.quote("10:43:00", "41.00", "41.40")
    path = drawn(desk, position)
    assert path["bids"] == [{"t": seconds("10:42:00"), "value": 40.0}, {"t": seconds("10:43:00"), "value": 41.0}]
    assert (path["entry"], path["open"]) == (40.0, True)
    assert [tier["name"] for tier in path["tiers"]] == ["T1", "T2", "T3"]
    assert path["tiers"][0]["price"] == 42.0


def test_a_bid_that_is_missing_breaks_the_line_and_what_comes_later_is_not_drawn() -> None:
    desk = zero()
    position = desk.hold()
    desk.quote("10:43:00", None, "41.40")
    desk.quote("10:45:00", "44.00", "44.40")
    assert [point["value"] for point in drawn(desk, position)["bids"]] == [40.0, None]


def test_the_stop_is_drawn_as_it_was_raised() -> None:
    desk = seven()
    position = hold_seven(desk)
    desk.quote("10:43:00", "6.00", "6.05")
    desk.check("10:43:00", "risk")
    raised = fresh(position)
    assert raised.current_stop > position.current_stop
    path = drawn(desk, position)
    assert [point["value"] for point in path["stop"]] == [4.0, float(raised.current_stop), float(raised.current_stop)]
    assert path["stop"][1]["t"] == seconds("10:43:00")
    assert path["stop"][-1]["t"] == seconds("10:44:00")
    assert path["high_water"][-1]["value"] == 6.0


def test_a_day_of_quotes_is_no_more_points_than_a_screen_can_show() -> None:
    desk = zero()
    position = desk.hold()
    at = desk.at("10:42:01")
    OptionQuote.objects.bulk_create(
        OptionQuote(
            contract=desk.contract, source="test recording", quoted_at=at + timedelta(seconds=k),
            changed_at=at, confirmed_at=at + timedelta(seconds=k), bid="40.00", bid_size=1, ask="40.40", ask_size=1,
        )
        for k in range(5_000)
    )  # fmt: skip
    bids = drawn(desk, position, "12:30:00")["bids"]
    assert POINTS / 2 < len(bids) <= POINTS + 2
    assert [point["t"] for point in bids] == sorted({point["t"] for point in bids})


def test_a_closed_position_has_no_tiers_and_ends_when_it_closed() -> None:
    desk = zero()
    position = desk.hold()
    Position.objects.filter(pk=position.pk).update(
        status="closed", quantity_open=0, closed_at=desk.at("10:43:30"), close_cause="stop", version=2
    )
    path = drawn(desk, position, "12:00:00")
    assert (path["open"], path["tiers"]) == (False, [])
    assert path["stop"][-1]["t"] == seconds("10:43:30")


def test_the_address_answers_its_owner_and_no_stranger() -> None:
    desk = zero()
    position = desk.hold()
    address = f"/portfolios/{desk.portfolio.slug}/positions/{position.pk}/path/"
    client = Client()
    client.force_login(desk.portfolio.owner)
    assert client.get(address).json()["entry"] == 40.0
    client.force_login(factories.user("stranger"))
    assert client.get(address).status_code == 404
