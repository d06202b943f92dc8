"""What the paper trades made, beside two ways of doing less: the minimum bet always, and just holding (P-28)."""

from datetime import datetime
from typing import Any

import numpy as np
from django.db import connection

from positions.models import Portfolio
from riskengine.calculators.impact import minimum_bets
from riskengine.calculators.performance import expectancy
from riskengine.loading.trades import Trades
from riskengine.services.decide.inputs import known

# The first and the last price known of each underlying between two moments: bars of its own source, else closes.
_HELD = """
    SELECT i.symbol, coalesce(b.first, d.first)::float8, coalesce(b.last, d.last)::float8
    FROM positions_instrument i
    LEFT JOIN LATERAL (
        SELECT (array_agg(close ORDER BY bar_at))[1] AS first, (array_agg(close ORDER BY bar_at DESC))[1] AS last
        FROM positions_underlyingbar WHERE instrument_id = i.id AND source = %(source)s
          AND bar_at BETWEEN %(since)s AND %(at)s HAVING count(*) > 1
    ) b ON true
    LEFT JOIN LATERAL (
        SELECT (array_agg(adjusted_close ORDER BY session_on))[1] AS first,
               (array_agg(adjusted_close ORDER BY session_on DESC))[1] AS last
        FROM positions_dailyclose WHERE instrument_id = coalesce(i.closes_alias_id, i.id)
          AND session_on BETWEEN (%(since)s AT TIME ZONE 'America/New_York')::date
                             AND (%(at)s AT TIME ZONE 'America/New_York')::date HAVING count(*) > 1
    ) d ON true
    WHERE i.symbol = ANY(%(symbols)s) ORDER BY i.symbol
"""


def benchmarks(portfolio: Portfolio, trades: Trades, since: datetime, at: datetime) -> dict[str, Any]:
    """USD, and fractions of the account at the first trade. None is not known.

    `minimum`: each trade's gain per dollar on the fewest contracts that reach its own minimum bet. `held`: the whole
    account spread evenly over the underlyings that were traded, held from the first price known to the last; without
    dividends and costs.
    """
    gain = trades.gain[np.isfinite(trades.gain)]
    found = expectancy(gain)
    start = float(trades.equity[0]) if len(trades) and np.isfinite(trades.equity[0]) else None
    told = np.isfinite(trades.gain) & np.isfinite(trades.minimum) & (trades.opened > 0)
    known_of = trades.take(told)
    at_minimum = known_of.gain * minimum_bets(known_of.cost, known_of.opened, known_of.minimum)
    rate = _held(portfolio, sorted(set(trades.underlying)), since, at) if len(trades) else None
    actual = float(trades.pnl.sum())
    minimum = float(at_minimum.sum()) if told.any() else None
    return {
        "trades": len(trades),
        "expectancy": known(found.mean),
        "low": known(found.low),
        "high": known(found.high),
        "actual": actual,
        "actual_rate": None if not start else actual / start,
        "minimum": minimum,
        "minimum_rate": None if minimum is None or not start else minimum / start,
        "minimum_known": int(told.sum()),
        "held_rate": known(rate),
        "held": None if rate is None or start is None else rate * start,
    }


def _held(portfolio: Portfolio, symbols: list[str], since: datetime, at: datetime) -> float | None:
    with connection.cursor() as cursor:
        cursor.execute(_HELD, {"symbols": symbols, "source": portfolio.quote_source, "since": since, "at": at})
        rows = cursor.fetchall()
    if len(rows) != len(symbols) or any(first is None or last is None for _, first, last in rows):
        return None
    return float(np.mean([last / first - 1.0 for _, first, last in rows]))
