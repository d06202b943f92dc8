"""A loss breaker trips by quotes that agree, of every position: one bad tick trips nothing (A-03, A-05)."""

from decimal import Decimal

import pytest

from positions.models import OptionContract, OptionQuote, Position
from riskengine.models import BreakerEvent
from tests.riskengine import market
from tests.riskengine.counts import statements
from tests.riskengine.watch import guarded
from tests.riskengine.watch.desk import Desk, go_live
from tests.riskengine.watch.guarded import fall, look, quote, sell, state, tripped

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> Desk:
    return guarded.guarded()


@pytest.fixture
def other(desk: Desk) -> OptionContract:
    """Another position, bought at 100.00 and quoted so."""
    contract = market.spxw("3705")
    desk.hold(1, "100.00", contract=contract, initial_stop=Decimal(1), current_stop=Decimal(1))
    desk.quote("10:42:00", "100.0000", "100.4000", contract=contract)
    return contract


def at(second: int) -> str:
    return f"10:{43 + second // 60}:{second % 60:02}"


# ---- Quotes that agree ----


def test_it_needs_three_distinct_quotes_a_second_apart(desk: Desk) -> None:
    for when in ("10:43:00", "10:43:00.900", "10:43:01"):
        look(desk, when, "140.0000")
    assert state("loss_l2") != "tripped", "two of them are not a second apart"
    look(desk, "10:43:02", "140.0000")
    assert state("loss_l2") == "tripped"


def test_looking_at_one_quote_often_confirms_nothing(desk: Desk) -> None:
    quote(desk, "10:43:00", "140.0000")
    for second in range(60):
        desk.check(at(second))
    assert state("loss_l2") != "tripped"


def test_quotes_agree_also_when_nobody_looked_at_the_first_of_them(desk: Desk) -> None:
    for second in range(3):
        quote(desk, at(second), "140.0000")
    desk.check(at(2))
    assert state("loss_l2") == "tripped"


def test_a_sound_quote_between_two_looks_ends_the_row(desk: Desk) -> None:
    look(desk, at(0), "140.0000")
    look(desk, at(1), "140.0000")
    quote(desk, "10:43:01.500", "200.0000")
    look(desk, at(2), "140.0000")
    assert state("loss_l2") != "tripped"


def test_what_agrees_is_the_limit_to_the_cent(desk: Desk) -> None:
    for second, bid in enumerate(("140.0000", "140.0001", "139.0000")):
        look(desk, at(second), bid)
    assert state("loss_l2") != "tripped", "one of the three is a cent short of it"
    for second, bid in enumerate(("139.9000", "140.0000"), 3):
        look(desk, at(second), bid)
    assert state("loss_l2") == "tripped"


def test_a_feed_that_says_ten_seconds_later_that_a_quote_still_holds_confirms_it(desk: Desk) -> None:
    quote(desk, at(0), "140.0000")
    desk.confirm(at(9))
    desk.check(at(9))
    assert state("loss_l2") != "tripped"
    desk.confirm(at(10))
    desk.check(at(10))
    assert state("loss_l2") == "tripped"


def test_beyond_one_and_a_half_times_the_limit_it_trips_at_once(desk: Desk) -> None:
    look(desk, "10:43:00", "110.0000")
    assert state("loss_l2") != "tripped", "exactly 1.5 times is not beyond"
    look(desk, "10:43:01", "200.0000")
    look(desk, "10:43:02", "109.9999")
    assert state("loss_l2") == "tripped"


def test_the_risk_check_confirms_on_its_second_look(desk: Desk) -> None:
    look(desk, "10:43:00", "140.0000", "risk")
    assert state("loss_l2") != "tripped"
    look(desk, "10:43:30", "140.0000", "risk")
    assert state("loss_l2") == "tripped"


def test_a_confirmation_survives_the_process(desk: Desk) -> None:
    look(desk, "10:43:00", "140.0000")
    look(desk, "10:43:01", "140.0000")
    look(Desk(desk.bet, desk.day), "10:43:02", "140.0000")  # nothing but the database is left of the first two
    assert state("loss_l2") == "tripped"


def test_a_clock_that_was_set_back_does_not_stop_the_counting(desk: Desk) -> None:
    look(desk, "11:43:00", "140.0000")
    for second in range(3):
        look(desk, at(second), "140.0000")
    assert state("loss_l2") == "tripped"


def test_what_it_was_confirmed_by_stands_in_its_trace(desk: Desk) -> None:
    for second, bid in enumerate(("138.0000", "139.0000", "137.0000")):
        look(desk, at(second), bid)
    seen = BreakerEvent.objects.get(code="loss_l2", kind="tripped").trace["seen"]
    assert (seen["equity"], seen["confirmed_equity"]) == (53_700, 53_900)


def test_the_quotes_are_asked_for_only_at_a_limit_and_once_for_the_whole_book(desk: Desk) -> None:
    for k in range(3):
        contract = market.spxw(str(3710 + 5 * k))
        desk.hold(1, "10.00", contract=contract, initial_stop=Decimal(1), current_stop=Decimal(1))
        desk.quote("10:43:00", "10.0000", "10.1000", contract=contract)
    quote(desk, "10:43:00", "180.0000")
    with statements() as quiet:
        desk.check("10:43:00")
    quote(desk, "10:43:01", "165.0000")
    desk.check("10:43:01")  # its warning is written, and L1 waits for its confirmation
    with statements() as at_limit:
        desk.check("10:43:01.500")
    assert len(at_limit) == len(quiet) + 1


# ---- One bad tick ----


def test_one_bad_tick_trips_nothing(desk: Desk) -> None:
    look(desk, "10:43:00", "160.0000")
    look(desk, "10:43:01", "200.0000")
    fall(desk, "200.0000", 2)
    assert tripped() == set()


def test_nor_does_one_that_cannot_be_used_however_far_it_lies(desk: Desk) -> None:
    desk.quote("10:43:00", "0.0100", "400.0000")
    desk.quote("10:43:01", None, "0.0500")
    for when in ("10:43:00", "10:43:01", "10:43:02"):
        desk.check(when)
    assert tripped() == set()


def test_one_wide_quote_that_is_never_confirmed_trips_nothing(desk: Desk) -> None:
    desk.quote("10:43:00", "0.0100", "400.0000")
    for second in range(60):
        desk.check(at(second))
    assert tripped() == set()


def test_nor_does_a_wide_one_that_stands(desk: Desk) -> None:
    """It is worth the last conservative mark; its stop is what closes it."""
    desk.quote("10:43:00", "0.0100", "400.0000")
    for second in range(20):
        desk.confirm(at(second))
        desk.check(at(second))
    assert tripped() == set()


def test_a_bad_tick_is_not_confirmed_by_the_quotes_of_another_position(desk: Desk, other: OptionContract) -> None:
    quote(desk, "10:43:00", "138.0000")  # once, and then silence: also once it is stale
    for second in range(90):
        desk.quote(at(second), "101.0000", "101.4000", contract=other)
        desk.check(at(second))
    assert state("loss_l2") != "tripped"


def test_nor_is_one_above_its_entry(desk: Desk, other: OptionContract) -> None:
    """Up since it was bought, down today."""
    Position.objects.filter(contract=other).update(
        average_entry_price=Decimal("20.00"), entry_cost=Decimal(2000), initial_stop=Decimal(1), version=9
    )
    desk.quote("10:43:00", "35.0000", "35.4000", contract=other)
    for second in range(12):
        look(desk, at(second), "201.0000")
    assert state("loss_l2") != "tripped"


def test_a_bad_tick_that_went_stale_makes_no_sound_move_an_emergency(desk: Desk, other: OptionContract) -> None:
    """Together they are beyond 1.5 times the limit; by quotes of now they are not."""
    quote(desk, "10:43:00", "112.0000")  # 8,800: a bad tick, and silence
    desk.check(at(0))
    for second in range(61, 75):
        desk.quote(at(second), "80.0000", "80.4000", contract=other)  # 2,000
        desk.check(at(second))
    assert state("loss_l2") != "tripped"


def test_a_small_loser_with_an_old_quote_does_not_hold_up_the_emergency_halt(desk: Desk, other: OptionContract) -> None:
    desk.quote("10:43:00", "99.0000", "99.4000", contract=other)
    for second in range(1, 4):
        look(desk, at(second), "70.0000")
    assert state("loss_l3") == "tripped"


# ---- What is booked, and what has no price ----


def test_a_booked_loss_counts_although_another_position_has_no_quote(desk: Desk, other: OptionContract) -> None:
    desk.check("10:43:00", "risk")
    sell(Position.objects.exclude(contract=other).get(), "7900", desk.at("10:45:00"))
    desk.check("10:45:01", "risk")
    assert "loss_l3" in tripped()


def test_also_when_that_one_never_had_a_quote_that_could_be_used(desk: Desk, other: OptionContract) -> None:
    OptionQuote.objects.filter(contract=other).delete()
    sell(Position.objects.exclude(contract=other).get(), "7900", desk.at("10:43:00"))
    desk.check("10:43:01", "risk")
    assert "loss_l3" in tripped()
    event = BreakerEvent.objects.get(code="loss_l3", kind="tripped")
    assert event.value == 12_100, "the other one is taken at what was paid for it"


def test_a_book_without_any_usable_quote_is_worth_its_last_usable_bid(desk: Desk) -> None:
    look(desk, "10:43:00", "150.0000")
    desk.quote("10:43:01", "20.0000", "180.0000")
    for second in range(1, 9):
        desk.check(f"10:43:{second:02}")
    assert state("loss_l2") != "tripped"


def test_a_crash_to_no_bid_at_all_is_a_loss_of_everything_after_ten_seconds(desk: Desk) -> None:
    desk.quote("10:43:00", None, "0.0500")
    desk.check("10:43:00")
    assert tripped() == set()
    desk.check("10:43:10")
    assert "loss_l3" in tripped()
    assert desk.sold() == [("stop", 1)], "and the stop fires in the same check"


def test_live_the_feed_has_to_say_for_ten_seconds_that_nobody_bids(desk: Desk) -> None:
    """Good for thirty seconds: one such tick and silence would be enough else."""
    later = market.spxw("3700", expires=market.MONDAY.replace(day=8))
    Position.objects.update(contract=later, version=9)
    for second, bid in ((-60, "200.0000"), (0, None)):
        desk.quote(at(second + 60), bid, "200.4000" if bid else "0.0500", contract=later)
    go_live(desk)
    for second in range(60, 85):
        desk.check(at(second), "risk")
    assert tripped() & {"loss_l2", "loss_l3"} == set()
    told = OptionQuote.objects.filter(contract=later).latest("quoted_at")
    OptionQuote.objects.filter(pk=told.pk).update(confirmed_at=desk.at(at(70)))
    desk.check(at(85), "risk")
    assert "loss_l3" in tripped()
