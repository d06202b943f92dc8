"""How fast `manage.py evaluate size-0dte` judges lines, beside reading and writing the same lines as JSON.

    python -m bench.evaluate [--lines 100000] [--runs 3]

The command runs as its users run it: a process of its own between two pipes, its start included.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from bench.stopwatch import machine, measure, shown

ROOT = Path(__file__).resolve().parent.parent


def lines_of(count: int) -> list[bytes]:
    rng = np.random.default_rng(1)
    confidence, vix = rng.uniform(0.5, 1, count).round(4), rng.uniform(10, 35, count).round(2)
    price, exposure = rng.uniform(0.5, 12, count).round(2), rng.uniform(0, 40_000, count).round(2)
    rows = zip(confidence.tolist(), vix.tolist(), price.tolist(), exposure.tolist(), strict=True)
    return [
        json.dumps({"confidence": str(c), "vix": str(v), "option_price": str(p), "exposure": e}).encode()
        for c, v, p, e in rows
    ]


def run(lines: bytes) -> tuple[float, list[bytes]]:
    """Seconds of the whole process, and its answers."""
    start = time.perf_counter()
    command = [sys.executable, "manage.py", "evaluate", "size-0dte"]
    done = subprocess.run(command, cwd=ROOT, input=lines, capture_output=True, check=True)
    return time.perf_counter() - start, done.stdout.splitlines()


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the batch evaluator.")
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    lines = lines_of(given.lines)
    start = min(run(lines[0])[0] for _ in range(given.runs))
    timed = [run(b"\n".join(lines)) for _ in range(given.runs)]
    answers = timed[0][1]
    if len(answers) != len(lines):
        raise SystemExit(f"{len(lines)} lines in, {len(answers)} out")
    best = min(seconds for seconds, _ in timed)
    bets = sum(json.loads(answer)["contracts"] > 0 for answer in answers)
    echo = measure(lambda: [json.dumps(json.loads(line)) for line in lines], runs=given.runs)
    both = measure(lambda: [json.dumps(json.loads(line)) for line in answers], runs=given.runs)
    print(machine())
    print(
        f"{len(lines):,} lines through `evaluate size-0dte`, {bets:,} bets, {sum(map(len, answers)) / 1e6:.0f} MB out"
    )
    print(f"    best {shown(best)}, {len(lines) / best:,.0f} lines/s; starting and one line alone take {shown(start)}")
    print(f"    yardsticks: {best / echo.best:.1f}x json.loads + dumps of the lines ({shown(echo.best)}),")
    print(f"                {best / both.best:.1f}x json.loads + dumps of the answers ({shown(both.best)})")


if __name__ == "__main__":
    main()
