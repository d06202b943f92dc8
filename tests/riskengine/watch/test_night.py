"""The overnight monitor: when a report is made, once, and what it tells (P-18)."""

import json
from datetime import date
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from positions.models import Mode, Portfolio, Position
from riskengine import tasks
from riskengine.calculators.greeks import greeks
from riskengine.loading.desk import load_books
from riskengine.models import Alert
from riskengine.services.watch.coming import coming
from riskengine.services.watch.night import night_now, run_nights
from tests import factories
from tests.riskengine import market
from tests.riskengine.watch import guarded
from tests.riskengine.watch.desk import hold_seven, session, zero
from tests.riskengine.watch.nights import (
    AFTER_WEEKEND,
    FRIDAY,
    TUESDAY,
    day_starts,
    evening,
    made,
    nights,
    quoted,
    report,
    told,
)

pytestmark = pytest.mark.django_db

MONDAY = market.MONDAY
HALF_DAY = market.HALF_DAY  # Thursday 24 December 2020, closes at 13:00; the next open is Monday the 28th

# ---- When ----


def test_it_is_made_half_an_hour_before_the_close_and_once_however_often_it_runs() -> None:
    desk = evening()
    nights(desk, "15:29:59")
    assert made() == []
    for at in ("15:30:00", "15:30:30", "15:45:00", "15:59:59"):
        nights(desk, at)
    assert made() == [("2021-01-04", "close")]
    assert report(desk).made_at == desk.at("15:30:00")


def test_on_a_half_day_it_is_made_at_half_past_twelve_and_the_night_is_the_weekend() -> None:
    desk = evening(day=HALF_DAY, at="12:30", contract=market.stock("AAPL", expires=date(2020, 12, 31)))
    nights(desk, "12:29:59")
    assert made() == []
    nights(desk, "12:30:00")
    assert made() == [("2020-12-24", "close")]
    found = report(desk).contents
    assert found["closes_at"] == "2020-12-24T13:00:00-05:00"
    assert found["opens_at"] == "2020-12-28T09:30:00-05:00"
    assert found["closed_seconds"] == (3 * 24 + 20.5) * 3_600
    assert found["seconds_of_night"] == (3 * 24 + 21) * 3_600


def test_a_holiday_after_a_weekend_is_one_night() -> None:
    desk = evening(day=FRIDAY, contract=market.stock("AAPL", expires=date(2021, 1, 22)))
    nights(desk, "15:30:00")
    assert report(desk).contents["closed_seconds"] == (3 * 24 + 17.5) * 3_600
    for at, day in (("08:45", date(2021, 1, 16)), ("08:45", date(2021, 1, 18)), ("08:29:59", AFTER_WEEKEND)):
        nights(desk, at, day)
        assert made() == [("2021-01-15", "close")], "no open comes within the hour"
    day_starts(desk, AFTER_WEEKEND)
    nights(desk, "08:30:00", AFTER_WEEKEND)
    assert made() == [("2021-01-15", "close"), ("2021-01-19", "open")]


def test_the_minutes_before_the_close_are_a_parameter_and_never_before_the_open() -> None:
    desk = evening(day=HALF_DAY, at="09:31", contract=market.stock("AAPL", expires=date(2020, 12, 31)))
    desk.bet.revise(overnight_report_minutes=390)
    nights(desk, "09:29:59")
    assert [moment for _, moment in made()] == ["open"], "of the night before"
    nights(desk, "09:31:00")
    assert [moment for _, moment in made()] == ["open", "close"]


def test_who_comes_late_makes_it_as_long_as_its_moment_lasts() -> None:
    desk = evening(at="15:59:30")
    nights(desk, "15:59:59")
    assert report(desk).made_at == desk.at("15:59:59")


def test_a_moment_that_has_passed_is_not_made_up_for() -> None:
    desk = evening(at="16:00")
    nights(desk, "16:00:00")
    nights(desk, "20:00:00")
    assert made() == []
    day_starts(desk, TUESDAY)
    nights(desk, "09:29:59", TUESDAY)
    assert made() == [("2021-01-05", "open")]
    nights(desk, "09:30:00", TUESDAY)
    assert len(made()) == 1


def test_the_report_before_the_open_is_priced_as_of_the_last_close() -> None:
    """Options trade in sessions only: by 08:30 every quote is hours old, and yet the night is not unknown."""
    desk = evening(at="16:00")
    day_starts(desk, TUESDAY, "99000")
    nights(desk, "08:30:00", TUESDAY)
    found = report(desk, "open")
    assert found.contents["priced_at"] == "2021-01-04T16:00:00-05:00"
    assert found.contents["seconds_of_night"] == 17.5 * 3_600
    assert found.contents["unknown"] == []
    assert found.equity == 99_000, "of the day that is about to open"
    assert found.contents["positions"][0]["days"] == 6


def test_market_time_decides_not_wall_time() -> None:
    desk = evening()
    run_nights(now=desk.at("15:30:00"))  # wall time of 2021: the recording has not begun
    assert made() == []


# ---- Of what ----


def test_what_expires_in_this_session_is_not_held_over_the_night() -> None:
    desk = zero()
    desk.hold()
    quoted(desk, desk.at("15:30"))
    nights(desk, "15:30:00")
    assert made() == []


def test_what_expires_today_is_left_out_of_a_report_on_the_rest() -> None:
    desk = evening()
    today = market.stock("AAPL", "128", expires=MONDAY)
    hold_seven(desk, 5, contract=today)
    quoted(desk, desk.at("15:30"), contract=today)
    nights(desk, "15:30:00")
    found = report(desk)
    assert found.positions == 1
    assert [each["label"] for each in found.contents["positions"]] == ["AAPL 130C"]
    assert found.contents["book"]["notional"] == 40 * 100 * 130


def test_a_portfolio_that_is_off_or_holds_nothing_has_no_night() -> None:
    desk = evening(0)
    nights(desk, "15:30:00")
    hold_seven(desk)
    Portfolio.objects.update(mode=Mode.OFF)
    nights(desk, "15:30:30")
    assert made() == []


def test_only_the_portfolios_asked_for() -> None:
    desk = evening()
    run_nights(now=desk.bet.wall(desk.at("15:30")), portfolio_ids=[desk.portfolio.pk + 1])
    assert made() == []
    run_nights(now=desk.bet.wall(desk.at("15:30")), portfolio_ids=[desk.portfolio.pk])
    assert len(made()) == 1


# ---- What it says ----


def test_each_cell_is_the_position_repriced_at_the_next_open() -> None:
    desk = evening()
    nights(desk, "15:30:00")
    found = report(desk)
    json.dumps(found.contents, allow_nan=False)
    (held,) = found.contents["positions"]
    seconds = np.array([(desk.at("16:00", date(2021, 1, 11)) - desk.at("15:30")).total_seconds()])
    night_long = (desk.at("09:30", TUESDAY) - desk.at("15:30")).total_seconds()
    one, call = np.array([1.0]), np.array([True])
    for i, wild in enumerate(found.contents["volatility_moves"]):
        for j, move in enumerate(found.contents["spot_moves"]):
            then = greeks(
                130 * one * (1 + move),
                130 * one,
                seconds - night_long,
                held["volatility"] * one * (1 + wild),
                0,
                0,
                call,
            )
            expected = 40 * 100 * (then.price[0] - 5.025)
            assert held["pnl"][i][j] == pytest.approx(expected, abs=0.02)
    assert found.contents["book"]["pnl"] == held["pnl"]
    assert held["mark"] == 5.025
    assert (held["marked"], held["model_value"]) == (20_100, 20_100)
    assert held["theta_night"] == pytest.approx(-held["pnl"][1][3])
    assert (held["shares"], held["notional"], held["physical"]) == (4_000, 520_000, True)
    book = found.contents["book"]
    assert book["notional_multiple"] == 5.2
    assert (book["gap"], book["gap_share"]) == (-20_100, pytest.approx(0.201))
    assert float(found.worst_loss) == book["worst_loss"] == -min(row[1] for row in held["pnl"])
    assert found.equity == 100_000


def test_a_book_of_puts_loses_on_the_way_up() -> None:
    put = market.stock("AAPL", "130", right="P")
    desk = evening(0)
    hold_seven(desk, 40, contract=put)
    quoted(desk, desk.at("15:30"), contract=put)
    nights(desk, "15:30:00")
    book = report(desk).contents["book"]
    assert book["worst_up"] < 0 < book["worst_down"]
    assert book["worst_loss"] == -book["worst_up"]
    assert book["over"]
    assert "open 5% higher" in Alert.objects.get(code="OVERNIGHT_LOSS").happened


def earnings(desk: Any, on: date, timing: str = "after_close", **changes: Any) -> None:
    of = desk.contract.underlying
    of.earnings_dates.create(**{"reports_on": on, "timing": timing, "source": "test", **changes})


@pytest.mark.parametrize(
    ("on", "timing", "told_", "tonight"),
    [
        (MONDAY, "before_open", False, False),  # this session has traded on it
        (MONDAY, "after_close", True, True),
        (MONDAY, "unknown", True, True),
        (TUESDAY, "before_open", True, True),
        (TUESDAY, "after_close", True, False),
        (date(2021, 1, 11), "before_open", True, False),
        (date(2021, 1, 11), "unknown", True, False),
        (date(2021, 1, 11), "after_close", False, False),  # it has expired by then
        (date(2021, 1, 12), "before_open", False, False),
    ],
)
def test_earnings_within_the_life_of_what_is_held(on: date, timing: str, told_: bool, tonight: bool) -> None:
    desk = evening(1)
    earnings(desk, on, timing)
    nights(desk, "15:30:00")
    found = report(desk).contents["positions"][0]["earnings"]
    assert (found["before_expiry"], found["tonight"]) == (told_, tonight)
    assert ("EARNINGS_BEFORE_EXPIRY_HELD" in told()) is told_


def test_a_stock_without_a_date_on_record_says_so_and_an_index_has_none() -> None:
    desk = evening(1)
    desk.contract.underlying.earnings_dates.all().delete()
    hold_seven(desk, 1, contract=market.spxw("3700", expires=TUESDAY))
    nights(desk, "15:30:00")
    stock, index = report(desk).contents["positions"]
    assert stock["earnings"]["on"] is None
    assert index["earnings"] is None


@pytest.mark.parametrize(
    ("strike", "bid", "ask", "dividend", "time_value", "pays"),
    [
        ("130", "5.00", "5.05", "0.2050", 5.025, False),  # at the money: nothing to exercise for
        ("120", "10.08", "10.12", "0.2050", 0.1, True),
        ("120", "10.28", "10.32", "0.2050", 0.3, False),
    ],
)
def test_early_exercise_pays_only_where_the_dividend_exceeds_the_time_value(
    strike: str, bid: str, ask: str, dividend: str, time_value: float, pays: bool
) -> None:
    call = market.stock("AAPL", strike)
    desk = evening(0, at="15:29")
    hold_seven(desk, 1, contract=call)
    quoted(desk, desk.at("15:30"), bid, ask, contract=call)
    call.underlying.ex_dividend_dates.create(ex_on=TUESDAY, amount_per_share=dividend, source="test")
    nights(desk, "15:30:00")
    found = report(desk).contents["positions"][0]["ex_dividend"]
    assert (found["on"], found["dividend"], found["before_expiry"]) == ("2021-01-05", 0.205, True)
    assert found["time_value"] == pytest.approx(time_value)
    assert (found["concerns_exercise"], found["exercise_pays"]) == (True, pays)


def test_a_put_and_a_date_after_expiration_concern_no_exercise() -> None:
    desk = evening(1)
    desk.contract.underlying.ex_dividend_dates.create(ex_on=date(2021, 1, 12), amount_per_share="0.2", source="test")
    nights(desk, "15:30:00")
    found = report(desk).contents["positions"][0]["ex_dividend"]
    assert (found["before_expiry"], found["concerns_exercise"]) == (False, False)


# ---- What it costs ----


def test_how_many_statements_a_quiet_look_takes() -> None:
    desk = evening()
    nights(desk, "15:30:00")
    with CaptureQueriesContext(connection) as sent:
        nights(desk, "12:00:00")
    assert len(sent) == 5
    guarded.sell(Position.objects.get(), "0", desk.at("15:31"))
    nights(desk, "15:31:00")
    assert told() == [], "nothing is held any more"
    with CaptureQueriesContext(connection) as sent:
        nights(desk, "15:31:00")
    assert len(sent) == 2


# ---- The page's look ----


def test_a_look_at_this_moment_keeps_nothing() -> None:
    desk = evening()
    found = night_now(portfolio=desk.portfolio, now=desk.bet.wall(desk.at("15:00")))
    assert found["moment"] == "now"
    assert found["report_at"] == "2021-01-04T15:30:00-05:00"
    quoted(desk, desk.at("10:43"))
    found = night_now(portfolio=desk.portfolio, now=desk.bet.wall(desk.at("10:43")))
    assert found["unknown"] == []
    assert found["seconds_of_night"] == (22 * 60 + 47) * 60
    assert (made(), told()) == ([], [])


def test_the_hours_of_an_override_are_those_of_the_night() -> None:
    desk = evening(at="14:00")
    session(MONDAY, closes="14:30")
    nights(desk, "14:00:00")
    assert report(desk).contents["closes_at"] == "2021-01-04T14:30:00-05:00"


@pytest.mark.parametrize(("contracts", "expected"), [(1, ["15:30"]), (0, [])])
def test_the_desk_says_when_the_report_comes_where_one_will(contracts: int, expected: list[str]) -> None:
    desk = evening(contracts)
    (book,) = load_books([desk.portfolio], now=desk.bet.wall(desk.at("10:42:07")))
    assert [each["at"][11:16] for each in coming(book) if each["text"] == "overnight report"] == expected


def test_what_settles_on_the_opening_quotation_is_worth_its_intrinsic_value_there() -> None:
    monthly = factories.contract("SPX", "3700", "C", TUESDAY, settlement="am_cash")
    desk = evening(0)
    hold_seven(desk, 2, "44.00", contract=monthly)
    quoted(desk, desk.at("15:30"), "44.00", "44.40", contract=monthly)
    nights(desk, "15:30:00")
    (held,) = report(desk).contents["positions"]
    spot = float(market.SPX)
    intrinsic = [200 * max(spot * (1 + move) - 3_700, 0) - 8_840 for move in report(desk).contents["spot_moves"]]
    assert held["pnl"] == [pytest.approx(intrinsic, abs=0.01)] * 3, "whatever volatility does"
    assert held["physical"] is False


def test_contracts_still_being_bought_are_named_and_not_counted() -> None:
    desk = evening(1)
    desk.bet.order(market.stock("AAPL", "135"), 3, "5.10")
    nights(desk, "15:30:00")
    found = report(desk).contents
    assert (found["openings"], len(found["positions"])) == (3, 1)


def test_the_task_runs_it() -> None:
    tasks.nights()
    assert made() == []
