"""Databases of their own for work that must never touch the product's: cloned from a template, dropped at the end.

A clone is named by a number, `betsizing_scratch_3`, and its owner holds the advisory lock of that number for its life.
PostgreSQL lets go of the lock when the owner's session ends, however that came about, so a clone whose lock is free
belongs to nobody: the next one to need a database removes it. The template is made once for its content and kept; no
one may connect to it, so it can be cloned at any time. Works on the embedded database and on any other whose role may
create databases.
"""

import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg2
from django.conf import settings
from django.db import connection
from psycopg2 import errors, extensions
from psycopg2.sql import SQL, Identifier

PREFIX = "betsizing_scratch_"
TEMPLATE_PREFIX = "betsizing_template_"
LOCKS = 0x62657473  # first key of our advisory locks; the second is the number of the clone, 0 the templates'
TEMPLATES = 0
MOST_AT_ONCE = 64
# Nothing in a clone outlives its owner: a commit need not wait for the disk, and its short statements gain nothing
# from compiled plans.
SESSION_OPTIONS = "-c synchronous_commit=off -c jit=off -c application_name=betsizing-scratch-{pid}"


class ScratchRefused(Exception):
    """No database of its own could be made. The message is one line for a person."""


@dataclass(frozen=True, slots=True)
class Template:
    """What clones begin with. `digest` names the content: equal digests are equal databases. `fill` is called with
    the default connection in an empty database, once for each digest."""

    kind: str
    digest: str
    fill: Callable[[], None]

    @property
    def family(self) -> str:
        """No kind may begin with another one and an underscore: older ones of a family are removed by it."""
        return f"{TEMPLATE_PREFIX}{self.kind}_"

    @property
    def name(self) -> str:
        return f"{self.family}{self.digest}"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the default connection leads."""

    name: str
    options: dict[str, Any]

    def another(self, name: str) -> "_Place":
        ours = SESSION_OPTIONS.format(pid=os.getpid())
        return _Place(name, self.options | {"options": f"{self.options.get('options', '')} {ours}".strip()})


@contextmanager
def scratch_database(template: Template, *, when_filling: Callable[[], None]) -> Iterator[str]:
    """Within it the default connection is a new clone of the template, to nobody else known; afterwards it is gone.

    `when_filling` is called before the template is made, which takes some seconds. Raises ScratchRefused.
    """
    product = _here()
    with _maintenance() as sql:
        name = ""
        try:
            try:
                with _locked(sql, TEMPLATES):  # nobody removes the template between its making and its cloning
                    _remove_orphans(sql)
                    _make_template(sql, template, when_filling)
                    name = _take_number(sql)
                    _clone(sql, template.name, name)
            except errors.InsufficientPrivilege as error:
                raise ScratchRefused(
                    f"A replay runs in a database of its own, and the role {connection.settings_dict.get('USER', '')} "
                    "may not create one. Let it: ALTER ROLE ... CREATEDB."
                ) from error
            _use(product.another(name))
            yield name
        finally:
            with _uninterrupted():
                _use(product)
                if name:
                    _drop(sql, name)


@contextmanager
def _maintenance() -> Iterator[extensions.cursor]:
    """A session outside any transaction, in a database that nobody clones. It holds the clone's lock."""
    given = {**connection.get_connection_params(), "cursor_factory": None}
    try:
        session = psycopg2.connect(**{**given, "dbname": "postgres"})
    except psycopg2.OperationalError:
        session = psycopg2.connect(**given)  # a server that keeps its own databases to itself
    session.autocommit = True
    try:
        with session.cursor() as sql:
            yield sql
    finally:
        session.close()


@contextmanager
def _locked(sql: extensions.cursor, number: int) -> Iterator[None]:
    sql.execute("SELECT pg_advisory_lock(%s, %s)", [LOCKS, number])
    try:
        yield
    finally:
        sql.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCKS, number])


def _try_lock(sql: extensions.cursor, number: int) -> bool:
    sql.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCKS, number])
    row = sql.fetchone()
    return row is not None and bool(row[0])


def _databases(sql: extensions.cursor, prefix: str) -> list[str]:
    sql.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s) ORDER BY datname", [prefix])
    return [name for (name,) in sql.fetchall()]


def _remove_orphans(sql: extensions.cursor) -> None:
    """Clones whose owners were killed."""
    for name in _databases(sql, PREFIX):
        number = re.fullmatch(rf"{PREFIX}([0-9]{{1,4}})", name)
        if number and _try_lock(sql, int(number[1])):
            _drop(sql, name)
            sql.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCKS, int(number[1])])


def _take_number(sql: extensions.cursor) -> str:
    """The name of a clone that is ours for as long as this session lives."""
    for number in range(1, MOST_AT_ONCE + 1):
        if _try_lock(sql, number):
            return f"{PREFIX}{number}"
    raise ScratchRefused(f"{MOST_AT_ONCE} replays are running already: wait for one of them.")


def _make_template(sql: extensions.cursor, template: Template, when_filling: Callable[[], None]) -> None:
    """Appears under its name only when complete: half a template is never cloned. Older ones of its kind go."""
    known = _databases(sql, template.family)
    if template.name in known:
        return
    when_filling()
    for old in known:
        _drop(sql, old)
    draft = f"{template.family}draft"
    product = _here()
    sql.execute(SQL("CREATE DATABASE {}").format(Identifier(draft)))
    try:
        _use(product.another(draft))
        template.fill()
    finally:
        _use(product)
    sql.execute(SQL("ALTER DATABASE {} RENAME TO {}").format(Identifier(draft), Identifier(template.name)))
    sql.execute(SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false").format(Identifier(template.name)))


def _clone(sql: extensions.cursor, template: str, name: str) -> None:
    sql.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(template)))


def _drop(sql: extensions.cursor, name: str) -> None:
    sql.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))


def _here() -> _Place:
    return _Place(connection.settings_dict["NAME"], dict(connection.settings_dict.get("OPTIONS", {})))


def _use(place: _Place) -> None:
    """Lead the default connection to a database; the next statement opens it."""
    connection.close()
    for given in (settings.DATABASES["default"], connection.settings_dict):
        given.update(NAME=place.name, OPTIONS=dict(place.options))


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """A second Ctrl-C or SIGTERM must not stop the tidying up after the first."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
