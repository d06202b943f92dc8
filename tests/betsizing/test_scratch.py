"""Scratch databases: cloned from a template made once, gone at the end however it came, leftovers removed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from django.db import connection
from psycopg2 import errors, extensions

from betsizing import scratch
from betsizing.scratch import ScratchRefused, Template, scratch_database

ROOT = Path(__file__).resolve().parents[2]
HOLDER = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
import django; django.setup()
from django.db import connection
from betsizing import scratch
from betsizing.scratch import Template, scratch_database
scratch.PREFIX, scratch.LOCKS = "scratchtest{kind}_", {kind}
def fill():
    with connection.cursor() as sql:
        sql.execute("CREATE TABLE content AS SELECT 41 AS answer")
template = Template("test{kind}", "holder", fill)
with scratch_database(template, when_filling=lambda: print("filling", flush=True)) as name:
    print(name, flush=True)
    sys.stdin.readline()
"""


def fill() -> None:
    with connection.cursor() as sql:
        sql.execute("CREATE TABLE content AS SELECT 41 AS answer")


@pytest.fixture
def template(
    django_db_setup: None, django_db_blocker: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Template]:
    """One of this process's own, removed afterwards; names and locks apart from those of tests beside this one."""
    monkeypatch.setattr(scratch, "PREFIX", f"scratchtest{os.getpid()}_")
    monkeypatch.setattr(scratch, "LOCKS", os.getpid())
    made = Template(f"test{os.getpid()}", "one", fill)
    with django_db_blocker.unblock():
        yield made
        connection.close()
        with scratch._maintenance() as sql:
            for name in scratch._databases(sql, made.family):
                scratch._drop(sql, name)


def silent() -> None:
    """Nobody is told."""


def databases(prefix: str) -> list[str]:
    with scratch._maintenance() as sql:
        return scratch._databases(sql, prefix)


def answer() -> int:
    with connection.cursor() as sql:
        sql.execute("SELECT answer FROM content")
        return int(sql.fetchone()[0])


def test_a_clone_holds_the_template_s_content_and_nothing_of_the_product_s(template: Template) -> None:
    before = connection.settings_dict["NAME"]
    with scratch_database(template, when_filling=silent) as name:
        assert answer() == 41
        assert "accounts_user" not in connection.introspection.table_names()
        assert connection.settings_dict["NAME"] == name
    assert connection.settings_dict["NAME"] == before
    assert databases(scratch.PREFIX) == []


def test_what_one_clone_changes_no_other_sees(template: Template) -> None:
    with scratch_database(template, when_filling=silent), connection.cursor() as sql:
        sql.execute("UPDATE content SET answer = 42")
    with scratch_database(template, when_filling=silent):
        assert answer() == 41


def test_a_template_is_made_once_for_its_content_and_older_ones_go(template: Template) -> None:
    told: list[str] = []
    for digest in ("one", "one", "two", "two"):
        newer = Template(template.kind, digest, fill)
        with scratch_database(newer, when_filling=lambda digest=digest: told.append(digest)):
            assert answer() == 41
    assert told == ["one", "two"]
    assert databases(template.family) == [f"{template.family}two"]


def test_half_a_template_is_never_cloned(template: Template) -> None:
    def breaks() -> None:
        fill()
        raise ArithmeticError

    before = connection.settings_dict["NAME"]
    with pytest.raises(ArithmeticError), scratch_database(Template(template.kind, "one", breaks), when_filling=silent):
        pass
    assert connection.settings_dict["NAME"] == before
    with scratch_database(template, when_filling=silent):
        assert answer() == 41


@pytest.mark.parametrize("how", [ArithmeticError, KeyboardInterrupt, SystemExit])
def test_a_clone_goes_however_its_work_ends(template: Template, how: type[BaseException]) -> None:
    with pytest.raises(how), scratch_database(template, when_filling=silent):
        raise how
    assert databases(scratch.PREFIX) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_being_told_to_end_again_does_not_stop_the_tidying_up(
    template: Template, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    def again(sql: extensions.cursor, name: str) -> None:
        monkeypatch.setattr(scratch, "_drop", drop)
        signal.raise_signal(number)
        drop(sql, name)

    def ends(*_: object) -> None:
        raise KeyboardInterrupt

    def told(number: signal.Signals) -> None:
        monkeypatch.setattr(scratch, "_drop", again)
        signal.raise_signal(number)

    drop = scratch._drop
    before = signal.signal(number, ends)
    try:
        with pytest.raises(KeyboardInterrupt), scratch_database(template, when_filling=silent):
            told(number)
        assert signal.getsignal(number) is ends
    finally:
        signal.signal(number, before)
    assert databases(scratch.PREFIX) == []


def test_a_role_that_may_not_create_databases_is_told_so(template: Template, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object) -> None:
        raise errors.InsufficientPrivilege("permission denied to create database")

    monkeypatch.setattr(scratch, "_clone", refuses)
    with pytest.raises(ScratchRefused, match="ALTER ROLE"), scratch_database(template, when_filling=silent):
        pass


@pytest.mark.slow
class TestOfProcesses:
    """Real processes on the test cluster."""

    def holder(self, template: Template) -> "subprocess.Popen[str]":
        code = HOLDER.replace("{kind}", template.kind.removeprefix("test"))
        return subprocess.Popen(
            [sys.executable, "-c", code], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def test_of_several_at_once_one_makes_the_template_and_each_has_its_own(self, template: Template) -> None:
        holders = [self.holder(template) for _ in range(3)]
        said = []
        for each in holders:
            lines = [each.stdout.readline().strip()]
            if lines[0] == "filling":
                lines.append(each.stdout.readline().strip())
            said.append(lines)
        assert sum(lines[0] == "filling" for lines in said) == 1
        names = {lines[-1] for lines in said}
        assert len(names) == 3
        assert names <= set(databases(scratch.PREFIX))
        for each in holders:
            each.communicate("\n", timeout=30)
        assert databases(scratch.PREFIX) == []

    def test_what_a_killed_one_leaves_the_next_one_removes(self, template: Template) -> None:
        holder = self.holder(template)
        name = holder.stdout.readline().strip()
        if name == "filling":
            name = holder.stdout.readline().strip()
        holder.send_signal(signal.SIGKILL)
        holder.wait(timeout=30)
        assert name in databases(scratch.PREFIX)
        with scratch_database(Template(template.kind, "holder", fill), when_filling=silent):
            assert answer() == 41  # in the number that is free again: its content is that of a new clone
        assert databases(scratch.PREFIX) == []

    def test_one_that_lives_is_left_alone(self, template: Template) -> None:
        holder = self.holder(template)
        name = holder.stdout.readline().strip()
        if name == "filling":
            name = holder.stdout.readline().strip()
        with scratch_database(Template(template.kind, "holder", fill), when_filling=silent) as mine:
            assert mine != name
            assert name in databases(scratch.PREFIX)
        holder.communicate("\n", timeout=30)


def test_a_server_that_keeps_its_own_databases_to_itself_will_do(
    template: Template, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = psycopg2.connect

    def no_postgres(**given: object) -> object:
        if given.get("dbname") == "postgres":
            raise psycopg2.OperationalError("permission denied for database postgres")
        return connect(**given)

    monkeypatch.setattr(scratch.psycopg2, "connect", no_postgres)
    with scratch_database(template, when_filling=silent):
        assert answer() == 41
