"""An account with no trade, one, only losses, or a deposit in the middle reads correctly on every page and over the
API: no page fails, and none claims what so little cannot say."""

import json
from dataclasses import dataclass

import pytest

from positions.models import Portfolio
from riskengine.services.study.performance import performance
from tests.riskengine.market import WALL, import_sessions
from tests.riskengine.study.odd import ACCOUNTS
from tests.riskengine.study.visiting import Visited, endpoints, visit_api, visit_pages

pytestmark = pytest.mark.django_db

# 404 says that no night was reported and no check has come by yet.
MAY_BE_MISSING = {f"/api/v1/portfolios/{{slug}}/{name}/" for name in ("nights/latest", "risk")}


@dataclass
class Seen:
    portfolio: Portfolio
    pages: Visited
    api: Visited


@pytest.fixture(scope="module")
def seen(shared_rows: None) -> dict[str, Seen]:
    """Every account, visited once."""
    import_sessions()
    addresses = endpoints()
    found = {}
    for name, make in ACCOUNTS.items():
        portfolio = make()
        found[name] = Seen(portfolio, visit_pages(portfolio), visit_api(portfolio, addresses))
    return found


@pytest.mark.parametrize("name", ACCOUNTS)
def test_every_page_answers(seen: dict[str, Seen], name: str) -> None:
    assert {page: status for page, status in seen[name].pages.statuses.items() if status != 200} == {}
    assert "performance" in seen[name].pages.statuses


@pytest.mark.parametrize("name", ACCOUNTS)
def test_no_page_shows_a_number_that_is_none(seen: dict[str, Seen], name: str) -> None:
    for page, text in seen[name].pages.texts.items():
        for wrong in (">None<", ">nan<", " nan ", "NaN", ">inf<", "−inf", "Infinity"):
            assert wrong not in text, (page, wrong)


@pytest.mark.parametrize("name", ACCOUNTS)
def test_the_api_answers_with_sound_json(seen: dict[str, Seen], name: str) -> None:
    for path, status in seen[name].api.statuses.items():
        assert status == 200 or (status == 404 and path in MAY_BE_MISSING), (path, status)

        def refuse(word: str, path: str = path) -> None:
            raise AssertionError(f"{path} says {word}")

        json.loads(seen[name].api.texts[path], parse_constant=refuse)


# ---- What each says ----


def record(seen: dict[str, Seen], name: str) -> dict:
    return performance(seen[name].portfolio, now=WALL)


def test_no_trade_claims_nothing(seen: dict[str, Seen]) -> None:
    trades = record(seen, "no trade")["trades"]
    assert (trades["n"], trades["win_rate"], trades["expectancy"]) == (0, None, None)
    assert "No closed trade yet" in seen["no trade"].pages.texts["performance"]


def test_one_trade_says_nothing(seen: dict[str, Seen]) -> None:
    trades = record(seen, "one trade")["trades"]
    assert (trades["n"], trades["wins"], trades["expectancy_low"], trades["payoff"]) == (1, 1, None, None)
    assert "one trade says nothing" in seen["one trade"].pages.texts["performance"]


def test_only_losses_have_no_payoff(seen: dict[str, Seen]) -> None:
    trades = record(seen, "only losses")["trades"]
    assert (trades["n"], trades["wins"], trades["profit_factor"], trades["payoff"]) == (5, 0, 0.0, None)
    assert "Won 0 of 5 (0.0%" in seen["only losses"].pages.texts["performance"]


def test_a_deposit_is_no_profit(seen: dict[str, Seen]) -> None:
    """10% up and 5% down are 4.5%, whatever was paid in between; 1,700 was made, not 21,700."""
    found = record(seen, "a deposit")
    assert found["returns"]["total_return"] == pytest.approx(1.10 * 0.95 - 1)
    assert found["equity"]["deposits"] == 20_000.0
    assert found["equity"]["profit"] == 1_700.0
    assert found["equity"]["max_drawdown"] == pytest.approx(-0.05)
