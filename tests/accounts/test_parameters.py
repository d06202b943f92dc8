"""One list of parameters: the columns, the form, the ladders and the constraints say the same."""

from decimal import Decimal

import pytest
from django.db.models import CheckConstraint

from accounts.bounds import ORDERS
from accounts.defaults import LADDERS, PARAMETERS, SYSTEMS, Unit
from accounts.forms import RiskProfileForm
from accounts.models import LadderName, LadderStep, RiskProfileRevision
from accounts.models import parameters as bases
from accounts.selectors import ladders_of, latest_revision, numbers_of
from tests import factories

GROUP_OF_BASE = {
    bases.SizingParameters: "sizing",
    bases.FactorParameters: "factors",
    bases.FundamentalParameters: "fundamentals",
    bases.CorrelationParameters: "correlation",
    bases.SignalParameters: "signals",
    bases.EntryParameters: "entry",
    bases.LiquidityParameters: "liquidity",
    bases.ExitParameters: "exits",
    bases.OvernightParameters: "overnight",
    bases.BreakerParameters: "breakers",
}


def columns() -> dict[str, object]:
    return {field.name: field for base in GROUP_OF_BASE for field in base._meta.local_fields}


def test_columns_are_the_parameters_in_their_order():
    assert list(columns()) == list(PARAMETERS)


@pytest.mark.parametrize("base", GROUP_OF_BASE, ids=lambda base: base.__name__)
def test_each_base_holds_the_parameters_of_one_group(base):
    named = [p.name for p in PARAMETERS.values() if p.group == GROUP_OF_BASE[base]]
    assert [field.name for field in base._meta.local_fields] == named


def test_every_revision_column_is_a_parameter_or_says_who_and_why():
    own = {field.name for field in RiskProfileRevision._meta.concrete_fields} - PARAMETERS.keys()
    assert own == {"id", "profile", "number", "in_force_from", "author", "author_name", "reason", "restored_from"}


def test_form_fields_are_the_parameters_the_ladders_and_the_reason():
    assert set(RiskProfileForm.base_fields) == PARAMETERS.keys() | LADDERS.keys() | {"reason", "based_on"}


def test_ladder_names_and_labels_are_those_of_the_defaults():
    assert list(LadderName.choices) == [(ladder.name, ladder.label) for ladder in LADDERS.values()]


def test_columns_keep_every_default_and_bound_exactly():
    for name, column in columns().items():
        parameter = PARAMETERS[name]
        if parameter.minimum is None:
            continue
        for value in (*parameter.values, parameter.minimum, parameter.maximum):
            assert column.clean(value, None) == value, name


def test_labels_and_help_of_columns_are_those_of_the_defaults():
    for name, column in columns().items():
        assert (column.verbose_name, column.help_text) == (PARAMETERS[name].label, PARAMETERS[name].help)


def test_constraints_hold_the_bounds_of_the_defaults():
    conditions = {
        constraint.name: dict(constraint.condition.children)
        for constraint in RiskProfileRevision._meta.constraints
        if isinstance(constraint, CheckConstraint)
    }
    for p in PARAMETERS.values():
        if p.choices:
            assert conditions[f"revision_{p.name}_known"] == {f"{p.name}__in": p.choices}
        elif p.unit is not Unit.YES_NO:
            assert conditions[f"revision_{p.name}_bounds"] == {f"{p.name}__gte": p.minimum, f"{p.name}__lte": p.maximum}
    assert {f"revision_{order.name}" for order in ORDERS} <= conditions.keys()


def test_defaults_lie_within_their_bounds_and_labels_are_all_different():
    for p in PARAMETERS.values():
        if p.minimum is not None:
            assert all(p.minimum <= value <= p.maximum for value in p.values), p.name
    labels = [thing.label for thing in (*PARAMETERS.values(), *LADDERS.values())]
    assert len(labels) == len(set(labels))


@pytest.mark.django_db
@pytest.mark.parametrize("system", SYSTEMS)
def test_a_new_profile_has_every_number_of_the_source(system):
    revision = latest_revision(factories.profile(system))
    revision.refresh_from_db()
    assert numbers_of(revision) == {p.name: p.default(system) for p in PARAMETERS.values()}
    assert ladders_of(revision) == {ladder.name: ladder.steps for ladder in LADDERS.values()}


@pytest.mark.django_db
def test_the_source_s_headline_numbers_are_the_defaults():
    zero = latest_revision(factories.profile("smart-0dte"))
    seven = latest_revision(factories.profile("mag7-7dte"))
    assert (zero.account_size, zero.min_position_size, zero.max_position_size) == (
        60000,
        Decimal("0.2"),
        Decimal("0.4"),
    )
    assert (zero.max_daily_loss, zero.emergency_halt_loss) == (Decimal("0.1"), Decimal("0.2"))
    assert (seven.min_position_dollars, seven.min_position_size) == (33000, Decimal("0.33"))
    assert (seven.max_position_size, seven.max_stock_allocation) == (Decimal("0.66"), Decimal("0.66"))


def test_ladder_step_choices_name_the_model_s_table():
    assert LadderStep._meta.get_field("ladder").choices == LadderName.choices
