"""Every migration goes back and forth: what was released can be taken back without a restore from a backup."""

from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from tests.conftest import clone, drop, maintenance, migrated_template, use

OURS = ("riskengine", "positions", "accounts")
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


def test_all_migrations_go_back_one_by_one_and_forth_to_the_same_schema(scratch: None) -> None:
    before = schema()
    executor = MigrationExecutor(connection)
    ours = [key for key in executor.loader.graph.nodes if key[0] in OURS]
    firsts = [(app, min(name for each, name in ours if each == app)) for app in OURS]
    executor.migrate(firsts)
    left = [key for key in MigrationExecutor(connection).loader.applied_migrations if key[0] in OURS]
    assert set(left) <= set(firsts)
    call_command("migrate", verbosity=0, interactive=False)
    assert schema() == before
