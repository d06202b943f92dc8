"""Which portfolios a check looks at, each at its own market time and in its own session. Two statements."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from django.core.exceptions import ObjectDoesNotExist
from django.db import connection

from positions.market.calendar import Session, new_york_date
from positions.market.clock import LIVE, market_now
from positions.models import MarketClock, Portfolio, State

EXCHANGE = "XNYS"


@dataclass(frozen=True, slots=True)
class Watched:
    """A portfolio at its market time `at`. `session` is that New York date's, None on a day without one."""

    portfolio: Portfolio
    at: datetime
    session: Session | None
    has_snapshot: bool

    @property
    def is_live(self) -> bool:
        return bool(self.portfolio.clock.kind == LIVE)

    @property
    def is_flattening(self) -> bool:
        return bool(self.portfolio.state == State.FLATTENING)

    @property
    def is_open(self) -> bool:
        return self.session is not None and self.session.contains(self.at)


def watched_portfolios(
    now: datetime, portfolio_ids: Collection[int] | None = None
) -> tuple[list[Watched], dict[int, str]]:
    """Portfolios by id, and by id why another one cannot be judged: no clock, or a date that no session table knows.

    Mode and state are no condition: what is held is watched in every one of them (A-02).
    """
    times: dict[Portfolio, datetime] = {}
    errors: dict[int, str] = {}
    for portfolio in _portfolios(portfolio_ids):
        try:
            times[portfolio] = market_now(portfolio.clock, now)
        except (ObjectDoesNotExist, ValueError, OverflowError) as error:
            errors[portfolio.pk] = f"No market time: {error}"
    days = {portfolio.pk: new_york_date(at) for portfolio, at in times.items()}
    watched = []
    for portfolio, (session, has_snapshot, first, last) in zip(times, _sessions(days), strict=True):
        day = days[portfolio.pk]
        if first is None or last is None or not first <= day <= last:
            known = f"it knows {first} to {last}" if first else "it is empty"
            errors[portfolio.pk] = f"The exchange calendar does not reach {day}: {known}."
            continue
        watched.append(Watched(portfolio, times[portfolio], session, has_snapshot))
    return watched, errors


_PORTFOLIO, _CLOCK = ([field.attname for field in model._meta.concrete_fields] for model in (Portfolio, MarketClock))
_READ_PORTFOLIOS = f"""
    SELECT {", ".join(f'p."{name}"' for name in _PORTFOLIO)}, {", ".join(f'c."{name}"' for name in _CLOCK)}
    FROM {Portfolio._meta.db_table} p LEFT JOIN {MarketClock._meta.db_table} c ON c.portfolio_id = p.id
    WHERE %(ids)s::bigint[] IS NULL OR p.id = ANY(%(ids)s)
    ORDER BY p.id
"""  # noqa: S608 (names of tables and columns)


def _portfolios(portfolio_ids: Collection[int] | None) -> list[Portfolio]:
    """With their clocks. Written out: to make this statement up anew cost more than the rest of a quiet look."""
    with connection.cursor() as cursor:
        cursor.execute(_READ_PORTFOLIOS, {"ids": None if portfolio_ids is None else list(portfolio_ids)})
        rows = cursor.fetchall()
    found = []
    for row in rows:
        portfolio = Portfolio.from_db(connection.alias, _PORTFOLIO, row[: len(_PORTFOLIO)])
        if row[len(_PORTFOLIO)] is not None:
            portfolio.clock = MarketClock.from_db(connection.alias, _CLOCK, row[len(_PORTFOLIO) :])
        found.append(portfolio)
    return found


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
