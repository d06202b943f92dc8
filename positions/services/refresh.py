"""Asking providers of market data for what is due.

    claim     a supply that is due is leased by a conditional update: two workers never ask twice
    ask       in a thread of its own, outside any transaction; what is not there at the deadline is discarded
    store     in one transaction, if the lease still holds: judged rows, and one run that says what became of them

One that hangs holds up no other: they are asked at the same time, and what becomes due meanwhile is asked too. No check
waits for any of this: checks read stored rows, and know their age. `now` is wall time.
"""

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from os import environ
from queue import Empty, SimpleQueue

from django.conf import settings
from django.db import connection, transaction

from positions.market.calendar import Calendar
from positions.market.providers.base import (
    FAILED,
    NOT_CONFIGURED,
    QUOTES,
    SOURCE_RESERVED,
    Asked,
    Candidate,
    ProviderError,
)
from positions.market.providers.build import Described, prepare, provider_of
from positions.market.providers.configuration import address_problems, problems
from positions.market.providers.patience import Call, Deadline
from positions.market_selectors import calendar_around
from positions.models import DataProvider, ProviderRun, RunOutcome
from positions.services.asking import asked_of
from positions.services.judging import Answered, store_answer
from positions.services.push import is_reserved

AT_ONCE = 16
BEGIN_SECONDS = 25.0  # into a pass nothing new is begun: 20 s for the last answer, and the task's limit is 60
LOOK_AGAIN = 1.0  # seconds, while somebody is still being asked
LEASE_OVER = timedelta(seconds=45)  # over the time of the answer: for storing it
MOST_FAILURES = 10  # counted; the pause between two attempts is the interval, doubled by each, up to:
LONGEST_PAUSE = 300.0  # seconds, or the interval where it is longer
REASONS_KEPT, GAPS_KEPT, GAP_ENTRIES_KEPT = 20, 100, 100

log = logging.getLogger(__name__)

# One cheap statement where nothing is configured: the supplies are few.
_CLAIM = """
    WITH due AS MATERIALIZED (
        SELECT s.id FROM positions_supply s JOIN positions_dataprovider p ON p.id = s.provider_id
        WHERE p.enabled AND (s.next_at IS NULL OR s.next_at <= %(now)s)
          AND (s.leased_until IS NULL OR s.leased_until <= %(now)s)
        ORDER BY s.next_at NULLS FIRST, s.id LIMIT %(most)s FOR NO KEY UPDATE OF s SKIP LOCKED
    )
    UPDATE positions_supply s
    SET leased_until = %(now)s + make_interval(secs => p.timeout_seconds) + %(over)s,
        next_at = %(now)s + make_interval(secs => s.interval_seconds)
    FROM due, positions_dataprovider p WHERE s.id = due.id AND p.id = s.provider_id
    RETURNING s.id, s.provider_id, s.what, s.leased_until, s.interval_seconds, s.failures
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """A supply that is ours until `leased_until`."""

    supply_id: int
    provider_id: int
    what: str
    leased_until: datetime
    interval_seconds: int
    failures: int


@dataclass(slots=True)
class Refreshed:
    """What a pass did: runs that stored an answer, runs that failed, answers that came when the lease was another's."""

    answered: int = 0
    failed: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class _Question:
    """A question that is out: whose, what, and by which calendar its answer is judged."""

    claim: Claim
    provider: DataProvider
    asked: Asked
    calendar: Calendar
    started_at: datetime


@dataclass(slots=True)
class _Pass:
    """One pass. Durations are measured; the time of day is the `now` that was given, and what has passed since."""

    now: datetime
    done: Refreshed = field(default_factory=Refreshed)
    calendar: Calendar | None = None
    running: "dict[Call[Sequence[Candidate]], _Question]" = field(default_factory=dict)
    finished: "SimpleQueue[Call[Sequence[Candidate]]]" = field(default_factory=SimpleQueue)
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    @property
    def moment(self) -> datetime:
        return self.now + timedelta(seconds=self.seconds)


def refresh(*, now: datetime) -> Refreshed:
    """Ask what is due, and wait for the answers as long as each is given. Returns at once when nothing is due."""
    this = _Pass(now)
    while True:
        if this.seconds < BEGIN_SECONDS:
            for claim in _claim(this.moment, AT_ONCE - len(this.running)):
                _begin(this, claim)
        if not this.running:
            return this.done
        call = _next_finished(this)
        if call is not None:
            _finish(this, call)


def _claim(now: datetime, most: int) -> list[Claim]:
    if most <= 0:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"now": now, "over": LEASE_OVER, "most": most})
        return [Claim(*row) for row in cursor.fetchall()]


def _begin(this: _Pass, claim: Claim) -> None:
    provider = DataProvider.objects.get(pk=claim.provider_id)
    started_at = this.moment
    try:
        described = _described(provider)
        calendar = this.calendar = this.calendar or _calendar(this.now)
        if claim.what == QUOTES and (opens_at := _opens_later(calendar, started_at)):
            _release(claim, failures=claim.failures, next_at=opens_at)  # nothing is quoted while the exchange is closed
            return
        prepare(provider.kind)
        asked = asked_of(provider, claim.what, calendar=calendar, now=this.moment)
        deadline = Deadline(provider.timeout_seconds)
        source = provider_of(described, deadline)
    except ProviderError as error:
        _fail(this, claim, provider, started_at, error)
        return
    except LookupError as error:  # the table of sessions does not reach so far
        _fail(this, claim, provider, started_at, ProviderError(NOT_CONFIGURED, str(error)))
        return
    call = Call(lambda: source.fetch(asked), source.hang_up, deadline, this.finished)
    this.running[call] = _Question(claim, provider, asked, calendar, started_at)


def _next_finished(this: _Pass) -> "Call[Sequence[Candidate]] | None":
    """The next call that has answered or whose time is over; None when it is time to look for what is due."""
    overdue = next((call for call in this.running if call.deadline.left <= 0), None)
    if overdue is not None:
        overdue.give_up()
        return overdue
    soonest = min(call.deadline.left for call in this.running)
    try:
        call = this.finished.get(timeout=max(0.0, min(soonest, LOOK_AGAIN)))
    except Empty:
        return None
    return call if call in this.running else None  # a late one was given up already, and is not heard


def _finish(this: _Pass, call: "Call[Sequence[Candidate]]") -> None:
    question = this.running.pop(call)
    claim, provider, started_at = question.claim, question.provider, question.started_at
    try:
        _store(this, question, call.result())
    except ProviderError as error:
        _fail(this, claim, provider, started_at, error)
    except Exception as error:  # an answer that nobody foresaw stops no other provider
        log.exception("What %s said of %s could not be stored", provider, claim.what)
        sentence = f"Its answer could not be stored ({type(error).__name__}); see the log of the queue market."
        _fail(this, claim, provider, started_at, ProviderError(FAILED, sentence))


def _store(this: _Pass, question: _Question, answer: Sequence[Candidate]) -> None:
    with transaction.atomic():
        if not _release(question.claim, failures=0):
            this.done.lost += 1
            return
        stored = store_answer(answer, question.asked, question.provider, calendar=question.calendar, now=this.moment)
        _write_run(question.claim, question.started_at, this.moment, stored)
    this.done.answered += 1


def _fail(this: _Pass, claim: Claim, provider: DataProvider, started_at: datetime, error: ProviderError) -> None:
    """A run that stored nothing; the next attempt comes the later, the more have failed, or when the provider said."""
    failures = min(claim.failures + 1, MOST_FAILURES)
    pause = min(claim.interval_seconds * 2 ** (failures - 1), max(LONGEST_PAUSE, claim.interval_seconds))
    pause = max(pause, error.retry_after or 0.0)
    log.warning("%s brought no %s: %s: %s", provider, claim.what, error.code, error.sentence)
    with transaction.atomic():
        if not _release(claim, failures=failures, next_at=this.moment + timedelta(seconds=pause)):
            this.done.lost += 1
            return
        _write_run(claim, started_at, this.moment, None, error)
    this.done.failed += 1


# ---- Statements ----


def _release(claim: Claim, *, failures: int, next_at: datetime | None = None) -> bool:
    """End the lease, if it is still this claim's and the provider is still to be asked. The row stays locked to the end
    of the transaction: what is stored now is stored once."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE positions_supply s SET leased_until = NULL, failures = %s, next_at = coalesce(%s, s.next_at)
            FROM positions_dataprovider p
            WHERE s.id = %s AND s.leased_until = %s AND p.id = s.provider_id AND p.enabled
            """,
            [failures, next_at, claim.supply_id, claim.leased_until],
        )
        return cursor.rowcount == 1


def _write_run(
    claim: Claim,
    started_at: datetime,
    finished_at: datetime,
    stored: Answered | None,
    error: ProviderError | None = None,
) -> None:
    told = stored or Answered()
    ProviderRun.objects.create(
        provider_id=claim.provider_id,
        what=claim.what,
        started_at=started_at,
        finished_at=finished_at,
        outcome=RunOutcome.OK if error is None else RunOutcome.FAILED,
        new=told.new,
        changed=told.changed,
        known=told.known,
        rejected=sum(told.reasons.values()),
        late=told.late,
        reasons=dict(Counter(told.reasons).most_common(REASONS_KEPT)),
        gaps=_shortened(told.gaps),
        code="" if error is None else error.code,
        sentence="" if error is None else error.sentence[:300],
    )


def _shortened(gaps: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    return {name: list(gaps[name])[-GAP_ENTRIES_KEPT:] for name in sorted(gaps)[:GAPS_KEPT]}


# ---- What a provider is ----


def _described(provider: DataProvider) -> Described:
    """ProviderError where it must not or cannot be asked. Looked at before every question: a portfolio may have been
    given this source for a recording since it was saved."""
    if is_reserved(provider.name):
        sentence = f"“{provider.name}” is a recording or a simulation, into which no provider writes."
        raise ProviderError(SOURCE_RESERVED, sentence)
    wrong = problems(provider.kind, provider.settings) or (provider.base_url and address_problems(provider.base_url))
    if wrong:
        raise ProviderError(NOT_CONFIGURED, wrong[0])
    return Described(
        provider.name,
        provider.kind,
        provider.base_url,
        provider.settings,
        _credential(provider.key_variable),
        _credential(provider.secret_variable),
        provider.requests_per_minute,
        settings.PROVIDERS_ALLOW_PRIVATE_ADDRESSES,
    )


def _credential(variable: str) -> str:
    if not variable:
        return ""
    secret = environ.get(variable, "")
    if not secret:
        sentence = f"The variable {variable} is not set where the worker of the queue market runs."
        raise ProviderError(NOT_CONFIGURED, sentence)
    return secret


def _calendar(now: datetime) -> Calendar:
    try:
        return calendar_around(now)
    except ValueError as error:
        raise ProviderError(NOT_CONFIGURED, str(error)) from error


def _opens_later(calendar: Calendar, now: datetime) -> datetime | None:
    """When the exchange opens next; None while it is open. LookupError outside the table of sessions."""
    return None if calendar.is_open(now) else calendar.next_open(now).opens_at
