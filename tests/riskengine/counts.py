"""How many statements each answer may take: the figures stand in tests/query_counts.json and nowhere else.

A page or endpoint that needs one more fails here; where that is meant, the figure is changed with it.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection
from django.test.utils import CaptureQueriesContext

from riskengine.loading import revisions

FILE = Path(__file__).resolve().parent.parent / "query_counts.json"
OURS = ("SAVEPOINT", "RELEASE SAVEPOINT", "SET TRANSACTION")  # what the test itself sends


@contextmanager
def statements() -> Iterator[list[str]]:
    """The statements sent within, once it is left; the test's own are left out."""
    sent: list[str] = []
    revisions._kept.clear()  # what a process reads once is read by the first that asks, whoever was before
    with CaptureQueriesContext(connection) as captured:
        yield sent
    sent += [query["sql"] for query in captured if not query["sql"].startswith(OURS)]


@contextmanager
def assert_counted(name: str) -> Iterator[None]:
    """As many statements as the file says for this name."""
    committed = json.loads(FILE.read_text())
    with statements() as sent:
        yield
    listed = "\n".join(" ".join(statement.split())[:120] for statement in sent)
    assert committed.get(name) == len(sent), f"{name}: {len(sent)} statements, {FILE.name} says otherwise:\n{listed}"
