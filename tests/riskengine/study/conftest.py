"""Replays in this process: they make a database of their own, so the test's must not be in the way."""

from collections.abc import Iterator

import pytest
from django.db import connection


@pytest.fixture(scope="module")
def unblocked(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    """The database without a transaction around it; what a replay does it does elsewhere."""
    with django_db_blocker.unblock():
        yield
        connection.close()
