"""Market time decides: tiers by the second, half-days, holidays, clock changes, and dates that differ from UTC's."""

from datetime import date, timedelta

import pytest

from positions.models import MarketClock, Regime
from positions.services.working import work_orders
from riskengine.services.decide.plan import exit_plan
from tests.riskengine import market
from tests.riskengine.watch.desk import Desk, fresh, hold_seven, runs_on, seconds_after, session, seven, zero

pytestmark = pytest.mark.django_db

FIRST = {Regime.MORNING: "0.05", Regime.MIDDAY: "0.03", Regime.LATE: "0.05"}


def first_tier(desk: Desk, at: str, factor: float, regime: Regime) -> None:
    """At this second the first tier of the regime stands at its base times the factor, to the tick."""
    trigger = 40 * (1 + float(FIRST[regime]) * factor)
    desk.quote(at, f"{trigger - 0.0001:.4f}", f"{trigger + 0.4:.4f}")
    desk.check(at)
    assert desk.sold() == [], f"{at}: under {factor}"
    later = seconds_after(desk.at(at), 0.001)
    desk.quote(later, f"{trigger:.4f}", f"{trigger + 0.4:.4f}")
    desk.check(at if at.endswith("!") else later)
    assert [intent for intent, _ in desk.sold()] == ["slice"], f"{at}: at {factor}"
    assert desk.orders[0].verdict["factor"] == pytest.approx(factor)


@pytest.mark.parametrize("regime", list(FIRST))
@pytest.mark.parametrize(
    ("at", "factor"),
    [
        ("12:59:59", 1.0),
        ("13:00:01", 0.8),
        ("13:59:59", 0.8),
        ("14:00:01", 0.7),
        ("14:59:59", 0.7),
        ("15:00:01", 0.5),
        ("15:44:59", 0.5),
    ],
)
def test_the_time_factor_of_every_entry_regime(regime: Regime, at: str, factor: float) -> None:
    desk = zero()
    desk.hold(regime=regime, entry_at=seconds_after(desk.at(at), -600))
    first_tier(desk, at, factor, regime)


@pytest.mark.parametrize(("hour", "factor"), [("13", 1.0), ("14", 0.8), ("15", 0.7)])
def test_exactly_three_two_and_one_hours_left_are_not_yet_less(hour: str, factor: float) -> None:
    desk = zero()
    desk.hold(entry_at=desk.at(f"{int(hour) - 1}:50:00"))
    at = f"{hour}:00:00"
    trigger = 40 * (1 + 0.05 * factor)
    desk.quote(at, f"{trigger - 0.0001:.4f}", f"{trigger + 0.4:.4f}")
    desk.check(at)
    assert desk.sold() == []
    desk.check(f"{hour}:00:01")
    assert [intent for intent, _ in desk.sold()] == ["slice"]


def test_a_position_open_for_more_than_three_hours_takes_a_tenth_off() -> None:
    desk = zero()
    desk.hold(entry_at=desk.at("09:50:00"))
    desk.quote("12:49:59", "41.8000", "42.2000")  # +4.5% is 5% x 0.9
    for at in ("12:49:59", "12:50:00"):
        desk.check(at)
        assert desk.sold() == [], f"{at}: exactly three hours are no cut"
    desk.check("12:50:01")
    assert [intent for intent, _ in desk.sold()] == ["slice"]


def test_both_factors_together() -> None:
    desk = zero()
    desk.hold(entry_at=desk.at("09:40:00"))
    desk.quote("15:00:01", "40.8999", "41.3")
    desk.check("15:00:01")
    assert desk.sold() == []
    desk.quote("15:00:02", "40.9000", "41.3")  # 5% x 0.5 x 0.9
    desk.check("15:00:02")
    assert [intent for intent, _ in desk.sold()] == ["slice"]


# ---- The end of the day ----


def test_what_expires_today_is_closed_a_quarter_of_an_hour_before_the_close() -> None:
    desk = zero()
    desk.hold()
    desk.quote("15:44:59", "40.00", "40.40")
    desk.check("15:44:59")
    assert desk.sold() == []
    desk.check("15:45:00")
    assert desk.sold() == [("forced_close", 10)]


def test_on_a_half_day_that_is_a_quarter_to_one() -> None:
    desk = zero(market.HALF_DAY)
    desk.hold()
    desk.check("12:44:59")
    assert desk.sold() == []
    desk.check("12:45:00")
    assert desk.sold() == [("forced_close", 10)]


def test_on_a_half_day_the_time_factor_counts_to_its_own_close() -> None:
    desk = zero(market.HALF_DAY)
    desk.hold(entry_at=desk.at("11:50:00"))
    desk.quote("12:00:01", "41.00", "41.40")  # under one hour to 13:00: 2.5%
    desk.check("12:00:01")
    assert [intent for intent, _ in desk.sold()] == ["slice"]


def test_the_forced_close_needs_no_quote() -> None:
    desk = zero()
    desk.hold()
    desk.check("15:45:00")  # the last quote is from 10:42
    assert desk.sold() == [("forced_close", 10)]


def test_what_expires_later_is_carried_over_the_close() -> None:
    desk = seven()
    hold_seven(desk)
    for at in ("15:45:00", "15:59:59", "16:00:00", "18:00:00"):
        desk.check(at, "risk")
    assert desk.sold() == []


def test_a_weekly_is_closed_on_its_expiration_day() -> None:
    desk = seven()
    runs_on(desk)
    hold_seven(desk)
    result = desk.check(desk.at("15:45:00", market.SEVENTH_DAY), "exit")
    assert (result.positions, desk.sold()) == (1, [("forced_close", 40)])


def test_a_close_that_is_still_working_is_escalated_at_ten_five_and_two_minutes() -> None:
    desk = zero()
    desk.hold()
    for at in ("15:45:00", "15:49:59", "15:50:00", "15:50:01", "15:55:00", "15:57:00", "15:58:00", "15:59:00"):
        desk.check(at)
    assert [event.after["minutes"] for event in desk.events("forced_close_late")] == [10, 5, 2]
    assert desk.sold() == [("forced_close", 10)]


def test_after_the_close_nothing_is_sold_and_what_expired_is_settled() -> None:
    desk = zero()
    position = desk.hold()
    market.bar("SPX", desk.at("16:00:00"), market.SPX)
    desk.quote("15:59:59", "50.00", "50.40")
    desk.check("16:00:00")
    assert desk.sold() == []
    settled = fresh(position)
    assert (settled.status, settled.close_cause) == ("closed", "settled")
    assert desk.check("16:00:01").positions == 0


def test_orders_left_at_the_close_are_cancelled_before_it_settles() -> None:
    desk = zero()
    position = desk.hold()
    market.bar("SPX", desk.at("16:00:00"), market.SPX)
    desk.check("15:45:00")
    work_orders(now=desk.bet.wall(desk.at("15:45:00")), plan=exit_plan)
    desk.check("16:00:00")
    assert fresh(position).status == "closed"
    assert [order.status for order in desk.orders] == ["cancelled"]


def test_a_clock_before_the_entry_judges_nothing_and_says_so_once() -> None:
    desk = zero()
    position = desk.hold(entry_at=desk.at("11:00:00"))
    desk.quote("10:43:00", "1.00", "1.05")
    for second in ("00", "01"):
        result = desk.check(f"10:43:{second}")
        assert desk.portfolio.pk in result.errors
    assert desk.sold() == []
    assert [event.after["code"] for event in desk.events("exit_error")] == ["CLOCK"]
    assert fresh(position).current_stop == position.current_stop


# ---- Dates ----


@pytest.mark.parametrize("day", [date(2020, 10, 30), date(2020, 11, 2), date(2021, 3, 12), date(2021, 3, 15)])
def test_before_and_after_both_clock_changes_the_close_is_at_four_in_new_york(day: date) -> None:
    session(day)
    desk = zero(day)
    desk.hold()
    utc_hours = {desk.at("15:45:00").utctimetuple().tm_hour}
    assert utc_hours == ({19} if day in (date(2020, 10, 30), date(2021, 3, 15)) else {20})
    desk.check("15:44:59")
    assert desk.sold() == []
    desk.check("15:45:00")
    assert desk.sold() == [("forced_close", 10)]


@pytest.mark.parametrize(
    ("held", "expires"), [(date(2020, 10, 30), date(2020, 11, 4)), (date(2021, 3, 12), date(2021, 3, 17))]
)
def test_a_position_carried_over_a_clock_change_counts_calendar_days(held: date, expires: date) -> None:
    for day in (held, held + timedelta(days=3), expires):
        session(day)
    desk = seven(held, contract=market.stock("AAPL", expires=expires))
    runs_on(desk)
    hold_seven(desk)
    after = desk.at("09:40:00", held + timedelta(days=3))
    desk.quote(after, "5.60", "5.65")  # two days left: 20% x 0.6 = 12%
    desk.check(after, "risk")
    assert [order.verdict["slices"][0]["factor"] for order in desk.orders] == [0.6]


def test_on_a_holiday_nothing_is_judged_and_the_heartbeat_beats() -> None:
    desk = seven()
    runs_on(desk)
    hold_seven(desk)
    holiday = date(2021, 1, 18)
    session(date(2021, 1, 19))
    desk.bet.contract.__class__.objects.filter(pk=desk.contract.pk).update(expiration_on=date(2021, 1, 20))
    desk.quote(desk.at("11:00:00", holiday), "0.10", "0.15")
    result = desk.check(desk.at("11:00:00", holiday), "risk")
    assert (result.positions, result.errors, desk.sold()) == (1, {}, [])
    assert desk.portfolio.heartbeats.get().market_at == desk.at("11:00:00", holiday)


def test_over_the_years_end_the_days_are_counted_in_the_calendar() -> None:
    desk = seven(date(2020, 12, 31), contract=market.stock("AAPL", expires=date(2021, 1, 4)))
    hold_seven(desk)
    desk.quote("11:00:00", "5.90", "5.95")  # four days: 20% x 0.9 = 18%
    desk.check("11:00:00", "risk")
    assert [order.verdict["slices"][0]["factor"] for order in desk.orders] == [0.9]


def test_while_utc_is_a_day_ahead_the_position_of_tomorrow_does_not_expire_today() -> None:
    """19:30 in New York on Sunday is Monday in UTC; the session of Monday has not begun."""
    desk = zero()
    position = desk.hold(entry_at=desk.at("15:00:00", market.session_before(desk.day)))
    sunday = desk.at("19:30:00", desk.day - timedelta(days=1))
    MarketClock.objects.filter(portfolio=desk.portfolio).update(market_started_at=sunday, wall_started_at=market.WALL)
    desk.quote(seconds_after(sunday, -60), "1.00", "1.05")
    from riskengine.services.watch.monitoring import run_check

    exit_check = run_check(now=market.WALL, scope="exit", exclusive=False)
    risk_check = run_check(now=market.WALL, scope="risk", exclusive=False)
    assert (exit_check.positions, risk_check.positions, desk.sold()) == (0, 1, [])
    assert fresh(position).version == position.version


def test_in_the_evening_what_expired_today_is_settled_though_utc_says_tomorrow() -> None:
    desk = zero()
    position = desk.hold()
    market.bar("SPX", desk.at("16:00:00"), market.SPX)
    desk.check("19:30:00")
    assert fresh(position).status == "closed"


def test_the_first_look_of_a_trading_date_takes_its_snapshot() -> None:
    desk = seven()
    runs_on(desk)
    tuesday = desk.day + timedelta(days=1)
    desk.check(desk.at("09:00:00", tuesday), "exit")
    assert not desk.portfolio.equity_snapshots.filter(session_on=tuesday).exists()
    desk.check(desk.at("09:00:00", tuesday), "risk")
    desk.check(desk.at("09:00:30", tuesday), "risk")
    assert desk.portfolio.equity_snapshots.filter(session_on=tuesday).count() == 1
