"""Two quarters that are simulated at once take turns, session by session."""

import pytest
from django.db import OperationalError, connection

from positions.models import Fill
from tests.riskengine.market import import_sessions
from tests.riskengine.study.quarter import lived, person, request

pytestmark = pytest.mark.django_db


def test_a_session_waits_for_the_one_that_another_quarter_lives_through() -> None:
    import_sessions()
    asked = request(person(), sessions=1, slug="second")
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(hashtext('simulated session'), 0)")
            assert cursor.fetchone() == (True,)
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '100ms'")
        with pytest.raises(OperationalError, match="lock timeout"):
            lived(asked)
    finally:
        other.close()
    assert not Fill.objects.exists()
