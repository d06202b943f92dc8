"""Which portfolios a check looks at, each at its own market time and in its own session. Two statements."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.db import connection

from positions.market.calendar import Session, new_york_date
from positions.market.clock import LIVE, market_now
from positions.models import Portfolio, State

EXCHANGE = "XNYS"


@dataclass(frozen=True, slots=True)
class WatchedClock:
    """A clock as its row says, without the row: a check looks at thousands."""

    kind: str
    market_started_at: datetime | None
    wall_started_at: datetime | None
    market_ends_at: datetime | None
    speed: Decimal


@dataclass(frozen=True, slots=True)
class Watched:
    """A portfolio at its market time `at`. `session` is that New York date's, None on a day without one."""

    portfolio_id: int
    name: str
    quote_source: str
    is_flattening: bool
    is_live: bool
    at: datetime
    day: date
    session: Session | None
    has_snapshot: bool

    def portfolio(self) -> Portfolio:
        """The row itself, for what is rare. One statement."""
        return Portfolio.objects.select_related("clock", "profile").get(pk=self.portfolio_id)


_COLUMNS = ("id", "name", "quote_source", "state")
# Written out: making this statement up anew at each look cost more than the rest of a quiet one.
_READ_PORTFOLIOS = """
    SELECT p.id, p.name, p.quote_source, p.state,
           c.kind, c.market_started_at, c.wall_started_at, c.market_ends_at, c.speed
    FROM positions_portfolio p LEFT JOIN positions_marketclock c ON c.portfolio_id = p.id
    WHERE %(ids)s::bigint[] IS NULL OR p.id = ANY(%(ids)s)
    ORDER BY p.id
"""


def watched_portfolios(
    now: datetime, portfolio_ids: Collection[int] | None = None
) -> tuple[list[Watched], dict[int, str]]:
    """Portfolios by id, and by id why another one cannot be judged: no clock, or a date that no session table knows.

    Mode and state are no condition: what is held is watched in every one of them (A-02).
    """
    with connection.cursor() as cursor:
        cursor.execute(_READ_PORTFOLIOS, {"ids": None if portfolio_ids is None else list(portfolio_ids)})
        rows = cursor.fetchall()
    timed: list[tuple[tuple[int, str, str, str], WatchedClock, datetime]] = []
    errors: dict[int, str] = {}
    for row in rows:
        clock = WatchedClock(*row[len(_COLUMNS) :])
        if not clock.kind:
            errors[row[0]] = "No market time: the portfolio has no clock."
            continue
        try:
            timed.append((row[: len(_COLUMNS)], clock, market_now(clock, now)))
        except (ValueError, OverflowError) as error:
            errors[row[0]] = f"No market time: {error}"
    days = {row[0]: new_york_date(at) for row, _, at in timed}
    watched = []
    for (row, clock, at), (session, has_snapshot, first, last) in zip(timed, _sessions(days), strict=True):
        portfolio_id, name, source, state = row
        day = days[portfolio_id]
        if first is None or last is None or not first <= day <= last:
            known = f"it knows {first} to {last}" if first else "it is empty"
            errors[portfolio_id] = f"The exchange calendar does not reach {day}: {known}."
            continue
        is_flattening, is_live = state == State.FLATTENING, clock.kind == LIVE
        watched.append(Watched(portfolio_id, name, source, is_flattening, is_live, at, day, session, has_snapshot))
    return watched, errors


def _sessions(days: Mapping[int, date]) -> list[tuple[Session | None, bool, date | None, date | None]]:
    """The session of each portfolio's date, whether its snapshot is taken, and how far the table reaches."""
    if not days:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT s.session_on, s.open_at, s.close_at, s.is_early, e.id IS NOT NULL, known.first, known.last
            FROM unnest(%(ids)s::bigint[], %(days)s::date[]) WITH ORDINALITY AS w(portfolio_id, day, place)
            CROSS JOIN (
                SELECT min(session_on) AS first, max(session_on) AS last
                FROM positions_exchangesession WHERE exchange = %(exchange)s
            ) known
            LEFT JOIN positions_exchangesession s ON s.exchange = %(exchange)s AND s.session_on = w.day
            LEFT JOIN positions_equitysnapshot e ON e.portfolio_id = w.portfolio_id AND e.session_on = w.day
            ORDER BY w.place
            """,
            {"ids": list(days), "days": list(days.values()), "exchange": EXCHANGE},
        )
        return [(Session(*row[:4]) if row[0] else None, *row[4:]) for row in cursor.fetchall()]
