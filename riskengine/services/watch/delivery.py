"""Sending alerts: leased by one sender, sent outside any transaction, noted (DESIGN section 6).

A crash before the lease loses nothing, one between lease and note is healed when the lease runs out. What had been
handed over and not noted by then is sent a second time, since nobody can know: with the same id, by which the receiver
can tell. What a target does not take is tried again ever later, and given up visibly.
"""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction

from positions.services.portfolio import SYSTEM_NAME
from riskengine.models import Severity, TargetKind
from riskengine.services.notify import mail, service, webhook
from riskengine.services.notify.address import TargetRefused
from riskengine.services.notify.message import Message
from riskengine.services.notify.webhook import NotTaken
from riskengine.services.watch.alerts import NewAlert, raise_alerts, resolve

AT_ONCE = 16
PATIENCE_SECONDS = 12  # with a pass: under the task's hard limit, and the lease over it
LEASE = timedelta(seconds=30)
RETRY_AFTER = tuple(timedelta(seconds=seconds) for seconds in (5, 15, 45, 120, 300, 900, 1800))
GIVEN_UP = "DELIVERY_FAILED"

SENDERS = {TargetKind.EMAIL: mail.send, TargetKind.WEBHOOK: webhook.send, TargetKind.APPRISE: service.send}

_LEASE = """
    WITH waiting AS MATERIALIZED (
        SELECT d.id FROM riskengine_alertdelivery d
        WHERE d.state IN ('due', 'sending') AND d.next_attempt_at <= %(now)s
          AND (d.leased_until IS NULL OR d.leased_until <= %(now)s)
        ORDER BY d.next_attempt_at, d.id LIMIT %(at_once)s FOR NO KEY UPDATE SKIP LOCKED
    ), leased AS (
        UPDATE riskengine_alertdelivery d
        SET state = 'sending', leased_until = %(until)s, attempts = d.attempts + 1
        FROM waiting w WHERE d.id = w.id
        RETURNING d.id, d.attempts, d.level, d.alert_id, d.target_id
    )
    SELECT d.id, d.attempts, d.level, g.id, g.name, g.kind, g.address, g.signing_secret, g.enabled,
           a.id, a.code, a.severity, a.title, a.happened, a.value, a."limit", a.unit, a.to_do, a.market_at,
           a.raised_at, a.resolved_at, a.acknowledged_at, a.position_id, p.slug, p.name, p.is_demo
    FROM leased d JOIN riskengine_alert a ON a.id = d.alert_id JOIN riskengine_alerttarget g ON g.id = d.target_id
    LEFT JOIN positions_portfolio p ON p.id = a.portfolio_id
    ORDER BY d.id
"""

# Only what is still leased by this attempt: a sender that was given up for dead has nothing to say any more.
_NOTE = """
    WITH said AS (
        SELECT * FROM unnest(%(ids)s::bigint[], %(attempts)s::int[], %(states)s::text[], %(next)s::timestamptz[],
                             %(answers)s::text[])
            AS s(id, attempts, state, next_attempt_at, answer)
    ), noted AS (
        UPDATE riskengine_alertdelivery d SET
            state = s.state, leased_until = NULL, next_attempt_at = s.next_attempt_at, answer = s.answer,
            finished_at = CASE WHEN s.state = 'due' THEN NULL ELSE %(now)s::timestamptz END
        FROM said s WHERE d.id = s.id AND d.state = 'sending' AND d.attempts = s.attempts
        RETURNING d.id, d.alert_id, d.target_id, d.level, d.state, d.answer
    ), told AS (
        INSERT INTO riskengine_alertevent (alert_id, kind, level, happened_at, actor_name, detail)
        SELECT n.alert_id, n.state, n.level, %(now)s, %(actor)s, left(g.name || ': ' || n.answer, 300)
        FROM noted n JOIN riskengine_alerttarget g ON g.id = n.target_id WHERE n.state IN ('sent', 'failed')
        ORDER BY n.id
    )
    SELECT id FROM noted ORDER BY id
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one attempt. `next_attempt_at` where it is tried again."""

    message: Message
    state: str
    answer: str
    next_attempt_at: datetime


@dataclass(slots=True)
class Delivered:
    sent: int = 0
    failed: int = 0
    retried: int = 0


def deliver(now: datetime) -> Delivered:
    """Send what is due, some at once; call it again for the rest. Outside any transaction."""
    messages = _lease(now)
    done = Delivered()
    if not messages:
        return done
    outcomes = _send(messages, now)
    with transaction.atomic():
        _note(outcomes, now)
        raise_alerts([_given_up(each) for each in outcomes if each.state == "failed" and each.message.enabled], now=now)
        resolve([_key(each.message) for each in outcomes if each.state == "sent"], now=now)
    done.sent = sum(each.state == "sent" for each in outcomes)
    done.failed = sum(each.state == "failed" for each in outcomes)
    done.retried = len(outcomes) - done.sent - done.failed
    return done


def _lease(now: datetime) -> list[Message]:
    with connection.cursor() as cursor:
        cursor.execute(_LEASE, {"now": now, "until": now + LEASE, "at_once": AT_ONCE})
        return [Message(*row) for row in cursor.fetchall()]


def _send(messages: Sequence[Message], now: datetime) -> list[Outcome]:
    """All at once, so that one slow target holds up no other; none touches the database."""
    pool = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="alert")
    calls: list[Future[str]] = [pool.submit(_hand_over, message) for message in messages]
    wait(calls, timeout=PATIENCE_SECONDS)
    pool.shutdown(wait=False, cancel_futures=True)
    return [_outcome(message, call, now) for message, call in zip(messages, calls, strict=True)]


def _hand_over(message: Message) -> str:
    if not message.enabled:
        raise NotTaken("The target is switched off.")
    return SENDERS[TargetKind(message.kind)](message)


def _outcome(message: Message, call: "Future[str]", now: datetime) -> Outcome:
    if not call.done():
        return _later(message, f"No answer within {PATIENCE_SECONDS} s.", now)
    error = call.exception()
    if error is None:
        return Outcome(message, "sent", call.result(), now)
    plain = isinstance(error, NotTaken | TargetRefused)
    answer = str(error) if plain else f"{type(error).__name__}: {error}"
    if isinstance(error, TargetRefused) or not message.enabled:
        return Outcome(message, "failed", answer[:300], now)  # trying again would change nothing
    return _later(message, answer[:300], now)


def _later(message: Message, answer: str, now: datetime) -> Outcome:
    if message.attempts > len(RETRY_AFTER):
        return Outcome(message, "failed", answer, now)
    return Outcome(message, "due", answer, now + RETRY_AFTER[message.attempts - 1])


def _note(outcomes: Sequence[Outcome], now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            _NOTE,
            {
                "ids": [each.message.delivery_id for each in outcomes],
                "attempts": [each.message.attempts for each in outcomes],
                "states": [each.state for each in outcomes],
                "next": [each.next_attempt_at for each in outcomes],
                "answers": [each.answer for each in outcomes],
                "now": now,
                "actor": SYSTEM_NAME,
            },
        )


def _key(message: Message) -> str:
    return f"delivery:{message.target_id}"


def _given_up(outcome: Outcome) -> NewAlert:
    """Shown in the product alone: the target that failed would not take this either."""
    message = outcome.message
    return NewAlert(
        code=GIVEN_UP,
        key=_key(message),
        severity=Severity.WARNING,
        title=f"Alerts do not reach “{message.target_name}”",
        happened=f"Alert {message.alert_id} was given up after {message.attempts} attempts: {outcome.answer}",
        value=float(message.attempts),
        limit=float(len(RETRY_AFTER) + 1),
        unit="attempts",
        to_do="Look at the target in the admin and at its receiver; correct the address or switch the target off.",
        in_app_only=True,
    )
