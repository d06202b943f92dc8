"""How fast random paths are walked: a million of 100 bets, and the base rate of the stated exits.

    python -m bench.projection [--paths 1000000] [--runs 3]

The yardstick is drawing as many random numbers and multiplying as many columns, which no walk can do without.
"""

import argparse

import numpy as np

from bench.stopwatch import machine, measure, pin_to_one_core, shown
from riskengine.calculators.projection import Wager, project
from riskengine.calculators.zero_edge import Exits, Market, looks_0dte, simulate
from riskengine.loading.limits import default_limits

BETS, LIMIT_SECONDS = 100, 3.0
TWO = Wager(probability=np.array([0.55, 0.45]), payoff=np.array([0.2, -0.2]), fraction=0.4, bets=BETS, initial=1.0)
LADDER = Wager(
    probability=np.array([0.30, 0.20, 0.10, 0.35, 0.05]),
    payoff=np.array([0.05, 0.10, 0.15, -0.25, -1.0]),
    fraction=0.4,
    bets=BETS,
    initial=60_000.0,
)
MORNING_SECONDS, BASE_RATE_PATHS = 22_500, 20_000  # 09:45


def bare(paths: int) -> None:
    """What every walk needs: a number drawn and a column multiplied, for each path and bet."""
    random = np.random.Generator(np.random.PCG64(1))
    wealth, drawn = np.ones(16_384), np.empty(16_384)
    for _ in range(0, paths, len(wealth)):
        for _ in range(BETS):
            random.random(out=drawn)
            np.multiply(wealth, drawn, out=wealth)
        wealth[:] = 1.0


def base_rate(paths: int) -> None:
    limits = default_limits("smart-0dte")
    exits = Exits(limits=limits, ladder=limits.take_profit_morning, stop_fraction=0.25, seven_day=False)
    simulate(exits, looks_0dte(MORNING_SECONDS, 15), Market(volatility=0.15, half_spread=0.005), paths=paths, seed=1)


def bench(paths: int, runs: int) -> None:
    yardstick = measure(lambda: bare(paths), runs=runs)
    for name, wager in (("two outcomes", TWO), ("five outcomes", LADDER)):
        timing = measure(lambda wager=wager: project(wager, paths=paths, seed=1, drawdowns=(0.2, 0.5)), runs=runs)
        print(f"{paths:,} paths of {BETS} bets, {name} (limit {shown(LIMIT_SECONDS)} for a million)")
        print(f"    {timing}")
        print(f"    yardstick: {timing.best / yardstick.best:.1f}x drawing and multiplying ({shown(yardstick.best)})")
    print(f"base rate of the morning exits, {BASE_RATE_PATHS:,} paths of up to 720 looks")
    print(f"    {measure(lambda: base_rate(BASE_RATE_PATHS), runs=runs)}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure random paths.")
    parser.add_argument("--paths", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    print(f"{machine()}; {pin_to_one_core()}")
    bench(given.paths, given.runs)


if __name__ == "__main__":
    main()
