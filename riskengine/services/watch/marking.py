"""Keeping how the price of each bet goes, minute by minute, and what each day of an account came to.

Both are written by a clock of their own: no check waits for them. Late and double runs are harmless: a minute and a day
are written once.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
from django.db import connection

from positions.market.clock import market_now
from positions.models import Mode, Portfolio
from riskengine.loading.equity import EquityDays, equity_days
from riskengine.loading.trades import Trades, closed_trades
from riskengine.models import DailyPerformance

OLDEST_QUOTE = timedelta(seconds=90)
MOST_DAYS = 60  # of one account in one run: what was missed is caught up
CENT = Decimal("0.01")

_MARK = """
    INSERT INTO riskengine_positionmark (position_id, slot_at, marked_at, bid, ask, spot)
    SELECT p.id, date_trunc('minute', w.at), w.at, q.bid, q.ask, u.close
    FROM unnest(%(portfolios)s::bigint[], %(at)s::timestamptz[]) AS w(portfolio_id, at)
    JOIN positions_exchangesession s ON s.exchange = 'XNYS' AND w.at >= s.open_at AND w.at <= s.close_at
        AND s.session_on = (w.at AT TIME ZONE 'America/New_York')::date
    JOIN positions_portfolio f ON f.id = w.portfolio_id
    JOIN positions_position p ON p.portfolio_id = f.id AND p.entry_at <= w.at
        AND (p.quantity_open > 0 OR p.closed_at > w.at - interval '10 days')
    JOIN positions_optioncontract c ON c.id = p.contract_id AND c.expiration_on >= s.session_on
    LEFT JOIN LATERAL (
        SELECT o.bid, o.ask, o.confirmed_at FROM positions_optionquote o
        WHERE o.contract_id = c.id AND o.source = f.quote_source AND o.quoted_at <= w.at
        ORDER BY o.quoted_at DESC LIMIT 1
    ) q ON q.confirmed_at >= w.at - %(oldest)s
    LEFT JOIN LATERAL (
        SELECT b.close, b.bar_at FROM positions_underlyingbar b
        WHERE b.instrument_id = c.underlying_id AND b.source = f.quote_source AND b.bar_at <= w.at
        ORDER BY b.bar_at DESC LIMIT 1
    ) u ON u.bar_at >= w.at - %(oldest)s
    WHERE q.bid IS NOT NULL OR q.ask IS NOT NULL
    ORDER BY p.id
    ON CONFLICT (position_id, slot_at) DO NOTHING
"""


def keep_marks(*, now: datetime, portfolio_ids: Sequence[int] | None = None) -> int:
    """Write this minute of every contract that is held, or was and has not expired; how many rows were new. `now` is
    wall time. A minute without any quote is left out."""
    portfolios = Portfolio.objects.exclude(mode=Mode.OFF, positions__isnull=True).select_related("clock")
    if portfolio_ids is not None:
        portfolios = portfolios.filter(pk__in=portfolio_ids)
    moments = {each.pk: market_now(each.clock, now) for each in portfolios.order_by("pk").distinct()}
    if not moments:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_MARK, {"portfolios": list(moments), "at": list(moments.values()), "oldest": OLDEST_QUOTE})
        return cursor.rowcount


def keep_days(*, now: datetime, portfolio_ids: Sequence[int] | None = None) -> int:
    """Write every session of every account that is over and not written yet; how many were new. `now` is wall time."""
    portfolios = Portfolio.objects.select_related("clock").order_by("pk")
    if portfolio_ids is not None:
        portfolios = portfolios.filter(pk__in=portfolio_ids)
    behind = _behind()
    return sum(_keep_days(each, now) for each in portfolios if each.pk in behind)


def _behind() -> set[int]:
    """Accounts with a session that is over and not written. One statement, so that a run with nothing to do is one."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT DISTINCT s.portfolio_id FROM positions_equitysnapshot s
            WHERE EXISTS (SELECT FROM positions_equitysnapshot n
                          WHERE n.portfolio_id = s.portfolio_id AND n.session_on > s.session_on)
              AND NOT EXISTS (SELECT FROM riskengine_dailyperformance d
                              WHERE d.portfolio_id = s.portfolio_id AND d.session_on = s.session_on)
            """
        )
        return {row[0] for row in cursor.fetchall()}


def _keep_days(portfolio: Portfolio, now: datetime) -> int:
    at = market_now(portfolio.clock, now)
    rows = days_of(portfolio, equity_days(portfolio.pk, until=at), closed_trades([portfolio.pk], until=at), now=now)
    kept = set(DailyPerformance.objects.filter(portfolio=portfolio).values_list("session_on", flat=True))
    new = [each for each in rows if each.session_on not in kept][:MOST_DAYS]
    DailyPerformance.objects.bulk_create(new, ignore_conflicts=True)
    return len(new)


def days_of(portfolio: Portfolio, days: EquityDays, trades: Trades, *, now: datetime) -> list[DailyPerformance]:
    """The rows of all of these sessions that are over, as they are written."""
    over = len(days) - 1 if days.runs else len(days)
    index = np.concatenate(([1.0], days.index))
    highest = np.fmax.accumulate(index)
    # What settled on a weekend belongs to the session before it, as that night does.
    begins = np.array([day.toordinal() for day in days.day], np.int64)
    closed = np.searchsorted(begins, [day.toordinal() for day in trades.closed_on], side="right") - 1
    found = []
    for place in range(over):
        mine = trades.take(closed == place)
        start, end, deposits = (_cents(column[place]) for column in (days.start, days.end, days.deposits))
        rate, down = float(days.returns[place]), float(index[place + 1] / highest[place + 1] - 1.0)
        found.append(
            DailyPerformance(
                portfolio=portfolio,
                session_on=days.day[place],
                equity_start=start,
                equity_end=end,
                deposits=deposits,
                profit=end - start - deposits,
                return_fraction=rate if np.isfinite(rate) else None,
                drawdown_fraction=down if np.isfinite(down) else None,
                trades=len(mine),
                wins=int((mine.pnl > 0.0).sum()),
                realised_pnl=_cents(mine.pnl.sum()),
                fees=_cents(mine.fees.sum()),
                premium=_cents(mine.cost.sum()),
                computed_at=now,
            )
        )
    return found


def _cents(value: float) -> Decimal:
    return Decimal(repr(float(value))).quantize(CENT)
