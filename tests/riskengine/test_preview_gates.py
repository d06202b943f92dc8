"""Every gate, from its rows to its sentence: all else is healthy, so only that gate can refuse.

Where one unhealthy thing necessarily fails a second gate, both are named; the first is the refusal.
"""

from collections.abc import Callable
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest

from positions.market.calendar import new_york_instant
from positions.models import (
    EarningsDate,
    OpenInterest,
    OptionContract,
    OptionTradeBar,
    Portfolio,
    State,
    UnderlyingBar,
    VixReading,
)
from positions.services.portfolio import change_state
from tests import factories
from tests.riskengine import market
from tests.riskengine.answer import failed
from tests.riskengine.market import Bet

pytestmark = pytest.mark.django_db

Spoil = Callable[[Bet], Any]


def assert_refused(preview: dict[str, Any], codes: str, sentence: str) -> None:
    """Refused by the first of these codes and no other gate, with this sentence, and not sized for use."""
    answer = preview["answer"]
    assert failed(preview) == codes.split()
    assert answer["refusal"] == {"code": codes.split()[0], "sentence": sentence}
    assert (answer["approved"], answer["contracts"], answer["dollars"]) == (False, 0, 0)


def assert_approved(preview: dict[str, Any]) -> None:
    assert preview["answer"]["refusal"] is None, preview["answer"]["refusal"]
    assert preview["answer"]["approved"]


def at(hour: int, minute: int, second: int = 0) -> datetime:
    return new_york_instant(market.MONDAY, time(hour, minute, second))


# ---- The one thing that is wrong ----


def contract(**changes: Any) -> Spoil:
    return lambda bet: OptionContract.objects.filter(pk=bet.contract.pk).update(**changes)


def quote(**changes: Any) -> Spoil:
    return lambda bet: bet.quote(**changes)


def interest(contracts: int) -> Spoil:
    return lambda bet: OpenInterest.objects.update(contracts=contracts)


def volume(contracts: int) -> Spoil:
    def spoil(bet: Bet) -> None:
        OptionTradeBar.objects.update(volume=contracts)
        bet.quote(ask_size=1)

    return spoil


def nothing_known(model: Any) -> Spoil:
    return lambda bet: model.objects.all().delete()


def vix(level: str) -> Spoil:
    return lambda bet: VixReading.objects.filter(session_on=market.MONDAY).update(open=level)


def state(to: State) -> Spoil:
    return lambda bet: change_state(
        portfolio=bet.portfolio, to_state=to, cause="test", reason="A test.", market_at=bet.at
    )


def portfolio(**changes: Any) -> Spoil:
    return lambda bet: Portfolio.objects.filter(pk=bet.portfolio.pk).update(**changes)


def revise(**numbers: Any) -> Spoil:
    return lambda bet: bet.revise(**numbers)


def intents(count: int, seconds_ago: int = 59) -> Spoil:
    def spoil(bet: Bet) -> None:
        decided = bet.at - timedelta(seconds=seconds_ago)
        for _ in range(count):
            factories.refused(bet.portfolio, decided_at=decided, expires_at=decided)

    return spoil


def stopped_out(minutes_ago: int, cause: str = "stop") -> Spoil:
    def spoil(bet: Bet) -> None:
        closed = {"status": "closed", "quantity_open": 0, "closed_at": bet.at - timedelta(minutes=minutes_ago)}
        factories.position(bet.portfolio, contract=bet.contract, close_cause=cause, **closed)

    return spoil


def held(contracts: int, entry: str, bid: str, strike: str = "3800", right: str = "C") -> Spoil:
    """A position in the same index, worth `bid` now."""

    def spoil(bet: Bet) -> None:
        of = market.spxw(strike, right)
        market.quote(of, bet.at.replace(second=0), bid=bid, ask=str(Decimal(bid) + Decimal("0.10")))
        bet.hold(of, contracts, entry)

    return spoil


def both(*spoils: Spoil) -> Spoil:
    def spoil(bet: Bet) -> None:
        for each in spoils:
            each(bet)

    return spoil


# ---- Smart-0DTE ----

HALTED = (
    "Emergency halt: day P&L is {pnl}; the halt is at {limit}, or was set by a person. A staff user clears it with a "
    "reason."
)
REFUSED_0DTE = {
    "MIN_CONFIDENCE": (revise(min_confidence_threshold="0.71"), "Confidence 0.7 is under 0.71, the lowest tradable."),
    "MAX_VIX": (vix("30.01"), "VIX 30.01 is above 30, the highest for entries."),
    "MAX_PER_SYMBOL": (
        both(held(1, "10.00", "10.00"), held(1, "10.00", "10.00", "3790")),
        "Open positions in this symbol: 2; the limit is 2.",
    ),
    "MAX_TOTAL": (
        both(held(1, "10.00", "10.00"), revise(max_total_positions=1)),
        "Open positions: 1; the limit is 1.",
    ),
    "MAX_DELTA": (
        revise(max_portfolio_delta="0.02"),
        "Book delta after the trade is 1,798 SPY share-equivalents; the limit is 1,200.",
    ),
    "MAX_GAMMA": (
        revise(max_portfolio_gamma="0.002"),
        "Book gamma after the trade is 139 SPY share-equivalents per dollar; the limit is 120.",
    ),
    "NOT_ACTIVE": (state(State.REDUCING), "The portfolio is not ACTIVE: openings are refused until it is."),
    "EMERGENCY_HALT NOT_ACTIVE": (
        state(State.HALTED),
        HALTED.format(pnl="$0.00", limit="−$12,000"),
    ),
    "MODE_OFF": (portfolio(mode="off"), "The portfolio's mode is off: nothing is placed."),
    "THROTTLED": (intents(5), "5 opening intents in the window; the limit is 5."),
    "COOLDOWN": (stopped_out(14), "A pause is running in this symbol or portfolio: 1 min left."),
    "NEEDS_CONFIRMATION": (
        held(2, "60.00", "45.00"),
        "A person must confirm this entry: the day's loss has passed the first limit.",
    ),
    "MAX_DAILY_LOSS NEEDS_CONFIRMATION": (
        held(2, "60.00", "30.00"),
        "Day P&L is −$6,000, at or under the daily limit of −$6,000: no entries for the rest of the New York date.",
    ),
    "EMERGENCY_HALT MAX_DAILY_LOSS NEEDS_CONFIRMATION": (
        held(3, "60.00", "20.00"),
        HALTED.format(pnl="−$12,000", limit="−$12,000"),
    ),
    "ADJUSTED_CONTRACT": (contract(is_adjusted=True), "An adjusted contract is never opened, only closed."),
    "AM_SETTLED": (
        contract(settlement="am_cash"),
        "An AM-settled contract stops trading the session before: it is refused.",
    ),
    "EXPIRATION_OUT_OF_RANGE": (
        contract(expiration_on=market.MONDAY + timedelta(days=1)),
        "Days to expiration: 1; the nearest this system opens is 0.",
    ),
    "GREEKS_UNKNOWN MAX_DELTA MAX_GAMMA": (
        lambda bet: UnderlyingBar.objects.update(bar_at=bet.at - timedelta(seconds=60, microseconds=1)),
        "Delta and gamma after the trade cannot be computed: no implied volatility or no underlying price.",
    ),
    "SPREAD_TOO_WIDE COST_OVER_TARGET": (
        quote(bid="40.10"),
        "The spread is 10.2% of the mid; the limit for this bet is 10.0%.",
    ),
    "COST_OVER_TARGET": (
        quote(bid="42.10"),
        "Spread and fees cost $2.313 a share, more than the first target of $2.22.",
    ),
    "STOP_TOO_CLOSE": (
        revise(stop_fraction="0.10"),
        "The bid stands $4.00 above the stop; at least $5.328 is needed, or the spread alone nearly stops the bet.",
    ),
    "VOLUME_TOO_THIN": (volume(59), "3 contracts are ordered; today's volume and displayed size allow 2."),
    "VOLUME_UNKNOWN": (nothing_known(OptionTradeBar), "Today's volume of this option is not known."),
    "OI_TOO_THIN": (interest(29), "3 contracts are ordered; open interest allows 2."),
    "OI_UNKNOWN": (nothing_known(OpenInterest), "The open interest of this option is not known."),
}
# The same as above by a hair less: allowed.
ALLOWED_0DTE = {
    "confidence at the threshold": revise(min_confidence_threshold="0.70"),
    "VIX at the limit": vix("30"),
    "one position in the symbol": held(1, "10.00", "10.00"),
    "just under the positions in all": both(held(1, "10.00", "10.00"), revise(max_total_positions=2)),
    "four intents": intents(4),
    "five intents, a minute ago": intents(5, seconds_ago=60),
    "a pause that is over": stopped_out(15),
    "closed at a profit": stopped_out(1, cause="slice"),
    "a loss under the first limit": held(2, "60.00", "45.10"),
    "enough volume": volume(60),
    "enough open interest": interest(30),
    "no volume known, waived": both(nothing_known(OptionTradeBar), revise(waive_volume_unknown=True)),
    "no interest known, waived": both(nothing_known(OpenInterest), revise(waive_open_interest_unknown=True)),
    "an underlying price of a minute ago": lambda bet: UnderlyingBar.objects.update(
        bar_at=bet.at - timedelta(minutes=1)
    ),
    "a put's delta against a call's": both(
        held(3, "44.40", "44.00", "3740", "P"), revise(max_portfolio_delta="0.029", max_portfolio_gamma="1")
    ),
}


@pytest.mark.parametrize("codes", REFUSED_0DTE)
def test_a_0dte_gate_refuses_with_its_code_and_sentence(codes: str) -> None:
    spoil, sentence = REFUSED_0DTE[codes]
    bet = market.zero_dte()
    spoil(bet)
    assert_refused(bet.preview(), codes, sentence)


@pytest.mark.parametrize("spoil", ALLOWED_0DTE.values(), ids=ALLOWED_0DTE)
def test_a_0dte_gate_lets_pass_what_is_just_within(spoil: Spoil) -> None:
    bet = market.zero_dte()
    spoil(bet)
    assert_approved(bet.preview())


@pytest.mark.parametrize(
    ("ask", "codes"), [("1.95", ["PREMIUM_TOO_LOW"]), ("2.00", [])], ids=["under two dollars", "two dollars"]
)
def test_a_cheap_index_option_is_refused(ask: str, codes: list[str]) -> None:
    far = market.spxw("3900")
    bet = market.zero_dte(contract=far, bid=str(Decimal(ask) - Decimal("0.05")), ask=ask)
    bet.revise(max_portfolio_delta="10", max_portfolio_gamma="10")
    assert failed(bet.preview()) == codes


def test_the_delta_of_what_is_open_counts() -> None:
    bet = market.zero_dte()
    bet.revise(max_portfolio_delta="0.05")
    held(3, "44.40", "44.00", "3690")(bet)
    assert failed(bet.preview()) == ["MAX_DELTA"]


# ---- The clock ----


@pytest.mark.parametrize(
    ("now", "codes"),
    [
        (time(9, 29, 59), ["SESSION_CLOSED", "TOO_EARLY"]),
        (time(9, 30), ["TOO_EARLY"]),
        (time(9, 34, 59), ["TOO_EARLY"]),
        (time(9, 35), []),
        (time(15, 15), []),
        (time(15, 15, 1), ["TOO_LATE"]),
    ],
    ids=str,
)
def test_0dte_entries_are_from_0935_to_half_an_hour_before_the_forced_close(now: time, codes: list[str]) -> None:
    preview = market.zero_dte(at=now).preview()
    assert failed(preview) == codes
    assert preview["answer"]["approved"] is not bool(codes)


@pytest.mark.parametrize(
    ("now", "code", "sentence"),
    [
        (time(9, 33), "TOO_EARLY", "3 min after the open; entries start 5 min after it."),
        (time(15, 30), "TOO_LATE", "15 min before the forced close; the last entry is 30 min before it."),
    ],
    ids=["early", "late"],
)
def test_too_early_and_too_late_say_how_much(now: time, code: str, sentence: str) -> None:
    assert_refused(market.zero_dte(at=now).preview(), code, sentence)


def test_7dte_entries_go_on_to_the_close() -> None:
    bet = market.seven_dte(at=time(15, 59, 59))
    assert_approved(bet.preview())
    closed = bet.preview(at=bet.at + timedelta(seconds=1))
    assert_refused(closed, "SESSION_CLOSED", "The exchange is closed at this market time.")


@pytest.mark.parametrize("now", [time(9, 59, 59), time(10)], ids=str)
def test_volume_is_asked_for_from_ten_oclock(now: time) -> None:
    bet = market.zero_dte(at=now)
    OptionTradeBar.objects.all().delete()
    assert failed(bet.preview()) == (["VOLUME_UNKNOWN"] if now.hour == 10 else [])


# ---- Mag7-7DTE ----


def reports(days: int) -> Spoil:
    def spoil(bet: Bet) -> None:
        day = market.MONDAY + timedelta(days=days)
        EarningsDate.objects.create(
            instrument=bet.contract.underlying, reports_on=day, timing="after_close", source="test"
        )

    return spoil


def holds_another_stock(contracts: int) -> Spoil:
    def spoil(bet: Bet) -> None:
        of = market.stock("MSFT", "220")
        market.quote(of, bet.at.replace(second=0), bid="4.65", ask="4.70")
        bet.hold(of, contracts, "4.70")

    return spoil


REFUSED_7DTE = {
    "MIN_CONFIDENCE": (revise(min_confidence_threshold="0.71"), "Confidence 0.7 is under 0.71, the lowest tradable."),
    "MAX_VIX": (vix("30.01"), "VIX 30.01 is above 30, the highest for entries."),
    "MAX_VIX STALE_VIX": (nothing_known(VixReading), "The volatility index is not known."),
    "NOT_ACTIVE": (state(State.UNKNOWN), "The portfolio is not ACTIVE: openings are refused until it is."),
    "EMERGENCY_HALT NOT_ACTIVE": (
        state(State.FLATTENING),
        HALTED.format(pnl="$0.00", limit="−$20,000"),
    ),
    "EARNINGS_BEFORE_EXPIRY": (
        reports(7),
        "Earnings before the expiration cannot be ruled out: the next date is inside, or not on record.",
    ),
    "BOOK_EXPOSURE": (
        holds_another_stock(101),
        "Exposure after this bet would be $80,470; the limit is $80,000.",
    ),
    "OI_TOO_THIN": (interest(819), "82 contracts are ordered; open interest allows 81."),
    "VOLUME_TOO_THIN": (volume(1639), "82 contracts are ordered; today's volume and displayed size allow 81."),
}
ALLOWED_7DTE = {
    "earnings the day after the expiration": reports(8),
    "earnings yesterday": reports(-1),
    "earnings, when they are not refused": both(reports(3), revise(refuse_earnings_before_expiry=False)),
    "exposure just within": holds_another_stock(100),
    "enough open interest": interest(820),
}


@pytest.mark.parametrize("codes", REFUSED_7DTE)
def test_a_7dte_gate_refuses_with_its_code_and_sentence(codes: str) -> None:
    spoil, sentence = REFUSED_7DTE[codes]
    bet = market.seven_dte()
    spoil(bet)
    assert_refused(bet.preview(), codes, sentence)


@pytest.mark.parametrize("spoil", ALLOWED_7DTE.values(), ids=ALLOWED_7DTE)
def test_a_7dte_gate_lets_pass_what_is_just_within(spoil: Spoil) -> None:
    bet = market.seven_dte()
    spoil(bet)
    assert_approved(bet.preview())


@pytest.mark.parametrize("spoil", [nothing_known(EarningsDate), both(nothing_known(EarningsDate), reports(-1))])
def test_an_unknown_next_earnings_date_is_not_taken_for_none(spoil: Spoil) -> None:
    bet = market.seven_dte()
    spoil(bet)
    assert failed(bet.preview()) == ["EARNINGS_BEFORE_EXPIRY"]


@pytest.mark.parametrize(("days", "passes"), [(4, False), (5, True), (9, True), (10, False)])
def test_7dte_opens_what_expires_in_five_to_nine_days(days: int, passes: bool) -> None:
    of = market.stock("AAPL", expires=market.MONDAY + timedelta(days=days))
    preview = market.seven_dte(contract=of).preview()
    assert failed(preview) == ([] if passes else ["EXPIRATION_OUT_OF_RANGE"])


def test_7dte_does_not_ask_for_greeks() -> None:
    bet = market.seven_dte()
    UnderlyingBar.objects.all().delete()
    assert_approved(bet.preview())
