"""Kelly, growth and falls of an account's own record: as if its trades were all that can happen, again and again."""

import math
from typing import Any

import numpy as np

from riskengine.calculators import bands
from riskengine.calculators.columns import FloatColumn
from riskengine.calculators.kelly import expected_log_growth, growth_optimal_fraction
from riskengine.services.decide.inputs import known

AHEAD, DEPTHS = 100, (0.20, 0.30, 0.50)
PATHS, RESAMPLES, SEED = 4_000, 400, 5


def own_kelly(gains: FloatColumn, mean_bet: float | None, smallest: float, largest: float) -> dict[str, Any] | None:
    """From two trades on, else None. `gains` (n,) per dollar bet.

    `kelly` None with `unbounded`: nothing was lost yet, so that no bet would be too large. `low` and `high` are of
    its 95% interval by resampling. Each size: growth a bet, the median multiple and the chance of ever falling by each
    depth from a peak within the next 100 bets.
    """
    n = len(gains)
    if n < 2:
        return None
    even = np.full(n, 1.0 / n)
    full = growth_optimal_fraction(even, gains)
    low, high = bands.resampled_kelly(gains, resamples=RESAMPLES, seed=SEED)
    asked = [
        ("mean", "The own average bet", mean_bet),
        ("smallest", "The minimum bet", smallest),
        ("largest", "The maximum bet", largest),
        ("half_kelly", "Half Kelly of this record", full / 2.0 if 0.0 < full < 2.0 else None),
    ]
    return {
        "trades": n,
        "kelly": known(full),
        "unbounded": math.isinf(full),
        "low": known(low),
        "high": known(high),
        "high_unbounded": math.isinf(high),
        "bets": AHEAD,
        "depths": list(DEPTHS),
        "sizes": [
            {"key": key, "label": label} | _size(gains, even, share, full)
            for key, label, share in asked
            if share is not None
        ],
    }


def _size(gains: FloatColumn, even: FloatColumn, share: float, full: float) -> dict[str, Any]:
    walked = bands.walk(gains, np.full(AHEAD, share), paths=PATHS, seed=SEED, drawn=False)
    growth = expected_log_growth(even, gains, share)
    return {
        "bet": known(share),
        "times_kelly": known(share / full) if 0.0 < full < math.inf else None,
        "growth": known(growth),
        "median": known(float(np.median(walked.final))),
        "falls": [known(walked.fell(depth)) for depth in DEPTHS],
    }
