"""A simulated quarter: the services of every day lived it, it is the same twice, and it says what it is."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models import Sum

from accounts.defaults import MAG7_7DTE, SMART_0DTE
from accounts.services import create_profile
from positions.market.clock import is_running, market_now
from positions.market_selectors import exchange_calendar
from positions.models import (
    CashKind,
    EquitySnapshot,
    Fill,
    MarketClock,
    Portfolio,
    PositionStatus,
)
from positions.services.simulated import publish_simulated, resume_simulated
from riskengine.models import Alert, AlertDelivery, AlertTarget, Breaker, BreakerState, Pulse, Signal
from riskengine.services.signals.demo import run_demo
from riskengine.services.study.performance import performance
from riskengine.services.study.quarter_plan import Plan
from riskengine.services.study.quarter_span import QuarterRefused
from riskengine.services.study.tax_lots import tax_lots
from riskengine.services.study.trade_figures import OF_A_TRADE
from riskengine.services.watch.monitoring import run_check
from riskengine.services.watch.watchdog import run_alerts
from riskengine.services.watch.working import run_orders
from tests import factories
from tests.riskengine.market import import_sessions
from tests.riskengine.study.quarter import FIRST_DAY, WALL, lived, person, request, trades
from tests.riskengine.study.visiting import endpoints, reader, visit_api, visit_pages

pytestmark = pytest.mark.django_db

SESSIONS = 12


@pytest.fixture(scope="module")
def simulated(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[Portfolio]:
    """Twelve sessions, lived through once; what a test changes is undone after it."""
    with django_db_blocker.unblock(), transaction.atomic():
        import_sessions()
        AlertTarget.objects.create(
            name="mail", kind="email", address="a@example.org", minimum_severity="info", created_at=WALL
        )
        yield lived(request(person(), sessions=SESSIONS))
        transaction.set_rollback(True)
    connection.close()


@pytest.fixture
def quarter(simulated: Portfolio, db: None) -> Portfolio:
    return Portfolio.objects.select_related("clock", "profile", "owner").get(pk=simulated.pk)


# ---- What it is made of ----


def test_it_says_that_it_is_simulated(quarter: Portfolio) -> None:
    assert quarter.is_demo
    assert quarter.mode == "paper"
    assert quarter.name == "Simulated quarter, seed 5 (Mag7-7DTE)"
    assert "made-up" in quarter.clock.label
    assert "drawn by lot" in quarter.clock.label
    assert quarter.quote_source.startswith("simulated")


def test_every_bet_has_its_signal_decision_orders_and_fills(quarter: Portfolio) -> None:
    positions = list(quarter.positions.select_related("decision"))
    assert len(positions) >= 4
    traded = Signal.objects.filter(portfolio=quarter, state="traded").values_list("decision_id", flat=True)
    assert {each.decision_id for each in positions} == set(traded)
    for each in positions:
        fills = Fill.objects.filter(position=each)
        assert fills.filter(order__side="buy").aggregate(n=Sum("quantity"))["n"] == each.quantity_opened
        assert each.current_stop >= each.initial_stop


def test_it_ends_with_nothing_open(quarter: Portfolio) -> None:
    assert not quarter.positions.exclude(status=PositionStatus.CLOSED).exists()
    assert not quarter.orders.live().exists()


def test_cash_is_the_sum_of_its_ledger_and_the_deposit_is_no_profit(quarter: Portfolio) -> None:
    ledger = quarter.cash_movements
    assert ledger.aggregate(total=Sum("amount"))["total"] == quarter.cash
    paid_in = ledger.filter(kind=CashKind.DEPOSIT).order_by("moved_at").values_list("amount", flat=True)
    assert list(paid_in) == [Decimal(100_000), Decimal(20_000)]
    profit = quarter.positions.aggregate(total=Sum("realised_pnl"))["total"]
    assert quarter.cash == Decimal(120_000) + profit


def test_each_session_has_its_snapshot_and_the_deposit_is_in_the_middle(quarter: Portfolio) -> None:
    snapshots = list(EquitySnapshot.objects.filter(portfolio=quarter).order_by("session_on"))
    assert len(snapshots) == SESSIONS + 1  # and the day after, on which it stands
    assert all(each.equity_end_of_day is not None for each in snapshots[:-1])
    assert [place for place, each in enumerate(snapshots) if each.net_deposits] == [SESSIONS // 2]


def test_some_signals_were_refused_with_a_sentence(quarter: Portfolio) -> None:
    dropped = Signal.objects.filter(portfolio=quarter, state="dropped", dropped_code="MIN_CONFIDENCE")
    assert dropped.exists()
    assert all(each.dropped_sentence for each in dropped)


# ---- What its pages say ----


def test_every_page_answers_and_says_that_it_is_simulated(quarter: Portfolio) -> None:
    seen = visit_pages(quarter)
    assert {page: status for page, status in seen.statuses.items() if status != 200} == {}
    assert all("Simulated quarter, seed 5" in text for text in seen.texts.values())
    assert "closed trades in 13 sessions" in seen.texts["performance"]


def test_its_reviews_are_made_and_each_is_a_page_and_a_pdf(quarter: Portfolio) -> None:
    reviews = list(quarter.reviews.order_by("due_at"))
    assert [each.kind for each in reviews] == ["weekly", "weekly"]
    client = reader(quarter)
    for review in reviews:
        assert client.get(f"/portfolios/{quarter.slug}/reviews/{review.pk}/").status_code == 200
        printed = client.get(f"/portfolios/{quarter.slug}/reviews/{review.pk}/pdf/")
        body = b"".join(printed.streaming_content) if printed.streaming else printed.content
        assert body.startswith(b"%PDF-")
        days = review.snapshot["equity"]["days"]
        assert days
        assert all(each["end"] is not None for each in days)  # the last one too: nothing is left unvalued
    days = quarter.day_reports.order_by("session_on").values_list("session_on", flat=True)
    traded_on = quarter.positions.earliest("entry_at").entry_at.date()
    assert days[0] <= traded_on
    assert client.get(f"/portfolios/{quarter.slug}/days/{traded_on}/").status_code == 200


def test_every_endpoint_answers(quarter: Portfolio) -> None:
    seen = visit_api(quarter, endpoints())
    missing = {"/api/v1/portfolios/{slug}/nights/latest/"}  # nobody reported its nights
    assert {path for path, status in seen.statuses.items() if status != 200} <= missing


# ---- The same twice, in whatever parts ----


def test_the_same_seed_makes_the_same_trades_and_an_interrupted_one_goes_on(db: None) -> None:
    import_sessions()
    owner = person()
    whole = lived(request(owner, system=SMART_0DTE, slug="whole", sessions=2))

    def interrupt(so_far: object) -> None:
        raise KeyboardInterrupt

    again = request(owner, system=SMART_0DTE, slug="in-parts", sessions=2)
    with pytest.raises(KeyboardInterrupt):
        lived(again, interrupt)
    assert Portfolio.objects.get(slug="in-parts").equity_snapshots.count() == 1
    in_parts = lived(again)
    assert trades(whole) == trades(in_parts) != []
    assert whole.cash == in_parts.cash


def test_another_seed_says_something_else(quarter: Portfolio) -> None:
    days = exchange_calendar().between(FIRST_DAY, FIRST_DAY + timedelta(days=20))
    one, other = (
        [said for number, day in enumerate(days) for said in Plan(seed, MAG7_7DTE, 63).signals(day, number)]
        for seed in (3, 4)
    )
    assert one != other
    assert all(Decimal("0.5") <= each.draft.confidence <= Decimal("0.95") for each in one + other)


def test_one_that_is_over_is_not_lived_again(quarter: Portfolio) -> None:
    before = trades(quarter)
    assert lived(request(quarter.owner, sessions=SESSIONS)).pk == quarter.pk
    assert trades(quarter) == before


def test_another_number_of_sessions_lives_no_day_twice_and_pays_nothing_in_again(quarter: Portfolio) -> None:
    before, cash, stood_at = trades(quarter), quarter.cash, quarter.clock.market_started_at
    for sessions in (1, SESSIONS - 1, SESSIONS + 1):
        with pytest.raises(QuarterRefused, match="another number of sessions"):
            lived(request(quarter.owner, sessions=sessions))
    found = Portfolio.objects.select_related("clock").get(pk=quarter.pk)
    assert (trades(found), found.cash, found.clock.market_started_at) == (before, cash, stood_at)


def test_two_do_not_live_through_the_same_quarter_at_once(quarter: Portfolio) -> None:
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(hashtext('simulated quarter'), hashtext('quarter'))")
        with pytest.raises(QuarterRefused, match="another process"):
            lived(request(quarter.owner, sessions=SESSIONS))
    finally:
        other.close()
    assert lived(request(quarter.owner, sessions=SESSIONS)).pk == quarter.pk


# ---- A product that runs beside it ----


def test_the_product_leaves_it_as_it_is(quarter: Portfolio) -> None:
    stood_at = market_now(quarter.clock, WALL)
    before, told = trades(quarter), Alert.objects.count()
    assert told  # a breaker came near at least: that is kept, as over
    breakers = Breaker.objects.filter(portfolio=quarter, state=BreakerState.TRIPPED).count()
    for seconds in (1, 30, 60, 200, 230):
        now = WALL + timedelta(seconds=seconds)
        run_demo(now=now)
        resume_simulated(now=now)
        publish_simulated(now=now)
        run_check(now=now, scope="risk")
        run_orders(now=now)
        run_alerts(now=now)
    clock = MarketClock.objects.get(portfolio=quarter)
    assert market_now(clock, now) == stood_at
    assert not is_running(clock, now)
    assert trades(quarter) == before
    assert not Alert.objects.filter(raised_at__gte=WALL).exists()
    assert not Alert.objects.filter(resolved_at=None).exists()
    assert not AlertDelivery.objects.exists()
    assert Breaker.objects.filter(portfolio=quarter, state=BreakerState.TRIPPED).count() == breakers
    assert EquitySnapshot.objects.filter(portfolio=quarter).count() == SESSIONS + 1


# ---- Refusals ----


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"seed": -1}, "The seed is -1"),
        ({"sessions": 0}, "0 sessions are asked for"),
        ({"sessions": 200}, "Import sessions"),
        ({"seed": 4}, "it is another one"),
        ({"system": SMART_0DTE}, "it is another one"),
        ({"slug": "a b/c"}, "--slug a b/c: Enter a valid"),
        ({"slug": "x" * 51}, "--slug has 51 characters"),
        ({"slug": "mine"}, "There is a risk profile 'mine' already"),
    ],
)
def test_what_cannot_be_simulated_is_refused(quarter: Portfolio, changes: dict, sentence: str) -> None:
    create_profile(slug="mine", name="mine", system=MAG7_7DTE, author=None, now=WALL)
    with pytest.raises(QuarterRefused, match=sentence):
        lived(request(quarter.owner, **changes))


def test_a_quarter_that_is_not_over_is_refused(quarter: Portfolio) -> None:
    with pytest.raises(QuarterRefused, match="12 sessions from 2021-01-04 end on 2021-01-20, and today is 2021-01-20"):
        lived(request(quarter.owner, sessions=SESSIONS, slug="new"), wall=datetime(2021, 1, 20, 15, tzinfo=UTC))


def test_the_command_asks_whose_it_is() -> None:
    import_sessions()
    factories.user(), factories.user()
    with pytest.raises(CommandError, match="Say whose portfolio it is"):
        call_command("simulate_quarter", f"--from={FIRST_DAY}")
    with pytest.raises(CommandError, match="There is no user 'nobody'"):
        call_command("simulate_quarter", f"--from={FIRST_DAY}", owner="nobody")


def test_the_command_shows_where_it_is() -> None:
    import_sessions()
    owner = person()
    out, progress = StringIO(), StringIO()
    call_command(
        "simulate_quarter",
        "--sessions=1",
        f"--from={FIRST_DAY}",
        f"--owner={owner.username}",
        stdout=out,
        stderr=progress,
    )
    made = owner.portfolios.get()
    assert made.slug == "quarter-mag7-7dte-1"
    assert f"session 1 of 1 ({FIRST_DAY})" in progress.getvalue()
    assert "See /portfolios/quarter-mag7-7dte-1/" in out.getvalue()


# ---- Its record ----


def test_its_record_adds_up(quarter: Portfolio) -> None:
    record = performance(quarter, now=WALL)
    kept, trades, equity = record["kept"], record["trades"], record["equity"]
    assert (kept["days"], kept["missing"], kept["differs"]) == (SESSIONS, [], [])
    assert trades["n"] == quarter.positions.filter(status="closed").count()
    assert equity["deposits"] == 20_000.0
    held = quarter.positions.held().exists()
    assert held or equity["profit"] == pytest.approx(trades["pnl"], abs=0.01)
    attribution = record["attribution"]
    assert attribution["trades"] >= 3
    assert sum(each["usd"] for each in attribution["parts"]) == pytest.approx(attribution["pnl"], abs=0.005)
    for row in record["list"]:
        if not row["attribution_unknown"]:
            parts = sum(row[part] for part in OF_A_TRADE)
            assert parts - row["fees"] == pytest.approx(row["pnl"], abs=1e-6)
    assert record["excursions"]["mae"] <= 0.0 <= record["excursions"]["mfe"]
    assert record["costs"]["known_trades"] == trades["n"]


def test_its_lots_are_its_positions_to_the_cent(quarter: Portfolio) -> None:
    found = tax_lots(quarter, now=WALL)
    assert found["not_matched"] == []
    for each in quarter.positions.filter(status="closed"):
        mine = [lot for lot in found["lots"] if lot["position"] == each.pk]
        sums = [sum(lot[name] for lot in mine) for name in ("contracts", "cost", "proceeds", "fees", "gain")]
        assert sums == [
            each.quantity_opened, each.entry_cost, each.exit_proceeds, each.fees, each.realised_pnl,
        ]  # fmt: skip


def test_beside_a_running_product_with_a_real_account_nothing_is_simulated() -> None:
    real = factories.portfolio()
    Pulse.objects.create(name="alerts", at=WALL, since=WALL)
    with pytest.raises(QuarterRefused, match="watches"):
        lived(request(person()))
    Portfolio.objects.filter(pk=real.pk).update(is_demo=True)
    with pytest.raises(QuarterRefused, match="The seed is"):
        lived(request(person(), seed=-1))
