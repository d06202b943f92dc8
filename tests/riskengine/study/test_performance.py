"""What a record comes to: empty, one trade, only losses, a deposit in the middle, and parted by what it is made of."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from positions.models import CashKind, CashMovement, EquitySnapshot, Portfolio, Position
from riskengine.models import Reading, ReadingPoint
from riskengine.services.study.performance import performance, period
from tests import factories
from tests.riskengine.counts import assert_counted
from tests.riskengine.market import import_sessions

pytestmark = pytest.mark.django_db

LATER = datetime(2030, 1, 1, tzinfo=UTC)
PAID = Decimal("13320.00")


def closed(of: Portfolio, pnl: str, *, day: int = 4, confidence: str = "0.70", **changes: Any) -> Position:
    """A trade of 13,320 that closed on that day of January 2021 at 11:42."""
    at = factories.NOW + timedelta(days=day - 4, hours=1)
    made = factories.decision(of, confidence=Decimal(confidence), contract=changes.pop("contract", None))
    gone = {"status": "closed", "quantity_open": 0, "closed_at": at, "close_cause": "stop", "contract": made.contract}
    money = {"realised_pnl": Decimal(pnl), "fees": Decimal("3.90"), "entry_cost": PAID}
    return factories.position(of, decision=made, **gone | money | changes)


def sessions(of: Portfolio, *equities: int, first: date = date(2021, 1, 4)) -> None:
    EquitySnapshot.objects.filter(portfolio=of).delete()
    for number, equity in enumerate(equities):
        on = first + timedelta(days=number)
        EquitySnapshot.objects.create(
            portfolio=of,
            session_on=on,
            equity_start_of_day=Decimal(equity),
            cash_start_of_day=Decimal(equity),
            taken_at=datetime(on.year, on.month, on.day, 15, 45, tzinfo=UTC),  # after the factory's first deposit
        )


def paid(portfolio: Portfolio, amount: int, at: datetime) -> None:
    """In, or out where the amount is negative."""
    kind = CashKind.WITHDRAWAL if amount < 0 else CashKind.DEPOSIT
    CashMovement.objects.create(
        portfolio=portfolio, kind=kind, amount=Decimal(amount), moved_at=at, settles_on=at.date()
    )


def test_of_no_trade_nothing_is_claimed() -> None:
    found = performance(factories.portfolio(), now=LATER)
    json.dumps(found, allow_nan=False)
    trades = found["trades"]
    assert (trades["n"], trades["win_rate"], trades["expectancy"], trades["verdict"]) == (0, None, None, "none")
    assert found["returns"]["sharpe"] is None
    assert found["by"]["tier"] == []


def test_one_trade_has_a_mean_and_no_interval() -> None:
    portfolio = factories.portfolio()
    closed(portfolio, "1332.00")
    trades = performance(portfolio, now=LATER)["trades"]
    assert (trades["n"], trades["wins"], trades["expectancy"], trades["verdict"]) == (1, 1, 0.1, "one")
    assert (trades["expectancy_low"], trades["payoff"], trades["profit_factor"]) == (None, None, None)
    assert trades["low"] < 1.0


def test_only_losses_have_no_average_win() -> None:
    portfolio = factories.portfolio()
    for pnl in ("-1332.00", "-2664.00", "-1998.00"):
        closed(portfolio, pnl)
    trades = performance(portfolio, now=LATER)["trades"]
    assert (trades["wins"], trades["average_win"], trades["payoff"], trades["profit_factor"]) == (0, None, None, 0.0)
    assert trades["average_loss"] == pytest.approx(0.15)
    assert trades["verdict"] == "few"  # a narrow interval of three, and three losses are what a coin does


def test_few_trades_on_one_side_are_no_verdict_and_many_are() -> None:
    portfolio = factories.portfolio()
    for number in range(30):
        closed(portfolio, f"-{1332 + number}.00")
    assert performance(portfolio, now=LATER)["trades"]["verdict"] == "few"
    page = reader(portfolio).get(f"/portfolios/{portfolio.slug}/performance/").content.decode()
    assert "30 trades or fewer still cannot tell it from luck" in page
    assert "rarely bring" not in page
    closed(portfolio, "-1332.00")
    assert performance(portfolio, now=LATER)["trades"]["verdict"] == "below"


def test_what_is_paid_in_after_the_last_check_is_no_loss_until_the_next() -> None:
    """A deposit on a weekend: the last check of Friday does not have it."""
    portfolio = factories.portfolio()
    sessions(portfolio, 60_000, 60_600)
    found_at = datetime(2021, 1, 5, 21, tzinfo=UTC)
    Reading.objects.create(
        portfolio=portfolio, state="known", judged_at=found_at, market_at=found_at, equity=Decimal(60_900),
        cash=Decimal(60_900),
    )  # fmt: skip
    for hours, amount in ((-2, 1_000), (12, 20_000)):  # the first is in what the check found
        paid(portfolio, amount, found_at + timedelta(hours=hours))
    last = performance(portfolio, now=LATER)["equity"]["days"][-1]
    assert (last["end"], last["deposits"], last["profit"]) == (80_900.0, 21_000.0, -700.0)


def test_what_is_paid_in_after_the_close_was_not_there_to_lose() -> None:
    """The day lost a tenth; the 60,000 of its evening make that no twentieth."""
    import_sessions()
    portfolio = factories.portfolio()
    sessions(portfolio, 60_000, 54_000 + 60_000, first=date(2021, 1, 7))
    paid(portfolio, 60_000, datetime(2021, 1, 7, 22, tzinfo=UTC))
    first = performance(portfolio, now=LATER)["equity"]["days"][0]
    assert (first["deposits"], first["profit"], first["return"]) == (60_000.0, -6_000.0, -0.1)


def test_days_on_which_there_was_nothing_to_lose_do_not_end_the_curve() -> None:
    portfolio = factories.portfolio()
    sessions(portfolio, 60_000, 0, 0, 30_000, 27_000)
    for day, amount in ((4, -60_000), (6, 30_000)):
        paid(portfolio, amount, datetime(2021, 1, day, 20, tzinfo=UTC))
    found = performance(portfolio, now=LATER)
    assert [each["index"] for each in found["equity"]["days"][:4]] == [1.0, 1.0, 1.0, 0.9]
    assert found["equity"]["max_drawdown"] == pytest.approx(-0.1)
    assert found["returns"]["n"] == 3  # a day without money has no return


def test_a_deposit_in_the_middle_is_no_gain() -> None:
    portfolio = factories.portfolio()
    sessions(portfolio, 60_000, 80_600, 79_800)
    paid(portfolio, 20_000, datetime(2021, 1, 4, 16, tzinfo=UTC))
    found = performance(portfolio, now=LATER)
    days, returns = found["equity"], found["returns"]
    assert [each["profit"] for each in days["days"]] == [600.0, -800.0, None]
    assert (days["deposits"], days["profit"]) == (20_000.0, -200.0)
    assert returns["n"] == 2
    assert returns["total_return"] == pytest.approx((1 + 600 / 80_000) * (1 - 800 / 80_600) - 1)
    assert days["max_drawdown"] == pytest.approx(-800 / 80_600)
    assert not returns["enough"]


def test_a_day_is_as_deep_as_its_readings_saw_it() -> None:
    portfolio = factories.portfolio()
    sessions(portfolio, 60_000, 61_200, 61_200)
    for minute, pnl in ((0, 100), (5, -6_120), (10, -200)):
        at = datetime(2021, 1, 5, 15, minute, tzinfo=UTC)
        ReadingPoint.objects.create(
            portfolio=portfolio,
            slot_at=at,
            market_at=at,
            revision=factories.revision(portfolio.profile),
            equity=Decimal(61_200 + pnl),
            day_pnl=Decimal(pnl),
        )
    equity = performance(portfolio, now=LATER)["equity"]
    assert [each["worst_drawdown"] for each in equity["days"]] == [None, pytest.approx(-0.1), None]
    assert (equity["max_drawdown"], equity["worst_drawdown"]) == (0.0, pytest.approx(-0.1))
    assert equity["watched_sessions"] == 1


def test_a_record_is_parted_by_what_it_is_made_of() -> None:
    portfolio = factories.portfolio()
    closed(portfolio, "1332.00", confidence="0.70")
    closed(portfolio, "-1332.00", confidence="0.95", day=5)
    closed(portfolio, "666.00", confidence="1", day=40, close_cause="target")
    found = performance(portfolio, now=LATER)
    assert [(each["key"], each["n"]) for each in found["by"]["tier"]] == [(0.7, 1), (0.9, 2)]
    assert [(each["label"], each["n"]) for each in found["by"]["confidence"]] == [
        ("0.70 to 0.75", 1), ("0.95 to 1.00", 2),
    ]  # fmt: skip
    assert [(each["label"], each["pnl"]) for each in found["by"]["month"]] == [("Jan 2021", 0.0), ("Feb 2021", 666.0)]
    assert [each["label"] for each in found["by"]["cause"]] == ["stop", "target"]
    for part, n in (
        ({"tier": 0.9}, 2), ({"bucket": 0.95}, 2), ({"underlying": "SPX"}, 3), ({"underlying": "AAPL"}, 0),
        ({"since": date(2021, 1, 5)}, 2), ({"until": date(2021, 1, 5)}, 2),
    ):  # fmt: skip
        assert performance(portfolio, now=LATER, **part)["trades"]["n"] == n


def test_other_accounts_of_the_reader_stand_beside_it() -> None:
    one, other = factories.portfolio(), factories.portfolio()
    closed(one, "1332.00")
    closed(other, "-666.00")
    found = performance(one, now=LATER, beside=[other])
    assert found["trades"]["n"] == 1
    assert {each["key"]: each["pnl"] for each in found["by"]["portfolio"]} == {one.slug: 1332.0, other.slug: -666.0}
    assert [(each["n"], each["pnl"]) for each in found["by"]["system"]] == [(2, 666.0)]


def test_a_period_is_of_the_calendar() -> None:
    today = date(2021, 2, 10)
    assert period("week", today) == (date(2021, 2, 8), today)
    assert period("month", today) == (date(2021, 2, 1), today)
    assert period("quarter", today) == (date(2021, 1, 1), today)
    assert period("all", today) == (None, None)


def reader(of: Portfolio) -> Client:
    client = Client()
    client.force_login(of.owner)
    return client


def test_the_page_says_in_one_sentence_what_the_record_is_worth() -> None:
    portfolio = factories.portfolio(is_demo=True)
    closed(portfolio, "1332.00")
    closed(portfolio, "-1332.00")
    answer = reader(portfolio).get(f"/portfolios/{portfolio.slug}/performance/")
    assert answer.status_code == 200
    text = answer.content.decode()
    assert "2 closed trades in" in text
    assert "Won 1 of 2 (50.0%, 95% interval" in text
    assert "this record cannot be told from luck" in text


def test_the_page_of_an_empty_account_and_of_a_question_nobody_can_read() -> None:
    portfolio = factories.portfolio()
    client, address = reader(portfolio), f"/portfolios/{portfolio.slug}/performance/"
    assert "No closed trade yet" in client.get(address).content.decode()
    for odd in (
        "since=yesterday",
        "tier=much",
        "period=ever",
        "underlying=%00",
        "bucket=1e9",
        "since=2021-02-01&until=2021-01-01",
    ):
        answer = client.get(f"{address}?{odd}")
        assert answer.status_code == 200
        assert 'class="problem"' in answer.content.decode()
    stranger = Client()
    stranger.force_login(factories.user())
    assert stranger.get(address).status_code == 404


def test_tables_are_files_too() -> None:
    portfolio = factories.portfolio()
    closed(portfolio, "-1332.00")
    client, address = reader(portfolio), f"/portfolios/{portfolio.slug}/performance/"
    answer = client.get(f"{address}?format=csv&table=underlying")
    assert answer["Content-Disposition"] == f'attachment; filename="performance-{portfolio.slug}-underlying.csv"'
    names, row = answer.content.decode().splitlines()
    assert dict(zip(names.split(","), row.split(","), strict=True))["pnl"] == "-1332.0"
    assert client.get(f"{address}?format=json&table=equity").json()[0]["start"] == 60_000.0
    assert client.get(f"{address}?format=csv&table=nothing").status_code == 404
    assert client.get(f"{address}?format=xls&table=equity").status_code == 404


def test_the_api_says_the_same_and_takes_the_same_questions() -> None:
    portfolio = factories.portfolio()
    closed(portfolio, "1332.00", confidence="0.70")
    closed(portfolio, "-1332.00", confidence="0.95", day=5)
    client, root = reader(portfolio), f"/api/v1/portfolios/{portfolio.slug}"
    with assert_counted("api performance"):
        told = client.get(f"{root}/performance/").json()
    record = performance(portfolio, now=LATER)
    assert {name: told[name] for name in ("trades", "costs", "list")} == {
        name: record[name] for name in ("trades", "costs", "list")
    }
    assert client.get(f"{root}/performance/?tier=0.9&period=all").json()["trades"]["n"] == 1
    assert client.get(f"{root}/lots/?since=2021-01-05").json()["since"] == "2021-01-05"
    for odd in ("tier=much", "period=ever", "since=2021-13-01", "bucket=2", "teir=0.7"):
        assert client.get(f"{root}/performance/?{odd}").status_code == 400
    with assert_counted("page performance"):
        client.get(f"/portfolios/{portfolio.slug}/performance/")
