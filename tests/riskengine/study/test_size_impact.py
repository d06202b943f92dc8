"""What the size of bets did: service, page and API."""

import json
from datetime import timedelta

import pytest
from django.test import Client

from positions.models import Portfolio
from riskengine.loading.trades import closed_trades
from riskengine.services.rollout.benchmarks import benchmarks
from riskengine.services.study.size_impact import size_impact
from tests.riskengine.counts import assert_counted
from tests.riskengine.market import WALL, import_sessions
from tests.riskengine.study import odd

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def sessions() -> None:
    import_sessions()


def many() -> Portfolio:
    """36 trades of three contracts of $4,440, whose minimum of $12,000 is three too, or of $4,000: one."""
    made = odd.account(slug="many")
    for k in range(36):
        least = "4000.00" if k % 2 else "12000.00"
        pnl = "1332.00" if k % 3 else "-666.00"
        odd.trade(made, pnl, day=k // 4, min_size_at_entry=least, entry_at=odd.DAYS[k // 4].strftime("%Y-%m-%d 15:00Z"))
    return odd.live(made)


def test_no_trade_says_nothing() -> None:
    found = size_impact(odd.no_trade(), now=WALL)
    json.dumps(found, allow_nan=False)
    assert (found["n"], found["ways"], found["tiers"]) == (0, [], [])
    assert "not known" in found["verdict"]


def test_the_same_trades_at_each_size() -> None:
    found = size_impact(many(), now=WALL)
    json.dumps(found, allow_nan=False)
    ways = {each["way"]: each for each in found["ways"]}
    actual = 24 * 1332 - 12 * 666
    assert ways["actual"]["pnl"] == actual
    assert ways["actual"]["final"] == found["start"] + actual
    # half of the trades at a third of their size
    least = sum((1332 if k % 3 else -666) / (3 if k % 2 else 1) for k in range(36))
    assert ways["minimum"]["pnl"] == pytest.approx(least, abs=0.01)
    assert found["scaling"]["usd"] == pytest.approx(actual - least, abs=0.01)
    assert found["verdict"].startswith("Scaling by confidence has made $")
    assert "36 trades: the 95% interval" in found["verdict"]
    assert 0 < found["kelly_trades"] < 36
    assert "nobody could have known that" in found["kelly_verdict"]
    assert ways["hindsight"]["label"] == "At half Kelly in hindsight"


def test_the_rollout_counts_the_minimum_bet_the_same_way() -> None:
    """Two pages that name one sum differently would both be doubted."""
    made = many()
    ways = {each["way"]: each for each in size_impact(made, now=WALL)["ways"]}
    beside = benchmarks(made, closed_trades([made.pk], until=WALL), WALL - timedelta(days=90), WALL)
    assert beside["minimum"] == pytest.approx(ways["minimum"]["pnl"], abs=0.01)
    assert beside["minimum_known"] == 36


def test_a_bet_that_was_held_for_long_is_not_among_the_first() -> None:
    """Thirty closed before the second last was entered; the last to close was entered before all of them."""
    made = odd.account(slug="held")
    for k in range(31):
        at = f"{odd.DAYS[k // 4]} 15:{k % 4}0Z"
        odd.trade(made, "1332.00" if k % 3 else "-666.00", day=k // 4, entry_at=at, closed_at=f"{at[:-1]}:30Z")
    odd.trade(made, "666.00", day=8, entry_at=f"{odd.DAYS[0]} 14:35Z")
    found = size_impact(odd.live(made), now=WALL)
    assert (found["n"], found["kelly_trades"]) == (32, 1)
    assert found["kelly_verdict"].startswith(
        "31 trades are bet at the minimum: fewer than 30 had closed when each was entered. For the other half Kelly was"
    )


def test_a_narrow_interval_of_a_few_is_no_proof() -> None:
    made = odd.account(slug="few")
    for k, pnl in enumerate(("1332.00", "1330.00")):
        odd.trade(made, pnl, day=k, min_size_at_entry="4000.00")
    assert size_impact(odd.live(made), now=WALL)["verdict"].endswith(
        "does not include 0, and 30 trades or fewer still cannot tell that from luck."
    )


def test_a_deposit_is_no_gain_at_any_size() -> None:
    found = size_impact(odd.a_deposit(), now=WALL)
    assert found["deposits"] == 20_000.0
    actual = next(each for each in found["ways"] if each["way"] == "actual")
    assert actual["final"] == found["start"] + 20_000 + 1_700
    assert actual["max_drawdown"] == pytest.approx(-0.05)
    assert found["kelly_verdict"].startswith("2 of the 30 closed trades")


def test_what_a_trade_that_is_left_out_made_is_in_the_account() -> None:
    """50,000 of 60,000 lost in a bet without a minimum: 1,000 of what is left is a tenth of it, not a sixtieth."""
    made = odd.account(slug="left-out")
    odd.trade(made, "-13300.00", day=0, min_size_at_entry="0.00", realised_pnl="-50000.00")
    odd.trade(made, "-1000.00", day=1)
    found = size_impact(odd.live(made), now=WALL)
    actual = next(each for each in found["ways"] if each["way"] == "actual")
    assert (found["n"], found["left_out"], found["deposits"]) == (1, 1, 0.0)
    assert (actual["pnl"], actual["final"]) == (-1_000.0, 9_000.0)
    assert actual["max_drawdown"] == pytest.approx(-0.1)


def test_what_is_paid_in_at_noon_is_there_for_the_afternoon() -> None:
    """Four bets lost in the morning, 20,000 paid in at 16:30 UTC, a fifth lost after it: never under 6,800."""
    made = odd.account(slug="noon")
    for at in ("15:00", "15:01", "15:02", "15:03", "17:00"):
        odd.trade(made, "-13300.00", day=1, entry_at=f"{odd.DAYS[1]} {at}Z", closed_at=f"{odd.DAYS[1]} {at}:30Z")
    odd.trade(made, "6000.00", day=2)
    found = size_impact(odd.live(made, deposit_on=1), now=WALL)
    actual = next(each for each in found["ways"] if each["way"] == "actual")
    assert [each["actual"] for each in found["curve"]] == [46_700.0, 33_400.0, 20_100.0, 6_800.0, 13_500.0, 19_500.0]
    assert (actual["pnl"], actual["ruined"]) == (6_000.0 - 5 * 13_300.0, False)


def test_the_page_and_the_api_say_the_same() -> None:
    portfolio = odd.only_losses()
    client = Client()
    client.force_login(portfolio.owner)
    with assert_counted("page size-impact"):
        page = client.get(f"/portfolios/{portfolio.slug}/size-impact/").content.decode()
    told = client.get(f"/api/v1/portfolios/{portfolio.slug}/size-impact/").json()
    assert told["verdict"] in page
    assert told["verdict"].startswith("Scaling by confidence has changed nothing")
    assert told["tiers"][0]["n"] == 5
    file = client.get(f"/portfolios/{portfolio.slug}/size-impact/?format=csv&table=curve").content.decode()
    assert file.splitlines()[0] == "number,closed_on,position,minimum,actual,half_kelly,hindsight"
    assert len(file.splitlines()) == 6
