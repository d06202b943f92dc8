"""A size looked at: what the referee would say, why, and what passes instead. Nothing is written."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from django.apps import apps

from positions.models import EquitySnapshot, OpenInterest, Portfolio, VixReading
from riskengine.services.decide import sizing
from tests import oracle
from tests.riskengine import market
from tests.riskengine.counts import assert_counted, statements
from tests.riskengine.market import Bet

pytestmark = pytest.mark.django_db

CONFIDENCES = ("0.65", "0.699999", "0.7", "0.8", "0.9", "1")
Make = Callable[[], Bet]
BOTH = pytest.mark.parametrize("make", [market.zero_dte, market.seven_dte], ids=["0dte", "7dte"])


def assert_as_the_referee_says(preview: dict[str, Any], expected: dict[str, Any]) -> None:
    answer = preview["answer"]
    assert Fraction(str(answer["indicative_dollars"])) == expected["dollars"]
    assert (answer["indicative_contracts"], answer["binding"]) == (expected["contracts"], expected["binding"])
    assert answer["approved"] is expected["approved"]
    assert (answer["refusal"] or {}).get("code") == expected["refusal"]


# ---- Sizes ----


@pytest.mark.parametrize("confidence", ["0.6", *CONFIDENCES])
@pytest.mark.parametrize("vix", ["11", "20", "20.01", "25.01", "30.01"])
def test_a_0dte_size_is_the_referees(confidence: str, vix: str) -> None:
    bet = market.zero_dte()
    VixReading.objects.filter(session_on=market.MONDAY).update(open=vix)
    expected = oracle.size_0dte({"confidence": confidence, "vix": vix, "option_price": "44.40", "equity_sod": "60000"})
    preview = bet.preview(confidence)
    assert_as_the_referee_says(preview, expected)
    assert Fraction(str(preview["answer"]["formula_dollars"])) == expected["formula_dollars"]


@pytest.mark.parametrize("confidence", CONFIDENCES)
@pytest.mark.parametrize("value", ["100000", "80000", "50000", "49999.99"])
def test_a_7dte_size_is_the_referees(confidence: str, value: str) -> None:
    bet = market.seven_dte(cash=Decimal(value))
    given = {"confidence": confidence, "option_price": "5.00", "portfolio_value": value, "buying_power": value}
    assert_as_the_referee_says(bet.preview(confidence), oracle.size_7dte(given))


def test_what_is_open_and_reserved_counts_as_the_referee_counts_it() -> None:
    bet = market.zero_dte()
    held, ordered = market.spxw("3800"), market.spxw("3750")
    market.quote(held, bet.at.replace(second=0), bid="9.90", ask="10.10")
    bet.hold(held, 10, "12.00")
    market.quote(ordered, bet.at.replace(second=0), bid="29.90", ask="30.10")
    bet.order(ordered, 4, "30.00", filled_quantity=1)
    preview = bet.preview("0.9")
    given = {
        "confidence": "0.9",
        "vix": "18",
        "option_price": "44.40",
        "equity_sod": "60000",
        "exposure": "21000",  # 12,000 for what cost more than it is worth, 9,000 for what may still be filled
        "daily_pnl": "-2100",
        "buying_power": "39000",
        "symbol_positions": 2,  # an order that works is a position as soon as it fills
        "total_positions": 2,
    }
    assert_as_the_referee_says(preview, oracle.size_0dte(given))
    inputs = {each["name"]: each["value"] for each in preview["inputs"]}
    assert (inputs["exposure"], inputs["day_pnl"], inputs["buying_power"]) == (21_000, -2_100, 39_000)


def test_a_gaining_position_fills_room_with_its_mark() -> None:
    bet = market.zero_dte()
    held = market.spxw("3800")
    market.quote(held, bet.at.replace(second=0), bid="15.00", ask="15.20")
    bet.hold(held, 10, "12.00")
    assert {each["name"]: each["value"] for each in bet.preview()["inputs"]}["exposure"] == pytest.approx(15_100)


def test_allocation_to_a_stock_counts_positions_and_orders_in_all_its_contracts() -> None:
    bet = market.seven_dte()
    held = market.stock("AAPL", "135")
    market.quote(held, bet.at.replace(second=0), bid="2.90", ask="2.95")
    bet.hold(held, 40, "3.00")
    bet.order(market.stock("AAPL", "140"), 100, "1.30", filled_quantity=40)
    given = {
        "confidence": "0.9",
        "option_price": "5.00",
        "portfolio_value": "100000",
        "current_allocation": "19800",
        "correlations": [1],
        "buying_power": "80200",
    }
    assert_as_the_referee_says(bet.preview("0.9"), oracle.size_7dte(given))


def test_the_basis_follows_losses_down_and_never_gains_up() -> None:
    bet = market.zero_dte()
    for equity, basis in (("40000", 40_000), ("90000", 60_000)):
        EquitySnapshot.objects.filter(portfolio=bet.portfolio).update(equity_start_of_day=equity)
        Portfolio.objects.filter(pk=bet.portfolio.pk).update(cash=equity, settled_cash=equity)
        assert bet.preview()["trace"]["amounts"]["basis"] == basis


def test_a_deposit_of_the_day_is_no_profit() -> None:
    bet = market.zero_dte()
    EquitySnapshot.objects.filter(portfolio=bet.portfolio).update(net_deposits=5000)
    Portfolio.objects.filter(pk=bet.portfolio.pk).update(cash=65_000, settled_cash=65_000)
    assert {each["name"]: each["value"] for each in bet.preview()["inputs"]}["day_pnl"] == 0


# ---- The explanation ----


@BOTH
@pytest.mark.parametrize("confidence", ["0.65", "0.7", "0.9"])
def test_the_trace_runs_from_the_minimum_bet_to_the_answer_without_a_gap(make: Make, confidence: str) -> None:
    preview = make().preview(confidence)
    steps = preview["trace"]["steps"]
    assert steps[0]["before"] == preview["trace"]["amounts"]["minimum"]
    assert all(after["before"] == pytest.approx(before["after"]) for before, after in pairwise(steps))
    assert steps[-1]["after"] == preview["answer"]["dollars"]
    assert all(gate["passed"] for gate in preview["trace"]["gates"])


@BOTH
def test_every_input_names_its_source_and_what_moves_names_its_time(make: Make) -> None:
    inputs = make().preview()["inputs"]
    assert all(each["source"] for each in inputs)
    times = {each["name"]: each["as_of"] for each in inputs}
    assert times["ask"] == times["bid"] == "2021-01-04T10:42:00-05:00"
    assert times["vix"] == "2021-01-04T09:30:00-05:00"
    assert times["equity_start_of_day"] == "2021-01-04T08:00:00-05:00"


def test_the_answer_in_words_has_the_numbers_of_the_answer() -> None:
    answer = market.zero_dte().preview()["answer"]
    assert answer["sentence"] == (
        "Buy 3 at $44.40: $13,320, 22.2% of the account. Confidence 0.7 asks ×1.25 of the $12,000 minimum: $15,000; "
        "3 whole contracts cost $13,320."
    )


def test_targets_and_stop_are_those_of_an_entry_at_the_ask_on_ticks_the_exchange_accepts() -> None:
    targets = market.zero_dte().preview()["targets"]
    assert (targets["regime"], targets["factor"], targets["stop"]) == ("morning", 1, 33.3)
    assert [tier["price"] for tier in targets["tiers"]] == [46.7, 48.9, 51.1]  # 5, 10 and 15% are 46.62, 48.84, 51.06
    assert [tier["contracts"] for tier in targets["tiers"]] == [1, 1, 1]
    seven = market.seven_dte().preview()["targets"]
    assert ([tier["contracts"] for tier in seven["tiers"]], seven["runner_contracts"]) == ([21, 20, 21], 20)


@BOTH
def test_a_refused_bet_keeps_its_indicative_size_and_approves_none(make: Make) -> None:
    answer = make().preview("0.649999")["answer"]
    assert (answer["contracts"], answer["dollars"], answer["approved"]) == (0, 0, False)
    assert answer["refusal"]["code"] == "MIN_CONFIDENCE"
    assert answer["sentence"] == "Confidence 0.649999 is under 0.65, the lowest tradable."
    assert answer["indicative_contracts"] > 0


@BOTH
def test_the_same_question_has_the_same_answer(make: Make) -> None:
    bet = make()
    assert bet.preview() == bet.preview()


@BOTH
@pytest.mark.parametrize("confidence", ["0.7", "0.5"])
def test_a_look_leaves_every_table_as_it_was(make: Make, confidence: str) -> None:
    def rows() -> dict[str, int]:
        return {model._meta.label: model._base_manager.count() for model in apps.get_models()}

    bet = make()
    before = rows()
    sizing.preview_size(
        portfolio=bet.portfolio, request=sizing.SizeRequest(bet.contract, Decimal(confidence)), now=bet.wall()
    )
    assert rows() == before


# ---- What passes instead ----


def thin(bet: Bet) -> None:
    """The contract itself is refused, its neighbours are not."""
    OpenInterest.objects.filter(contract=bet.contract).update(contracts=1)


def test_the_nearest_that_passes_is_approved_when_it_is_asked_for() -> None:
    bet = market.zero_dte()
    thin(bet)
    neighbours = [market.spxw("3705"), market.spxw("3690"), market.spxw("3700", "P")]
    for neighbour in neighbours:
        market.quote(neighbour, bet.at.replace(second=0), bid="43.00", ask="43.40")
    preview = bet.preview()
    assert preview["answer"]["refusal"]["code"] == "OI_TOO_THIN"
    assert preview["nearest"]["occ_symbol"] == neighbours[0].occ_symbol
    again = bet.preview(contract=neighbours[0])
    assert again["answer"]["approved"]
    assert (preview["nearest"]["contracts"], preview["nearest"]["dollars"]) == (
        again["answer"]["contracts"],
        again["answer"]["dollars"],
    )
    assert again["nearest"] is None


def test_the_same_right_comes_before_the_nearer_date_and_that_before_the_nearer_strike() -> None:
    bet = market.seven_dte()
    thin(bet)
    later = market.SEVENTH_DAY + timedelta(days=2)
    put = market.stock("AAPL", "130", "P")
    far_strike, near_strike = market.stock("AAPL", "150"), market.stock("AAPL", "130", expires=later)
    known_at = bet.at.replace(second=0)
    market.quote(put, known_at, bid="4.95", ask="5.00")
    assert bet.preview()["nearest"]["occ_symbol"] == put.occ_symbol
    market.quote(near_strike, known_at, bid="4.95", ask="5.00")
    assert bet.preview()["nearest"]["occ_symbol"] == near_strike.occ_symbol
    market.quote(far_strike, known_at, bid="4.95", ask="5.00")
    assert bet.preview()["nearest"]["occ_symbol"] == far_strike.occ_symbol


def test_a_neighbour_that_does_not_pass_is_not_offered() -> None:
    bet = market.zero_dte()
    thin(bet)
    known_at = bet.at.replace(second=0)
    market.quote(market.spxw("3705"), known_at, bid=None, ask="43.40")
    market.quote(market.spxw("3695"), known_at - timedelta(seconds=120), bid="43.00", ask="43.40")
    market.quote(market.spxw("3690"), known_at, bid="43.00", ask="43.40", interest=None)
    market.quote(market.spxw("3700", expires=market.MONDAY + timedelta(days=1)), known_at, bid="43.00", ask="43.40")
    assert bet.preview()["nearest"] is None


def test_in_a_long_chain_the_nearest_are_the_ones_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizing, "MAX_ALTERNATIVES", 2)
    bet = market.zero_dte()
    thin(bet)
    for strike in range(3600, 3800, 20):
        if strike != 3700:
            market.quote(market.spxw(str(strike)), bet.at.replace(second=0), bid="43.00", ask="43.40")
    assert bet.preview()["nearest"]["occ_symbol"] == market.spxw("3680").occ_symbol


# ---- What it costs the database ----


@BOTH
@pytest.mark.parametrize("confidence", ["0.7", "0.5"], ids=["approved", "refused"])
def test_a_look_takes_as_many_statements_as_are_committed(make: Make, confidence: str) -> None:
    bet = make()
    with assert_counted(f"preview {bet.portfolio.system} {'approved' if confidence == '0.7' else 'refused'}"):
        bet.preview(confidence)


@BOTH
def test_the_statements_do_not_grow_with_the_book_or_the_chain(make: Make) -> None:
    bet = make()
    known_at = bet.at.replace(second=0)
    of = market.spxw if make is market.zero_dte else partial(market.stock, "AAPL")
    for number in range(4):
        held = of(str(3000 + number))
        market.quote(held, known_at, bid="1.00", ask="1.10")
        bet.hold(held, 1, "1.00")
    few = _statements(bet)
    for number in range(12):
        held = of(str(4000 + number))
        market.quote(held, known_at, bid="1.00", ask="1.10")
        bet.hold(held, 1, "1.00")
        market.quote(of(str(5000 + number)), known_at, bid="1.00", ask="1.10")
    assert _statements(bet) == few


def _statements(bet: Bet) -> int:
    with statements() as sent:
        bet.preview("0.5")
    return len(sent)
