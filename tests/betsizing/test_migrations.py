"""Migrations go back and forth: what was rolled out can be taken back without a restore from a backup (P-27)."""

from collections.abc import Iterator

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from accounts.selectors import latest_revision
from positions.models import Decision, Portfolio
from riskengine.models import RolloutStep, RolloutTrigger, Shadow, ShadowDecision
from tests import factories
from tests.conftest import clone, drop, maintenance, migrated_template, use

OURS = ("riskengine", "positions", "accounts")
# What the version before knows. Further back the same operations only take longer: all the way to nothing and forth
# again was tried by hand, and takes minutes.
BACK_TO = [
    ("riskengine", "0013_prior_trades"),
    ("positions", "0015_blackout_once"),
    ("accounts", "0007_signals_scope"),
]
# What a schema is, without the numbers that PostgreSQL gives: columns, constraints, indexes, triggers, functions.
SCHEMA = """
    SELECT 'column', table_name || '.' || column_name, data_type || coalesce(character_maximum_length::text, '')
           || coalesce(numeric_precision::text, '') || is_nullable
    FROM information_schema.columns WHERE table_schema = 'public'
    UNION ALL SELECT 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid <> 0
    UNION ALL SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL SELECT 'trigger', tgrelid::regclass || '.' || tgname, pg_get_triggerdef(oid)
    FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT 'function', proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    ORDER BY 1, 2, 3
"""


@pytest.fixture
def scratch(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    """A database of its own in the place of the worker's."""
    with django_db_blocker.unblock():
        mine, name = connection.settings_dict["NAME"], f"{connection.settings_dict['NAME']}_back"
        with maintenance() as sql:
            clone(sql, migrated_template(sql), name)
        use(name)
        yield
        use(mine)
        with maintenance() as sql:
            drop(sql, name)


def schema() -> list[tuple[str, str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(SCHEMA)
        return [row for row in cursor.fetchall() if row[1] != "put_back"]


def test_the_latest_migrations_go_back_and_forth_to_the_same_schema(scratch: None) -> None:
    before = schema()
    portfolio = lived_in()
    MigrationExecutor(connection).migrate(BACK_TO)
    assert schema() != before
    executor = MigrationExecutor(connection)  # it plans from what is applied now
    applied = set(executor.loader.applied_migrations)
    assert not {key for app, last in BACK_TO for key in applied if key[0] == app and key[1] > last}
    executor.migrate(executor.loader.graph.leaf_nodes())
    assert schema() == before
    # What both versions know is as it was; what only the newer one kept is gone, as the guide says.
    found = Portfolio.objects.get()
    assert (found.pk, found.cash, found.mode) == (portfolio.pk, portfolio.cash, "off")
    assert Decision.objects.count() == 1
    assert not RolloutStep.objects.exists()


def lived_in() -> Portfolio:
    """Rows in the tables that the latest migrations make, and in those they change."""
    portfolio, now = factories.portfolio(mode="paper"), factories.NOW
    decision = factories.refused(portfolio, refusal_sentence="So.")
    revision, person = latest_revision(portfolio.profile), portfolio.owner
    signed = {"signed_by": person, "signed_by_name": "A", "reason": "So.", "signed_at": now, "market_at": now}
    modes = {"from_mode": "paper", "to_mode": "off", "kind": "back"}
    RolloutStep.objects.create(
        portfolio=portfolio, revision=revision, checklist=[], engine_version="1", **modes, **signed
    )
    RolloutTrigger.objects.create(
        portfolio=portfolio, code="size", key="1", mode="paper", happened_at=now, seen_at=now, value=1, limit=2,
        sentence="So.",
    )  # fmt: skip
    shadow = Shadow.objects.create(
        portfolio=portfolio, based_on=revision, numbers={}, reason="So.", started_by=person, started_at=now
    )
    ShadowDecision.objects.create(
        shadow=shadow, decision=decision, approved=False, code="MAX_VIX", contracts=0, dollars=0
    )
    factories.review(portfolio, factories.SESSION)
    Portfolio.objects.filter(pk=portfolio.pk).update(mode="off")
    return portfolio


def test_every_operation_of_every_migration_can_be_reversed() -> None:
    migrations = MigrationLoader(None).disk_migrations
    ours = {key: each for key, each in migrations.items() if key[0] in OURS}
    assert len(ours) > 35
    fixed = [key for key, each in ours.items() if not all(op.reversible for op in each.operations)]
    assert fixed == []
