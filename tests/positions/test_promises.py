"""What the database keeps, whatever the code above it does."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, models, transaction
from django.db.models import ProtectedError

from positions.models import (
    LIVE,
    EquitySnapshot,
    OptionQuote,
    OrderEvent,
    OrderIntent,
    OrderStatus,
    PartialProfitTaking,
    Portfolio,
    Position,
    PositionEvent,
    PositionStatus,
    Side,
    SliceState,
)
from positions.querysets import LIVE_ORDER_STATUSES
from tests import factories

pytestmark = pytest.mark.django_db

APPEND_ONLY = [
    "positions_portfoliostatechange",
    "positions_portfoliomodechange",
    "positions_cashmovement",
    "positions_decision",
    "positions_orderevent",
    "positions_fill",
    "positions_positionevent",
    "positions_partialprofittaking",
]


@pytest.fixture
def held() -> Position:
    return factories.position(factories.portfolio())


@contextmanager
def refused(match: str) -> Iterator[None]:
    """The statement inside must be refused by the database, naming this promise."""
    with pytest.raises(IntegrityError, match=match), transaction.atomic():
        yield


def change(row: models.Model, **changes) -> None:
    """A statement past every service; a position's version rises as it must."""
    if isinstance(row, Position):
        changes.setdefault("version", row.version + 1)
    type(row).objects.filter(pk=row.pk).update(**changes)
    row.refresh_from_db()


def our_models() -> list[type[models.Model]]:
    return [model for app in ("accounts", "positions") for model in apps.get_app_config(app).get_models()]


def test_every_numeric_column_has_a_check_with_an_upper_bound_so_that_nan_is_refused():
    with connection.cursor() as sql:
        sql.execute("SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'c'")
        checks = sql.fetchall()
    unbounded = [
        f"{model._meta.db_table}.{field.column}"
        for model in our_models()
        for field in model._meta.concrete_fields
        if isinstance(field, models.DecimalField)
        and not any(
            table == model._meta.db_table and f"{text} <= " in definition
            for table, definition in checks
            for text in (field.column, f'"{field.column}"')
        )
    ]
    assert unbounded == []


def test_nothing_is_deleted_with_what_it_refers_to():
    loose = [
        f"{model.__name__}.{field.name}"
        for model in our_models()
        for field in model._meta.concrete_fields
        if field.remote_field and field.remote_field.on_delete is not models.PROTECT
    ]
    assert loose == []


def test_every_constraint_is_named_after_its_model_and_has_a_sentence():
    for model in our_models():
        for constraint in model._meta.constraints:
            assert constraint.get_violation_error_message().endswith("."), constraint.name
            assert not constraint.get_violation_error_message().startswith("Constraint “"), constraint.name


def test_every_model_says_what_it_stands_for():
    assert [m.__name__ for m in our_models() if not m.__doc__ or m.__doc__.startswith(f"{m.__name__}(")] == []


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("statement", ["UPDATE {} SET id = id", "DELETE FROM {}"])
def test_history_is_neither_changed_nor_deleted(held, table, statement):
    order = factories.exit_order(held)
    fill = factories.fill(order, held)
    slice_ = factories.exit_slice(held)
    OrderEvent.objects.create(order=order, happened_at=factories.NOW, to_status="working", actor_name="test")
    PositionEvent.objects.create(position=held, happened_at=factories.NOW, kind="opened", actor_name="test")
    PartialProfitTaking.objects.create(
        position=held,
        slice=slice_,
        fill=fill,
        contracts=1,
        closed_fraction=Decimal("0.333333"),
        price=Decimal("46.62"),
        profit_fraction=Decimal("0.05"),
        taken_at=factories.NOW,
    )
    with refused("is append-only"), connection.cursor() as sql:
        sql.execute(statement.format(table))


def test_the_initial_stop_never_changes(held):
    with refused("initial stop of position"):
        change(held, initial_stop=Decimal("30.00"))


def test_the_stop_only_rises(held):
    change(held, current_stop=Decimal("40.00"))
    with refused("stop of position .* only rises"):
        change(held, current_stop=Decimal("39.90"))
    with refused("stop of position .* only rises"):
        change(held, current_stop=None)


def test_the_high_water_mark_only_rises(held):
    change(held, high_water=Decimal("50.00"))
    with refused("high-water mark of position .* only rises"):
        change(held, high_water=Decimal("49.90"))


def test_a_change_without_a_higher_version_is_refused(held):
    with refused("without raising its version"):
        change(held, high_water=Decimal("50.00"), version=held.version)


def test_a_split_rescales_stop_and_high_water_mark(held):
    change(
        held,
        split_factor=2,
        quantity_opened=6,
        quantity_open=6,
        average_entry_price=Decimal("22.20"),
        initial_stop=Decimal("16.65"),
        current_stop=Decimal("16.65"),
        high_water=Decimal("22.20"),
    )
    assert held.initial_stop == Decimal("16.65")


def test_an_adopted_position_gets_its_stop_once(held):
    manual = factories.position(held.portfolio, decision=factories.decision(held.portfolio), origin="manual",
                                initial_stop=None, current_stop=None)  # fmt: skip
    change(manual, initial_stop=Decimal("30.00"), current_stop=Decimal("30.00"))
    with refused("initial stop of position"):
        change(manual, initial_stop=Decimal("29.00"))


@pytest.mark.parametrize(
    ("promise", "changes"),
    [
        ("position_closed_when_nothing_is_open", {"quantity_open": -1}),
        ("position_open_within_opened", {"quantity_open": 4}),
        ("position_closed_when_nothing_is_open", {"quantity_open": 0}),
        ("position_closed_when_nothing_is_open", {"status": PositionStatus.CLOSED, "closed_at": factories.NOW}),
        ("position_stop_not_under_initial", {"current_stop": Decimal("33.20")}),
    ],
)
def test_a_position_that_cannot_be_is_refused(held, promise, changes):
    with refused(f"{promise}|only rises"):
        change(held, **changes)


def test_a_position_opened_here_needs_a_decision_and_a_stop():
    portfolio = factories.portfolio()
    with refused("position_engine_has_decision_and_stop"):
        factories.position(portfolio, initial_stop=None, current_stop=None)


@pytest.mark.parametrize("stop", ["0.0000", "44.4000", "50.0000"])
def test_the_initial_stop_lies_between_zero_and_the_entry(stop):
    with refused("position_stop_below_entry"):
        factories.position(factories.portfolio(), initial_stop=Decimal(stop), current_stop=Decimal(stop))


def test_an_opening_order_needs_a_decision():
    decision = factories.decision(factories.portfolio())
    with refused("order_opening_has_a_decision"):
        factories.opening_order(decision, decision=None)


def test_only_an_approved_decision_of_the_same_portfolio_contract_and_size_opens():
    portfolio = factories.portfolio()
    for order in (
        lambda: factories.opening_order(factories.refused(portfolio), quantity=1),
        lambda: factories.opening_order(factories.decision(portfolio, intent="indicative")),
        lambda: factories.opening_order(factories.decision(portfolio), portfolio=factories.portfolio()),
        lambda: factories.opening_order(factories.decision(portfolio), contract=factories.contract(strike="3800")),
        lambda: factories.opening_order(factories.decision(portfolio), quantity=4),
    ):
        with refused("does not approve"):
            order()


def test_a_decision_becomes_one_order_but_may_have_children():
    decision = factories.decision(factories.portfolio())
    order = factories.opening_order(decision)
    factories.opening_order(decision, parent=order, quantity=1)
    with refused("order_one_a_decision"):
        factories.opening_order(decision)


def test_an_exit_order_carries_a_verdict_and_no_decision(held):
    with refused("order_exit_carries_its_verdict"):
        factories.exit_order(held, verdict=None)
    with refused("order_opening_has_a_decision"):
        factories.exit_order(held, decision=factories.decision(held.portfolio))


def test_nothing_is_sold_short(held):
    with refused("order_only_openings_buy"):
        factories.exit_order(held, side=Side.BUY)
    with refused("order_sale_closes_a_position"):
        factories.exit_order(held, position=None)


def test_one_live_order_a_slice(held):
    slice_ = factories.exit_slice(held)
    first = factories.exit_order(held, OrderIntent.SLICE, slice=slice_)
    with refused("order_one_live_a_slice"):
        factories.exit_order(held, OrderIntent.SLICE, slice=slice_)
    change(first, status=OrderStatus.CANCELLED, finished_at=factories.NOW)
    factories.exit_order(held, OrderIntent.SLICE, slice=slice_)


@pytest.mark.parametrize("status", ["planned", "submitting", "working", "cancelling", "unknown"])
def test_one_live_order_that_closes_the_whole_position(held, status):
    factories.exit_order(held, OrderIntent.STOP, status=status)
    with refused("order_one_live_whole_close"):
        factories.exit_order(held, OrderIntent.FORCED_CLOSE)


def test_a_client_order_id_and_an_execution_id_are_used_once(held):
    order = factories.exit_order(held, client_order_id="p-1-stop-1")
    with refused("client_order_id"):
        factories.exit_order(held, OrderIntent.SLICE, client_order_id="p-1-stop-1")
    factories.fill(order, held, execution_id="x1")
    with refused("execution_id"):
        factories.fill(order, held, execution_id="x1")


def test_a_limit_never_lies_past_the_worst_permitted_price(held):
    with refused("order_limit_within_worst_price"):
        factories.exit_order(held, limit_price=Decimal("32.90"))
    with refused("order_limit_within_worst_price"):
        factories.opening_order(factories.decision(held.portfolio), limit_price=Decimal("44.50"))


def test_no_more_is_filled_than_was_ordered(held):
    order = factories.exit_order(held)
    with refused("order_filled_within_quantity"):
        change(order, filled_quantity=4)


def test_an_idempotency_key_is_used_once_a_portfolio():
    portfolio = factories.portfolio()
    factories.decision(portfolio, idempotency_key="k1")
    factories.decision(portfolio)
    factories.decision(portfolio)  # without a key there is nothing to repeat
    factories.decision(factories.portfolio(), idempotency_key="k1")
    with refused("decision_idempotency_key"):
        factories.decision(portfolio, idempotency_key="k1")


@pytest.mark.parametrize(
    "changes",
    [
        {"contracts": 0},
        {"refusal_code": "MAX_VIX"},
        {"limit_price": None},
        {"approved": False},
        {"approved": False, "contracts": 0, "dollars": Decimal(0)},
    ],
)
def test_a_decision_is_approved_with_contracts_or_refused_with_a_code(changes):
    with refused("decision_approved_or_refused"):
        factories.decision(factories.portfolio(), **changes)


def test_a_slice_is_planned_once_and_pending_only_with_an_order(held):
    factories.exit_slice(held)
    with refused("exitslice_position_number"):
        factories.exit_slice(held)
    with refused("exitslice_pending_has_an_order"):
        factories.exit_slice(held, 2, state=SliceState.PENDING)


def test_one_snapshot_a_session():
    portfolio = factories.portfolio()
    with refused("equitysnapshot_one_a_session"):
        EquitySnapshot.objects.create(
            portfolio=portfolio,
            session_on=factories.SESSION,
            equity_start_of_day=1,
            cash_start_of_day=1,
            taken_at=factories.NOW,
        )


def test_crossed_and_one_sided_quotes_are_kept_as_they_came():
    contract = factories.contract()
    for minute, (bid, ask) in enumerate([("19.6", "76.8"), ("5", "4"), (None, "0.05"), ("0", None)]):
        at = factories.NOW + timedelta(minutes=minute)
        OptionQuote.objects.create(
            contract=contract, source="test", quoted_at=at, bid=bid, ask=ask, changed_at=at, confirmed_at=at
        )
    with refused("optionquote_bid_bounds"):
        OptionQuote.objects.update(bid=-1)


def test_a_portfolio_with_history_cannot_be_deleted(held):
    with pytest.raises(ProtectedError):
        held.portfolio.delete()
    with pytest.raises(ProtectedError):
        held.revision.profile.delete()


def test_constraints_speak_in_sentences(held):
    held.quantity_open = 5
    with pytest.raises(ValidationError, match="No more can be open than was opened, and never less than none"):
        held.validate_constraints()


def test_state_changes_lead_to_another_state_and_have_a_reason():
    portfolio = factories.portfolio()
    with refused("portfoliostatechange_is_a_change"):
        portfolio.state_changes.create(
            from_state="ACTIVE", to_state="ACTIVE", changed_at=factories.NOW, actor_name="x", cause="x", reason="x"
        )
    with refused("portfoliostatechange_reason_given"):
        portfolio.state_changes.create(
            from_state="ACTIVE", to_state="HALTED", changed_at=factories.NOW, actor_name="x", cause="x", reason=""
        )


def test_queries_and_constraints_mean_the_same_by_a_live_order():
    assert tuple(LIVE) == LIVE_ORDER_STATUSES


def test_words_that_code_relies_on_are_held_by_the_database(held):
    with refused("order_status_known"):
        factories.exit_order(held, status="wandering", finished_at=factories.NOW)
    with refused("portfolio_state_known"):
        Portfolio.objects.update(state="PANIC")
