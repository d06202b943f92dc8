"""How long one exit check takes over many open 0DTE positions, beside the raw COPY of the same columns.

    python -m bench.exits [--positions 20000 100000] [--runs 7]

A check is the whole of `run_check(scope="exit")`: lock, portfolios, sessions, positions, quotes, slices, every rule,
heartbeats, and for the hundredth of the positions that crosses a tier an order with its verdict and its events. Each
run is a minute of market time later, with a new quote of every contract and other contracts crossing. The rows are made
in a scratch database, which is gone afterwards.
"""

import argparse
import gc
import os
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO

import django
import psutil
from django.db import connection

from bench.stopwatch import machine, shown
from betsizing.scratch import scratch_database

START = datetime(2021, 1, 4, 15, 42, tzinfo=UTC)  # 10:42 in New York, wall and market time alike
MINUTE = timedelta(minutes=1)
CONTRACTS, PORTFOLIOS = 1_000, 200
CROSSING = CONTRACTS // 100
SOURCE = "bench"

# What is read of a position, as it is stored.
RAW = """
    SELECT id, version, portfolio_id, revision_id, contract_id, regime, origin, status, quantity_opened, quantity_open,
           average_entry_price, initial_stop, current_stop, high_water, stop_breaches, stop_breached_at,
           unusable_since, entry_at
    FROM positions_position WHERE quantity_open > 0
"""

FILL = """
    INSERT INTO positions_instrument (symbol, name, kind, exchange, closes_alias_label)
    VALUES ('SPX', 'SPX', 'index', 'XNYS', '') ON CONFLICT DO NOTHING;

    INSERT INTO positions_optioncontract (occ_symbol, underlying_id, root, expiration_on, "right", strike, multiplier,
        settlement, exercise_style, tick_class, is_adjusted)
    SELECT 'SPXW  210104C' || lpad((k * 1000)::text, 8, '0'),
        (SELECT id FROM positions_instrument WHERE symbol = 'SPX'), 'SPXW',
        '2021-01-04', 'C', k, 100, 'pm_cash', 'european', 'nickel_dime', false
    FROM generate_series(3001, 3000 + %(contracts)s) k;

    INSERT INTO positions_optionquote (contract_id, source, quoted_at, bid, bid_size, ask, ask_size, changed_at,
        confirmed_at)
    SELECT c.id, %(source)s, t, 39.5, 10, 39.9, 10, t, t
    FROM positions_optioncontract c,
        generate_series(%(start)s - interval '70 minutes', %(start)s, interval '1 minute') t
    WHERE c.root = 'SPXW';

    INSERT INTO positions_portfolio (owner_id, slug, name, system, profile_id, mode, state, broker, broker_account,
        quote_source, base_currency, is_demo, paper_extra_ticks, cash, settled_cash, created_at)
    SELECT (SELECT min(id) FROM accounts_user), 'bench-' || k, 'Bench ' || k, 'smart-0dte',
        (SELECT min(id) FROM accounts_riskprofile WHERE system = 'smart-0dte'), 'paper', 'ACTIVE', 'paper', '',
        %(source)s, 'USD', false, 0, 1000000, 1000000, %(start)s
    FROM generate_series(1, %(portfolios)s) k;

    INSERT INTO positions_marketclock (portfolio_id, kind, market_started_at, wall_started_at, speed, label)
    SELECT id, 'recorded', %(start)s, %(start)s, 1, 'bench' FROM positions_portfolio;

    INSERT INTO positions_decision (portfolio_id, contract_id, revision_id, intent, direction, confidence,
        requested_by_name, idempotency_key, inputs, trace, gates, warnings, approved, refusal_code, refusal_sentence,
        indicative_contracts, contracts, limit_price, dollars, min_size_dollars, scale_multiplier, decided_at,
        expires_at, engine_version)
    SELECT p.ids[1 + k %% %(portfolios)s], c.ids[1 + (k / 7) %% %(contracts)s],
        (SELECT max(r.id) FROM accounts_riskprofilerevision r JOIN accounts_riskprofile f ON f.id = r.profile_id
         WHERE f.system = 'smart-0dte'),
        'open', 'LONG_CALL', 0.7, 'bench', '', '{}', '[]', '[]', '[]', true, '', '', 3, 3, 40.4, 12120, 12000, 1,
        %(start)s - interval '20 minutes' - (k / %(portfolios)s) * interval '2 minutes', %(start)s, 'bench'
    FROM generate_series(1, %(positions)s) k,
        (SELECT array_agg(id ORDER BY id) AS ids FROM positions_portfolio) p,
        (SELECT array_agg(id ORDER BY id) AS ids FROM positions_optioncontract WHERE root = 'SPXW') c;

    INSERT INTO positions_position (portfolio_id, contract_id, revision_id, decision_id, origin, status, regime,
        quantity_opened, quantity_open, average_entry_price, entry_cost, exit_proceeds, fees, realised_pnl,
        min_size_at_entry, scale_multiplier, initial_stop, current_stop, high_water, stop_breaches, split_factor,
        entry_at, close_cause, version)
    SELECT portfolio_id, contract_id, revision_id, id, 'engine', 'open', 'morning', 3, 3, 40, 12000, 0, 0, 0, 12000, 1,
        30, 30, 45, 0, 1, decided_at, '', 1
    FROM positions_decision ORDER BY id;

    INSERT INTO positions_exitslice (position_id, number, threshold, cumulative_share_ten_thousandths, state,
        contracts_pending, contracts_filled, changed_at)
    SELECT id, k, 0.05 * k, CASE k WHEN 3 THEN 10000 ELSE 3300 * k END, 'armed', 0, 0, entry_at
    FROM positions_position, generate_series(1, 3) k ORDER BY id, k;
"""

NEXT_QUOTES = """
    INSERT INTO positions_optionquote (contract_id, source, quoted_at, bid, bid_size, ask, ask_size, changed_at,
        confirmed_at)
    SELECT id, %(source)s, %(at)s, CASE WHEN crosses THEN 42.1 ELSE 39.5 END, 10,
        CASE WHEN crosses THEN 42.5 ELSE 39.9 END, 10, %(at)s, %(at)s
    FROM (SELECT id, (row_number() OVER (ORDER BY id) - 1) / %(crossing)s = %(run)s AS crosses
          FROM positions_optioncontract WHERE root = 'SPXW') c
"""


def execute(text: str, **given: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(text, given)


def raw_copy() -> None:
    with connection.cursor() as cursor:
        cursor.copy_expert(f"COPY ({RAW}) TO STDOUT (FORMAT BINARY)", BytesIO())


class Stopwatch:
    """Wall time of calls, and the processor time of this process and of its database session."""

    def __init__(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            self.server = psutil.Process(cursor.fetchone()[0])
        self.walls: list[float] = []
        self.cpu = self.server_cpu = 0.0

    def time(self, call: Callable[[], object]) -> object:
        gc.collect()
        before = self.server.cpu_times()
        wall, cpu = time.perf_counter(), time.process_time()
        answer = call()
        self.walls.append(time.perf_counter() - wall)
        self.cpu += time.process_time() - cpu
        after = self.server.cpu_times()
        self.server_cpu += after.user + after.system - before.user - before.system
        return answer

    def __str__(self) -> str:
        runs = len(self.walls)
        return (
            f"best {shown(min(self.walls))}, median {shown(statistics.median(self.walls))}, CPU (mean) here "
            f"{shown(self.cpu / runs)} and in the database {shown(self.server_cpu / runs)}"
        )


def bench(positions: int, runs: int) -> None:
    from positions.models import Order
    from riskengine.services.watch.monitoring import CheckResult, run_check

    given = {"contracts": CONTRACTS, "portfolios": PORTFOLIOS, "positions": positions, "source": SOURCE, "start": START}
    execute(FILL, **given)
    execute("ANALYZE")
    check, copy = Stopwatch(), Stopwatch()
    run_check(now=START, scope="exit")  # not counted: it reads the revision
    orders = []
    for run in range(runs):
        at = START + (run + 1) * MINUTE
        execute(NEXT_QUOTES, at=at, run=run, crossing=CROSSING, source=SOURCE)
        result = check.time(lambda at=at: run_check(now=at, scope="exit"))
        if not isinstance(result, CheckResult) or result.errors or result.positions != positions:
            raise SystemExit(f"not the check that was to be timed: {result}")
        orders.append(result.orders)
        copy.time(raw_copy)
    if Order.objects.count() != sum(orders):
        raise SystemExit("the orders written are not those counted")
    print(f"{positions:,} open positions, {statistics.mean(orders):,.0f} orders a check")
    print(f"    {check}")
    print(
        f"    yardstick: {min(check.walls) / min(copy.walls):.1f}x COPY of the same columns ({shown(min(copy.walls))})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the exit check.")
    parser.add_argument("--positions", type=int, nargs="+", default=[20_000, 100_000])
    parser.add_argument("--runs", type=int, default=7)
    given = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "betsizing.settings")
    django.setup()
    from riskengine.services.study.foundation import foundation

    print(machine())
    for positions in given.positions:
        with scratch_database(foundation(), when_filling=lambda: print("making a database to begin with")):
            bench(positions, given.runs)


if __name__ == "__main__":
    main()
