"""An account's record against what was projected of it and against no edge at all (A-07): is it luck?

The record is followed bet by bet: each closed trade gained so much per dollar and was such a share of the account. The
same bets are then walked many times with gains drawn from the projection, from the account's own trades again, and from
exits without any edge. Deposits change nothing, and bets held together are followed one after another.

Plain data. Shares, gains and multiples are fractions; None is not known.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from accounts.models import System
from positions.market.clock import market_now
from positions.models import Mode, Portfolio
from riskengine.calculators import bands
from riskengine.calculators.bands import PERCENTILES, Walks
from riskengine.calculators.columns import FloatColumn
from riskengine.calculators.performance import NORMAL_95, expectancy
from riskengine.loading.equity import EquityDays, equity_days
from riskengine.loading.revisions import terms_in_force
from riskengine.loading.trades import Trades, closed_trades
from riskengine.services.decide.inputs import known, ny
from riskengine.services.study.equity_record import ENOUGH_SESSIONS, SESSIONS_A_YEAR, return_figures
from riskengine.services.study.luck_words import COMPUTED, Record, needed, share, verdict
from riskengine.services.study.odds import account_with
from riskengine.services.study.own_kelly import own_kelly
from riskengine.services.study.projected import Middle, expectancies, middle, projected, projection_in_force
from riskengine.services.study.rates import rates
from riskengine.services.study.zero_edge import NoEdge, no_edge
from riskengine.services.wording import percent

AHEAD = 50  # bets of the minimum size that are shown while nothing is closed
MOST_PATHS, SEED = 5_000, 20_210_104
MOST_A_YEAR = 1_000  # bets
ENOUGH_TO_MOVE = 10  # trades: the spread of fewer is no spread
WAYS = {
    "no_edge": "No edge at all",
    "projected": "As projected",
    "own": "The own trades again",
}


@dataclass(frozen=True, slots=True, eq=False)
class Bets:
    """The closed trades that can be followed, (n,), in the order in which they closed."""

    gains: FloatColumn
    fractions: FloatColumn
    trades: Trades

    @property
    def mean_fraction(self) -> float | None:
        return float(self.fractions.mean()) if len(self.fractions) else None


def luck(portfolio: Portfolio, *, now: datetime) -> dict[str, Any]:
    """The whole page at wall time `now`."""
    at = market_now(portfolio.clock, now)
    limits = terms_in_force(portfolio.profile_id).limits
    everything = closed_trades([portfolio.pk], until=at)
    usable = np.isfinite(everything.gain) & np.isfinite(everything.fraction)
    trades = everything.take(usable)
    bets = Bets(trades.gain, trades.fraction, trades)
    days = equity_days(portfolio.pk, until=at)
    base = no_edge(portfolio.system, limits, trades.regime)
    row = projection_in_force(portfolio.system, now)
    mid = None if row is None else middle(row)
    account = account_with(portfolio.system, limits, days)
    smallest, largest = account.smallest, account.largest
    history = bands.history(bets.gains, bets.fractions)
    walked = _walked(bets, mid, base, smallest)
    own = rates(everything)
    as_well = _as_well(bets, walked, history, base)
    asked = portfolio.mode != Mode.OFF or len(everything) > 0
    return {
        "portfolio": portfolio.slug,
        "name": portfolio.name,
        "system": System(portfolio.system).label,
        "as_of": ny(at),
        "n": len(everything),
        "followed": len(trades),
        "left_out": len(everything) - len(trades),
        "mean_bet": known(bets.mean_fraction),
        "smallest_bet": known(smallest),
        "largest_bet": known(largest),
        "verdict": verdict(
            Record(
                trades=own["rated"],
                expectancy=own["expectancy"],
                low=own["expectancy_low"],
                high=own["expectancy_high"],
                as_well=as_well,
                waits=COMPUTED
                if base is None
                else "cannot be told: the share of the account that was bet is not known",
            )
        ),
        "needed": _needed(bets, own, mid),
        "bands": [_band(key, walked.get(key), history, len(trades), base, asked) for key in WAYS],
        "ahead": AHEAD if not len(trades) else 0,
        "actual": _actual(history, trades, walked),
        "now": _marked(days),
        "table": _table(own, days, row, mid, base, bets, smallest),
        "pace": _pace(bets, days, smallest),
        "projection": None if row is None else projected(row, float(limits.min_position_size), base),
        "no_edge": _base(base),
        "kelly": own_kelly(bets.gains, bets.mean_fraction, smallest, largest),
    }


def _walked(bets: Bets, mid: Middle | None, base: NoEdge | None, smallest: float) -> dict[str, Walks]:
    """By way; a way that is not known is left out. Without trades, the next ones of the minimum size."""
    n = len(bets.gains)
    fractions = bets.fractions if n else np.full(AHEAD, smallest)
    paths = bands.paths_for(len(fractions), MOST_PATHS)
    found: dict[str, Walks] = {}
    if base is not None:
        which = base.which if n else np.zeros(AHEAD, np.int64)
        found["no_edge"] = bands.walk(base.gains, fractions, paths=paths, seed=SEED, which=which)
    if mid is not None:
        found["projected"] = bands.walk(mid.gains, fractions, paths=paths, seed=SEED)
    if n > 1:
        found["own"] = bands.walk(bets.gains, fractions, paths=paths, seed=SEED)
    return found


def _as_well(bets: Bets, walked: Mapping[str, Walks], history: FloatColumn, base: NoEdge | None) -> float | None:
    """The share of accounts without any edge that do at least as well: by the simulated exits, or by the own trades
    moved to their average, whichever is more. What is only wider than simulated is not taken for skill."""
    n = len(bets.gains)
    if base is None or not n:
        return None
    simulated = bands.at_least_as_well(walked["no_edge"].final, history[-1])
    if n < ENOUGH_TO_MOVE:
        return simulated
    moved = bets.gains - bets.gains.mean() + base.expectancy
    walks = bands.walk(moved, bets.fractions, paths=bands.paths_for(n, MOST_PATHS), seed=SEED, drawn=False)
    return max(simulated, bands.at_least_as_well(walks.final, history[-1]))


def _band(
    key: str, walks: Walks | None, history: FloatColumn, n: int, base: NoEdge | None, asked: bool
) -> dict[str, Any]:
    missing = {
        "no_edge": "being computed: a minute or two after exits are new" if asked else "not computed while it is off",
        "projected": "no projection is on record",
        "own": "it takes two closed trades",
    }
    basis = {
        "no_edge": "" if base is None else f"{base.basis}, simulated",
        "projected": "the middle of the projected win rate, average win and average loss",
        "own": f"{n:,} trades drawn again and again",
    }
    band: dict[str, Any] = {"key": key, "label": WAYS[key], "basis": basis[key], "missing": None, "points": []}
    if walks is None:
        return band | {"missing": missing[key], "standing": None, "as_well": None, "final": None, "says": None}
    names = [f"p{int(each)}" for each in PERCENTILES]
    standing, as_well = (f(walks.final, history[-1]) for f in (bands.standing, bands.at_least_as_well))
    says = f"This account stands above {share(standing)} of them; {share(as_well)} do at least as well."
    rows = walks.percentiles.T.tolist()
    return band | {
        "points": [
            {"after": after, **dict(zip(names, map(known, row), strict=True))}
            for after, row in zip(walks.after, rows, strict=True)
        ],
        "standing": known(standing) if n else None,
        "as_well": known(as_well) if n else None,
        "says": says if n else None,
        "final": dict(zip(names, map(known, rows[-1]), strict=True)),
    }


def _actual(history: FloatColumn, trades: Trades, walked: Mapping[str, Walks]) -> list[dict[str, Any]]:
    """What a dollar of the account became after each trade that the bands are drawn at."""
    if not len(trades):
        return []
    shown = next(iter(walked.values())).after if walked else range(len(history))
    return [
        {
            "after": k,
            "multiple": known(history[k]),
            "closed_on": trades.closed_on[k - 1].isoformat() if k else None,
            "position": int(trades.position_id[k - 1]) if k else None,
        }
        for k in shown
    ]


def _marked(days: EquityDays) -> dict[str, Any] | None:
    """The account marked to the market as last read, time-weighted: open bets count in it. None: not known."""
    if not len(days):
        return None
    index = days.index
    told = np.flatnonzero(np.isfinite(index))
    if not len(told):
        return None
    last = int(told[-1])
    return {
        "multiple": known(index[last]),
        "day": days.day[last].isoformat(),
        "runs": days.runs and last == len(days) - 1,
    }


def _needed(bets: Bets, own: Mapping[str, Any], mid: Middle | None) -> list[str]:
    """How many trades tell the projected edge, and the account's own average, from nothing."""
    n, said = own["rated"], []
    deviation = float(bets.gains.std(ddof=1)) if len(bets.gains) > 1 else None
    spread = "the spread of the own trades" if deviation else "the spread that the projection implies"
    if mid is not None:
        edge = f"the projected {_signed(mid.expectancy)} a dollar"
        said.append(needed(edge, bands.trades_needed(mid.expectancy, deviation or mid.deviation), spread, n))
    if deviation and own["expectancy"]:
        edge = f"the own average of {_signed(own['expectancy'])} a dollar"
        said.append(needed(edge, bands.trades_needed(own["expectancy"], deviation), spread, n))
    return said


def _signed(value: float) -> str:
    return f"+{percent(value)}" if value > 0 else percent(value)


# ---- The table ----


def _pace(bets: Bets, days: EquityDays, smallest: float) -> dict[str, Any]:
    """Bets a year and their mean size: the account's own once it has the sessions, else the minimum once a session."""
    own = len(days) >= ENOUGH_SESSIONS and len(bets.gains) > 1
    a_year = round(len(bets.gains) / len(days) * SESSIONS_A_YEAR) if own else SESSIONS_A_YEAR
    return {
        "own": own,
        "bets": max(1, min(a_year, MOST_A_YEAR)),
        "bet": known(bets.mean_fraction if own else smallest),
    }


def _table(
    own: Mapping[str, Any],
    days: EquityDays,
    row: Any,
    mid: Middle | None,
    base: NoEdge | None,
    bets: Bets,
    smallest: float,
) -> list[dict[str, Any]]:
    """Each measure: actual with its interval and sample, projected from low to high, and without any edge."""
    figures = return_figures(days)
    enough = bool(figures["enough"])
    year = _year(base, _pace(bets, days, smallest))
    gains = bets.gains
    won, lost = gains[gains > 0.0], -gains[gains <= 0.0]
    sharpe_half = _sharpe_half(figures) if enough else None
    sharpe = figures["sharpe"] if enough else None
    drawdown = figures["max_drawdown"]
    rows = [
        _measure("win_rate", "Win rate", own["rated"], own["win_rate"], own["low"], own["high"]),
        _measure("average_win", "Average win a dollar", len(won), *_mean_interval(won)),
        _measure("average_loss", "Average loss a dollar", len(lost), *_mean_interval(lost)),
        _measure(
            "expectancy",
            "Gain a dollar bet",
            own["rated"],
            own["expectancy"],
            own["expectancy_low"],
            own["expectancy_high"],
        ),
        _measure("annual_return", "Annual return", figures["n"], figures["annual_return"] if enough else None),
        _measure("max_drawdown", "Deepest fall", figures["n"], None if drawdown is None else -drawdown),
        _measure(
            "sharpe",
            "Sharpe ratio",
            figures["n"],
            sharpe,
            None if sharpe is None or sharpe_half is None else sharpe - sharpe_half,
            None if sharpe is None or sharpe_half is None else sharpe + sharpe_half,
        ),
    ]
    without: dict[str, dict[str, float | None]] = (
        {}
        if base is None
        else {
            "win_rate": {"value": base.win_rate},
            "average_win": {"value": base.average_win},
            "average_loss": {"value": base.average_loss},
            "expectancy": {"value": base.expectancy},
            **year,
        }
    )
    nothing = {"value": None, "low": None, "high": None}
    for each in rows:
        key = each["key"]
        each["no_edge"] = nothing | {name: known(value) for name, value in without.get(key, {}).items()}
        each["projected"] = _range(row, mid, key)
        if key in ("annual_return", "sharpe") and not enough:
            each["reason"] = f"needs {ENOUGH_SESSIONS} sessions"
    return rows


def _measure(
    key: str, label: str, n: int, value: float | None, low: float | None = None, high: float | None = None
) -> dict[str, Any]:
    """`unit` says what n counts: closed trades, or sessions for what is of the account's days."""
    of_days = key in ("annual_return", "max_drawdown", "sharpe")
    actual = {"value": known(value), "low": known(low), "high": known(high)}
    return {
        "key": key,
        "label": label,
        "n": n,
        "unit": "sessions" if of_days else "trades",
        "actual": actual,
        "reason": None,
    }


def _range(row: Any, mid: Middle | None, key: str) -> dict[str, Any]:
    if row is None or mid is None:
        return {"low": None, "high": None}
    if key == "expectancy":
        from_to = expectancies(row)
    else:
        from_to = (float(getattr(row, f"{key}_low")), float(getattr(row, f"{key}_high")))
    return {"low": known(from_to[0]), "high": known(from_to[1])}


def _mean_interval(gains: FloatColumn) -> tuple[float | None, float | None, float | None]:
    found = expectancy(gains)
    return found.mean, found.low, found.high


def _sharpe_half(figures: Mapping[str, Any]) -> float | None:
    """Half the 95% interval of the Sharpe ratio of n days: A. W. Lo, "The Statistics of Sharpe Ratios" (2002)."""
    if figures["sharpe"] is None:
        return None
    daily = figures["sharpe"] / math.sqrt(SESSIONS_A_YEAR)
    return NORMAL_95 * math.sqrt((1.0 + daily**2 / 2.0) / figures["n"] * SESSIONS_A_YEAR)


def _year(base: NoEdge | None, pace: Mapping[str, Any]) -> dict[str, dict[str, float | None]]:
    """What a year at this pace is without any edge: the median, and what nine of ten years lie between."""
    if base is None:
        return {}
    n, bet = pace["bets"], pace["bet"]
    which = np.resize(base.which, n) if len(base.which) else np.zeros(n, np.int64)
    walked = bands.walk(
        base.gains, np.full(n, bet), paths=bands.paths_for(n, 2_000), seed=SEED, which=which, drawn=False
    )
    gains = base.gains[which].ravel()
    sharpe = float(gains.mean() / gains.std()) * math.sqrt(n) if gains.std() > 0.0 else None
    return {
        "annual_return": _spread(walked.final - 1.0),
        "max_drawdown": _spread(walked.drawdowns),
        "sharpe": {"value": sharpe},
    }


def _spread(values: FloatColumn) -> dict[str, float | None]:
    low, middle_, high = np.percentile(values, (5.0, 50.0, 95.0)).tolist()
    return {"value": middle_, "low": low, "high": high}


def _base(base: NoEdge | None) -> dict[str, Any] | None:
    if base is None:
        return None
    return {
        "win_rate": known(base.win_rate),
        "average_win": known(base.average_win),
        "average_loss": known(base.average_loss),
        "expectancy": known(base.expectancy),
        "win_rate_before_costs": known(base.win_rate_before_costs),
        "expectancy_before_costs": known(round(base.expectancy_before_costs, 3) + 0.0),
        "basis": base.basis,
        "paths": base.paths,
        "source": "computed here",
        "computed_at": ny(base.computed_at),
    }
