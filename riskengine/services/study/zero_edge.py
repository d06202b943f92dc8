"""The base rate of an account's own exits without any edge: asked, computed once in the background, and kept (A-07).

Computing takes a second or two for each entry, so that no page waits for it: until it is there, pages say so. A row
answers one question for ever: other exits, another stop or another model are another question.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from django.utils import timezone

from accounts.defaults import SMART_0DTE
from positions.models import Mode, Portfolio
from positions.models.position import Regime
from riskengine.calculators.columns import FloatColumn, IntColumn, Steps
from riskengine.calculators.limits import Limits
from riskengine.calculators.zero_edge import (
    Exits,
    Looks,
    Market,
    base_rate,
    looks_0dte,
    looks_7dte,
    sample,
    simulate,
)
from riskengine.loading.revisions import terms_in_force
from riskengine.models import ZeroEdgeRun
from riskengine.services.wording import plain

MODEL = 1  # of `calculators.zero_edge`: what is changed there asks another question
PATHS, SAMPLE, SEED = 40_000, 2_000, 20_240_704
HALF_SPREAD = 0.005  # of the premium (SPEC 7.4)
VOLATILITY_0DTE, VOLATILITY_7DTE = 0.15, 0.30
WEEK = Regime.SEVEN_DAY

# Entries of a same-day system by their regime: the ladder differs. The times are those of SPEC 7.4.
ENTRIES_0DTE = {
    Regime.MORNING: ("09:45", 22_500),
    Regime.MIDDAY: ("12:00", 14_400),
    Regime.LATE: ("14:30", 5_400),
}


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: `basis` in words, `digest` of everything that the answer depends on."""

    system: str
    entry: str
    basis: str
    content: Mapping[str, Any]
    digest: str


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """A run with its question; `gains` (m,) stand for all paths, after costs."""

    question: Question
    run: ZeroEdgeRun
    gains: FloatColumn


def questions(system: str, limits: Limits) -> list[Question]:
    """Each entry that the system's exits are asked for, in the order of the day."""
    if system != SMART_0DTE:
        stop = _stop_7dte(limits)
        basis = (
            f"bought at 10:00 a week before it expires and held under a stop of {_stop(stop)}, at a volatility of 30%"
        )
        return [_question(system, str(WEEK), basis, limits, stop)]
    stop = float(limits.stop_fraction)
    return [
        _question(system, str(entry), f"entered at {at} and held under a stop of {_stop(stop)}", limits, stop)
        for entry, (at, _) in ENTRIES_0DTE.items()
    ]


def _stop(share: float) -> str:
    return f"{plain(100.0 * share, 1)}%"


def _stop_7dte(limits: Limits) -> float:
    """The stop of a minimum bet: the share of the premium, or what the account may lose at a stop (P-10)."""
    return min(float(limits.stop_fraction), float(limits.stop_account_risk) / float(limits.min_position_size))


def _question(system: str, entry: str, basis: str, limits: Limits, stop: float) -> Question:
    ladder = _ladder(entry, limits)
    seven = entry == WEEK
    factors = ("dte_factor", "risk_reward", "profit_lock") if seven else ("time_factor", "elapsed_factor")
    content = {
        "model": MODEL,
        "system": system,
        "entry": entry,
        "ladder": _rows(ladder),
        **{name: _rows(getattr(limits, name)) for name in factors},
        "stop_fraction": stop,
        "forced_close_minutes": float(limits.forced_close_minutes),
        "volatility": VOLATILITY_7DTE if seven else VOLATILITY_0DTE,
        "half_spread": HALF_SPREAD,
        "seconds_to_close": None if seven else ENTRIES_0DTE[Regime(entry)][1],
        "paths": PATHS,
        "seed": SEED,
    }
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return Question(system, entry, basis, content, digest)


def _ladder(entry: str, limits: Limits) -> Steps:
    ladders = {
        Regime.MORNING: limits.take_profit_morning,
        Regime.MIDDAY: limits.take_profit_midday,
        Regime.LATE: limits.take_profit_late,
    }
    return limits.partial_profit if entry == WEEK else ladders[Regime(entry)]


def _rows(ladder: Steps) -> list[list[Any]]:
    columns = (ladder.thresholds[:, 0], ladder.values[:, 0], ladder.inclusive[:, 0])
    return [list(row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def answers(system: str, limits: Limits) -> dict[str, Answer]:
    """What is computed already, by entry. One statement."""
    asked = {each.digest: each for each in questions(system, limits)}
    runs = ZeroEdgeRun.objects.filter(digest__in=list(asked))
    found = {run.digest: Answer(asked[run.digest], run, np.array(run.sample, np.float64)) for run in runs}
    return {each.entry: found[each.digest] for each in asked.values() if each.digest in found}


def compute(question: Question, limits: Limits, *, now: datetime) -> ZeroEdgeRun:
    """Simulate with and without costs, and keep it. Doing it twice keeps the first."""
    seven = question.entry == WEEK
    given = question.content
    exits = Exits(
        limits=limits,
        ladder=_ladder(question.entry, limits),
        stop_fraction=given["stop_fraction"],
        seven_day=seven,
    )
    forced = given["forced_close_minutes"]
    looks: Looks = looks_7dte(forced) if seven else looks_0dte(given["seconds_to_close"], forced)
    market = Market(volatility=given["volatility"], half_spread=given["half_spread"])
    gains = simulate(exits, looks, market, paths=given["paths"], seed=given["seed"])
    free = simulate(exits, looks, replace(market, half_spread=0.0), paths=given["paths"], seed=given["seed"])
    after, before = base_rate(gains), base_rate(free)
    run = ZeroEdgeRun(
        digest=question.digest,
        system=question.system,
        entry=question.entry,
        question=dict(given),
        paths=after.paths,
        win_rate=after.win_rate,
        average_win=after.average_win,
        average_loss=after.average_loss,
        expectancy=after.expectancy,
        expectancy_error=after.error,
        win_rate_before_costs=before.win_rate,
        expectancy_before_costs=before.expectancy,
        expectancy_before_costs_error=before.error,
        sample=[round(each, 6) for each in sample(gains, SAMPLE).tolist()],
        computed_at=now,
    )
    ZeroEdgeRun.objects.bulk_create([run], ignore_conflicts=True)
    return ZeroEdgeRun.objects.get(digest=question.digest)


def compute_missing(*, now: datetime | None = None, most: int = 1) -> int:
    """Answer the first questions of accounts that are not off, or have a record, and have no answer yet; how many were
    computed.

    Few at a time: other work waits in the same queue.
    """
    now = now or timezone.now()
    done = 0
    asking = Portfolio.objects.exclude(mode=Mode.OFF, positions__isnull=True)
    profiles = asking.order_by("profile_id").values_list("profile_id", "system")
    for profile_id, system in profiles.distinct():
        limits = terms_in_force(profile_id).limits
        known = answers(system, limits)
        for question in questions(system, limits):
            if question.entry in known:
                continue
            if done == most:
                return done
            compute(question, limits, now=now)
            done += 1
    return done


@dataclass(frozen=True, slots=True, eq=False)
class NoEdge:
    """The base rate that an account's trades are held against: that of the entries they were made at.

    Fractions per dollar paid, after costs, weighted by trades; `average_loss` positive. `gains` (r, k) and `which` (n,)
    as `bands.walk` takes them.
    """

    win_rate: float
    average_win: float | None
    average_loss: float | None
    expectancy: float
    win_rate_before_costs: float
    expectancy_before_costs: float
    basis: str
    paths: int
    computed_at: datetime
    gains: FloatColumn
    which: IntColumn


def no_edge(system: str, limits: Limits, regimes: Sequence[str]) -> NoEdge | None:
    """For trades entered in these regimes (none yet: the first of the day). None while any of them is being computed.

    One statement. A regime that the system has no exits for counts as the first.
    """
    asked = [each.entry for each in questions(system, limits)]
    entries = [each if each in asked else asked[0] for each in regimes] or asked[:1]
    found = answers(system, limits)
    used = [each for each in asked if each in entries]
    if any(each not in found for each in used):
        return None
    mine = [found[each] for each in used]
    weights = np.array([entries.count(each) for each in used], np.float64)
    weights /= weights.sum()
    wins = weights * [each.run.win_rate for each in mine]
    losses = weights * [1.0 - each.run.win_rate for each in mine]
    return NoEdge(
        win_rate=float(wins.sum()),
        average_win=_average(wins, [each.run.average_win for each in mine]),
        average_loss=_average(losses, [each.run.average_loss for each in mine]),
        expectancy=float(weights @ [each.run.expectancy for each in mine]),
        win_rate_before_costs=float(weights @ [each.run.win_rate_before_costs for each in mine]),
        expectancy_before_costs=float(weights @ [each.run.expectancy_before_costs for each in mine]),
        basis=_basis([each.question for each in mine]),
        paths=sum(each.run.paths for each in mine),
        computed_at=max(each.run.computed_at for each in mine),
        gains=np.stack([each.gains for each in mine]),
        which=np.array([used.index(each) for each in entries[: len(regimes)]], np.int64),
    )


def _basis(asked: Sequence[Question]) -> str:
    """Entries with one stop in one phrase: entered at 09:45 and 12:00 and held under a stop of 25%."""
    first = asked[0].basis
    times = [ENTRIES_0DTE[Regime(each.entry)][0] for each in asked if each.entry != WEEK]
    return first.replace(times[0], " and ".join([", ".join(times[:-1]), times[-1]])) if len(times) > 1 else first


def _average(weights: FloatColumn, values: Sequence[float | None]) -> float | None:
    told = np.array([np.nan if each is None else each for each in values], np.float64)
    known = np.isfinite(told) & (weights > 0.0)
    return float((weights[known] @ told[known]) / weights[known].sum()) if known.any() else None
