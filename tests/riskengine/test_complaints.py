"""What users of other products complain about: each complaint a test of its name, with everything else healthy.

Numbers are issues of freqtrade. "Breakers that fire on winners" and "stops for the wrong amount" are as reported there;
the others were heard of several products.
"""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from celery.schedules import maybe_schedule
from django.conf import settings
from django.core.management import call_command
from django.db import IntegrityError, transaction

from betsizing.celery import app
from betsizing.management.commands.up import queue_processes
from positions import recorded
from positions.market.calendar import new_york_instant
from positions.market_selectors import exchange_calendar
from positions.models import Fill, Order, OrderStatus, PaperExecution, Portfolio, Position, PositionStatus, Side, State
from positions.services import demo, working
from positions.services.working import work_orders
from riskengine.models import Alert, BreakerEvent
from riskengine.services.decide.plan import exit_plan
from riskengine.services.watch.watchdog import run_alerts
from tests import factories
from tests.positions import market_day
from tests.positions.flaky_broker import LOST_AFTER, REJECTED, FlakyBroker
from tests.positions.market_day import SECOND, START, bought, check_books, exit_of, opening, portfolio
from tests.riskengine import market
from tests.riskengine.entering import checked, enter, refused, reserved
from tests.riskengine.test_entry_races import placed, together
from tests.riskengine.watch import guarded
from tests.riskengine.watch.desk import Desk, fresh, runs_on, seconds_after, zero
from tests.riskengine.watch.guarded import events, fall, look, sell, state, tripped

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> Desk:
    return zero()


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> FlakyBroker:
    flaky = FlakyBroker()
    monkeypatch.setattr(working, "broker_of", lambda portfolio: flaky)
    return flaky


def worked(desk: Desk, *times: str) -> None:
    """Seconds in which the exit check looks and the orders are worked."""
    for at in times:
        desk.check(at)
        work_orders(now=desk.bet.wall(desk.at(at)), plan=exit_plan)


def sales(position: Position) -> int:
    fills = Fill.objects.filter(position=position, order__side=Side.SELL)
    return sum(fills.values_list("quantity", flat=True))


# ---- Circuit breakers ----


def test_breakers_that_count_closed_trades_only_8373_11726() -> None:
    desk = guarded.guarded()
    fall(desk, "140.0000")
    assert not Position.objects.filter(status=PositionStatus.CLOSED).exists()
    assert state("loss_l2") == "tripped"


def test_breakers_that_fire_on_winners_7170() -> None:
    """There a winner that closed while a lock was in force set it again."""
    desk = guarded.guarded()
    fall(desk, "140.0000")
    for number, proceeds in enumerate(("100", "100", "100")):
        loser = desk.bet.hold(market.spxw(str(3705 + 5 * number)), 1, "2.00", initial_stop=1, current_stop=1)
        sell(loser, proceeds, desk.at(f"10:43:{10 + number}"), "slice")
    desk.check("10:43:20", "risk")
    locked = events("loss_l2"), events("losing_streak")
    assert [kind for kind, _ in locked[0] + locked[1]] == ["alert", "tripped", "tripped"]
    winner = Position.objects.get(contract=desk.contract)
    sell(winner, "30000", desk.at("11:00:00"), "stop")
    desk.check("11:00:01", "risk")
    assert (events("loss_l2"), events("losing_streak")) == locked, "the winner trips nothing again"
    for at in ("11:13:11", "11:13:13"):
        desk.check(at, "risk")
    assert state("losing_streak") == "clear", "half an hour after the last loser: the winner made it no longer"


def test_a_breaker_reset_at_utc_midnight() -> None:
    desk = guarded.guarded()
    fall(desk, "140.0000")
    runs_on(desk)
    sell(Position.objects.get(), "14000", desk.at("15:00:00"))
    for at in ("18:59:59", "19:00:00", "19:00:01", "23:59:59"):  # 19:00 in New York is midnight in UTC
        desk.check(at, "risk")
        assert state("loss_l2") == "tripped", at
    desk.check(desk.at("00:00:01", desk.day + timedelta(days=1)), "risk")
    assert state("loss_l2") == "clear"


def test_a_breaker_reset_by_a_restart() -> None:
    desk = guarded.guarded()
    Portfolio.objects.update(is_demo=True)
    fall(desk, "140.0000")
    call_command("migrate", verbosity=0)
    call_command("restart_recordings")  # what `up` does to a database that it finds
    market.bar("SPX", desk.at("10:50:00"))
    look(desk, "10:50:00", "250.0000")
    desk.check("10:50:01", "risk")
    assert {"loss_l1", "loss_l2"} <= tripped()
    assert BreakerEvent.objects.filter(code="loss_l2", kind="tripped").count() == 1


def test_a_phantom_trip_from_one_bad_tick() -> None:
    desk = guarded.guarded()
    look(desk, "10:43:00", "156.0000")  # beyond the limit of L1
    desk.quote("10:43:01", "0.0100", "400.0000")  # beyond every limit, on a spread that nobody deals at
    for second in (1, 2):
        desk.check(f"10:43:{second:02}")
    look(desk, "10:43:03", "200.0000")
    fall(desk, "200.0000", 4)
    assert tripped() == set()
    assert desk.sold() == []


# ---- Stopping ----


def test_a_stop_command_that_opens_a_new_position(desk: Desk) -> None:
    """Not by an entry still working, not by one asked for meanwhile, and not by selling more than is held."""
    position = desk.hold(12)
    entry = desk.bet.order(market.spxw("3705"), 3, "41.00", created_at=desk.at("10:43:00"))
    desk.quote("10:43:00", "42.00", "42.40")
    desk.quote("10:43:00", "40.60", "40.60", contract=entry.contract)
    desk.check("10:43:00")
    assert desk.sold() == [("slice", 4)]
    desk.state(State.FLATTENING, actor=factories.user("staff"))
    assert refused(enter(checked(desk.bet))) != ""
    worked(desk, *(f"10:43:{second:02}" for second in range(1, 40)))
    entry.refresh_from_db()
    assert (entry.status, entry.filled_quantity) == (OrderStatus.CANCELLED, 0)
    assert not Fill.objects.filter(order__side=Side.BUY).exists()
    assert (sales(position), fresh(position).status) == (12, PositionStatus.CLOSED)
    assert list(Position.objects.values_list("pk", flat=True)) == [position.pk]


def test_stops_placed_for_the_wrong_amount_after_partial_exits_8374_8526(desk: Desk) -> None:
    """A take-profit is filled in part and runs out of time; then the stop sells what is left, no more and no less."""
    position = desk.hold(12)
    desk.quote("10:43:00", "42.00", "42.40")
    worked(desk, *(f"10:43:{second:02}" for second in range(31)))
    desk.quote("10:43:31", "41.00", "41.40")
    worked(desk, *(f"10:43:{second:02}" for second in range(31, 60)))
    (slice_order,) = desk.orders
    assert (slice_order.status, 0 < slice_order.filled_quantity < slice_order.quantity) == (OrderStatus.CANCELLED, True)
    left = 12 - slice_order.filled_quantity
    assert fresh(position).quantity_open == left
    desk.quote("10:44:00", "20.00", "20.40")
    worked(desk, *(f"10:44:{second:02}" for second in range(40)))
    assert desk.sold()[1:] == [("stop", left)]
    assert (sales(position), fresh(position).quantity_open) == (12, 0)


def test_a_closing_order_that_fails_silently_while_the_book_says_flat(broker: FlakyBroker) -> None:
    of = portfolio()
    position = bought(of)
    at = START + timedelta(minutes=1)
    market_day.quote(position.contract, at, "33.00", "33.40")
    (stop,) = exit_of(position, "stop", at)
    broker.on_submit = REJECTED
    for seconds in (0, 2, 4):
        market_day.work(at + seconds * SECOND)
        position.refresh_from_db()
        stop.refresh_from_db()
        assert (position.status, position.quantity_open, stop.is_live) == (PositionStatus.OPEN, 3, True)
    run_alerts(now=at + 5 * SECOND)
    alert = Alert.objects.get(code="EXIT_FAILING")
    assert (alert.position, alert.severity, alert.value) == (position, "critical", 3)
    assert "not today" in alert.happened
    broker.mend()
    market_day.work(at + 6 * SECOND)
    position.refresh_from_db()
    assert (position.status, sales(position)) == (PositionStatus.CLOSED, 3)
    check_books(of)


def test_a_tier_that_leaves_a_remainder_and_retries_for_ever(desk: Desk) -> None:
    """A third of two contracts is one, of the next only a part: it waits for the last tier, which sells the rest."""
    position = desk.hold(2)
    for minute, bid, ask in ((43, "42.00", "42.40"), (44, "44.00", "44.40")):
        desk.quote(f"10:{minute}:00", bid, ask)
        worked(desk, *(f"10:{minute}:{second:02}" for second in range(40)))
    assert desk.sold() == [("slice", 1)]
    version = fresh(position).version
    for second in range(30):
        desk.confirm(f"10:45:{second:02}")
        worked(desk, f"10:45:{second:02}")
    assert (desk.sold(), fresh(position).version) == ([("slice", 1)], version), "nothing is tried again"
    desk.quote("10:46:00", "46.00", "46.40")
    worked(desk, *(f"10:46:{second:02}" for second in range(40)))
    assert desk.sold() == [("slice", 1), ("slice", 1)]
    assert fresh(position).status == PositionStatus.CLOSED


# ---- Two at once, and twice ----


@pytest.mark.django_db(transaction=True)
def test_two_concurrent_entries_that_pass_a_limit_together() -> None:
    bet = checked(market.zero_dte())
    bet.revise(max_total_exposure="0.40", max_portfolio_delta="10", max_portfolio_gamma="10")
    limit = Decimal("0.40") * 60_000
    alone = Decimal("13440.00")
    assert alone <= limit < 2 * alone
    orders = placed(together(lambda _: enter(bet), 2))
    assert len(orders) == 1
    assert reserved(bet.portfolio) == alone


def test_duplicates_after_a_lost_answer(broker: FlakyBroker) -> None:
    """The broker took the order and its answer was lost; then it tells each execution twice."""
    of = portfolio()
    order = opening(of)
    market_day.quote(order.contract, START, "44.60", "44.60")
    broker.on_submit, broker.deaf, broker.silent = LOST_AFTER, True, True
    for seconds in range(3):
        market_day.work(START + seconds * SECOND)
    broker.mend()
    broker.repeats = True
    for seconds in range(3, 30):
        market_day.work(START + seconds * SECOND)
    assert len(broker.submitted) == PaperExecution.objects.count() == Fill.objects.count() == 1
    assert Position.objects.get().quantity_open == 3
    check_books(of)


def test_duplicates_after_a_lost_answer_to_a_program() -> None:
    """It asks again under the same key, also after the order was filled."""
    bet = checked(market.zero_dte())
    first = enter(bet, key="lost")
    again = enter(bet, key="lost", at=bet.at + timedelta(seconds=30))
    assert (again.created, again.order) == (False, first.order)
    assert Order.objects.count() == 1


# ---- Time ----


def test_an_option_expired_at_0931(desk: Desk) -> None:
    """It lives to the close of its last day, and its stop is watched until then."""
    position = desk.hold(entry_at=desk.at("09:30:10"))
    market.bar("SPX", desk.at("09:30:00"))
    desk.quote("09:31:00", "40.00", "40.40")
    for scope in ("exit", "risk"):
        desk.check("09:31:00", scope)
    assert (fresh(position).status, fresh(position).quantity_open, desk.sold()) == (PositionStatus.OPEN, 10, [])
    desk.quote("09:31:01", "20.00", "20.40")
    desk.check("09:31:01")
    assert desk.sold() == [("stop", 10)]
    desk.finish()
    desk.bet.quote(confirmed_at=desk.at("15:59:59"))
    market.bar("SPX", desk.at("16:00:00"))
    desk.check("16:00:00", "risk")
    assert fresh(position).close_cause == "settled"


def test_half_days_missing() -> None:
    """Those to come are known, and on one of them the forced close is a quarter of an hour before one."""
    desk = zero(market.HALF_DAY)
    desk.hold()
    desk.check("12:44:59")
    assert desk.sold() == []
    desk.check("12:45:00")
    assert desk.sold() == [("forced_close", 10)]


def test_half_days_missing_in_the_calendar_that_is_shipped() -> None:
    demo.import_recordings(each for each in demo.RECORDINGS if each.path == recorded.SESSIONS)
    calendar = exchange_calendar()
    for day in (date(2026, 11, 27), date(2026, 12, 24)):
        session = calendar.session(day)
        assert session is not None
        assert session.closes_at == new_york_instant(day, time(13)), day


CLOCK_CHANGES = [datetime(2026, 3, 8, 5, tzinfo=UTC), datetime(2026, 11, 1, 4, tzinfo=UTC)]  # midnight in New York


@pytest.mark.parametrize("midnight", CLOCK_CHANGES, ids=["spring", "autumn"])
@pytest.mark.parametrize("name", list(settings.CELERY_BEAT_SCHEDULE))
def test_a_crontab_that_stops_at_a_clock_change(name: str, midnight: datetime) -> None:
    """Through the night in which New York's clocks are set every task comes as often as at any other time."""
    interval = settings.CELERY_BEAT_SCHEDULE[name]["schedule"]
    gaps = gaps_of(interval, midnight, midnight + timedelta(hours=5))
    assert max(gaps) <= timedelta(seconds=max(30.0, interval)), f"{name} was away for {max(gaps)}"
    assert all(process.lives_by_the_clock for process in queue_processes() if process.name == "beat")


def gaps_of(interval: object, begins: datetime, ends: datetime) -> list[timedelta]:
    """Between the runs that beat would make, looking every half minute."""
    clock = [begins]

    def now() -> datetime:
        return clock[0].astimezone(ZoneInfo("America/New_York"))

    schedule = maybe_schedule(interval, app=app)
    schedule.nowfun = now
    last, gaps = now(), []
    while clock[0] < ends:
        clock[0] = seconds_after(clock[0], 30)
        if schedule.is_due(last).is_due:
            gaps.append(now().astimezone(UTC) - last.astimezone(UTC))
            last = now()
    return [*gaps, clock[0] - last.astimezone(UTC)]


# ---- Alerts ----


def test_an_alert_that_does_not_say_what_to_do(broker: FlakyBroker) -> None:
    desk = guarded.guarded()
    guarded.look(desk, "10:42:30", "177.5000")  # three quarters of the way to L1
    run_alerts(now=desk.bet.wall(desk.at("10:42:31")))
    fall(desk, "80.0000")
    desk.check("10:43:03")
    broker.on_submit = REJECTED
    worked(desk, *(f"10:43:{second:02}" for second in range(4, 12)))
    desk.check("15:50:00")
    run_alerts(now=desk.bet.wall(desk.at("15:50:01")))
    alerts = {alert.code: alert for alert in Alert.objects.all()}
    assert {"BREAKER_TRIPPED", "BREAKER_NEAR", "EXIT_FAILING"} <= alerts.keys()
    for alert in Alert.objects.all():
        assert alert.to_do.endswith("."), alert.code
        assert len(alert.to_do.split()) > 4, alert.code
        assert any(character.isdigit() for character in alert.happened), alert.code
    trip = Alert.objects.get(code="BREAKER_TRIPPED", limit=12_000)
    assert "$12,000.00" in trip.happened
    assert "clear it with a written reason" in trip.to_do
    with pytest.raises(IntegrityError, match="alert_says_what_to_do"), transaction.atomic():
        Alert.objects.update(to_do="")
