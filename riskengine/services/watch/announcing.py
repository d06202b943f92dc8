"""Tell the web processes that something was checked or worked: what watches renders itself anew.

Only that it was, on one channel, in a transaction of its own: who was not listening reads the same rows later.
"""

import logging

from django.db import DatabaseError, connection

CHANNEL = "betsizing_desk"

logger = logging.getLogger(__name__)


def announce() -> None:
    """One statement. What cannot be announced is seen at the next look all the same."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])
    except DatabaseError:
        logger.warning("Nobody was told that a check has finished: the desks look again by themselves.", exc_info=True)
