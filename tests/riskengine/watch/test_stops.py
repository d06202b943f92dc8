"""Stops: what fires them, what does not, and what an unusable quote changes (P-09, P-10, A-03, A-05)."""

from decimal import Decimal

import pytest

from positions.models import OptionTradeBar, Regime
from tests.riskengine import market
from tests.riskengine.watch.desk import Desk, fresh, go_live, hold_seven, seven, zero

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> Desk:
    return zero()


def test_two_distinct_quotes_at_the_stop_sell_all(desk: Desk) -> None:
    position = desk.hold()
    desk.quote("10:43:00", "30.00", "30.40")
    desk.check("10:43:00")
    assert desk.sold() == []
    assert fresh(position).stop_breaches == 1
    desk.quote("10:44:00", "29.90", "30.30")
    desk.check("10:44:00")
    assert desk.sold() == [("stop", 10)]
    assert desk.orders[0].verdict["quotes_at_or_under"] == 2


def test_a_tick_above_the_stop_holds(desk: Desk) -> None:
    position = desk.hold()
    for minute in ("43", "44", "45"):
        desk.quote(f"10:{minute}:00", "30.10", "30.40")
        desk.check(f"10:{minute}:00")
    assert desk.sold() == []
    assert fresh(position).version == position.version


def test_one_quote_looked_at_many_times_is_one_quote(desk: Desk) -> None:
    desk.hold()
    desk.quote("10:43:00", "29.00", "29.40")
    for second in range(0, 50, 10):
        desk.check(f"10:43:{second:02}")
    assert desk.sold() == []


def test_a_quote_confirmed_again_is_a_second_witness(desk: Desk) -> None:
    desk.hold()
    desk.quote("10:43:00", "29.00", "29.40")
    desk.check("10:43:00")
    desk.confirm("10:43:01")
    desk.check("10:43:01")
    assert desk.sold() == [("stop", 10)]


def test_a_sound_quote_in_between_starts_the_count_again(desk: Desk) -> None:
    position = desk.hold()
    for minute, bid in (("43", "29.00"), ("44", "31.00"), ("45", "29.00")):
        desk.quote(f"10:{minute}:00", bid, "31.50")
        desk.check(f"10:{minute}:00")
    assert desk.sold() == []
    assert fresh(position).stop_breaches == 1


def test_one_quote_at_ninety_percent_of_the_stop_sells_at_once(desk: Desk) -> None:
    desk.hold()
    desk.quote("10:43:00", "27.00", "27.40")
    desk.check("10:43:00")
    assert desk.sold() == [("stop", 10)]


def test_a_tick_above_ninety_percent_waits_for_the_second(desk: Desk) -> None:
    desk.hold()
    desk.quote("10:43:00", "27.10", "27.50")
    desk.check("10:43:00")
    assert desk.sold() == []


def test_the_mid_does_not_save_a_bid_at_the_stop_nor_does_the_last_trade(desk: Desk) -> None:
    desk.hold()
    for minute in ("43", "44"):
        desk.quote(f"10:{minute}:00", "30.00", "32.90")
        OptionTradeBar.objects.create(
            contract=desk.contract, source=market.SOURCE, bar_at=desk.at(f"10:{minute}:00"), volume=5,
            **dict.fromkeys(("open", "high", "low", "close"), Decimal("36.00")),
        )  # fmt: skip
        desk.check(f"10:{minute}:00")
    assert desk.sold() == [("stop", 10)]


def test_a_trade_under_the_stop_sells_nothing(desk: Desk) -> None:
    desk.hold()
    for minute in ("43", "44"):
        desk.quote(f"10:{minute}:00", "33.00", "33.40")
        OptionTradeBar.objects.create(
            contract=desk.contract, source=market.SOURCE, bar_at=desk.at(f"10:{minute}:00"), volume=5,
            **dict.fromkeys(("open", "high", "low", "close"), Decimal("20.00")),
        )  # fmt: skip
        desk.check(f"10:{minute}:00")
    assert desk.sold() == []


# ---- Unusable quotes ----


def test_an_unusable_quote_under_the_stop_is_no_witness_within_ten_seconds(desk: Desk) -> None:
    desk.hold()
    desk.quote("10:43:00", "10.00", "35.00")
    desk.check("10:43:00")
    desk.check("10:43:09")
    assert desk.sold() == []


def test_after_ten_seconds_without_a_usable_quote_the_mid_fires(desk: Desk) -> None:
    position = desk.hold()
    desk.quote("10:43:00", "10.00", "35.00")  # mid 22.50, spread far too wide
    desk.check("10:43:00")
    assert fresh(position).unusable_since == desk.at("10:43:00")
    desk.check("10:43:10")
    assert desk.sold() == [("stop", 10)]
    assert desk.orders[0].verdict["blind"] is True


def test_a_mid_above_the_stop_never_fires_it_however_long_it_lasts(desk: Desk) -> None:
    desk.hold()
    desk.quote("10:43:00", "10.00", "51.00")
    desk.check("10:43:00")
    desk.check("10:50:00")
    assert desk.sold() == []


def test_the_seconds_count_from_the_quote_not_from_the_look(desk: Desk) -> None:
    desk.hold()
    desk.quote("10:43:00", "10.00", "35.00")
    desk.check("10:43:12")
    assert desk.sold() == [("stop", 10)]


def test_a_fresh_ask_at_the_stop_fires_at_once(desk: Desk) -> None:
    desk.hold()
    desk.quote("10:43:00", "20.00", "30.00")
    desk.check("10:43:00")
    assert desk.sold() == [("stop", 10)]


def test_a_stale_ask_under_the_stop_waits_for_the_ten_seconds(desk: Desk) -> None:
    go_live(desk).hold()
    desk.quote("10:43:00", "20.00", "30.00")
    desk.check("10:43:06")  # live quotes of what expires today are fresh for 5 s
    assert desk.sold() == []
    desk.check("10:43:15")
    assert desk.sold() == [("stop", 10)]


def test_a_missing_bid_beside_a_live_ask_is_worth_nothing(desk: Desk) -> None:
    desk.hold()
    desk.quote("10:43:00", None, "50.00")
    desk.check("10:43:00")
    assert desk.sold() == []
    desk.check("10:43:10")  # (0 + 50) / 2 is under the stop of 30
    assert desk.sold() == [("stop", 10)]


def test_a_crossed_quote_is_unusable_but_never_suspends_the_stop(desk: Desk) -> None:
    desk.hold()
    desk.quote("10:43:00", "44.00", "29.00")
    desk.check("10:43:00")
    assert desk.sold() == [("stop", 10)]


def test_a_usable_quote_ends_the_blindness(desk: Desk) -> None:
    position = desk.hold()
    desk.quote("10:43:00", "10.00", "35.00")
    desk.check("10:43:05")
    desk.quote("10:43:06", "40.00", "40.40")
    desk.check("10:43:06")
    assert fresh(position).unusable_since is None
    desk.quote("10:43:07", "10.00", "35.00")
    desk.check("10:43:15")
    assert desk.sold() == []


def test_a_stale_quote_under_the_stop_fires_after_ten_more_seconds(desk: Desk) -> None:
    desk.hold()
    desk.quote("10:43:00", "29.00", "29.40")  # one witness, and then silence
    result = desk.check("10:43:00")
    assert result.next_deadlines[desk.portfolio.pk] == desk.at("10:44:10")
    desk.check("10:44:09")
    assert desk.sold() == []
    desk.check("10:44:10")
    assert desk.sold() == [("stop", 10)]


def test_a_three_tick_spread_of_a_cheap_option_is_usable(desk: Desk) -> None:
    desk.hold(entry="0.60", initial_stop="0.45", current_stop="0.45")
    for minute in ("43", "44"):
        desk.quote(f"10:{minute}:00", "0.40", "0.55")  # 31% of the mid, but three ticks of 0.05
        desk.check(f"10:{minute}:00")
    assert desk.sold() == [("stop", 10)]


def test_without_any_price_nothing_fires_and_it_is_said_once(desk: Desk) -> None:
    position = desk.hold()
    desk.quote("10:43:00", None, None)
    for at in ("10:43:00", "10:43:11", "10:43:12", "10:44:30"):
        desk.check(at)
    assert desk.sold() == []
    assert [event.after["code"] for event in desk.events("exit_error")] == ["NO_PRICE"]
    assert fresh(position).current_stop == Decimal(30)


def test_a_price_from_before_the_open_is_none_of_this_session(desk: Desk) -> None:
    desk.hold(entry_at=desk.at("15:00", market.session_before(desk.day)))
    desk.quote("09:29:58", "10.00", "10.10")
    desk.check("09:30:00")
    desk.check("09:30:20")
    assert desk.sold() == []


# ---- Seven days: the stop that rises ----


def test_the_high_water_mark_rises_with_usable_bids_and_the_stop_with_it() -> None:
    desk = seven()
    position = hold_seven(desk)
    desk.quote("10:43:00", "5.90", "6.00")  # +18%: a quarter of the gain is locked
    desk.check("10:43:00", "risk")
    now = fresh(position)
    assert (now.high_water, now.current_stop) == (Decimal("5.90"), Decimal("5.225"))
    raised = desk.events("stop_raised")
    assert [(e.before["stop"], e.after["stop"], e.detail["bid"]) for e in raised] == [(4.0, 5.225, 5.9)]


def test_the_stop_never_falls_with_the_price() -> None:
    desk = seven()
    position = hold_seven(desk)
    desk.quote("10:43:00", "5.90", "6.00")
    desk.check("10:43:00", "risk")
    desk.quote("10:44:00", "5.30", "5.35")
    desk.check("10:44:00", "risk")
    assert fresh(position).current_stop == Decimal("5.225")
    for minute in ("45", "46"):
        desk.quote(f"10:{minute}:00", "5.20", "5.25")
        desk.check(f"10:{minute}:00", "risk")
    assert desk.sold() == [("stop", 40)]


def test_an_unusable_quote_raises_neither_mark_nor_stop() -> None:
    desk = seven()
    position = hold_seven(desk)
    desk.quote("10:43:00", "5.90", "8.00")
    desk.check("10:43:00", "risk")
    now = fresh(position)
    assert (now.high_water, now.current_stop) == (Decimal("5.00"), Decimal("4.00"))


def test_the_exit_check_leaves_what_does_not_expire_today_to_the_risk_check() -> None:
    desk = seven()
    position = hold_seven(desk)
    desk.quote("10:43:00", "5.90", "6.00")
    assert desk.check("10:43:00", "exit").positions == 0
    assert fresh(position).version == position.version


def test_an_adopted_position_has_no_stop_until_a_person_gives_it_one(desk: Desk) -> None:
    desk.hold(
        1, decision=None, origin="manual", contract=desk.contract, initial_stop=None, current_stop=None,
        regime=Regime.LATE,
    )  # fmt: skip
    for minute in ("43", "44"):
        desk.quote(f"10:{minute}:00", "1.00", "1.05")
        desk.check(f"10:{minute}:00")
    assert desk.sold() == []
