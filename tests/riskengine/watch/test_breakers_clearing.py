"""A named person clears with a reason, or not at all; entries stay refused by code until then (A-02, A-03, P-07)."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import DatabaseError, transaction

from accounts.models import User
from accounts.selectors import holds_in_force
from accounts.services import ensure_groups
from positions.models import Heartbeat, Portfolio, PortfolioStateChange, Position, State
from riskengine.models import Breaker, BreakerEvent
from riskengine.services.decide.entries import Authorised, EntryRequest, authorise_entry
from riskengine.services.watch.clearing import NotClearable, clear_breaker, reactivate
from tests import factories
from tests.riskengine import market
from tests.riskengine.market import Bet
from tests.riskengine.watch import guarded
from tests.riskengine.watch.desk import Desk, runs_on
from tests.riskengine.watch.guarded import events, fall, look, sell, state, tripped

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> Desk:
    return guarded.guarded()


@pytest.fixture
def manager() -> User:
    ensure_groups()
    user = factories.user("manager", is_staff=True)
    user.groups.add(user.groups.model.objects.get(name="Risk manager"))
    return User.objects.get(pk=user.pk)


def breaker(code: str) -> Breaker:
    return Breaker.objects.get(code=code)


def clear(desk: Desk, code: str, actor: User, at: str = "10:50:00", reason: str = "Seen.") -> BreakerEvent:
    now = desk.bet.wall(desk.at(at))
    return clear_breaker(breaker=breaker(code), actor=actor, reason=reason, now=now)


def halted(desk: Desk) -> None:
    """L3 tripped, everything sold, HALTED."""
    fall(desk, "80.0000")
    desk.check("10:43:03")
    desk.finish()
    sell(Position.objects.get(), "8000", desk.at("10:43:05"), "emergency")
    desk.check("10:43:06")
    assert Portfolio.objects.get().state == State.HALTED


# ---- Who, why, when ----


def test_only_staff_with_the_permission_clears(desk: Desk) -> None:
    fall(desk, "140.0000")
    look(desk, "10:44:00", "200.0000")
    for nobody in (desk.portfolio.owner, factories.user("clerk", is_staff=True)):
        with pytest.raises(PermissionDenied):
            clear(desk, "loss_l2", nobody)
    assert state("loss_l2") == "tripped"


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_a_reason_must_be_given(desk: Desk, manager: User, reason: str) -> None:
    fall(desk, "140.0000")
    look(desk, "10:44:00", "200.0000")
    with pytest.raises(ValidationError):
        clear(desk, "loss_l2", manager, "10:44:01", reason)


def test_clearing_is_written_with_name_and_reason_and_lifts_the_holds(desk: Desk, manager: User) -> None:
    fall(desk, "140.0000")
    look(desk, "10:44:00", "200.0000")
    clear(desk, "loss_l2", manager, "10:44:01", "A broken feed.")
    event = BreakerEvent.objects.get(code="loss_l2", kind="cleared")
    assert (event.actor, event.actor_name, event.reason) == (manager, "manager", "A broken feed.")
    row = breaker("loss_l2")
    assert (row.state, row.cleared_by_name, row.cleared_reason) == ("clear", "manager", "A broken feed.")
    assert "max_daily_loss" not in {hold.parameter for hold in holds_in_force(desk.portfolio.profile)}
    with pytest.raises(NotClearable, match="not tripped"):
        clear(desk, "loss_l2", manager)


def test_what_happened_to_a_breaker_is_never_changed_or_deleted(desk: Desk) -> None:
    fall(desk, "140.0000")
    for attempt in (lambda: BreakerEvent.objects.update(reason="x"), lambda: BreakerEvent.objects.all().delete()):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            attempt()


def test_l3_is_not_cleared_while_the_dates_loss_is_still_at_its_limit(desk: Desk, manager: User) -> None:
    halted(desk)
    with pytest.raises(NotClearable, match="still at the limit"):
        clear(desk, "loss_l3", manager)
    assert (state("loss_l3"), Portfolio.objects.get().state) == ("tripped", State.HALTED)


def test_nor_while_the_portfolio_is_being_closed(desk: Desk, manager: User) -> None:
    fall(desk, "80.0000")
    with pytest.raises(NotClearable, match="still being closed"):
        clear(desk, "loss_l3", manager)


def test_on_a_later_date_a_named_person_clears_l3_and_the_portfolio_is_active_again(desk: Desk, manager: User) -> None:
    market.vix(desk.day, opened="18.00", closed="18.50")
    halted(desk)
    runs_on(desk)
    tuesday = desk.day + timedelta(days=1)
    desk.check(desk.at("09:00:00", tuesday), "risk")
    assert Portfolio.objects.get().state == State.HALTED, "no time clears it"
    now = desk.bet.wall(desk.at("09:01:00", tuesday))
    assert tripped() == {"loss_l3", "drawdown_5"}
    clear_breaker(breaker=breaker("loss_l3"), actor=manager, reason="Reviewed.", now=now)
    assert Portfolio.objects.get().state == State.REDUCING, "the drawdown asks for that"
    clear_breaker(breaker=breaker("drawdown_5"), actor=manager, reason="Reviewed too.", now=now)
    change = PortfolioStateChange.objects.latest("id")
    assert (change.to_state, change.cause, change.actor_name) == (State.ACTIVE, "cleared", "manager")
    desk.check(desk.at("09:02:00", tuesday), "risk")
    assert tripped() == set(), "the drawdown is measured anew from the clearing"


def test_a_halted_portfolio_is_not_reactivated_past_its_breaker(desk: Desk, manager: User) -> None:
    halted(desk)
    now = desk.bet.wall(desk.at("10:50:00"))
    with pytest.raises(NotClearable, match="L3: emergency halt"):
        reactivate(portfolio=desk.portfolio, actor=manager, reason="Go.", now=now)
    with pytest.raises(PermissionDenied):
        reactivate(portfolio=desk.portfolio, actor=desk.portfolio.owner, reason="Go.", now=now)


def test_a_check_that_judged_before_the_clearing_trips_nothing_again(desk: Desk, manager: User) -> None:
    from riskengine.services.watch import guards

    fall(desk, "140.0000")
    look(desk, "10:44:00", "200.0000")
    real = guards.latch

    def late(changes: list, *rest: object, **given: object) -> list:
        guarded.quote(desk, "10:44:02", "200.0000")
        clear(desk, "loss_l2", manager, "10:44:02")
        stale = [each for each in changes if each.code == "loss_l2"]
        return real(stale, *rest, **given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guards, "latch", late)
        look(desk, "10:44:01", "140.0000")
    assert events("loss_l2")[-1] == ("cleared", "manager")


# ---- Entries ----


@pytest.fixture
def bet() -> Bet:
    made = market.zero_dte()
    Heartbeat.objects.create(
        portfolio=made.portfolio, scope="risk", finished_at=made.wall() - timedelta(seconds=5), market_at=made.at
    )
    return made


def trip(bet: Bet, code: str, **changes: object) -> Breaker:
    given = {"state": "tripped", "session_on": market.MONDAY, "tripped_at": bet.at, "value": 6_000, "limit": 6_000}
    return Breaker.objects.create(portfolio=bet.portfolio, code=code, **given | changes)


def enter(bet: Bet, **changes: object) -> Authorised:
    request = EntryRequest(bet.contract, Decimal("0.70"), **changes)
    return authorise_entry(portfolio=bet.portfolio, request=request, now=bet.wall(), actor=None, actor_name="test")


@pytest.mark.parametrize(
    "code", ["loss_l2", "loss_l3", "drawdown_5", "drawdown_20", "vix", "losing_streak", "throttle", "rejected_orders"]
)
def test_while_it_is_latched_an_entry_is_refused_by_code_however_healthy_the_figures(bet: Bet, code: str) -> None:
    assert enter(bet).decision.approved
    row = trip(bet, code)
    made = enter(bet).decision
    assert (made.approved, made.refusal_code) == (False, "BREAKER_TRIPPED")
    assert row.get_code_display() in made.refusal_sentence
    Breaker.objects.update(state="clear")
    assert enter(bet).decision.approved


def test_l1_makes_the_entry_wait_for_a_person(bet: Bet) -> None:
    trip(bet, "loss_l1", value=3_000, limit=3_000)
    waiting = enter(bet)
    assert (waiting.decision.approved, waiting.order) == (True, None)
    assert enter(bet, confirmed=True).order is not None


def test_stop_outs_of_another_underlying_refuse_nothing(bet: Bet) -> None:
    trip(bet, "stop_outs", value=2, limit=2, underlying=factories.instrument("SPY"))
    assert enter(bet).decision.approved
    trip(bet, "stop_outs", value=2, limit=2, underlying=bet.contract.underlying)
    assert enter(bet).decision.refusal_code == "BREAKER_TRIPPED"


def test_breakers_of_another_portfolio_refuse_nothing(bet: Bet) -> None:
    other = factories.portfolio()
    Breaker.objects.create(portfolio=other, code="vix", state="tripped", session_on=market.MONDAY, tripped_at=bet.at)
    assert enter(bet).decision.approved
    assert tripped() == {"vix"}
