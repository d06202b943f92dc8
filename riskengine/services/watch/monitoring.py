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
from django.db import DatabaseError, connection

from positions.models import CheckScope
from positions.services.settlement import settle_expired, start_session
from riskengine.loading.book import load
from riskengine.loading.revisions import limits_by_revision
from riskengine.loading.watched import Watched, watched_portfolios
from riskengine.services.watch import exits

logger = logging.getLogger(__name__)

LOCK = 0x62657463  # of our own, with the place of the scope
SCOPES = tuple(CheckScope.values)
STATEMENT_SECONDS = {CheckScope.EXIT: 4, CheckScope.RISK: 20}  # under the tasks' hard limits of 5 and 25


@dataclass(slots=True)
class CheckResult:
    """What a check did. `ran` is False when another was running. `portfolios` and `positions` were judged, `orders`
    placed. `next_deadlines` are the market times by portfolio id at which a verdict may change without a new quote.
    `errors` says by portfolio id what could not be judged."""

    ran: bool = True
    portfolios: int = 0
    positions: int = 0
    orders: int = 0
    next_deadlines: dict[int, datetime] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)


def run_check(
    *, now: datetime, scope: str, portfolio_ids: Collection[int] | None = None, exclusive: bool = True
) -> CheckResult:
    """One sweep over all portfolios (or those given) at wall time `now`; scope "exit" or "risk".

    `exclusive`: a second runner of the same scope returns at once. It only saves work; correctness rests on the
    versions of the positions.
    """
    if not exclusive:
        return _check(now, scope, portfolio_ids)
    with _alone(scope) as mine:
        return _check(now, scope, portfolio_ids) if mine else CheckResult(ran=False)


@contextmanager
def _alone(scope: str) -> Iterator[bool]:
    """The session's advisory lock of the scope, and no statement longer than the scope's task may last."""
    place, limit = SCOPES.index(scope), f"{STATEMENT_SECONDS[CheckScope(scope)]}s"
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_lock(%s, %s), current_setting('statement_timeout'), "
            "set_config('statement_timeout', %s, false)",
            [LOCK, place, limit],
        )
        mine, before, _ = cursor.fetchone()
    try:
        yield mine
    finally:
        with connection.cursor() as cursor:
            unlock = "pg_advisory_unlock(%s, %s)" if mine else "%s + %s"
            cursor.execute(f"SELECT {unlock}, set_config('statement_timeout', %s, false)", [LOCK, place, before])


def _check(now: datetime, scope: str, portfolio_ids: Collection[int] | None) -> CheckResult:
    watched, errors = watched_portfolios(now, portfolio_ids)
    result = CheckResult(errors=errors)
    if scope == CheckScope.RISK:
        watched = _with_sessions_started(watched, now, result)
    if not watched:
        return result
    book = load(watched, everything=scope == CheckScope.RISK)
    judgement = exits.judge_book(book, watched, limits_by_revision(np.unique(book.revision).tolist()))
    written = exits.write(judgement, watched, now=now)
    place_of = dict(zip(book.position.tolist(), book.place.tolist(), strict=True)) if written.errors else {}
    for position, sentence in written.errors.items():
        portfolio = watched[place_of[position]].portfolio
        result.errors.setdefault(portfolio.pk, f"Position {position}: {sentence}")
    # What awaits an official price or a person is asked for again, but not every second.
    expired = judgement.expired if scope == CheckScope.RISK else judgement.expired & ~book.awaiting
    _settle(watched, np.unique(book.place[expired]).tolist(), now, result)
    judged = [each for each in watched if each.portfolio.pk not in result.errors]
    _beat(judged, scope, now)
    result.portfolios, result.positions, result.orders = len(judged), len(book), written.orders
    return result


def _with_sessions_started(watched: Sequence[Watched], now: datetime, result: CheckResult) -> list[Watched]:
    """The first look of a trading date takes the portfolio's snapshot; without one it is not judged as sound."""
    for each in watched:
        if each.session is None or each.has_snapshot:
            continue
        try:
            start_session(portfolio=each.portfolio, at=each.at, now=now)
        except (DatabaseError, ValueError, LookupError) as error:
            logger.exception("%s: its session could not be started.", each.portfolio)
            result.errors[each.portfolio.pk] = f"The session could not be started: {error!s:.300}"
    return list(watched)


def _settle(watched: Sequence[Watched], places: Sequence[int], now: datetime, result: CheckResult) -> None:
    for place in places:
        each = watched[place]
        try:
            settle_expired(portfolio=each.portfolio, at=each.at, now=now)
        except (DatabaseError, ValueError, LookupError) as error:
            logger.exception("%s: what expired could not be settled.", each.portfolio)
            result.errors[each.portfolio.pk] = f"What expired could not be settled: {error!s:.300}"


def _beat(judged: Sequence[Watched], scope: str, now: datetime) -> None:
    """The heartbeats of all portfolios judged, in one statement. A late check never sets one back."""
    if not judged:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO positions_heartbeat (portfolio_id, scope, finished_at, market_at)
            SELECT id, %(scope)s, %(now)s, at FROM unnest(%(ids)s::bigint[], %(at)s::timestamptz[]) AS w(id, at)
            ORDER BY id
            ON CONFLICT (portfolio_id, scope) DO UPDATE SET
                finished_at = excluded.finished_at, market_at = excluded.market_at
            WHERE positions_heartbeat.finished_at <= excluded.finished_at
            """,
            {
                "scope": scope,
                "now": now,
                "ids": [each.portfolio.pk for each in judged],
                "at": [each.at for each in judged],
            },
        )
