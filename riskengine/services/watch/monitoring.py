"""One check: every portfolio at its own market time, every position judged, what is said written, the heartbeat.

    exit    what expires today, every second            risk    everything, every 30 seconds              (A-01)

Both run the same code. A portfolio that cannot be judged is a verdict of the result: it gets no heartbeat, so that its
entries are refused, and stops nothing else (A-10).
"""

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from django.db import connection, transaction

from positions.models import CheckScope, State
from positions.services.order_changes import limit_lock_waits
from positions.services.orders import cancel_openings
from positions.services.portfolio import SYSTEM_NAME, change_state, lock_portfolio
from positions.services.settlement import settle_expired, start_session
from positions.services.splits import apply_splits, splits_due
from riskengine.loading.book import load
from riskengine.loading.copying import array_literal
from riskengine.loading.revisions import limits_by_revision
from riskengine.loading.watched import Watched, watched_portfolios
from riskengine.services.watch import exits, guards, noticing, one_bet, readings
from riskengine.services.watch.alone import alone
from riskengine.services.watch.deadlines import next_deadlines
from riskengine.services.watch.guards import Seen
from riskengine.services.watch.judgement import Judgement
from riskengine.services.watch.latching import Event
from riskengine.services.watch.one_bet import OneBet

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class CheckResult:
    """What a check did. `ran` is False when another was running. `portfolios` and `positions` were judged, `orders`
    placed. `next_deadlines` are the market times by portfolio id at which a verdict may change without a new quote.
    `errors` says by portfolio id what could not be judged. `breaker_events` are what circuit breakers did."""

    ran: bool = True
    portfolios: int = 0
    positions: int = 0
    orders: int = 0
    next_deadlines: dict[int, datetime] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)
    breaker_events: list[Event] = field(default_factory=list)


def run_check(
    *,
    now: datetime,
    scope: str,
    portfolio_ids: Collection[int] | None = None,
    exclusive: bool = True,
    alerts: bool = True,
    keep: bool | None = None,
) -> CheckResult:
    """One sweep over all portfolios (or those given) at wall time `now`; scope "exit" or "risk".

    `exclusive`: a second runner of the same scope returns at once. It only saves work; correctness rests on the
    versions of the positions. `alerts` false: nobody is told of anything and no reading is kept, as in a replay;
    `keep` says otherwise about the readings alone.
    """
    kept = alerts if keep is None else keep
    if not exclusive:
        return _check(now, scope, portfolio_ids, alerts, kept)
    with alone(scope) as mine:
        return _check(now, scope, portfolio_ids, alerts, kept) if mine else CheckResult(ran=False)


def _check(now: datetime, scope: str, portfolio_ids: Collection[int] | None, alerts: bool, keep: bool) -> CheckResult:
    watched, errors = watched_portfolios(now, portfolio_ids)
    result = CheckResult(errors=errors)
    if scope == CheckScope.RISK and _start_sessions(watched, now, result):
        watched, _ = watched_portfolios(now, portfolio_ids)  # with the snapshots that were just taken
    if scope == CheckScope.RISK:
        _apply_splits(watched, now, result)
    if not watched:
        if keep and scope == CheckScope.RISK:
            readings.keep(None, (), result.errors, now=now)
        if alerts:
            noticing.notice(result.errors, scope=scope, now=now)
        return result
    book = load(watched, everything=scope == CheckScope.RISK)
    limits = limits_by_revision(np.unique(book.revision).tolist())
    judgement = exits.judge_book(book, watched, limits)
    written = exits.write(judgement, watched, now=now)
    for row, sentence in written.errors.items():
        each = watched[int(book.place[row])]
        result.errors.setdefault(each.portfolio_id, f"Position {book.position[row]}: {sentence}")
    guarded = guards.guard(judgement, watched, limits, scope=scope, now=now)
    result.errors |= {each: sentence for each, sentence in guarded.errors.items() if each not in result.errors}
    result.breaker_events = guarded.events
    # What awaits an official price or a person is asked for again, but not every second.
    expired = judgement.expired if scope == CheckScope.RISK else judgement.expired & ~book.awaiting
    _settle(watched, np.unique(book.place[expired]).tolist(), now, result)
    _finish_flattening(watched, now, result)
    together = None
    if keep and scope == CheckScope.RISK:
        together = _read(judgement, watched, guarded.seen, now, result)
    judged = [each for each in watched if each.portfolio_id not in result.errors]
    _beat(judged, scope, now)
    if alerts:
        noticing.notice(result.errors, watched, judgement, written, together, scope=scope, now=now)
    result.portfolios, result.positions, result.orders = len(judged), len(book), written.orders
    result.next_deadlines = next_deadlines(judgement, watched, limits) | guarded.again
    return result


def _read(
    judgement: Judgement, watched: Sequence[Watched], seen: Seen | None, now: datetime, result: CheckResult
) -> OneBet | None:
    """What each portfolio is exposed to now. Where that cannot be kept the check is not finished: no heartbeat."""
    try:
        read = readings.read(judgement, watched, seen) if seen is not None else None
        readings.keep(read, watched, result.errors, now=now)
        return one_bet.judge(read, watched, seen.look.limits) if read is not None and seen is not None else None
    except Exception as error:  # whatever it was: exits are judged and written by now
        logger.exception("What portfolios are exposed to could not be computed.")
        for each in watched:
            result.errors.setdefault(each.portfolio_id, f"What it is exposed to could not be computed: {error!s:.300}")
        return None


@contextmanager
def _apart(each: Watched, failed: str, result: CheckResult) -> Iterator[None]:
    """What fails for one portfolio is its error in the result, and stops no other."""
    try:
        yield
    except Exception as error:  # whatever it was: the other portfolios must be watched
        logger.exception("%s: %s", each.name, failed)
        result.errors[each.portfolio_id] = f"{failed} {error!s:.300}"


def _start_sessions(watched: Sequence[Watched], now: datetime, result: CheckResult) -> int:
    """The first look of a trading date takes the portfolio's snapshot. How many were taken."""
    started = 0
    for each in watched:
        if each.session is not None and not each.has_snapshot:
            with _apart(each, "Its session could not be started.", result):
                started += start_session(portfolio=each.portfolio(), at=each.at, now=now)
    return started


def _apply_splits(watched: Sequence[Watched], now: datetime, result: CheckResult) -> None:
    """What is held of an underlying that was split over night is what it was, in new contracts (A-22)."""
    due = splits_due({each.portfolio_id: each.day for each in watched if each.after_split})
    for each in watched:
        if each.portfolio_id in due:
            with _apart(each, "A split could not be applied.", result):
                apply_splits(portfolio=each.portfolio(), day=each.day, at=each.at, now=now)


def _settle(watched: Sequence[Watched], places: Sequence[int], now: datetime, result: CheckResult) -> None:
    for place in places:
        each = watched[place]
        with _apart(each, "What expired could not be settled.", result):
            settle_expired(portfolio=each.portfolio(), at=each.at, now=now)


def _finish_flattening(watched: Sequence[Watched], now: datetime, result: CheckResult) -> None:
    """FLATTENING buys nothing more, and is HALTED once nothing is open and no order can fill (A-02)."""
    for each in watched:
        if each.is_flattening:
            with _apart(each, "It could not be halted.", result):
                _halt_when_flat(each, now)


def _halt_when_flat(each: Watched, now: datetime) -> None:
    portfolio, reason = each.portfolio(), "The portfolio is being flattened."
    cancel_openings(portfolio=portfolio, at=each.at, now=now, reason=reason, actor_name=SYSTEM_NAME)
    with transaction.atomic():
        limit_lock_waits()
        state = lock_portfolio(portfolio.pk).state
        busy = portfolio.positions.held().exists() or portfolio.orders.live().exists()
        if state == State.FLATTENING and not busy:
            change_state(
                portfolio=portfolio,
                to_state=State.HALTED,
                cause="flattened",
                reason="Everything is closed and no order is working.",
                market_at=each.at,
            )


def _beat(judged: Sequence[Watched], scope: str, now: datetime) -> None:
    """The heartbeats of all portfolios judged, in one statement. A late check never sets one back. Changed, then those
    added that there never were: ON CONFLICT would lock each row and log that before it changes it."""
    if not judged:
        return
    moments: dict[datetime, int] = {}
    which = [moments.setdefault(each.at, len(moments) + 1) for each in judged]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH w AS MATERIALIZED (
                SELECT id, (%(at)s::timestamptz[])[moment] AS at
                FROM unnest(%(ids)s::bigint[], %(which)s::int[]) AS w(id, moment)
            ), again AS (
                UPDATE positions_heartbeat h SET finished_at = %(now)s, market_at = w.at
                FROM w WHERE h.portfolio_id = w.id AND h.scope = %(scope)s AND h.finished_at <= %(now)s
            )
            INSERT INTO positions_heartbeat (portfolio_id, scope, finished_at, market_at)
            SELECT w.id, %(scope)s, %(now)s, w.at FROM w
            WHERE NOT EXISTS (SELECT FROM positions_heartbeat h WHERE h.portfolio_id = w.id AND h.scope = %(scope)s)
            ON CONFLICT (portfolio_id, scope) DO NOTHING  -- another check was quicker
            """,
            {
                "scope": scope,
                "now": now,
                "ids": array_literal([each.portfolio_id for each in judged]),
                "which": array_literal(which),
                "at": list(moments),
            },
        )
