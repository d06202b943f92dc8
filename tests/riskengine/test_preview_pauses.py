"""What stops an entry besides its own quote: halts, events, pauses, and what other bets' quotes do not tell."""

from datetime import timedelta
from decimal import Decimal

import pytest

from positions.models import Blackout, Instrument, TradingHalt
from riskengine.services.decide.explanation import unusable
from tests import factories
from tests.riskengine import market
from tests.riskengine.answer import failed
from tests.riskengine.market import Bet

pytestmark = pytest.mark.django_db


def hold(bet: Bet, *, bid: str | None, ask: str, seconds_ago: int = 0) -> None:
    of = market.spxw("3800")
    market.quote(of, bet.at.replace(second=0) - timedelta(seconds=seconds_ago), bid=bid, ask=ask)
    bet.hold(of, 3, "44.40")


def test_a_halted_underlying_is_not_opened_and_a_resumed_one_is() -> None:
    bet = market.zero_dte()
    spx = Instrument.objects.get(symbol="SPX")
    halt = TradingHalt.objects.create(
        instrument=spx, halted_at=bet.at - timedelta(minutes=5), reason="LULD", source="test"
    )
    assert failed(bet.preview()) == ["UNDERLYING_HALTED"]
    halt.resumed_at = bet.at - timedelta(minutes=1)
    halt.save()
    assert bet.preview()["answer"]["approved"]


@pytest.mark.parametrize("symbol", ["SPX", None])
def test_a_calendar_event_blocks_its_underlying_or_all(symbol: str | None) -> None:
    bet = market.zero_dte()
    instrument = Instrument.objects.get(symbol=symbol) if symbol else None
    start = bet.at - timedelta(minutes=5)
    Blackout.objects.create(
        instrument=instrument, starts_at=start, ends_at=bet.at + timedelta(minutes=5), reason="FOMC"
    )
    assert failed(bet.preview()) == ["EVENT_BLACKOUT"]


def losses(bet: Bet, *, count: int, minutes_ago: float, cause: str) -> None:
    for k in range(count):
        closed = {"status": "closed", "quantity_open": 0, "closed_at": bet.at - timedelta(minutes=minutes_ago + k)}
        factories.position(bet.portfolio, contract=bet.contract, realised_pnl=-100, close_cause=cause, **closed)


@pytest.mark.parametrize(
    ("count", "minutes_ago", "paused"), [(3, 29.9, True), (3, 30, False), (2, 1, False)], ids=["streak", "over", "two"]
)
def test_three_losing_closes_in_a_row_pause_entries_for_half_an_hour(
    count: int, minutes_ago: float, paused: bool
) -> None:
    bet = market.zero_dte()
    losses(bet, count=count, minutes_ago=minutes_ago, cause="forced_close")
    assert ("COOLDOWN" in failed(bet.preview())) == paused


def test_two_stop_outs_in_an_underlying_end_its_day() -> None:
    bet = market.zero_dte()
    losses(bet, count=2, minutes_ago=16, cause="stop")
    assert failed(bet.preview()) == ["COOLDOWN"]


def test_a_crossed_quote_of_a_held_option_never_hides_the_days_loss() -> None:
    bet = market.zero_dte()
    hold(bet, bid="44.00", ask="0.05")
    assert "MAX_DAILY_LOSS" in failed(bet.preview())


def test_a_stale_quote_of_a_held_option_leaves_the_day_unknown_and_nothing_is_sized() -> None:
    bet = market.zero_dte()
    hold(bet, bid="44.00", ask="44.40", seconds_ago=4200)
    preview = bet.preview()
    assert unusable(preview) is not None
    assert preview["answer"]["indicative_contracts"] == 0


def test_a_held_option_without_a_bid_counts_as_lost() -> None:
    bet = market.zero_dte()
    hold(bet, bid=None, ask="0.05")
    assert {each["name"]: each["value"] for each in bet.preview()["inputs"]}["day_pnl"] == pytest.approx(-13_320)


def test_working_openings_count_as_positions_of_their_symbol() -> None:
    bet = market.zero_dte()
    for strike in ("3750", "3760"):
        ordered = market.spxw(strike)
        market.quote(ordered, bet.at.replace(second=0), bid="9.90", ask="10.10")
        bet.order(ordered, 1, "10.10")
    assert "MAX_PER_SYMBOL" in failed(bet.preview())


def test_limits_are_shares_of_the_basis_and_not_of_a_larger_account() -> None:
    bet = market.zero_dte()
    bet.portfolio.equity_snapshots.update(equity_start_of_day=Decimal(240_000))
    bet.portfolio.__class__.objects.filter(pk=bet.portfolio.pk).update(cash=240_000, settled_cash=240_000)
    preview = bet.preview()
    costs = {each["code"]: each["note"] for each in preview["costs"]}
    assert "55.5% of the daily limit" in costs["AT_STOP"]
    assert "×1.11 the emergency limit" in costs["GAP_AFTER"]
    assert "W7" in [each["code"] for each in preview["advice"]]
