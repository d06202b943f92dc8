"""What becomes of signals: selected, entered past every gate, expired, traded, or dropped with a reason."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from positions.models import Decision, Order, OrderStatus, Portfolio
from riskengine.models import Handling, SourceKind
from tests import factories
from tests.riskengine import market
from tests.riskengine.entering import checked
from tests.riskengine.market import Bet
from tests.riskengine.signals.sending import beside, run, send, source, states, told

pytestmark = pytest.mark.django_db


@pytest.fixture
def bet() -> Bet:
    return checked(market.zero_dte())


# ---- The life of one that enters ----


def test_a_signal_is_entered_past_every_gate_and_traded_once_a_position_is_held(bet: Bet) -> None:
    signal = send(bet, "0.80")
    assert run(bet) == {"accepted": 1}
    signal.refresh_from_db()
    decision = Decision.objects.get()
    assert (signal.decision, decision.approved, decision.confidence) == (decision, True, Decimal("0.800000"))
    assert len(decision.gates) > 20
    assert Order.objects.openings().get().decision == decision
    assert (signal.selection["contract"], signal.selection["picked"]) == (
        bet.contract.occ_symbol,
        "named by the signal",
    )
    assert run(bet) == {}
    factories.position(bet.portfolio, decision=decision, entry_at=bet.at)
    assert run(bet) == {"traded": 1}
    assert states(signal) == ["new", "accepted", "traded"]


def test_what_a_gate_refuses_drops_it_with_the_gate_s_words(bet: Bet) -> None:
    market.vix(market.MONDAY, opened="38.00")
    signal = send(bet)
    assert run(bet) == {"dropped": 1}
    decision = Decision.objects.get()
    assert told(signal) == ("dropped", decision.refusal_code)
    assert signal.dropped_sentence == decision.refusal_sentence


def test_an_order_that_ends_without_a_fill_drops_it(bet: Bet) -> None:
    signal = send(bet)
    run(bet)
    Order.objects.update(status=OrderStatus.CANCELLED, finished_at=bet.at)
    assert run(bet) == {"dropped": 1}
    assert told(signal) == ("dropped", "NOT_FILLED")
    assert signal.decision_id is not None


def test_a_signal_lasts_until_its_end_and_not_a_second_longer(bet: Bet) -> None:
    signal = send(bet, of=source(bet, handling=Handling.SHOW))
    assert run(bet) == {"accepted": 1}
    assert run(bet, 14.9) == {}
    assert run(bet, 15) == {"expired": 1}
    assert told(signal) == ("expired", "")
    late = send(bet, of=source(bet), external_id="late")
    assert run(bet, 15) == {"expired": 1}
    assert told(late) == ("expired", "")
    assert not Decision.objects.exists()


def test_what_is_shown_is_not_entered(bet: Bet) -> None:
    signal = send(bet, of=source(bet, handling=Handling.SHOW))
    assert run(bet) == {"accepted": 1}
    assert told(signal) == ("accepted", "")
    assert not Decision.objects.exists()


def test_in_mode_live_manual_it_waits_for_a_person_and_is_over_when_nobody_comes(bet: Bet) -> None:
    Portfolio.objects.update(mode="live-manual", broker="alpaca")
    signal = send(bet)
    assert run(bet) == {"accepted": 1}
    assert Decision.objects.get().approved
    assert not Order.objects.exists()
    assert run(bet, 0.9) == {}
    assert run(bet, 1.1) == {"dropped": 1}
    assert told(signal) == ("dropped", "NOT_FILLED")
    assert signal.dropped_sentence == "Nobody confirmed its entry in time."


# ---- Dropped before anything is decided ----


def test_too_little_confidence_is_no_candidate(bet: Bet) -> None:
    low, enough = send(bet, "0.649999"), send(bet, "0.65")
    run(bet)
    assert told(low) == ("dropped", "MIN_CONFIDENCE")
    assert told(enough)[0] == "accepted"


def test_without_a_listed_expiration_or_a_usable_contract_there_is_nothing_to_buy(bet: Bet) -> None:
    market.bar("SPY", bet.at)
    none = send(bet, symbol="SPY", contract="", direction="LONG_PUT")
    put = send(bet, contract="", direction="LONG_PUT")  # only a call is listed today
    run(bet)
    assert told(none) == ("dropped", "NO_EXPIRATION")
    assert told(put) == ("dropped", "NO_CONTRACT")
    assert "No put of SPX that expires on 2021-01-04" in put.dropped_sentence
    assert not Decision.objects.exists()


def test_what_a_source_had_said_before_it_was_switched_off_is_not_entered(bet: Bet) -> None:
    signal = send(bet)
    signal.source.enabled = False
    signal.source.save()
    assert run(bet) == {"dropped": 1}
    assert told(signal) == ("dropped", "SOURCE_DISABLED")
    assert not Decision.objects.exists()


def test_a_stale_chain_has_no_usable_contract(bet: Bet) -> None:
    signal = send(bet, contract="", at=bet.at)
    bet.quote(confirmed_at=bet.at - timedelta(hours=2), changed_at=bet.at - timedelta(hours=2))
    run(bet)
    assert told(signal) == ("dropped", "NO_CONTRACT")


def test_a_contract_is_picked_from_the_chain_and_said_why(bet: Bet) -> None:
    signal = send(bet, contract="")
    assert run(bet) == {"accepted": 1}
    signal.refresh_from_db()
    assert signal.selection["contract"] == bet.contract.occ_symbol
    assert "of 1 listed for 2021-01-04, nearest to" in signal.selection["picked"]


# ---- One bet, said twice ----


def test_of_two_that_are_one_bet_the_more_confident_stands(bet: Bet) -> None:
    weak, strong = send(bet, "0.70"), send(bet, "0.80")
    run(bet)
    assert told(strong)[0] == "accepted"
    assert told(weak) == ("dropped", "CORRELATED")
    assert weak.dropped_sentence == (
        "It is one bet with the signal in SPX at 0.80: correlation 1 in the same direction, over 0.80. "
        "The more confident one stands."
    )
    assert weak.selection["score"] is not None


@pytest.mark.parametrize("handling", [Handling.SHOW, Handling.ENTER])
def test_one_that_was_accepted_before_stands_however_sure_the_next_is(bet: Bet, handling: Any) -> None:
    Portfolio.objects.update(mode="live-manual", broker="alpaca")  # also what enters waits, and holds nothing yet
    of = source(bet, handling=handling)
    first = send(bet, "0.70", of=of)
    run(bet)
    second = send(bet, "0.95", of=of)
    run(bet)
    assert told(first)[0] == "accepted"
    assert told(second) == ("dropped", "CORRELATED")
    assert second.dropped_sentence.endswith("The one accepted before stands.")


def test_the_other_direction_is_another_bet_and_what_is_over_bars_nobody(bet: Bet) -> None:
    put = market.spxw("3700", "P")
    market.quote(put, bet.at.replace(second=0), bid="24.00", ask="24.20")
    of = source(bet, handling=Handling.SHOW)
    first = send(bet, of=of)
    run(bet)
    other = send(bet, of=of, contract=put.occ_symbol, direction="LONG_PUT")
    run(bet)
    assert (told(first)[0], told(other)[0]) == ("accepted", "accepted")
    third = send(bet, of=of, as_of=bet.at + timedelta(minutes=15), at=bet.at + timedelta(minutes=15))
    assert run(bet, 15) == {"expired": 2, "accepted": 1}
    assert told(third)[0] == "accepted"


def test_weekly_bets_in_two_underlyings_that_move_together_are_one_bet() -> None:
    bet = checked(market.seven_dte())
    other = market.stock("MSFT")
    market.bar("MSFT", bet.at.replace(second=0))
    market.quote(other, bet.at.replace(second=0), bid="4.95", ask="5.00")
    for symbol in ("AAPL", "MSFT"):
        market.closes(symbol, lambda number: (-1) ** number * 1.0)
    held = send(bet, of=source(bet, handling=Handling.SHOW))
    run(bet)
    twin = send(bet, of=source(bet), symbol="MSFT", contract=other.occ_symbol)
    run(bet)
    assert told(held)[0] == "accepted"
    assert told(twin) == ("dropped", "CORRELATED")
    assert "It is one bet with the signal in AAPL at 0.70: correlation 1" in twin.dropped_sentence


# ---- Unproven ----


def entered(bet: Bet, kind: Any) -> Decision:
    signal = send(bet, "0.95", of=source(bet, kind))
    run(bet)
    signal.refresh_from_db()
    assert signal.decision is not None
    return signal.decision


def test_what_is_built_in_bets_the_minimum_until_it_has_a_record(bet: Bet) -> None:
    built_in = entered(bet, SourceKind.GENERATOR)
    assert built_in.inputs["request"]["proven"] is False
    assert built_in.signal.selection["scales_with"] == 0.0
    other = beside(bet)
    assert entered(other, SourceKind.API).scale_multiplier > built_in.scale_multiplier
