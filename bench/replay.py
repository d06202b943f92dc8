"""What a replayed day costs: the real command, from its start to its report, with one position and with many.

    python -m bench.replay [--positions 500] [--runs 3]

Positions are held all day where they can be: targets and stops of these runs are so far away that only the forced close
ends them, so each minute judges every position. Beside the CPU of the command stands what it costs to read the same
columns of the same quotes by COPY, in the same database server, in the same run.
"""

import argparse
import csv
import gzip
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import psutil

from bench.stopwatch import machine, shown

ROOT = Path(__file__).resolve().parent.parent
QUOTES = ROOT / "positions" / "recorded" / "spx_spxw_quotes.csv.gz"
BARS = ROOT / "positions" / "recorded" / "underlying_minute_bars.csv.gz"
DAY = "2021-01-04"
HELD = {
    "account_size": 1000000000,  # no loss of the day comes near a circuit breaker
    "stop_fraction": 0.99,
    "take_profit_morning": [[4.0, 0.33], [4.5, 0.33], [5.0, 0.34]],
    "emergency_halt_loss": 0.9,
    "max_daily_loss": 0.8,
}
LIMIT = {1: 3.0, 500: 15.0}


@dataclass(frozen=True)
class Cost:
    """Seconds of one run: wall, processor time of the command, and of the database server meanwhile."""

    wall: float
    cpu: float
    server: float


def contracts() -> list[str]:
    """The contracts quoted on the day and not expiring before it, as OCC symbols."""
    with gzip.open(QUOTES, "rt", newline="") as file:
        found = {
            (row["expiry"], row["right"], row["strike"])
            for row in csv.DictReader(file)
            if row["ts"].startswith(f"{DAY} 10:")
            and row["expiry"] == DAY
            and row["bid"]
            and float(row["ask"] or 0) > 30
        }
    return [
        f"SPXW{expiry[2:].replace('-', '')}{right}{round(float(strike) * 1000):08d}"
        for expiry, right, strike in sorted(found)
    ]


def entries(folder: Path, positions: int) -> Path:
    """One contract each, a minute's worth of entries at a time."""
    file, known = folder / f"entries_{positions}.csv", contracts()
    lines = [f"10:{8 + place // 50:02d},{known[place % len(known)]},buy,0.8,1" for place in range(positions)]
    file.write_text("at,contract,side,confidence,contracts\n" + "\n".join(lines) + "\n")
    return file


def run(folder: Path, positions: int, data: Path) -> tuple[Cost, dict]:
    out, parameters = folder / "report.json", folder / "parameters.json"
    parameters.write_text(json.dumps(HELD))
    command = [
        *(sys.executable, "manage.py", "replay", "--quotes", QUOTES, "--underlying", BARS, "--date", DAY),
        *("--portfolio", "smart-0dte", "--entries", entries(folder, positions), "--report", out, "--no-gates"),
        *("--parameters", parameters, "--cash", "100000000"),
    ]
    server = server_seconds(data) if data.exists() else 0.0
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    # As on any machine: the first run leaves its bytecode, whatever the shell of this one forbids.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(list(map(str, command)), cwd=ROOT, check=True, env=environment, stderr=subprocess.DEVNULL)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Cost(wall, cpu, server_seconds(data) - server), json.loads(out.read_text())


def server_seconds(data: Path) -> float:
    """Processor time of the database server in a data folder, with those of its processes that have ended."""
    pid_file = data / "postgres" / "server" / "pgdata" / "postmaster.pid"
    postmaster = psutil.Process(int(pid_file.read_text().split()[0]))
    times = postmaster.cpu_times()
    total = times.user + times.system + times.children_user + times.children_system
    for child in postmaster.children():
        times = child.cpu_times()
        total += times.user + times.system
    return total


def copy_of_quotes(runs: int) -> tuple[int, float]:
    """Rows of the day's quotes, and the seconds of reading their columns by COPY: what no replay could do without."""
    import django

    django.setup()

    from datetime import date

    from django.db import connection

    from betsizing.scratch import scratch_database
    from positions.market.symbols import parse
    from riskengine.services.study import recording
    from riskengine.services.study.entries import Entry
    from riskengine.services.study.foundation import SEEDED_AT, foundation

    asked = [Entry(2, SEEDED_AT, parse(text), None, None) for text in contracts()]
    with scratch_database(foundation(), when_filling=lambda: None):
        files = recording.Files(QUOTES, BARS, Path(tempfile.gettempdir()) / "bench")
        recording.read_day(files, date.fromisoformat(DAY), recording.list_contracts(asked))
        best, read = float("inf"), BytesIO()
        for _ in range(runs):
            read = BytesIO()
            start = time.perf_counter()
            with connection.cursor() as cursor:
                cursor.copy_expert(
                    "COPY (SELECT contract_id, quoted_at, bid, bid_size, ask, ask_size FROM positions_optionquote "
                    "ORDER BY contract_id, quoted_at) TO STDOUT",
                    read,
                )
            best = min(best, time.perf_counter() - start)
    return read.getvalue().count(b"\n"), best


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure replays.")
    parser.add_argument("--positions", type=int, default=500)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = folder / "data"
        os.environ |= {"BETSIZING_DATA": str(data), "DJANGO_SETTINGS_MODULE": "betsizing.batch_settings"}
        run(folder, 1, data)  # makes the database that the others are cloned from
        for positions in (1, given.positions):
            costs = []
            for _ in range(given.runs):
                cost, report = run(folder, positions, data)
                costs.append(cost)
            best = min(costs, key=lambda cost: cost.cpu)
            held = sum(order["filled"] for order in report["orders"] if order["side"] == "buy")
            limit = f", at most {LIMIT[positions]:g} s" if positions in LIMIT else ""
            print(f"A day with {positions:,} positions ({held:,} contracts bought, {len(report['fills']):,} fills)")
            print(
                f"    CPU best {shown(best.cpu)}{limit}; wall {shown(best.wall)}, database server {shown(best.server)}"
            )
        rows, seconds = copy_of_quotes(given.runs)
        print(f"    yardstick: {shown(seconds)} to read the same columns of the {rows:,} quotes by COPY")


if __name__ == "__main__":
    main()
