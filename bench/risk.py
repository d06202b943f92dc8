"""How long one risk check takes over many positions in many portfolios, beside the raw COPY of the same columns.

    python -m bench.risk [--positions 100000] [--portfolios 10000] [--runs 5]

A check is the whole of `run_check(scope="risk")`: lock, portfolios, sessions, positions, quotes, slices, every rule of
exits, marks, equity, day P&L, twenty start-of-day equities a portfolio, every circuit breaker, implied volatilities and
Greeks, exposure in two correlated underlyings, alerts, the reading and the heartbeat of each portfolio. Each run is
a minute of market time later, with a new quote of every contract: a hundredth of the positions crosses a tier, and one
portfolio in a hundred has lost so much that a breaker of it trips. The rows are made in a scratch database, which is
gone afterwards.
"""

import argparse
import os
import statistics
from io import BytesIO

import django
from django.db import connection

from bench.exits import CONTRACTS, CROSSING, FILL, MINUTE, NEXT_QUOTES, RAW, SOURCE, START, Stopwatch, execute
from bench.stopwatch import machine, shown
from betsizing.scratch import scratch_database

# What is read of a portfolio, as it is stored.
RAW_PORTFOLIOS = """
    SELECT p.id, p.name, p.quote_source, p.system, p.state, p.cash, c.kind, c.market_started_at, c.wall_started_at,
           c.market_ends_at, c.speed
    FROM positions_portfolio p JOIN positions_marketclock c ON c.portfolio_id = p.id
"""
RAW_EQUITY = (
    "SELECT portfolio_id, session_on, equity_start_of_day, net_deposits, taken_at FROM positions_equitysnapshot"
)

FILL_ACCOUNTS = """
    INSERT INTO positions_equitysnapshot (portfolio_id, session_on, equity_start_of_day, cash_start_of_day,
        net_deposits, taken_at)
    SELECT p.id, s.session_on, p.cash + v.held, p.cash, 0, s.open_at - interval '1 hour'
    FROM positions_portfolio p
    JOIN (SELECT portfolio_id, sum(quantity_open * 39.5 * 100) AS held FROM positions_position GROUP BY 1) v
        ON v.portfolio_id = p.id
    CROSS JOIN (SELECT session_on, open_at FROM positions_exchangesession
                WHERE exchange = 'XNYS' AND session_on <= %(start)s::date ORDER BY session_on DESC LIMIT 20) s;

    INSERT INTO positions_instrument (symbol, name, kind, exchange, closes_alias_label)
    VALUES ('QQQ', 'QQQ', 'etf', 'XNYS', ''), ('SPY', 'SPY', 'etf', 'XNYS', '') ON CONFLICT DO NOTHING;

    INSERT INTO positions_dailyclose (instrument_id, session_on, close, adjusted_close, source)
    SELECT i.id, s.session_on, p.price, p.price, %(source)s
    FROM positions_instrument i
    CROSS JOIN (SELECT session_on FROM positions_exchangesession WHERE exchange = 'XNYS'
                AND session_on < %(start)s::date ORDER BY session_on DESC LIMIT 80) s
    CROSS JOIN LATERAL (SELECT 300 + (i.id * 7919 + (s.session_on - '2020-01-01') * 104729) %% 97 / 10.0 AS price) p
    WHERE i.symbol IN ('SPX', 'QQQ') ON CONFLICT DO NOTHING;

    UPDATE positions_optioncontract
    SET underlying_id = (SELECT id FROM positions_instrument WHERE symbol = 'QQQ') WHERE id %% 2 = 0;

    INSERT INTO positions_vixreading (index, kind, session_on, open, close, source)
    VALUES ('VIX', 'daily', %(start)s::date, 18, 18, %(source)s) ON CONFLICT DO NOTHING;
"""

BARS = """
    INSERT INTO positions_underlyingbar (instrument_id, source, bar_at, open, high, low, close, volume)
    SELECT i.id, %(source)s, %(at)s, p.price, p.price, p.price, p.price, 0
    FROM (VALUES ('SPX', 3000), ('SPY', 300), ('QQQ', 3000)) AS p(symbol, price)
    JOIN positions_instrument i USING (symbol)
"""

# Beyond 1.5 times the first limit of 3,000: it trips at once.
LOSSES = "UPDATE positions_portfolio SET cash = cash - 5000 WHERE id %% 100 = %(run)s AND quote_source = %(source)s"


def raw_copy() -> None:
    with connection.cursor() as cursor:
        for query in (RAW, RAW_PORTFOLIOS, RAW_EQUITY):
            cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT BINARY)", BytesIO())


def bench(positions: int, portfolios: int, runs: int) -> None:
    from django.db.models import Q

    from positions.models import Order
    from riskengine.models import BreakerEvent, Reading
    from riskengine.services.watch.monitoring import CheckResult, run_check

    given = {"contracts": CONTRACTS, "portfolios": portfolios, "positions": positions, "source": SOURCE, "start": START}
    execute(FILL, **given)
    execute(FILL_ACCOUNTS, **given)
    execute("ANALYZE")
    check, copy = Stopwatch(), Stopwatch()
    run_check(now=START, scope="risk")  # not counted: it reads the revision
    orders = []
    for run in range(runs):
        at = START + (run + 1) * MINUTE
        execute(NEXT_QUOTES, at=at, run=run, crossing=CROSSING, source=SOURCE)
        execute(BARS, at=at, source=SOURCE)
        execute(LOSSES, run=run, source=SOURCE)
        result = check.time(lambda at=at: run_check(now=at, scope="risk"))
        if not isinstance(result, CheckResult) or result.errors or result.positions != positions:
            raise SystemExit(f"not the check that was to be timed: {result}")
        orders.append(result.orders)
        copy.time(raw_copy)
    blind = Reading.objects.filter(Q(delta=None) | Q(effective_exposure=None) | Q(day_pnl=None)).count()
    if blind or Reading.objects.filter(judged_at=at).count() != portfolios:
        raise SystemExit(f"readings without their figures: {blind}")
    trips = BreakerEvent.objects.filter(kind="tripped").count()
    if Order.objects.count() != sum(orders) or not trips:
        raise SystemExit("the orders written are not those counted, or no breaker tripped")
    print(
        f"{positions:,} open positions in {portfolios:,} portfolios, {statistics.mean(orders):,.0f} orders and "
        f"{trips / runs:,.0f} trips a check"
    )
    print(f"    {check}")
    print(
        f"    yardstick: {min(check.walls) / min(copy.walls):.1f}x COPY of the same columns ({shown(min(copy.walls))})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the risk check.")
    parser.add_argument("--positions", type=int, default=100_000)
    parser.add_argument("--portfolios", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "betsizing.settings")
    django.setup()
    from riskengine.services.study.foundation import foundation

    print(machine())
    with scratch_database(foundation(), when_filling=lambda: print("making a database to begin with")):
        bench(given.positions, given.portfolios, given.runs)


if __name__ == "__main__":
    main()
