"""What a pass over the orders of a portfolio stands on: portfolio and clock, its profile's terms, the open session."""

from collections.abc import Collection
from datetime import date, datetime, timedelta

from django.db import connection

from accounts.models import RiskProfileRevision
from positions.brokers.paper import Terms
from positions.brokers.quotes import Freshness
from positions.market.calendar import Session, new_york_date
from positions.market.clock import LIVE
from positions.models import ExchangeSession, Portfolio

_TERMS = (
    "quote_max_age_expiring_seconds",
    "quote_max_age_seconds",
    "recorded_quote_max_age_seconds",
    "fee_per_contract",
)


def portfolios_with_clocks(portfolio_ids: Collection[int]) -> dict[int, Portfolio]:
    return Portfolio.objects.select_related("clock").in_bulk(portfolio_ids)


def terms_of(portfolio: Portfolio) -> Terms:
    """From the newest revision of the portfolio's profile. RiskProfileRevision.DoesNotExist: the profile has none."""
    revisions = RiskProfileRevision.objects.filter(profile_id=portfolio.profile_id).order_by("-number")
    row = revisions.values_list(*_TERMS).first()
    if row is None:
        raise RiskProfileRevision.DoesNotExist(f"Profile {portfolio.profile_id} has no revision.")
    expiring_today, others, recorded, fee = row
    live = portfolio.clock.kind == LIVE
    return Terms(Freshness.of(live=live, expiring_today=expiring_today, others=others, recorded=recorded), fee)


def open_session(at: datetime) -> Session | None:
    """The session that is open at this market time; None outside of one."""
    found = ExchangeSession.objects.filter(exchange="XNYS", session_on=new_york_date(at))
    row = found.values_list("session_on", "open_at", "close_at", "is_early").first()
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
