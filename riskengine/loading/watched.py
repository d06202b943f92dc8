"""Which portfolios a check looks at, each at its own market time and in its own session. Two statements.

With what the circuit breakers need of the account: cash, the equity that its day began with, the revision in force.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import NamedTuple

from django.db import connection

from positions.market.calendar import Session, new_york_date, new_york_instant
from positions.market.clock import LIVE, market_now
from positions.models import Portfolio, State
from riskengine.loading.copying import array_literal

EXCHANGE = "XNYS"
LATELY_DAYS = 60  # what is held is younger: it was opened at most nine days before its expiration
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class WatchedClock:
    """A clock as its row says, without the row: a check looks at thousands."""

    kind: str
    market_started_at: datetime | None
    wall_started_at: datetime | None
    market_ends_at: datetime | None
    speed: Decimal


class Watched(NamedTuple):  # made in half the time of a frozen dataclass, ten thousand times a check
    """A portfolio at its market time `at`. `session` is that New York date's, None on a day without one.

    `equity_start_of_day` and `net_deposits` (USD) are of that date's snapshot, None before it is taken. `revision` is
    the one in force, which new bets and the breakers read; `after_split`: something was split in the last weeks.
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
    after_split: bool

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
# Written out: making this statement up anew at each look cost more than the rest of a quiet one. Times as numbers: ten
# thousand clocks are mostly the same few.
_READ_PORTFOLIOS = """
    SELECT p.id, p.name, p.quote_source, p.system, p.state, r.id, p.cash::float8,
           c.kind, (extract(epoch FROM c.market_started_at) * 1000000)::int8,
           (extract(epoch FROM c.wall_started_at) * 1000000)::int8,
           (extract(epoch FROM c.market_ends_at) * 1000000)::int8, c.speed::text
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
    timed: list[tuple[tuple, str, datetime]] = []
    days: dict[int, date] = {}
    errors: dict[int, str] = {}
    told: dict[tuple, tuple[datetime, date] | str] = {}
    for row in rows:
        clock = row[len(_COLUMNS) :]
        if clock not in told:
            told[clock] = _time_of(clock, now)
        time_of = told[clock]
        if isinstance(time_of, str):
            errors[row[0]] = time_of
            continue
        timed.append((row[: len(_COLUMNS)], clock[0], time_of[0]))
        days[row[0]] = time_of[1]
    watched = []
    for (row, kind, at), found in zip(timed, _sessions(days), strict=True):
        session, after_split, equity, deposits, first, last = found
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
                clock_kind=kind,
                revision=revision,
                cash=cash,
                at=at,
                day=day,
                session=session,
                equity_start_of_day=equity,
                net_deposits=deposits,
                after_split=after_split,
            )
        )
    return watched, errors


def _time_of(clock: tuple, now: datetime) -> tuple[datetime, date] | str:
    """Market time and New York date of a clock as it was read, or why it has none."""
    kind, *times, speed = clock
    if not kind:
        return "No market time: the portfolio has no clock."
    started, wall_started, ends = (None if each is None else EPOCH + each * MICROSECOND for each in times)
    try:
        at = market_now(WatchedClock(kind, started, wall_started, ends, Decimal(speed)), now)
    except (ValueError, OverflowError) as error:
        return f"No market time: {error}"
    return at, new_york_date(at)


def _sessions(
    days: Mapping[int, date],
) -> list[tuple[Session | None, bool, float | None, float | None, date | None, date | None]]:
    """The session of each portfolio's date, whether something was split lately, its snapshot's figures, and how far the
    table reaches.

    Sessions by date and figures as arrays: ten thousand rows of times take longer to be read than all the rest.
    """
    if not days:
        return []
    dates = sorted(set(days.values()))
    place = {day: at for at, day in enumerate(dates)}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT (SELECT min(session_on) FROM positions_exchangesession WHERE exchange = %(exchange)s),
                   (SELECT max(session_on) FROM positions_exchangesession WHERE exchange = %(exchange)s),
                   array_agg(s.open_at ORDER BY d.place), array_agg(s.close_at ORDER BY d.place),
                   array_agg(s.is_early ORDER BY d.place),
                   array_agg(EXISTS (
                       SELECT FROM positions_split x
                       WHERE x.effective_on <= d.day AND x.effective_on > d.day - %(lately)s
                   ) ORDER BY d.place),
                   (SELECT ARRAY[array_agg(e.equity_start_of_day::float8 ORDER BY w.place),
                                 array_agg(e.net_deposits::float8 ORDER BY w.place)]
                    FROM unnest(%(ids)s::bigint[], %(which)s::int[]) WITH ORDINALITY AS w(portfolio_id, day, place)
                    JOIN unnest(%(dates)s::date[]) WITH ORDINALITY AS d(day, place) ON d.place = w.day
                    LEFT JOIN positions_equitysnapshot e
                        ON e.portfolio_id = w.portfolio_id AND e.session_on = d.day)
            FROM unnest(%(dates)s::date[]) WITH ORDINALITY AS d(day, place)
            LEFT JOIN positions_exchangesession s ON s.exchange = %(exchange)s AND s.session_on = d.day
            """,
            {
                "ids": array_literal(list(days)),
                "which": array_literal([place[day] + 1 for day in days.values()]),
                "dates": dates,
                "exchange": EXCHANGE,
                "lately": LATELY_DAYS,
            },
        )
        first, last, opens, closes, early, splits, (equities, deposits) = cursor.fetchone()
    sessions = [
        Session(day, *hours) if hours[0] else None for day, *hours in zip(dates, opens, closes, early, strict=True)
    ]
    return [
        (sessions[place[day]], splits[place[day]], equity, deposit, first, last)
        for day, equity, deposit in zip(days.values(), equities, deposits, strict=True)
    ]
