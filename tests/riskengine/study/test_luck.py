"""Is it luck: what odd accounts read, what a long record reads, and what the projection says of itself."""

import json
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.test import Client

from positions.models import Portfolio
from riskengine.models import Projection
from riskengine.services.study.luck_words import Record, needed, verdict
from riskengine.services.study.projected import Middle, expectancies, projected, projection_in_force
from riskengine.services.study.projections import _year, luck
from riskengine.services.study.zero_edge import NoEdge
from tests import factories
from tests.riskengine.luck import base_rates
from tests.riskengine.market import WALL, import_sessions
from tests.riskengine.study import odd

pytestmark = pytest.mark.django_db


def record(of: Portfolio) -> dict:
    found = luck(of, now=WALL)
    json.dumps(found, allow_nan=False)
    return found


def signed_in(of: Portfolio) -> Client:
    client = Client()
    client.force_login(of.owner)
    return client


@pytest.fixture(autouse=True)
def calendar() -> None:
    import_sessions()


def test_without_trades_the_bands_are_of_bets_to_come() -> None:
    of = odd.live(odd.account())
    assert [band["missing"] is None for band in record(of)["bands"]] == [False, True, False]
    base_rates(of)
    found = record(of)
    assert found["verdict"] == "No closed trade yet: there is nothing to tell from luck."
    assert (found["n"], found["ahead"], found["actual"], found["kelly"]) == (0, 50, [], None)
    nothing, projected_, own = found["bands"]
    assert (nothing["points"][-1]["after"], nothing["standing"], own["missing"]) == (
        50,
        None,
        "it takes two closed trades",
    )
    assert nothing["final"]["p50"] < 1 < projected_["final"]["p5"]
    win_rate = found["table"][0]
    assert (win_rate["actual"]["value"], win_rate["n"], win_rate["no_edge"]["value"]) == (None, 0, 0.58)
    assert (found["pace"]["bets"], found["pace"]["own"]) == (252, False)
    assert [each["reason"] for each in found["table"][-3:]] == ["needs 20 sessions", None, "needs 20 sessions"]


def test_one_trade_says_nothing() -> None:
    of = odd.account()
    odd.trade(of, "1332.00", day=1)
    base_rates(odd.live(of))
    found = record(of)
    assert found["verdict"].startswith("One trade says nothing")
    assert found["kelly"] is None
    assert found["bands"][2]["missing"] is not None
    assert found["actual"][-1]["multiple"] == pytest.approx(1 + 1332 / 60_000, abs=1e-4)
    assert found["table"][1]["actual"] == {"value": pytest.approx(0.1), "low": None, "high": None}


def test_only_losses_have_no_kelly_and_no_average_win() -> None:
    of = odd.account()
    for day in range(5):
        odd.trade(of, f"-{2600 + 20 * day}.00", day=day)
    base_rates(odd.live(of))
    found = record(of)
    assert "speak against an edge" in found["verdict"] or "cannot tell" in found["verdict"]
    assert (found["kelly"]["kelly"], found["kelly"]["high"]) == (0, 0)
    assert found["table"][1]["actual"]["value"] is None
    assert found["bands"][0]["standing"] < 0.05
    assert found["needed"][1].startswith("No number of trades tells the own average")


def test_only_wins_have_no_kelly_and_no_interval_of_it() -> None:
    of = odd.account()
    for day in range(3):
        odd.trade(of, "1332.00", day=day)
    odd.live(of)
    kelly = record(of)["kelly"]
    assert (kelly["kelly"], kelly["unbounded"], kelly["low"]) == (None, True, None)
    page = signed_in(of).get(f"/portfolios/{of.slug}/projection/").content.decode()
    assert "loses nothing either, so that there is no interval" in page
    assert "95% interval not known" not in page


def test_trades_of_an_unknown_share_of_the_account_are_not_waited_for() -> None:
    of = odd.account()
    for day in (1, 2):
        odd.trade(of, "-1332.00" if day == 1 else "999.00", day=day)
    of.equity_snapshots.all().delete()
    base_rates(of)
    assert "cannot be told: the share of the account that was bet is not known" in record(of)["verdict"]
    page = signed_in(of).get(f"/portfolios/{of.slug}/projection/").content.decode()
    assert "Nothing is closed yet" not in page


def test_a_deposit_changes_no_multiple() -> None:
    multiples = []
    for deposit_on in (None, 2):
        of = odd.account()
        for day in (1, 4):
            odd.trade(of, "1332.00", day=day)
        odd.live(of, deposit_on=deposit_on)
        multiples.append(record(of)["actual"][-1]["multiple"])
    assert multiples[0] == pytest.approx(1 + 2 * 0.0222, abs=0.001)
    assert multiples[1] == pytest.approx(multiples[0], abs=0.01)  # the second bet is a smaller share of the account
    assert multiples[1] < multiples[0]


def test_a_record_of_wins_and_losses_stands_among_accounts_of_chance() -> None:
    of = odd.account()
    for day in range(10):
        for number in range(3):
            pnl = "1332.00" if (day + number) % 5 < 3 else "-1998.00"
            odd.trade(
                of,
                pnl,
                day=day,
                entry_at=factories.NOW.replace(hour=15, minute=number)
                + timedelta(days=(odd.DAYS[day] - odd.DAYS[0]).days),
            )
    base_rates(odd.live(of))
    found = record(of)
    assert found["verdict"].startswith(
        "30 trades cannot tell this record from luck: an account without any edge does at"
    )
    assert "of cases" in found["verdict"]
    assert found["followed"] == 30
    assert 0.01 < found["bands"][0]["as_well"] < 0.99
    assert found["bands"][2]["standing"] == pytest.approx(0.5, abs=0.1)  # its own trades again
    kelly = found["kelly"]
    assert (kelly["trades"], kelly["low"]) == (30, 0)
    assert [each["key"] for each in kelly["sizes"]][:3] == ["mean", "smallest", "largest"]
    falls = [each["falls"] for each in kelly["sizes"][1:3]]
    assert all(small <= large for small, large in zip(*falls, strict=True))
    assert all(each == sorted(each, reverse=True) for each in falls)
    page = signed_in(of).get(f"/portfolios/{of.slug}/projection/").content.decode()
    assert page.count('class="luck"') == 3
    for table in ("figures", "bands", "kelly"):
        file = signed_in(of).get(f"/portfolios/{of.slug}/projection/?format=csv&table={table}")
        assert file.status_code == 200
        assert len(file.content.splitlines()) > 3


def test_the_projection_contradicts_itself_and_the_page_says_how() -> None:
    of = odd.live(odd.account())
    base_rates(of)
    row = projection_in_force("smart-0dte", WALL)
    assert row is not None
    assert expectancies(row) == pytest.approx((0.6 * 0.12 - 0.4 * 0.10, 0.65 * 0.15 - 0.35 * 0.08))
    said = record(of)["projection"]
    assert said["bets_a_year"] == 60
    years, falls, sharpe, win_rate, loss = said["contradictions"]
    assert "+3.2% to +7.0% for each dollar bet" in years
    assert "60 bets make 70% to 90% a year of it" in years
    assert "not by 25% to 35%" in falls
    assert "not 1.2 to 1.4" in sharpe
    assert win_rate == (
        "A win rate of 60% to 65% is about what these exits show without any edge: 58% after costs, 60% before."
    )
    assert "20.4% when they lose" in loss
    page = signed_in(of).get(f"/portfolios/{of.slug}/projection/").content.decode()
    assert "Companion analysis of the source document" in page


def test_a_projection_without_an_edge_says_so() -> None:
    figures = {
        f"{name}_{end}": Decimal("0.5")
        for name in ("annual_return", "max_drawdown", "sharpe")
        for end in ("low", "high")
    }
    figures |= {
        f"{name}_{end}": Decimal("0.5")
        for name in ("win_rate", "average_win", "average_loss")
        for end in ("low", "high")
    }
    row = Projection(system="smart-0dte", source="A coin.", reason="To try.", author_name="test", **figures)
    found = projected(row, 0.2, None)
    assert found["bets_a_year"] is None
    assert "no number of bets makes 50% a year" in found["contradictions"][0]


def test_the_newest_row_is_in_force_from_its_time_on() -> None:
    before = projection_in_force("mag7-7dte", WALL)
    assert before is not None
    values = {
        field.name: getattr(before, field.name)
        for field in Projection._meta.fields
        if field.name not in ("id", "author")
    }
    later = Projection.objects.create(**values | {"in_force_from": WALL + timedelta(days=1)})
    assert projection_in_force("mag7-7dte", WALL) == before
    assert projection_in_force("mag7-7dte", WALL + timedelta(days=1)) == later


@pytest.mark.parametrize(
    ("trades", "low", "high", "as_well", "says"),
    [
        (200, 0.01, 0.05, 0.012, "200 trades are hard to explain by luck alone"),
        (20, 0.01, 0.05, 0.012, "20 trades are too few to tell this record from luck"),
        (200, 0.01, 0.05, 0.2, "200 trades cannot tell this record from luck"),
        (200, -0.01, 0.05, 0.31, "does at least as well in 31% of cases"),
        (200, -0.05, -0.01, 0.97, "200 trades speak against an edge"),
        (200, 0.01, 0.05, None, "is being computed"),
        (2, -0.28, -0.23, 0.82, "2 trades are too few to tell this record from luck"),  # two stops: a coin does that
        (2, -0.28, -0.23, None, "2 trades are too few to tell this record from luck"),
        (9, -0.28, -0.23, 0.999, "9 trades speak against an edge"),
        (2, 0.09, 0.11, None, "2 trades are too few to tell this record from luck"),
        (2, None, None, None, "is not known"),
    ],
)  # fmt: skip
def test_verdicts_name_their_sample_and_prove_nothing(trades, low, high, as_well, says) -> None:
    middle = None if low is None else (low + high) / 2
    found = verdict(Record(trades=trades, expectancy=middle, low=low, high=high, as_well=as_well))
    assert says in found
    assert str(trades) in found
    assert "proven" not in found


def test_a_year_without_an_edge_is_of_the_entries_in_their_own_shares() -> None:
    """Nine bets in ten of a kind that gains nothing, one of a kind that always gains."""
    base = NoEdge(
        win_rate=0.55, average_win=0.1, average_loss=0.1, expectancy=0.01, win_rate_before_costs=0.55,
        expectancy_before_costs=0.01, basis="", paths=2, computed_at=WALL,
        gains=np.array([[0.1, -0.1], [0.1, 0.1]]), which=np.array([0] * 9 + [1]),
    )  # fmt: skip
    sharpe = _year(base, {"bets": 100, "bet": 0.1})["sharpe"]["value"]
    assert sharpe == pytest.approx(0.01 / np.sqrt(0.01 - 0.0001) * 10)


def test_how_many_trades_are_needed_is_said_with_what_there_are() -> None:
    assert needed("it", None, "x", 3).startswith("No number of trades")
    assert needed("the projected +5.0% a dollar", 126, "the spread of the own trades", 30).endswith(
        "this account has closed 30."
    )
    mid = Middle(0.6, 0.1, 0.1)
    assert mid.expectancy == pytest.approx(0.02)
    assert mid.deviation == pytest.approx(float(np.std(mid.gains)), rel=1e-3)
