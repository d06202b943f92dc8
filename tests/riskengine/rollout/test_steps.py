"""From off to paper to live and back: one signed step at a time, and one back by itself."""

from datetime import timedelta
from decimal import Decimal

import psycopg2
import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, connection, transaction
from django.test import Client

from accounts.selectors import latest_revision
from accounts.services import RISK_MANAGERS, ensure_groups
from positions.models import Broker, EquitySnapshot, Mode, Order, Portfolio
from riskengine.models import Alert, ReadingPoint, RolloutStep, RolloutTrigger
from riskengine.services.rollout import evidence
from riskengine.services.rollout.checklist import Item, checklist
from riskengine.services.rollout.stepping import NotSteppable, step
from riskengine.services.rollout.triggers import judge, run_triggers
from tests import factories
from tests.riskengine import threads
from tests.riskengine.entering import checked, enter
from tests.riskengine.market import import_sessions, zero_dte

pytestmark = pytest.mark.django_db
NOW = factories.NOW + timedelta(minutes=5)
PASSED = [Item("ALL", "Everything", "so", "so", True, "Nothing.", "test")]


def manager():
    ensure_groups()
    found = factories.user(is_staff=True)
    found.groups.add(Group.objects.get(name=RISK_MANAGERS))
    return found


def sign(of: Portfolio, to: str, *, by=None, seen: str | None = None, name: str | None = None, reason="Looked at."):
    asked = {"from_mode": of.mode if seen is None else seen, "name": of.name if name is None else name}
    return step(portfolio=of, to_mode=to, reason=reason, actor=by or manager(), now=NOW, **asked)


def live(mode: str = Mode.LIVE) -> Portfolio:
    """An account that came to a mode with a broker of its own."""
    found = factories.portfolio()
    Portfolio.objects.filter(pk=found.pk).update(mode=mode, broker=Broker.ALPACA)
    found.refresh_from_db()
    return found


def sized(of: Portfolio, at, equity: float = 60_000.0, **changes):
    """An approved decision that stored the equity it was sized on."""
    inputs = {"used": [{"name": "equity_start_of_day", "value": equity}], **changes.pop("inputs", {})}
    return factories.decision(of, decided_at=at, expires_at=at, inputs=inputs, **changes)


@pytest.fixture
def everything_passes(monkeypatch):
    from riskengine.services.rollout import stepping

    monkeypatch.setattr(stepping, "checklist", lambda portfolio, now: PASSED)


def test_a_step_leaves_a_sign_off_with_its_checklist_and_a_change_of_mode(everything_passes):
    portfolio = factories.portfolio(mode=Mode.OFF)
    made = sign(portfolio, Mode.PAPER)
    assert (made.kind, made.from_mode, made.to_mode) == ("forward", "off", "paper")
    assert [item["code"] for item in made.checklist] == ["ALL"]
    assert Portfolio.objects.get().mode == Mode.PAPER
    assert portfolio.mode_changes.latest("id").to_mode == Mode.PAPER
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        RolloutStep.objects.update(reason="Another.")


@pytest.mark.parametrize("to", [Mode.LIVE_MANUAL, Mode.LIVE])
def test_no_step_is_left_out(everything_passes, to):
    with pytest.raises(NotSteppable, match="one step at a time"):
        sign(factories.portfolio(mode=Mode.OFF), to)


def test_what_the_checklist_lacks_holds_the_step_up_and_is_named():
    portfolio = factories.portfolio()
    with pytest.raises(NotSteppable, match="Closed trades since then") as refused:
        sign(portfolio, Mode.LIVE_MANUAL)
    assert refused.value.code == "CHECKLIST"
    assert Portfolio.objects.get().mode == Mode.PAPER
    assert not RolloutStep.objects.exists()


def test_without_a_broker_no_account_leaves_paper():
    items = {each.code: each for each in checklist(factories.portfolio(), now=NOW)}
    assert items["BROKER"].holds_up
    assert "No connection to a broker is installed" in items["BROKER"].to_do


def test_back_it_goes_at_any_time_and_any_number_of_steps():
    made = sign(live(), Mode.OFF)
    assert (made.kind, made.from_mode, made.to_mode) == ("back", "live", "off")


def test_a_step_back_takes_back_what_still_buys():
    bet = checked(zero_dte())
    order = enter(bet).order
    made = step(
        portfolio=bet.portfolio, to_mode=Mode.OFF, from_mode=Mode.PAPER, name=bet.portfolio.name, reason="Enough.",
        actor=manager(), now=bet.wall(),
    )  # fmt: skip
    assert (made.to_mode, Order.objects.get(pk=order.pk).status) == ("off", "cancelling")


def test_so_does_one_by_itself():
    portfolio = live()
    at = evidence.in_mode_since(portfolio)
    order = factories.opening_order(sized(portfolio, at, dollars=Decimal(40_000), limit_price=Decimal(140)))
    assert judge(portfolio, now=NOW) == 1
    assert Order.objects.get(pk=order.pk).status == "cancelling"


def test_who_pressed_on_an_older_page_changes_nothing(everything_passes):
    portfolio = factories.portfolio(mode=Mode.OFF)
    sign(portfolio, Mode.PAPER)
    with pytest.raises(NotSteppable, match="no more off"):
        sign(portfolio, Mode.PAPER, seen=Mode.OFF)
    assert RolloutStep.objects.count() == 1


def test_a_signature_has_a_name_a_reason_and_a_right():
    portfolio = factories.portfolio()
    for wrong in ({"reason": " "}, {"name": "Another"}):
        with pytest.raises(ValidationError):
            sign(portfolio, Mode.OFF, **wrong)
    for stranger in (portfolio.owner, factories.user(is_staff=True)):
        with pytest.raises(PermissionDenied):
            sign(portfolio, Mode.OFF, by=stranger)


def test_sessions_and_trades_are_counted_from_the_last_step():
    import_sessions()
    portfolio = factories.portfolio()
    begun = evidence.in_mode_since(portfolio)
    for k in range(1, 4):
        at = begun + timedelta(days=k)
        EquitySnapshot.objects.create(
            portfolio=portfolio, session_on=at.date(), equity_start_of_day=60_000, cash_start_of_day=60_000, taken_at=at
        )
    seen_at = begun + timedelta(days=3)  # in the fourth session
    assert evidence.sessions_over(portfolio, begun, seen_at, begun + timedelta(hours=1)) == (3, 2)
    sign(portfolio, Mode.OFF)
    assert evidence.in_mode_since(portfolio) > begun


def test_five_minutes_of_a_session_without_a_check_are_seen_on_live_time_alone():
    bet = checked(zero_dte())
    portfolio, opens = bet.portfolio, bet.at.replace(hour=14, minute=30, second=0, microsecond=0)
    EquitySnapshot.objects.filter(portfolio=portfolio).update(taken_at=opens)
    assert evidence.gaps(portfolio, opens, opens + timedelta(hours=1), timedelta(minutes=5)) is None
    portfolio.clock.kind = "live"
    for minute in (0, 5, 10, 25, 30):
        slot = opens + timedelta(minutes=minute)
        ReadingPoint.objects.create(
            portfolio=portfolio,
            slot_at=slot,
            market_at=slot,
            revision=latest_revision(portfolio.profile),
            equity=60_000,
        )
    found = evidence.gaps(portfolio, opens, opens + timedelta(minutes=32), timedelta(minutes=5)) or []
    assert [(gap.began_at - opens, gap.minutes) for gap in found] == [(timedelta(minutes=10), 15.0)]


def test_books_that_do_not_add_up_are_found():
    portfolio = factories.portfolio()
    begun = evidence.in_mode_since(portfolio)
    assert evidence.broken_books(portfolio, begun) == []
    position = factories.position(portfolio)
    order = factories.opening_order(position.decision)
    factories.fill(order, position, quantity=2, price=Decimal("44.40"), fee=Decimal("1.30"))
    Portfolio.objects.filter(pk=portfolio.pk).update(cash=1)
    found = " ".join(evidence.broken_books(portfolio, begun))
    assert "3 contracts opened, fills bought 2" in found
    assert "Cash is $1.00" in found


def test_a_refusal_that_says_nothing_is_found():
    portfolio = factories.portfolio()
    begun = evidence.in_mode_since(portfolio)
    factories.refused(portfolio, refusal_sentence="VIX is 31, the limit 30.")
    assert evidence.unexplained(portfolio, begun) == []
    factories.refused(portfolio, refusal_sentence="")
    factories.refused(portfolio, "SOMETHING", refusal_sentence="Something.")
    assert len(evidence.unexplained(portfolio, begun)) == 2


@pytest.mark.parametrize(("mode", "lower"), [(Mode.LIVE, Mode.LIVE_MANUAL), (Mode.LIVE_MANUAL, Mode.PAPER)])
def test_a_size_outside_its_bounds_steps_a_live_account_back_once(mode, lower):
    portfolio = live(mode)
    at = evidence.in_mode_since(portfolio)
    sized(portfolio, at, dollars=Decimal(40_000), limit_price=Decimal(140))
    assert [judge(portfolio, now=NOW), run_triggers(now=NOW)] == [1, 0]
    assert Portfolio.objects.get().mode == lower
    made = RolloutStep.objects.get()
    assert (made.kind, made.signed_by, made.to_mode) == ("automatic", None, lower)
    alert = Alert.objects.get(code="ROLLOUT")
    assert (alert.severity, "40,000" in alert.happened) == ("critical", True)


def test_in_paper_a_trigger_lets_the_sessions_begin_anew_and_goes_no_lower():
    portfolio = factories.portfolio()
    begun = evidence.in_mode_since(portfolio)
    at = begun + timedelta(hours=1)
    sized(portfolio, at, dollars=Decimal(5_000))
    assert judge(portfolio, now=NOW) == 1
    assert Portfolio.objects.get().mode == Mode.PAPER
    assert evidence.soaks_since(portfolio) == at
    assert RolloutTrigger.objects.get().code == "size"


def test_what_the_rules_authorise_triggers_nothing():
    bet = checked(zero_dte())
    assert enter(bet).decision.approved
    assert judge(bet.portfolio, now=bet.wall()) == 0


def test_an_account_stepped_back_to_paper_with_a_broker_of_its_own_opens_nothing():
    bet = checked(zero_dte())
    Portfolio.objects.filter(pk=bet.portfolio.pk).update(broker=Broker.ALPACA)
    bet.portfolio.refresh_from_db()
    decision = enter(bet).decision
    assert (decision.approved, "MODE_OFF" in [each["rule"] for each in decision.gates if not each["passed"]]) == (
        False,
        True,
    )


def test_the_page_says_what_stands_in_the_way_and_signs():
    by = manager()
    portfolio = factories.portfolio(owner=by)
    client = Client()
    client.force_login(by)
    page = f"/portfolios/{portfolio.slug}/rollout/"
    shown = client.get(page).content.decode()
    assert "items stand between paper and live-manual" in shown
    assert "cannot prove an edge" in shown
    wrong = client.post(
        f"{page}sign/", {"from_mode": "paper", "to_mode": "off", "name": "x", "reason": "y"}, follow=True
    )
    assert "to sign" in wrong.content.decode()
    signed = {"from_mode": "paper", "to_mode": "off", "name": portfolio.name, "reason": "The feed is being changed."}
    assert "went from paper to off" in client.post(f"{page}sign/", signed, follow=True).content.decode()


@pytest.mark.django_db(transaction=True)
def test_of_many_who_sign_at_once_one_does(monkeypatch):
    from riskengine.services.rollout import stepping

    monkeypatch.setattr(stepping, "checklist", lambda portfolio, now: PASSED)
    portfolio, by = factories.portfolio(mode=Mode.OFF), manager()

    def press() -> int:
        try:
            sign(Portfolio.objects.get(pk=portfolio.pk), Mode.PAPER, by=by, seen=Mode.OFF)
        except NotSteppable as refused:
            return int(refused.code != "STALE_MODE") * 2
        return 1

    assert sorted(threads.at_once(*[press] * 4)) == [0, 0, 0, 1]
    assert RolloutStep.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_an_account_that_is_being_changed_is_judged_at_the_next_look(caplog):
    portfolio = factories.portfolio()
    sized(portfolio, evidence.in_mode_since(portfolio) + timedelta(hours=1), dollars=Decimal(5_000))
    other = psycopg2.connect(**{**connection.get_connection_params(), "cursor_factory": None})
    try:
        other.cursor().execute("SELECT 1 FROM positions_portfolio WHERE id = %s FOR UPDATE", [portfolio.pk])
        with caplog.at_level("INFO", "riskengine.services.rollout.triggers"):
            assert run_triggers(now=NOW) == 0
    finally:
        other.close()
    assert [(record.levelname, record.exc_info) for record in caplog.records] == [("INFO", None)]
    assert run_triggers(now=NOW) == 1
