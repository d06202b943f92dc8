"""`manage.py preview_size`: the same answer as text or JSON, and one line for what it cannot read."""

import json
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command

from positions.models import ExchangeSession, OpenInterest
from tests.riskengine import market
from tests.riskengine.market import Bet

pytestmark = pytest.mark.django_db


@pytest.fixture
def bet() -> Bet:
    return market.zero_dte()


def run(bet: Bet, *options: str, contract: str = "", confidence: str = "0.70", portfolio: str = "") -> str:
    out = StringIO()
    with time_machine.travel(bet.wall(), tick=False):
        symbol = contract or bet.contract.occ_symbol
        call_command("preview_size", portfolio or bet.portfolio.slug, symbol, confidence, *options, stdout=out)
    return out.getvalue()


def refused(bet: Bet, **arguments: str) -> str:
    with pytest.raises(CommandError) as problem:
        run(bet, **arguments)
    return str(problem.value)


def test_json_is_the_services_answer(bet: Bet) -> None:
    assert json.loads(run(bet, "--json")) == bet.preview()


def test_text_starts_with_the_question_and_the_answer(bet: Bet) -> None:
    lines = run(bet).splitlines()
    assert lines[0] == "SPXW 3,700 call, 2021-01-04 at 2021-01-04T10:42:07-05:00"
    assert lines[1].startswith("Buy 3 at $44.40: $13,320, 22.2% of the account.")
    assert "  Confidence: 12,000.00 → 15,000.00" in lines
    assert any(line.startswith("  W1 This bet is 22.2% of the account") for line in lines)
    assert any(line.startswith("  Total loss: 13,320.00.") for line in lines)


def test_text_of_a_refusal_names_each_gate_and_what_passes_instead(bet: Bet) -> None:
    OpenInterest.objects.update(contracts=1)
    market.quote(market.spxw("3705"), bet.at.replace(second=0), bid="43.00", ask="43.40")
    said = run(bet)
    assert "Refused: OI_TOO_THIN." in said
    assert "  ✗ OI_TOO_THIN: 3 contracts are ordered; open interest allows 0." in said
    assert "Nearest that passes: SPXW 3,705 call, 2021-01-04. Passes every gate at confidence 0.7: 3 at $43.40." in said


@pytest.mark.parametrize("spelling", ["SPXW210104C03700000", "spxw  210104c03700000"])
def test_a_symbol_is_read_in_every_spelling(bet: Bet, spelling: str) -> None:
    assert run(bet, contract=spelling) == run(bet)


@pytest.mark.parametrize("confidence", ["1.01", "NaN", "inf", "seven", "", "1e999"])
def test_a_confidence_that_is_none_is_refused_in_one_line(bet: Bet, confidence: str) -> None:
    assert refused(bet, confidence=confidence) == f"Confidence is {confidence}: give a number from 0 to 1."


def test_an_unknown_portfolio_names_those_there_are(bet: Bet) -> None:
    slug = bet.portfolio.slug
    assert refused(bet, portfolio="nobody's") == f'There is no portfolio "nobody\'s". Known: {slug}.'


@pytest.mark.parametrize(
    ("symbol", "sentence"),
    [
        ("SPXW", "'SPXW' is not an OCC option symbol."),
        ("SPXW211304C03700000", "'SPXW211304C03700000': 211304 is not a date (YYMMDD)."),
        ("SPXW210104C09999000", "SPXW210104C09999000 is not among the contracts on record."),
    ],
)
def test_a_contract_that_is_none_is_refused_in_one_line(bet: Bet, symbol: str, sentence: str) -> None:
    assert refused(bet, contract=symbol).startswith(sentence)


def test_a_market_time_outside_the_calendar_says_how_to_extend_it(bet: Bet) -> None:
    ExchangeSession.objects.all().delete()
    assert "manage.py import_sessions FILE" in refused(bet)


def test_a_bet_that_cannot_be_sized_is_said_and_has_no_size(bet: Bet) -> None:
    bet.quote(bid=None)
    answer: dict[str, Any] = json.loads(run(bet, "--json"))["answer"]
    assert (answer["refusal"]["code"], answer["contracts"], answer["indicative_contracts"]) == ("NO_BID", 0, 0)
    assert "Refused: NO_BID." in run(bet)
