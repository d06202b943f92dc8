"""The matrix of a portfolio: by the profile's method, what is not measurable named, a run kept once a session."""

from decimal import Decimal

import pytest

from positions.models import CorrelationPair, CorrelationRun, DailyClose
from riskengine.loading.candidates import load_situation
from riskengine.services.watch.correlations import correlations_of, keep_correlations
from tests.riskengine import market
from tests.riskengine.market import MONDAY, Bet
from tests.riskengine.threads import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def bet() -> Bet:
    """AAPL and MSFT move alike, NVDA apart; TSLA has too few closes."""
    made = market.seven_dte()
    for symbol in ("MSFT", "NVDA", "TSLA"):
        market.quote(market.stock(symbol), made.at.replace(second=0), bid="4.95", ask="5.00")
        market.bar(symbol, made.at.replace(second=0))
    market.closes("AAPL", lambda n: (n * 7 % 5) - 2)
    market.closes("MSFT", lambda n: (n * 7 % 5) - 2 + 0.1 * (n % 2))
    market.closes("NVDA", lambda n: (n * 11 % 7) - 3)
    market.closes("TSLA", lambda n: n % 3 - 1, sessions_back=20)
    return made


def seen(bet: Bet) -> dict[str, dict[str, float | None]]:
    found = correlations_of(bet.portfolio, now=bet.wall())["heat"]
    return {row["name"]: {cell["other"]: cell["rho"] for cell in row["cells"]} for row in found["rows"]}


def test_every_pair_is_there_with_its_sample_and_what_is_missing_is_named(bet: Bet) -> None:
    found = correlations_of(bet.portfolio, now=bet.wall())
    assert found["heat"]["names"] == ["AAPL", "MSFT", "NVDA", "TSLA"]
    assert found["heat"]["as_of"] == "2020-12-31"
    assert found["missing"] == ["AAPL and TSLA", "MSFT and TSLA", "NVDA and TSLA"]
    assert (found["pairs"], found["window"], found["min_common"]) == (6, 60, 40)
    assert {cell["sample"] for row in found["heat"]["rows"][:3] for cell in row["cells"][:3]} == {60}
    (high,) = found["high_pairs"]
    assert (high["one"], high["other"]) == ("AAPL", "MSFT")
    assert 1 <= found["bets_if_equal"] < 4


@pytest.mark.parametrize("method", ["ewma", "ledoit_wolf"])
def test_the_method_is_the_profiles_for_pages_and_entries_alike(bet: Bet, method: str) -> None:
    pearson = seen(bet)
    bet.revise(correlation_method=method)
    other = seen(bet)
    assert other["AAPL"]["NVDA"] != pearson["AAPL"]["NVDA"]
    assert other["AAPL"]["TSLA"] is None
    if method == "ledoit_wolf":
        assert abs(other["AAPL"]["MSFT"]) < abs(pearson["AAPL"]["MSFT"]), "shrunk"
    contracts = [bet.contract.pk, market.stock("MSFT").pk]
    facts = load_situation(bet.portfolio, contracts, now=bet.wall()).facts
    ids = [bet.contract.underlying_id, market.stock("MSFT").underlying_id]
    rho = facts.correlations.of(ids[:1], ids[1:])[0]
    assert rho == pytest.approx(other["AAPL"]["MSFT"], abs=1e-9)


def test_a_run_is_kept_once_a_session_and_way_with_its_missing_pairs(bet: Bet) -> None:
    assert keep_correlations(now=bet.wall()) == 1
    assert keep_correlations(now=bet.wall()) == 0
    run = CorrelationRun.objects.get()
    assert (run.as_of_on.isoformat(), run.method, run.window_sessions) == ("2020-12-31", "pearson", 60)
    assert run.pairs.count() == 6
    missing = run.pairs.filter(correlation__isnull=True)
    assert {(each.first.symbol, each.second.symbol) for each in missing} == {
        ("AAPL", "TSLA"), ("MSFT", "TSLA"), ("NVDA", "TSLA"),
    }  # fmt: skip
    pair = CorrelationPair.objects.get(first__symbol="AAPL", second__symbol="MSFT")
    assert pair.correlation == Decimal(f"{seen(bet)['AAPL']['MSFT']:.6f}")
    assert pair.common_sessions == 60
    bet.revise(correlation_method="ewma")
    assert keep_correlations(now=bet.wall()) == 1
    assert CorrelationRun.objects.get(method="ewma").decay == Decimal("0.94")


def test_a_kept_matrix_of_nothing_is_not_listed(bet: Bet) -> None:
    keep_correlations(now=bet.wall())
    listed = correlations_of(bet.portfolio, now=bet.wall())["runs"]
    assert [(each["pairs"], each["missing"]) for each in listed] == [(6, 3)]
    CorrelationPair.objects.all().delete()
    assert correlations_of(bet.portfolio, now=bet.wall())["runs"] == []


def test_closes_too_old_measure_nothing(bet: Bet) -> None:
    recent = [row[0] for row in market.sessions() if row[0] < MONDAY][-5:]
    DailyClose.objects.filter(session_on__in=recent).delete()
    assert all(rho is None for row in seen(bet).values() for name, rho in row.items() if rho != 1.0)


@pytest.mark.django_db(transaction=True)
def test_two_who_keep_at_once_keep_one(bet: Bet) -> None:
    def keep() -> int:
        return keep_correlations(now=bet.wall())

    assert sorted(at_once(keep, keep)) == [0, 1]
    assert CorrelationRun.objects.count() == 1
