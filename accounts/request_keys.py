"""Requests that are sent again under their idempotency key: carried out once, answered as often as asked.

The key is taken before anything is done and committed at once, so that of two at the same time one is carried out. An
answer that refuses frees the key: the request may be mended and sent again under it. `now` is wall time.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from accounts.models import IdempotentRequest, User

KEPT = timedelta(days=7)
ANSWERED_WITHIN = timedelta(seconds=60)  # longer than any answer takes: whoever took the key has died


class AnotherRequest(ValueError):
    """The key was used on this route for another body: nothing was done."""


class BeingAnswered(RuntimeError):
    """The first request under this key is still being answered: nothing was done by this one."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What the first request was answered."""

    status: int
    body: Any


def take_key(*, actor: User, route: str, key: str, digest: str, now: datetime) -> Answered | None:
    """Take the key, None when it is ours to answer; else what was answered under it. `digest` is the SHA-256 of the
    body. Raises AnotherRequest and BeingAnswered. Two statements, and one more for a repeat."""
    mine = {"actor": actor.pk, "route": route, "key": key, "digest": digest, "now": now, "dead": now - ANSWERED_WITHIN}
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM accounts_idempotentrequest WHERE actor_id = %s AND requested_at < %s", [actor.pk, now - KEPT]
        )
        cursor.execute(
            """
            INSERT INTO accounts_idempotentrequest AS r (actor_id, route, key, request_digest, requested_at)
            VALUES (%(actor)s, %(route)s, %(key)s, %(digest)s, %(now)s)
            ON CONFLICT (actor_id, route, key) DO UPDATE SET requested_at = excluded.requested_at
            WHERE r.response_status IS NULL AND r.request_digest = excluded.request_digest
              AND r.requested_at < %(dead)s
            RETURNING id
            """,
            mine,
        )
        if cursor.fetchone():
            return None
    rows = IdempotentRequest.objects.filter(actor=actor, route=route, key=key)
    row = rows.values_list("request_digest", "response_status", "response_body").first()
    if row is not None and row[0] != digest:
        raise AnotherRequest(f"The key “{key}” was used here for another request. Use a new key.")
    if row is None or row[1] is None:
        raise BeingAnswered("The first request under this key is still being answered. Send it again in a second.")
    return Answered(row[1], row[2])


def keep_answer(*, actor: User, route: str, key: str, status: int, body: Any, now: datetime) -> None:
    """What every repeat is answered from now on."""
    rows = IdempotentRequest.objects.filter(actor=actor, route=route, key=key)
    rows.update(response_status=status, response_body=body, responded_at=now)


def free_key(*, actor: User, route: str, key: str) -> None:
    """Nothing was done under the key: it may be used again."""
    IdempotentRequest.objects.filter(actor=actor, route=route, key=key, response_status=None).delete()
