"""One runner at a time, and none for longer than its task may last."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

LOCK = 0x62657463  # of our own; the second key is the place of the name below
STATEMENT_SECONDS = {"exit": 4, "risk": 20, "orders": 20}  # under the tasks' hard limits (riskengine.tasks)
WORK_MEMORY = "32MB"  # of one sort or hash: a hundred thousand positions stay in memory
NAMES = tuple(STATEMENT_SECONDS)


@contextmanager
def alone(name: str) -> Iterator[bool]:
    """Whether the session's advisory lock of this name was free. Within, no statement outlasts its limit: the server
    ends it before the task is killed, and goes on with nothing that nobody waits for.

    It only saves work: correctness rests on versions, unique constraints and row locks. Outside a transaction.
    """
    key = [LOCK, NAMES.index(name)]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_lock(%s, %s), current_setting('statement_timeout'), current_setting('work_mem'), "
            "set_config('statement_timeout', %s, false), set_config('work_mem', %s, false)",
            [*key, f"{STATEMENT_SECONDS[name]}s", WORK_MEMORY],
        )
        mine, timeout, memory, *_ = cursor.fetchone()
    try:
        yield mine
    finally:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('statement_timeout', %s, false), set_config('work_mem', %s, false)",
                [timeout, memory],
            )
            if mine:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", key)
