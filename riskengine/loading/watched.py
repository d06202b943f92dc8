"""Which portfolios a check looks at, each at its own market time and in its own session. Two statements.

With what the circuit breakers need of the account: cash, the equity that its day began with, the revision in force.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal

from django.db import connection

from positions.market.calendar import Session, new_york_date, new_york_instant
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
    """A portfolio at its market time `at`. `session` is that New York date's, None on a day without one.

    `equity_start_of_day` and `net_deposits` (USD) are of that date's snapshot, None before it is taken. `revision` is
    the one in force, which new bets and the breakers read.
    """

    portfolio_id: int
    name: str
    quote_source: str
    system: str
    state: str
    clock_kind: str
    revision: int
    cash: float
    at: datetime
    day: date
    session: Session | None
    equity_start_of_day: float | None
    net_deposits: float | None

    @property
    def is_flattening(self) -> bool:
        return self.state == State.FLATTENING

    @property
    def is_live(self) -> bool:
        return self.clock_kind == LIVE

    @property
    def has_snapshot(self) -> bool:
        return self.equity_start_of_day is not None

    @property
    def is_open(self) -> bool:
        return self.session is not None and self.session.opens_at <= self.at < self.session.closes_at

    @property
    def day_at(self) -> datetime:
        """When its New York date began."""
        return new_york_instant(self.day, time())

    def portfolio(self) -> Portfolio:
        """The row itself, for what is rare. One statement."""
        return Portfolio.objects.select_related("clock", "profile").get(pk=self.portfolio_id)


_COLUMNS = ("id", "name", "quote_source", "system", "state", "revision", "cash")
# Written out: making this statement up anew at each look cost more than the rest of a quiet one.
_READ_PORTFOLIOS = """
    SELECT p.id, p.name, p.quote_source, p.system, p.state, r.id, p.cash::float8,
           c.kind, c.market_started_at, c.wall_started_at, c.market_ends_at, c.speed
    FROM positions_portfolio p LEFT JOIN positions_marketclock c ON c.portfolio_id = p.id
    LEFT JOIN (
        SELECT DISTINCT ON (profile_id) profile_id, id FROM accounts_riskprofilerevision
        ORDER BY profile_id, number DESC
    ) r ON r.profile_id = p.profile_id
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
    timed: list[tuple[tuple, WatchedClock, datetime]] = []
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
    for (row, clock, at), (session, equity, deposits, first, last) in zip(timed, _sessions(days), strict=True):
        portfolio_id, name, source, system, state, revision, cash = row
        day = days[portfolio_id]
        if first is None or last is None or not first <= day <= last:
            known = f"it knows {first} to {last}" if first else "it is empty"
            errors[portfolio_id] = f"The exchange calendar does not reach {day}: {known}."
            continue
        watched.append(
            Watched(
                portfolio_id=portfolio_id,
                name=name,
                quote_source=source,
                system=system,
                state=state,
                clock_kind=clock.kind,
                revision=revision,
                cash=cash,
                at=at,
                day=day,
                session=session,
                equity_start_of_day=equity,
                net_deposits=deposits,
            )
        )
    return watched, errors


def _sessions(
    days: Mapping[int, date],
) -> list[tuple[Session | None, float | None, float | None, date | None, date | None]]:
    """The session of each portfolio's date, its snapshot's figures, and how far the table reaches."""
    if not days:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT s.session_on, s.open_at, s.close_at, s.is_early, e.equity_start_of_day::float8,
                   e.net_deposits::float8, known.first, known.last
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
