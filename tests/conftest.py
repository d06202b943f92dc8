"""The test database and the browser.

Migrations run once for their content, into a template; each worker of each run clones that in a tenth of a second.
"""

import fcntl
import hashlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg2
import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction
from hypothesis import settings as hypothesis_settings
from psycopg2 import extensions
from psycopg2.sql import SQL, Identifier

from tests import emptying

TEMPLATE_LOCK = 0x746573
# The one without windows first: it draws a page in half the time.
CHROMIUMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, CHROMIUMS)), None)
WHOLE_PRODUCT = ("tests/crash/", "tests/browser/")
NO_CHROMIUM = "no chromium on this machine (Debian: apt-get install chromium-headless-shell)"

# A busy machine is no failed test: speed is for bench/. The same examples each time, so a change answers for itself
# alone; `--hypothesis-profile searching` looks for others.
hypothesis_settings.register_profile("steady", deadline=None, derandomize=True)
hypothesis_settings.register_profile("searching", deadline=None)
hypothesis_settings.load_profile("steady")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A script that starts the tests with `&` has them ignore Ctrl-C, and so would the processes that they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    name = f"test_{os.getpid()}"
    with django_db_blocker.unblock():
        with maintenance() as sql:
            # One at a time: the first makes the template, and no other run removes it before it is cloned.
            sql.execute("SELECT pg_advisory_lock(%s)", [TEMPLATE_LOCK])
            clone(sql, migrated_template(sql), name)
        use(name)
    emptying.use()
    yield
    with django_db_blocker.unblock():
        connection.close()
        with maintenance() as sql:
            drop(sql, name)


@pytest.fixture(scope="module")
def shared_rows(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    """What a module's own fixtures write is there for each of its tests, which change it for themselves alone."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)


@contextmanager
def maintenance() -> Iterator[extensions.cursor]:
    """Statements about whole databases: outside a transaction, in a database that nobody copies."""
    session = psycopg2.connect(**{**connection.get_connection_params(), "dbname": "postgres", "cursor_factory": None})
    session.autocommit = True
    try:
        with session.cursor() as sql:
            yield sql
    finally:
        session.close()


def migrated_template(sql: extensions.cursor) -> str:
    """The name of a database with every migration applied, made when these migrations are new."""
    template = f"test_template_{digest_of_migrations()}"
    sql.execute("SELECT count(*) FROM pg_database WHERE datname = %s", [template])
    if sql.fetchone() == (0,):
        draft = f"{template}_draft"
        remove_leftovers(sql)
        drop(sql, draft)
        sql.execute(SQL("CREATE DATABASE {}").format(Identifier(draft)))
        use(draft)
        call_command("migrate", verbosity=0, interactive=False)
        emptying.prepare()
        connection.close()
        sql.execute(SQL("ALTER DATABASE {} RENAME TO {}").format(Identifier(draft), Identifier(template)))
    return template


def digest_of_migrations() -> str:
    folders = (Path(app.path) / "migrations" for app in apps.get_app_configs())
    content = hashlib.sha256()
    for file in [*sorted(file for folder in folders for file in folder.glob("*.py")), Path(emptying.__file__)]:
        content.update(file.name.encode() + file.read_bytes())
    return content.hexdigest()[:12]


def remove_leftovers(sql: extensions.cursor) -> None:
    """Of runs that were killed, and templates of older migrations that nobody uses just now. Our own cluster only."""
    if "HOME" not in settings.DATABASES["default"]:
        return
    sql.execute(
        "SELECT datname FROM pg_database WHERE datname ~ '^test_'"
        " AND NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE pg_stat_activity.datname = pg_database.datname)"
    )
    for (name,) in sql.fetchall():
        owner = name.removeprefix("test_")
        if not (owner.isdecimal() and psutil.pid_exists(int(owner))):
            drop(sql, name)


def clone(sql: extensions.cursor, template: str, name: str) -> None:
    drop(sql, name)
    sql.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(template)))


def drop(sql: extensions.cursor, name: str) -> None:
    sql.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))


def use(name: str) -> None:
    connection.close()
    settings.DATABASES["default"]["NAME"] = name
    connection.settings_dict["NAME"] = name


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: a worker waits for the database or a browser more than half of its time."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # First, so that one worker has all of them in its first share: spread over several, most of those waited for the
    # crash test to end (`the_machine`), and each made its own site and browser.
    items.sort(key=lambda item: not item.nodeid.startswith(WHOLE_PRODUCT))
    if CHROMIUM is None:
        for item in items:
            if item.get_closest_marker("browser"):
                item.add_marker(pytest.mark.skip(reason=f"browser test: {NO_CHROMIUM}"))


@contextmanager
def the_machine(how: int) -> Iterator[None]:
    """Shared by the browser's tests (`fcntl.LOCK_SH`), had alone by a whole running product (`LOCK_EX`): at once they
    would starve each other. It holds between the workers of a run and between runs."""
    with (Path(tempfile.gettempdir()) / f"betsizing-tests-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, how)
        yield


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """For `playwright.chromium.launch(executable_path=...)`; its own download is never needed."""
    if CHROMIUM is None:
        pytest.skip(NO_CHROMIUM)
    return CHROMIUM
