"""What is known of the companies: the score by factor, how old it is, what is ahead; page, API and size agree."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from positions.models import Blackout, EarningsDate, ExDividendDate, Fundamental
from riskengine.services.watch.companies import companies_of
from tests.riskengine import market
from tests.riskengine.market import MONDAY, Bet

pytestmark = pytest.mark.django_db


@pytest.fixture
def bet() -> Bet:
    return market.seven_dte()


def figures(bet: Bet, *, days_ago: int = 10, **changes: Any) -> Fundamental:
    given = {
        "earnings_surprise_percent": "12", "analyst_buy_percent": "80", "analyst_sell_percent": "5",
        "pe_ratio": "10", "sector_pe_ratio": "30", "source": "a source",
    }  # fmt: skip
    return Fundamental.objects.create(
        instrument=bet.contract.underlying, as_of_on=MONDAY - timedelta(days=days_ago), **given | changes
    )


def apple(bet: Bet) -> dict[str, Any]:
    (found,) = companies_of(bet.portfolio, now=bet.wall())["companies"]
    return found


def test_the_score_is_told_factor_by_factor_and_mirrored_for_puts(bet: Bet) -> None:
    figures(bet)
    found = apple(bet)
    assert {each["factor"]: each["points"] for each in found["factors"]} == {
        "earnings": 0.2, "ratings": 0.1, "valuation": 0.1,
    }  # fmt: skip
    assert (found["score_call"], found["score_put"]) == (0.9, 0.1)
    assert (found["age_days"], found["stale"], found["source"], found["illustrative"]) == (10, False, "a source", False)
    (used,) = [each for each in bet.preview("0.70")["inputs"] if each["name"] == "score"]
    assert used["value"] == found["score_call"]


def test_a_factor_without_its_inputs_is_missing_and_costs_the_others_nothing(bet: Bet) -> None:
    figures(bet, pe_ratio=None)
    found = apple(bet)
    assert {each["factor"]: each["points"] for each in found["factors"]}["valuation"] is None
    assert found["score_call"] == 0.8


def test_figures_too_old_are_missing_and_say_so(bet: Bet) -> None:
    figures(bet, days_ago=101)
    found = apple(bet)
    assert (found["score_call"], found["score_put"], found["stale"], found["age_days"]) == (None, None, True, 101)


def test_nothing_on_record_is_nothing(bet: Bet) -> None:
    found = apple(bet)
    assert (found["score_call"], found["as_of"], found["source"]) == (None, None, None)


def test_dates_ahead_are_the_next_of_each(bet: Bet) -> None:
    of = bet.contract.underlying
    EarningsDate.objects.create(instrument=of, reports_on=MONDAY + timedelta(days=3), timing="after_close", source="s")
    EarningsDate.objects.create(instrument=of, reports_on=MONDAY - timedelta(days=3), timing="after_close", source="s")
    ExDividendDate.objects.create(instrument=of, ex_on=MONDAY + timedelta(days=5), amount_per_share="0.24", source="s")
    ExDividendDate.objects.create(instrument=of, ex_on=MONDAY, amount_per_share="9", source="s")
    found = apple(bet)
    assert (found["next_earnings"]["days"], found["next_earnings"]["timing"]) == (3, "after the close")
    assert (found["next_ex_dividend"]["days"], found["next_ex_dividend"]["amount"]) == (5, 0.24)


def test_blackouts_of_all_and_of_a_company_are_ahead(bet: Bet) -> None:
    def blackout(hours: float, reason: str, **of: Any) -> None:
        starts_at = bet.at + timedelta(hours=hours)
        Blackout.objects.create(starts_at=starts_at, ends_at=starts_at + timedelta(hours=1), reason=reason, **of)

    blackout(-0.5, "CPI")
    blackout(24, "FOMC")
    blackout(-5, "over")
    blackout(48, "Apple's event", instrument=bet.contract.underlying)
    blackout(24 * 30, "far away")
    events = companies_of(bet.portfolio, now=bet.wall())["events"]
    assert [(each["reason"], each["of"], each["runs"]) for each in events] == [
        ("CPI", None, True), ("FOMC", None, False), ("Apple's event", "AAPL", False),
    ]  # fmt: skip


def test_page_and_api_say_the_same_and_a_stranger_finds_nothing(bet: Bet) -> None:
    figures(bet, is_illustrative=True)
    owner, stranger = Client(), Client()
    owner.force_login(bet.portfolio.owner)
    stranger.force_login(market.factories.user())
    page, api = (f"{root}/portfolios/{bet.portfolio.slug}/companies/" for root in ("", "/api/v1"))
    with time_machine.travel(bet.wall(), tick=False):
        text = owner.get(page).content.decode()
        answer = owner.get(api).json()
    assert answer["companies"][0]["score_call"] == 0.9
    assert "illustrative, not real" in text
    assert "<strong>0.90</strong>" in text
    assert [stranger.get(each).status_code for each in (page, api)] == [404, 404]
