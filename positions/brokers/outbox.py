"""From the database to the broker (A-08, DESIGN section 6): written in the transaction that causes it, sent after it.

One sender leases a message by conditional update; exits pass before entries. A message whose sender vanished is leased
again when the lease has run out; since it may have been sent, the broker is then asked by client id first. What came
back is recorded by the caller together with what it does to the orders: a crash in between leaves a leased message,
which heals the same way. Times here are wall times, but for `at`, which the broker is told.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import connection

from positions.brokers.base import Acknowledgement, Answer, Broker, BrokerUnavailable, Instruction

LEASE = timedelta(seconds=10)
RETRY_CANCEL_AFTER = timedelta(seconds=1)
AT_ONCE = 500  # messages a batch: an exit that comes up meanwhile is not kept waiting behind thousands

_LEASE = """
    WITH waiting AS (
        SELECT m.id FROM positions_outboxmessage m
        JOIN positions_order o ON o.id = m.order_id
        WHERE m.sent_at IS NULL AND m.failed_at IS NULL AND m.kind IN ('submit_order', 'cancel_order')
          AND m.due_at <= %(now)s AND (m.leased_until IS NULL OR m.leased_until <= %(now)s)
          AND o.portfolio_id = %(portfolio)s
        ORDER BY m.priority, m.id LIMIT %(at_once)s
        FOR UPDATE OF m SKIP LOCKED
    ), leased AS (
        UPDATE positions_outboxmessage m
        SET leased_until = %(until)s, leased_by = %(sender)s, attempts = m.attempts + 1
        FROM waiting w WHERE m.id = w.id
        RETURNING m.id, m.kind, m.priority, m.attempts, m.order_id
    )
    SELECT m.id, m.kind, m.attempts, o.client_order_id, o.portfolio_id, o.contract_id, o.side, o.quantity,
           o.limit_price, o.status, p.status
    FROM leased m JOIN positions_order o ON o.id = m.order_id JOIN positions_order p ON p.id = o.parent_id
    ORDER BY m.priority, m.id
"""


@dataclass(frozen=True, slots=True)
class _Message:
    message_id: int
    kind: str
    attempts: int
    client_order_id: str
    portfolio_id: int
    contract_id: int
    side: str
    quantity: int
    limit_price: Decimal
    order_status: str
    intent_status: str

    def instruction(self) -> Instruction:
        return Instruction(
            self.client_order_id, self.portfolio_id, self.contract_id, self.side, self.quantity, self.limit_price
        )


@dataclass(slots=True)
class Delivery:
    """What came back. `lost` are client ids of submits without an answer; the rest are message ids by their fate."""

    acknowledgements: dict[str, Acknowledgement] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)
    sent: list[int] = field(default_factory=list)
    retried: list[int] = field(default_factory=list)
    withdrawn: list[int] = field(default_factory=list)
    submitted: int = 0

    @property
    def is_simple(self) -> bool:
        """Every message was sent and answered."""
        return not (self.lost or self.retried or self.withdrawn)

    @property
    def is_plain(self) -> bool:
        """Every message was sent, and every order spoken of works or is filled."""
        usual = all(each.answer in (Answer.WORKING, Answer.FILLED) for each in self.acknowledgements.values())
        return usual and self.is_simple

    def clear(self) -> None:
        """All of it has been recorded."""
        self.acknowledgements.clear()
        self.sent.clear()
        self.submitted = 0

    def __bool__(self) -> bool:
        return bool(self.acknowledgements or self.sent or self.retried or self.withdrawn)


def deliver(portfolio_id: int, broker: Broker, *, at: datetime, now: datetime) -> Delivery:
    """Send what is due of a portfolio, outside any transaction. The caller records the Delivery with `record`."""
    messages = _lease(portfolio_id, now)
    delivery = Delivery()
    _cancel([m for m in messages if m.kind == "cancel_order"], broker, at, delivery)
    _submit([m for m in messages if m.kind == "submit_order"], broker, at, delivery)
    return delivery


def _lease(portfolio_id: int, now: datetime) -> list[_Message]:
    with connection.cursor() as cursor:
        cursor.execute(
            _LEASE,
            {
                "portfolio": portfolio_id,
                "now": now,
                "until": now + LEASE,
                "sender": f"process {os.getpid()}",
                "at_once": AT_ONCE,
            },
        )
        return [_Message(*row) for row in cursor.fetchall()]


def _cancel(messages: Sequence[_Message], broker: Broker, at: datetime, delivery: Delivery) -> None:
    """A cancel whose answer was lost is asked again: twice is harmless."""
    if not messages:
        return
    ids = [m.message_id for m in messages]
    try:
        answers = broker.cancel([m.client_order_id for m in messages], at)
    except BrokerUnavailable:
        delivery.retried += ids
        return
    delivery.sent += ids
    delivery.acknowledgements |= {each.client_order_id: each for each in answers}


def _submit(messages: Sequence[_Message], broker: Broker, at: datetime, delivery: Delivery) -> None:
    """Never blindly twice: a message that may have been sent before is looked up, and sent only when absent."""
    first, again, withdrawn = [], [], []
    for message in messages:
        if message.order_status != "submitting":
            delivery.sent.append(message.message_id)  # answered for meanwhile
        elif message.attempts > 1:
            again.append(message)
        elif message.intent_status == "cancelling":
            withdrawn.append(message)
        else:
            first.append(message)
    for message in withdrawn:
        delivery.withdrawn.append(message.message_id)
        delivery.acknowledgements[message.client_order_id] = Acknowledgement(message.client_order_id, Answer.ABSENT)
    first += _absent(again, broker, delivery)
    if not first:
        return
    delivery.sent += [m.message_id for m in first]
    try:
        answers = broker.submit([m.instruction() for m in first], at)
    except BrokerUnavailable as error:
        delivery.lost |= {m.client_order_id: str(error) or "no answer" for m in first}
        return
    delivery.submitted += len(answers)
    delivery.acknowledgements |= {each.client_order_id: each for each in answers}


def _absent(messages: Sequence[_Message], broker: Broker, delivery: Delivery) -> list[_Message]:
    """Those the broker has never heard of. The others are answered for; without an answer they stay unknown."""
    if not messages:
        return []
    by_id = {m.client_order_id: m for m in messages}
    try:
        answers = broker.lookup(list(by_id))
    except BrokerUnavailable as error:
        delivery.lost |= dict.fromkeys(by_id, str(error) or "no answer")
        delivery.sent += [m.message_id for m in messages]
        return []
    known = [each for each in answers if each.answer is not Answer.ABSENT]
    delivery.acknowledgements |= {each.client_order_id: each for each in known}
    delivery.sent += [by_id[each.client_order_id].message_id for each in known]
    absent = [by_id[each.client_order_id] for each in answers if each.answer is Answer.ABSENT]
    for message in absent:
        if message.intent_status == "cancelling":
            delivery.withdrawn.append(message.message_id)
            delivery.acknowledgements[message.client_order_id] = Acknowledgement(message.client_order_id, Answer.ABSENT)
    return [m for m in absent if m.intent_status != "cancelling"]


def record(delivery: Delivery, now: datetime) -> None:
    """Note the fate of the messages, in the transaction that applies their answers."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE positions_outboxmessage SET
                sent_at = CASE WHEN id = ANY(%(sent)s) THEN %(now)s END,
                failed_at = CASE WHEN id = ANY(%(withdrawn)s) THEN %(now)s END,
                due_at = CASE WHEN id = ANY(%(retried)s) THEN %(later)s ELSE due_at END,
                leased_until = NULL,
                last_error = CASE WHEN id = ANY(%(retried)s) THEN 'no answer'
                                  WHEN id = ANY(%(withdrawn)s) THEN 'withdrawn before it was sent' ELSE last_error END
            WHERE id = ANY(%(all)s) AND sent_at IS NULL
            """,
            {
                "sent": delivery.sent,
                "withdrawn": delivery.withdrawn,
                "retried": delivery.retried,
                "all": delivery.sent + delivery.withdrawn + delivery.retried,
                "now": now,
                "later": now + RETRY_CANCEL_AFTER,
            },
        )


def forget_finished(portfolio_id: int, now: datetime) -> None:
    """Nothing needs to be said any more of orders that have ended meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE positions_outboxmessage m
            SET failed_at = %(now)s, leased_until = NULL, last_error = 'no longer needed'
            FROM positions_order o
            WHERE o.id = m.order_id AND o.portfolio_id = %(portfolio)s
              AND o.status IN ('filled', 'cancelled', 'rejected') AND m.sent_at IS NULL AND m.failed_at IS NULL
            """,
            {"portfolio": portfolio_id, "now": now},
        )


def send_again(order_ids: Sequence[int], now: datetime) -> None:
    """The broker has never heard of these: their message goes out again, under the same client id."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE positions_outboxmessage SET sent_at = NULL, leased_until = NULL, due_at = %(now)s "
            "WHERE order_id = ANY(%(ids)s) AND kind = 'submit_order' AND failed_at IS NULL",
            {"ids": list(order_ids), "now": now},
        )
