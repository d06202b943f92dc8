"""What a pass over the orders of a portfolio stands on: portfolio and clock, its profile's terms, the open session."""

from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection

from positions.brokers.paper import Terms
from positions.brokers.quotes import Freshness
from positions.market.calendar import Session, new_york_date
from positions.market.clock import LIVE
from positions.models import ExchangeSession, MarketClock, Portfolio

_PORTFOLIO = ("id", "slug", "name", "profile_id", "broker", "quote_source", "paper_extra_ticks")
_CLOCK = ("id", "portfolio_id", "kind", "market_started_at", "wall_started_at", "market_ends_at", "speed")
_WORKPLACES = f"""
    SELECT {", ".join(f"p.{name}" for name in _PORTFOLIO)}, {", ".join(f"c.{name}" for name in _CLOCK)},
           r.quote_max_age_expiring_seconds, r.quote_max_age_seconds, r.recorded_quote_max_age_seconds,
           r.fee_per_contract
    FROM positions_portfolio p
    JOIN positions_marketclock c ON c.portfolio_id = p.id
    CROSS JOIN LATERAL (
        SELECT * FROM accounts_riskprofilerevision WHERE profile_id = p.profile_id ORDER BY number DESC LIMIT 1
    ) r
    WHERE p.id = ANY(%s)
"""  # noqa: S608 (columns are ours)


def workplaces(portfolio_ids: Collection[int]) -> dict[int, tuple[Portfolio, Terms]]:
    """Each portfolio with its clock, and the terms of its profile's newest revision. One statement; what else a
    portfolio has is read when it is asked for."""
    with connection.cursor() as cursor:
        cursor.execute(_WORKPLACES, [list(portfolio_ids)])
        return {row[0]: _workplace(row) for row in cursor.fetchall()}


def _workplace(row: tuple[Any, ...]) -> tuple[Portfolio, Terms]:
    clocks, terms = len(_PORTFOLIO), len(_PORTFOLIO) + len(_CLOCK)
    portfolio = Portfolio.from_db(connection.alias, _PORTFOLIO, row[:clocks])
    portfolio.clock = MarketClock.from_db(connection.alias, _CLOCK, row[clocks:terms])
    expiring_today, others, recorded, fee = row[terms:]
    live = portfolio.clock.kind == LIVE
    return portfolio, Terms(
        Freshness.of(live=live, expiring_today=expiring_today, others=others, recorded=recorded), fee
    )


def open_session(at: datetime) -> Session | None:
    """The session that is open at this market time; None outside of one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT session_on, open_at, close_at, is_early FROM positions_exchangesession "
            "WHERE exchange = 'XNYS' AND session_on = %s",
            [new_york_date(at)],
        )
        row = cursor.fetchone()
    session = Session(*row) if row else None
    return session if session is not None and session.contains(at) else None


def next_session_day(day: date) -> date:
    """The session after this New York date: when what is received today settles (T+1). Past the end of the calendar it
    is the next day: a fill is booked whatever the calendar knows."""
    after = ExchangeSession.objects.filter(exchange="XNYS", session_on__gt=day).order_by("session_on")
    return after.values_list("session_on", flat=True).first() or day + timedelta(days=1)


def lock_portfolio_row(portfolio_id: int) -> None:
    """Lock the portfolio, first of all locks, and wait for no lock longer than 2 s. One statement.

    For those who read nothing of it; who books cash reads it by `portfolio.lock_portfolio`.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', '2s', true))
            SELECT p.id FROM positions_portfolio p, patience WHERE p.id = %s FOR NO KEY UPDATE OF p
            """,
            [portfolio_id],
        )
