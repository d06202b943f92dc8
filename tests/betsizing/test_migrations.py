"""Migrations go back and forth: what was rolled out can be taken back without a restore from a backup (P-27)."""

from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from tests.conftest import clone, drop, maintenance, migrated_template, use

OURS = ("riskengine", "positions", "accounts")
# As far back as is tried each time; further back the same operations only take longer.
BACK_TO = [
    ("riskengine", "0010_risk_managers_keep_journals"),
    ("positions", "0013_providers"),
    ("accounts", "0005_whole_ladders"),
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
    MigrationExecutor(connection).migrate(BACK_TO)
    assert schema() != before
    applied = set(MigrationExecutor(connection).loader.applied_migrations)
    assert not {key for app, last in BACK_TO for key in applied if key[0] == app and key[1] > last}
    call_command("migrate", verbosity=0, interactive=False)
    assert schema() == before


def test_every_operation_of_every_migration_can_be_reversed() -> None:
    migrations = MigrationLoader(None).disk_migrations
    ours = {key: each for key, each in migrations.items() if key[0] in OURS}
    assert len(ours) > 35
    fixed = [key for key, each in ours.items() if not all(op.reversible for op in each.operations)]
    assert fixed == []
