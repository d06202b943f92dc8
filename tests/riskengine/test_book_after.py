"""The ticket's book with the bet is the book that the risk page shows once it is held."""

from typing import Any

import pytest

from positions.models import OptionQuote
from riskengine.services.watch.outlook import outlook
from tests.riskengine import market
from tests.riskengine.market import Bet

pytestmark = pytest.mark.django_db


def book(bet: Bet) -> dict[str, dict[str, Any]]:
    return {row["label"]: row for row in bet.preview("0.7")["book"]}


def at_risk(bet: Bet) -> dict[str, float]:
    """The same figures of what is held, as the risk page has them."""
    risk = outlook(portfolio=bet.portfolio, now=bet.wall())
    found = {row["name"]: row["value"] for row in risk["greeks"]}
    still = next(row for row in risk["scenarios"]["rows"] if row["move"] == 0.0)
    pnl = dict(zip(risk["scenarios"]["spot_moves"], (cell["pnl"] for cell in still["cells"]), strict=True))
    return found | {"Exposure": risk["exposure"], "Underlyings −5%": pnl[-0.05], "Underlyings +5%": pnl[0.05]}


def test_an_empty_book_has_nothing_before_and_the_bet_after() -> None:
    bet = market.zero_dte()
    rows = book(bet)
    assert {label: row["before"] for label, row in rows.items()} == dict.fromkeys(rows, 0.0)
    assert rows["Exposure"]["after"] == bet.preview("0.7")["answer"]["dollars"]
    assert (rows["Delta"]["limit"], rows["Gamma"]["limit"], rows["Exposure"]["limit"]) == (6_000, 3_000, 48_000)


def test_the_book_with_the_bet_is_what_the_risk_page_shows_once_it_is_held() -> None:
    bet = market.zero_dte()
    told = book(bet)
    preview = bet.preview("0.7")
    bet.hold(bet.contract, preview["answer"]["contracts"], str(preview["answer"]["price"]))
    held = at_risk(bet)
    for label, row in told.items():
        if label != "Exposure":  # paid at the ask, which its gates count, and marked at the larger of cost and mid
            assert row["after"] == pytest.approx(held[label], rel=1e-9), label
    assert book(bet)["Delta"]["before"] == pytest.approx(told["Delta"]["after"])
    assert book(bet)["Exposure"]["before"] == pytest.approx(held["Exposure"])


def test_beside_an_option_that_cannot_be_priced_the_bet_is_refused_and_no_sum_is_shown() -> None:
    bet = market.zero_dte()
    other = market.spxw("3750")
    bet.hold(other, 1, "10.00")
    OptionQuote.objects.filter(contract=other).delete()
    preview = bet.preview("0.7")
    assert preview["answer"]["refusal"] is not None
    assert [row["after"] for row in preview["book"] if row["label"] == "Delta"] in ([], [None])


def test_seven_day_bets_have_no_limit_of_greeks() -> None:
    rows = book(market.seven_dte())
    assert (rows["Delta"]["limit"], rows["Gamma"]["limit"]) == (None, None)
