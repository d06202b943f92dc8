"""Opening a portfolio, who sees it, its state and its cash."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError

from positions.models import CashKind, ClockKind, Decision, OrderStatus, Portfolio, Position, State
from positions.selectors import (
    decision_for,
    decisions,
    heartbeat_of,
    ledger_cash,
    live_orders,
    portfolio_for,
    portfolios_for,
    position_for,
)
from positions.services.portfolio import ClockSetting, change_state, move_cash
from tests import factories

pytestmark = pytest.mark.django_db

RECORDED = ClockSetting(
    kind=ClockKind.RECORDED,
    market_started_at=datetime(2021, 1, 4, 15, 0, tzinfo=UTC),
    market_ends_at=datetime(2021, 1, 4, 21, 0, tzinfo=UTC),
    label="recorded market of 2021-01-04, replayed from 10:00",
)


def test_a_new_portfolio_has_its_clock_snapshot_deposit_and_history():
    portfolio = factories.portfolio(clock=RECORDED, now=datetime(2026, 3, 2, 12, 0, tzinfo=UTC))
    assert (portfolio.state, portfolio.cash, portfolio.settled_cash) == (State.ACTIVE, 60000, 60000)
    assert (portfolio.clock.kind, portfolio.clock.wall_started_at) == ("recorded", portfolio.created_at)
    snapshot = portfolio.equity_snapshots.get(session_on=date(2021, 1, 4))
    assert (snapshot.equity_start_of_day, snapshot.taken_at) == (60000, RECORDED.market_started_at)
    assert ledger_cash(portfolio) == portfolio.cash
    assert [(c.from_state, c.to_state, c.cause) for c in portfolio.state_changes.all()] == [("", "ACTIVE", "created")]
    assert [(c.from_mode, c.to_mode) for c in portfolio.mode_changes.all()] == [("", "paper")]
    assert heartbeat_of(portfolio) is None


def test_a_profile_of_the_other_system_is_refused_with_a_sentence():
    with pytest.raises(ValidationError, match="This profile is for Smart-0DTE accounts"):
        factories.portfolio(of=factories.profile("smart-0dte"), system="mag7-7dte")
    assert not Portfolio.objects.exists()


def test_starting_cash_is_required():
    with pytest.raises(ValidationError, match="starts with cash"):
        factories.portfolio(cash=Decimal(0))


@pytest.mark.parametrize("mode", ["live-manual", "live"])
def test_no_account_begins_live_and_none_is_live_on_the_paper_broker(mode):
    with pytest.raises(ValidationError, match="begins off or on paper"):
        factories.portfolio(mode=mode, broker="alpaca", asked=True)
    portfolio = factories.portfolio()
    portfolio.mode = mode
    with pytest.raises(ValidationError, match="A live mode needs a real broker"):
        portfolio.full_clean()


def test_a_recorded_clock_needs_its_start_and_label():
    with pytest.raises(ValidationError, match="A recorded or simulated clock needs both starts"):
        factories.portfolio(clock=ClockSetting(kind=ClockKind.RECORDED, label="x"), asked=True)
    unlabelled = ClockSetting(kind=ClockKind.RECORDED, market_started_at=RECORDED.market_started_at)
    with pytest.raises(ValidationError, match="which recording or simulation"):
        factories.portfolio(clock=unlabelled, asked=True)


def test_owner_and_staff_see_a_portfolio_and_a_stranger_learns_nothing():
    owner, stranger, staff = factories.user(), factories.user(), factories.user(is_staff=True)
    portfolio = factories.portfolio(owner=owner)
    for person in (owner, staff):
        assert portfolio_for(person, portfolio.slug) == portfolio
    for slug in (portfolio.slug, "no-such-thing"):
        with pytest.raises(Portfolio.DoesNotExist):
            portfolio_for(stranger, slug)
    assert list(portfolios_for(stranger)) == []


def test_a_person_who_was_deactivated_sees_nothing():
    owner = factories.user(is_active=False)
    factories.portfolio(owner=owner)
    assert list(portfolios_for(owner)) == []


def test_a_stranger_finds_neither_position_nor_decision():
    position = factories.position(factories.portfolio())
    owner, stranger = position.portfolio.owner, factories.user()
    assert position_for(owner, position.pk) == position
    assert decision_for(owner, position.decision_id) == position.decision
    with pytest.raises(Position.DoesNotExist):
        position_for(stranger, position.pk)
    with pytest.raises(Decision.DoesNotExist):
        decision_for(stranger, position.decision_id)


def test_what_works_is_listed_without_a_query_a_row(django_assert_num_queries):
    portfolio = factories.portfolio()
    for strike in ("3700", "3800"):
        position = factories.position(portfolio, contract=factories.contract(strike=strike))
        factories.exit_slice(position)
        factories.exit_order(position, client_order_id=f"a{strike}")
    factories.opening_order(factories.decision(portfolio), status=OrderStatus.CANCELLED, finished_at=factories.NOW)
    with django_assert_num_queries(1):
        assert [order.contract.strike for order in live_orders(portfolio)] == [3700, 3800]
    with django_assert_num_queries(1):
        assert len([str(decision) for decision in decisions(portfolio)]) == 3


def test_reservations_are_what_live_openings_may_still_cost_at_their_worst_price():
    portfolio = factories.portfolio()
    assert portfolio.orders.reserved_dollars() == 0
    order = factories.opening_order(factories.decision(portfolio), filled_quantity=1, worst_price=Decimal("45.00"))
    factories.opening_order(order.decision, parent=order, quantity=1)
    factories.exit_order(factories.position(portfolio))
    assert portfolio.orders.reserved_dollars() == Decimal("9000.00")


def test_a_state_change_is_a_row_and_repeating_it_is_none():
    portfolio = factories.portfolio()
    given = {
        "portfolio": portfolio,
        "to_state": State.HALTED,
        "cause": "emergency",
        "reason": "Day P&L is −20%.",
        "market_at": factories.NOW,
        "value": Decimal("-12000"),
        "limit": Decimal("-12000"),
    }
    assert change_state(**given)
    assert not change_state(**given)
    portfolio.refresh_from_db()
    assert portfolio.state == State.HALTED
    latest = portfolio.state_changes.latest("id")
    assert (latest.from_state, latest.to_state, latest.value, latest.actor_name) == (
        "ACTIVE",
        "HALTED",
        Decimal("-12000"),
        "betsizing",
    )


def test_a_deposit_raises_cash_and_the_day_s_net_deposits_and_is_in_the_ledger():
    portfolio = factories.portfolio()
    move_cash(
        portfolio=portfolio, kind=CashKind.DEPOSIT, amount=Decimal(500), market_at=factories.NOW, note="Bank transfer"
    )
    portfolio.refresh_from_db()
    assert (portfolio.cash, portfolio.settled_cash, ledger_cash(portfolio)) == (60500, 60500, 60500)
    assert portfolio.equity_snapshots.get().net_deposits == 500


def test_more_than_the_settled_cash_cannot_be_withdrawn():
    portfolio = factories.portfolio()
    with pytest.raises(ValidationError, match=r"Only \$60,000\.00 is settled; you asked to withdraw \$60,000\.01"):
        move_cash(
            portfolio=portfolio,
            kind=CashKind.WITHDRAWAL,
            amount=Decimal("-60000.01"),
            market_at=factories.NOW,
            note="Too much",
        )
    assert ledger_cash(portfolio) == 60000
