"""L1, L2 and L3: they see what is not booked yet, trip once at their limit, and stay tripped (P-06..P-08, A-03)."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError

from accounts.selectors import holds_in_force
from positions.models import Order, OrderStatus, Portfolio, PortfolioStateChange, Position, State
from positions.services.portfolio import move_cash
from positions.services.settlement import start_session
from riskengine.models import Breaker, BreakerEvent
from tests.riskengine import market
from tests.riskengine.watch import guarded
from tests.riskengine.watch.desk import Desk, arm, runs_on, seven
from tests.riskengine.watch.guarded import AT_LIMIT, events, fall, look, quote, sell, state, tripped

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> Desk:
    return guarded.guarded()


# ---- At the limit, and not a cent before ----


@pytest.mark.parametrize("code", list(AT_LIMIT))
def test_it_trips_at_its_limit_on_losses_that_are_not_booked(desk: Desk, code: str) -> None:
    fall(desk, AT_LIMIT[code])
    assert state(code) == "tripped"
    event = BreakerEvent.objects.get(code=code, kind="tripped")
    limit = {"loss_l1": 3_000, "loss_l2": 6_000, "loss_l3": 12_000}[code]
    assert (event.value, event.limit, event.actor_name) == (limit, limit, "betsizing")
    assert f"${limit:,}.00" in event.reason
    assert event.trace["steps"][0]["limit"] == limit


@pytest.mark.parametrize("code", list(AT_LIMIT))
def test_and_not_one_cent_before(desk: Desk, code: str) -> None:
    fall(desk, f"{Decimal(AT_LIMIT[code]) + Decimal('0.0001')}")
    assert state(code) != "tripped"


def test_a_fee_is_a_loss_once(desk: Desk) -> None:
    Portfolio.objects.update(cash=Portfolio.objects.get().cash - Decimal("0.01"))
    fall(desk, "140.0001")
    assert state("loss_l2") == "tripped"


def test_a_profit_of_any_size_trips_nothing(desk: Desk) -> None:
    fall(desk, "999.0000")
    desk.check("10:43:10", "risk")
    assert tripped() == set()
    assert not BreakerEvent.objects.exists()


def test_a_deposit_hides_no_loss_and_a_withdrawal_makes_none(desk: Desk) -> None:
    move_cash(
        portfolio=desk.portfolio, kind="withdrawal", amount=Decimal(-30_000), market_at=desk.at("10:42:30"), note=""
    )
    fall(desk, "199.0000")
    assert tripped() == set()
    move_cash(portfolio=desk.portfolio, kind="deposit", amount=Decimal(30_000), market_at=desk.at("10:42:40"), note="")
    fall(desk, "140.0000", 10)
    assert state("loss_l2") == "tripped"


def test_a_loss_that_is_booked_needs_no_confirming_quote(desk: Desk) -> None:
    sell(Position.objects.get(), "14000", desk.at("10:43:00"))
    desk.check("10:43:00", "risk")
    assert {"loss_l1", "loss_l2"} <= tripped()


# ---- Two reads of one check ----


def test_what_filled_between_two_reads_of_a_check_makes_no_loss(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from riskengine.services.watch import monitoring

    read = monitoring.load

    def sold_meanwhile(*given: object, **rest: object) -> object:
        position = Position.objects.get()
        if position.quantity_open:
            sell(position, "20000", desk.at("10:43:00"))
        return read(*given, **rest)

    monkeypatch.setattr(monitoring, "load", sold_meanwhile)
    desk.check("10:43:00", "risk")
    assert tripped() == set(), "its cash was read before, its contracts after the sale"


# ---- Latched ----


def test_it_trips_once_and_stays_tripped_when_the_loss_is_gone(desk: Desk) -> None:
    fall(desk, "140.0000")
    fall(desk, "300.0000", 10)
    fall(desk, "140.0000", 20)
    assert state("loss_l2") == "tripped"
    assert events("loss_l2") == [("alert", "betsizing"), ("tripped", "betsizing")]


def test_two_checks_that_judged_the_same_trip_once(desk: Desk) -> None:
    from riskengine.loading.book import load
    from riskengine.loading.revisions import limits_by_revision
    from riskengine.loading.watched import watched_portfolios
    from riskengine.services.watch import exits, guards, latching

    look(desk, "10:43:00", "140.0000")
    look(desk, "10:43:01", "140.0000")
    quote(desk, "10:43:02", "140.0000")
    now = desk.bet.wall(desk.at("10:43:02"))
    held = []
    real = latching.latch

    def hold_back(changes: object, watched: object, *, now: object) -> list:
        held.append((changes, watched))
        return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guards, "latch", hold_back)
        for _ in range(2):
            watched, _ = watched_portfolios(now)
            book = load(watched, everything=False)
            limits = limits_by_revision(set(book.revision.tolist()))
            guards.guard(exits.judge_book(book, watched, limits), watched, limits, scope="exit", now=now)
    written = [real(changes, watched, now=now) for changes, watched in held]
    assert [[(event.code, event.kind) for event in each] for each in written] == [[("loss_l2", "tripped")], []]
    assert BreakerEvent.objects.filter(code="loss_l2", kind="tripped").count() == 1


def test_a_warning_comes_once_at_three_quarters_of_the_limit(desk: Desk) -> None:
    fall(desk, "155.0001")
    assert events("loss_l2") == []
    fall(desk, "155.0000", 10)
    fall(desk, "155.0000", 20)
    assert events("loss_l2") == [("alert", "betsizing")]


# ---- The session roll ----


def tomorrow(desk: Desk) -> None:
    runs_on(desk)
    sell(Position.objects.get(), "14000", desk.at("15:00:00"))


def test_l1_and_l2_clear_at_the_first_check_of_the_next_new_york_date_and_not_at_utc_midnight(desk: Desk) -> None:
    fall(desk, "140.0000")
    tomorrow(desk)
    tuesday = desk.day + timedelta(days=1)
    for late in ("18:59:00", "19:00:01", "23:59:59"):  # 19:00 in New York is midnight in UTC
        desk.check(late, "risk")
        assert {"loss_l1", "loss_l2"} <= tripped(), late
    desk.check(desk.at("00:00:01", tuesday), "risk")
    assert tripped() & {"loss_l1", "loss_l2"} == set()
    assert events("loss_l2")[-1] == ("cleared", "betsizing")
    assert Breaker.objects.get(code="loss_l2").cleared_by_name == "betsizing"


def test_over_a_weekend_they_stay_until_monday() -> None:
    friday = market.MONDAY + timedelta(days=4)
    desk = guarded.zero(friday, contract=market.spxw("3700", expires=friday))
    position = desk.hold(1, "200.00", initial_stop=Decimal(1), current_stop=Decimal(1))
    for second in range(3):
        look(desk, f"10:43:{second:02}", "140.0000")
    runs_on(desk)
    sell(position, "14000", desk.at("15:00:00"))
    desk.check(desk.at("12:00:00", friday + timedelta(days=1)), "risk")
    assert "loss_l2" in tripped()
    desk.check(desk.at("00:00:30", friday + timedelta(days=3)), "risk")
    assert "loss_l2" not in tripped()


def test_l3_stays_over_the_session_roll(desk: Desk) -> None:
    fall(desk, "80.0000")
    tomorrow(desk)
    desk.check(desk.at("10:00:00", desk.day + timedelta(days=1)), "risk")
    assert "loss_l3" in tripped()


def test_the_new_date_counts_from_its_own_start(desk: Desk) -> None:
    fall(desk, "140.0000")
    tomorrow(desk)
    for at in ("00:00:01", "00:00:31", "09:31:00", "09:31:30"):
        desk.check(desk.at(at, desk.day + timedelta(days=1)), "risk")
    assert tripped() & {"loss_l1", "loss_l2"} == set()


# ---- What it does ----


def test_l3_flattens_a_book_of_four_within_two_exit_checks() -> None:
    desk = guarded.zero(cash=Decimal(60_000))
    contracts = [market.spxw(strike) for strike in ("3700", "3705", "3710", "3715")]
    for contract in contracts:
        arm(desk.bet.hold(contract, 1, "100.00", initial_stop=Decimal(1), current_stop=Decimal(1)))
    opening = desk.bet.order(market.spxw("3720"), 1, "10.00")

    def at(second: str, bid: str) -> None:
        for contract in contracts:
            desk.quote(f"10:43:{second}", bid, f"{Decimal(bid) + Decimal('0.4')}", contract=contract)
        desk.check(f"10:43:{second}")

    for second in ("00", "01"):
        at(second, "70.00")
    assert Portfolio.objects.get().state == State.ACTIVE
    at("02", "70.00")
    assert Portfolio.objects.get().state == State.FLATTENING
    assert Order.objects.get(pk=opening.pk).status == OrderStatus.CANCELLING
    at("03", "99.00")
    assert desk.sold() == [("emergency", 1)] * 4, "also when the figure has recovered"
    change = PortfolioStateChange.objects.get(to_state=State.FLATTENING)
    assert (change.cause, change.value, change.limit, change.actor_name) == ("loss_l3", 12_000, 12_000, "betsizing")
    assert change.trace["steps"][0]["rule"] == "loss_l3"


def test_without_the_switch_l3_halts_and_sells_nothing(desk: Desk) -> None:
    desk.bet.revise(halt_flattens=False)
    fall(desk, "80.0000")
    desk.check("10:43:10")
    assert Portfolio.objects.get().state == State.HALTED
    assert desk.sold() == []


def test_a_process_that_dies_between_the_trip_and_the_act_leaves_it_to_the_next_check(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from riskengine.services.watch import acting

    with monkeypatch.context() as patch:
        patch.setattr(acting, "act", lambda *_, **__: 1 / 0)
        fall(desk, "80.0000")
    assert ("tripped", "betsizing") in events("loss_l3")
    assert Portfolio.objects.get().state == State.ACTIVE
    look(desk, "10:43:03", "300.0000")
    assert Portfolio.objects.get().state == State.FLATTENING


def test_seven_day_losses_count_from_the_start_of_day_equity() -> None:
    desk = seven()
    desk.hold(40, "5.00", regime="seven_day", initial_stop=Decimal("0.01"), current_stop=Decimal("0.01"))
    for at in ("10:43:00", "10:43:30"):
        desk.quote(at, "2.5000", "2.5500")
        desk.check(at, "risk")
    assert "loss_l2" in tripped()
    assert BreakerEvent.objects.get(code="loss_l2", kind="tripped").limit == 10_000


# ---- Limits are held ----


def test_its_limit_cannot_be_loosened_while_it_is_tripped_and_can_afterwards(desk: Desk) -> None:
    fall(desk, "140.0000")
    assert {hold.parameter for hold in holds_in_force(desk.portfolio.profile)} >= {"max_daily_loss", "account_size"}
    with pytest.raises(ValidationError, match=r"is held at 10\.0% by the L2 breaker of"):
        desk.bet.revise(max_daily_loss="0.15")
    desk.bet.revise(max_daily_loss="0.08")
    tomorrow(desk)
    desk.check(desk.at("00:00:01", desk.day + timedelta(days=1)), "risk")
    desk.bet.revise(max_daily_loss="0.15")


# ---- What cannot be judged ----


def test_without_a_snapshot_nothing_is_known_and_nothing_changes(desk: Desk) -> None:
    desk.portfolio.equity_snapshots.all().delete()
    fall(desk, "80.0000")
    assert tripped() == set()
    start_session(portfolio=Portfolio.objects.get(), at=desk.at("10:43:05"), now=desk.bet.wall())


def test_breakers_that_fail_leave_no_heartbeat_and_stop_no_exit(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from riskengine.services.watch import guards

    Position.objects.update(current_stop=Decimal(150), version=5)
    monkeypatch.setattr(guards, "value", lambda *_: 1 / 0)
    quote(desk, "10:43:00", "100.0000")
    result = desk.check("10:43:00")
    assert "could not be judged" in result.errors[desk.portfolio.pk]
    assert not desk.portfolio.heartbeats.exists()
    assert desk.sold() == [("stop", 1)]
