"""Ticks that are no prices: no bid for a moment, in a halt, at the open, after the close, in front of a position that
has no other quote. None of them trips a loss breaker (A-03, A-05, A-24); what lasts does."""

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal

import pytest

from positions.models import OptionContract, OptionQuote, Portfolio, Position, TradingHalt
from tests.riskengine import market
from tests.riskengine.watch import guarded
from tests.riskengine.watch.desk import Desk, go_live
from tests.riskengine.watch.guarded import quote, sell, state, tripped

pytestmark = pytest.mark.django_db

LOSSES = {"loss_l1", "loss_l2", "loss_l3", "drawdown_5", "drawdown_20"}


@pytest.fixture
def desk() -> Desk:
    return go_live(guarded.guarded())


def losses() -> set[str]:
    return tripped() & LOSSES


def looks(desk: Desk, seconds: Iterable[int], minute: str = "10:43", scope: str = "risk") -> None:
    for second in seconds:
        desk.check(f"{minute}:{second:02}", scope)


def halted(desk: Desk, resumed: str | None = None) -> None:
    TradingHalt.objects.create(
        instrument_id=desk.contract.underlying_id,
        halted_at=desk.at("10:43:00"),
        resumed_at=desk.at(resumed) if resumed else None,
        reason="Volatility pause",
        source="test",
    )


def later(desk: Desk) -> OptionContract:
    """What is held expires on Friday instead, and was bought on Friday."""
    contract = market.spxw("3700", expires=market.MONDAY.replace(day=8))
    friday = desk.at("15:59:40") - timedelta(days=3)
    Position.objects.update(contract=contract, entry_at=friday - timedelta(hours=3), version=9)
    OptionQuote.objects.all().delete()
    desk.quote(friday, "200.0000", "200.4000", contract=contract)
    return contract


# ---- No bid ----


@pytest.mark.parametrize("ask", ["0.0500", "215.0000"])
def test_one_tick_without_a_bid_after_a_run_of_wide_quotes_trips_nothing(desk: Desk, ask: str) -> None:
    for second in range(20):
        desk.quote(f"10:43:{second:02}", "180.0000", "215.0000")
        desk.check(f"10:43:{second:02}")
    desk.quote("10:43:20", None, ask)
    looks(desk, (20, 21, 22), scope="exit")
    quote(desk, "10:43:23", "200.0000")
    looks(desk, (23, 24), scope="exit")
    assert losses() == set()


def test_nor_does_one_after_a_silence(desk: Desk) -> None:
    looks(desk, range(0, 40, 5))
    desk.quote("10:43:40", None, "215.0000")
    looks(desk, (40, 41, 44))
    assert losses() == set()


def test_nor_the_first_of_the_day(desk: Desk) -> None:
    contract = later(desk)
    looks(desk, (0, 10, 20), "09:30")
    desk.quote("09:30:30", None, "215.0000", contract=contract)
    looks(desk, (30,), "09:30")
    desk.quote("09:30:31", "200.0000", "200.4000", contract=contract)
    looks(desk, (31,), "09:30")
    assert losses() == set()


def test_a_bid_that_stays_away_for_ten_seconds_by_the_feeds_own_word_is_a_loss_of_everything(desk: Desk) -> None:
    for second in range(12):
        desk.quote(f"10:43:{second:02}", None, f"0.{50 + second:04}")
        desk.check(f"10:43:{second:02}")
        assert ("loss_l3" in losses()) is (second >= 10), second


# ---- Halts ----


def test_nobody_bids_in_a_halt_and_that_is_no_loss(desk: Desk) -> None:
    halted(desk)
    desk.quote("10:43:05", None, "215.0000")
    for second in range(5, 40):
        desk.confirm(f"10:43:{second:02}")
        desk.check(f"10:43:{second:02}", "risk")
    assert (losses(), Portfolio.objects.get().state) == (set(), "ACTIVE")


def test_a_quote_from_before_a_halt_does_not_confirm_itself_in_it(desk: Desk) -> None:
    quote(desk, "10:42:59", "138.0000")
    halted(desk)
    for second in range(1, 15):
        desk.confirm(f"10:43:{second:02}")
        desk.check(f"10:43:{second:02}")
    assert state("loss_l2") != "tripped"


def test_what_is_quoted_in_a_halt_confirms_nothing_and_trips_nothing_at_once(desk: Desk) -> None:
    halted(desk)
    for second in range(1, 30):
        quote(desk, f"10:43:{second:02}", "60.0000")
        desk.check(f"10:43:{second:02}")
    assert losses() == set()


def test_the_first_tick_after_a_halt_trips_nothing_and_what_follows_it_does(desk: Desk) -> None:
    halted(desk, "10:48:00")
    looks(desk, range(0, 15, 5), "10:48")
    desk.quote("10:48:15", None, "215.0000")
    looks(desk, (15, 16), "10:48")
    assert losses() == set()
    for second in (20, 21, 22):
        quote(desk, f"10:48:{second:02}", "140.0000")
        desk.check(f"10:48:{second:02}")
    assert state("loss_l2") == "tripped"


# ---- The edges of the session ----


def test_the_last_tick_of_a_session_is_not_confirmed_after_the_close(desk: Desk) -> None:
    contract = later(desk)
    desk.quote("15:59:00", "200.0000", "200.4000", contract=contract)
    desk.quote("15:59:59", "138.0000", "138.4000", contract=contract)
    desk.check("15:59:59", "risk")
    last = OptionQuote.objects.filter(contract=contract).latest("quoted_at")
    OptionQuote.objects.filter(pk=last.pk).update(confirmed_at=desk.at("16:10:00"))
    desk.check("16:10:05", "risk")
    assert state("loss_l2") != "tripped"


# ---- Positions that have no price ----


def test_a_winner_of_an_earlier_day_without_any_quote_is_not_known_and_not_a_loss(desk: Desk) -> None:
    later(desk)
    OptionQuote.objects.all().delete()
    Position.objects.update(average_entry_price=Decimal("20.00"), entry_cost=Decimal(2000), version=19)
    desk.quote("10:43:00", "100.0000", "300.0000", contract=Position.objects.get().contract)
    looks(desk, (0, 1, 30))
    assert losses() == set()


def test_beside_it_nothing_is_invented_either(desk: Desk) -> None:
    """A loser of an earlier day that nothing is known of is no profit that hides a booked loss: nothing is known."""
    contract = market.spxw("3705")
    desk.hold(
        1, "200.00", contract=contract, entry_at=desk.at("10:00:00") - timedelta(days=3), initial_stop=Decimal(1),
        current_stop=Decimal(1),
    )  # fmt: skip
    sell(Position.objects.exclude(contract=contract).get(), "7900", desk.at("10:43:00"))
    desk.check("10:43:01", "risk")
    assert losses() == set()
    assert desk.portfolio.reading.state == "unknown", "and nothing is opened"


# ---- Many ticks ----


def test_a_good_tick_now_and_then_hides_no_loss(desk: Desk) -> None:
    for k in range(100):
        at = desk.at("10:43:00") + timedelta(milliseconds=50 * k)
        quote(desk, at, "150.0000" if k % 35 == 34 else "135.0000")
    desk.check("10:43:05")
    assert state("loss_l2") == "tripped"


def test_nor_does_a_bad_one_now_and_then_make_one(desk: Desk) -> None:
    for k in range(100):
        at = desk.at("10:43:00") + timedelta(milliseconds=50 * k)
        quote(desk, at, "165.0000" if k % 20 == 19 else "200.0000")
        if k % 5 == 4:
            desk.check(at)
    assert losses() == set()
