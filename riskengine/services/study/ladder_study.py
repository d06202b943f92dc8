"""What other take-profit ladders would have made of an account's closed trades, on the prices that were kept (P-29).

    what-if      one ladder beside the present one and beside no tier at all, on the same trades
    suggestion   the best of some ladders around the present one, chosen on earlier trades and judged on later ones

Plain data. Gains are fractions of what was paid, after fees. None is not known, and what is not known is counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np

from accounts.bounds import problems_of_ladder
from accounts.defaults import LADDERS, MAG7_7DTE, Step
from positions.market.clock import market_now
from positions.models import Portfolio
from riskengine.calculators import paths, walk_forward
from riskengine.calculators.columns import BoolColumn, FloatColumn, IntColumn, Steps
from riskengine.calculators.limits import Limits
from riskengine.calculators.performance import expectancy
from riskengine.calculators.walk_forward import FEWEST, Rows, WalkForward
from riskengine.loading.book import instant
from riskengine.loading.price_paths import price_paths
from riskengine.loading.revisions import terms_in_force
from riskengine.loading.trades import closed_trades
from riskengine.services.decide.inputs import known, ny
from riskengine.services.study.luck_words import on_one_side, still_few
from riskengine.services.study.tier_record import REGIME_OF, interval

MOST_TRADES = 2_000  # the latest of a ladder
AT_ONCE = 250  # trades whose paths are held in memory together
LONGEST_GAP = 900.0  # seconds of sessions without a kept minute, in a path that counts as whole

Ladder = tuple[Step, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Walked:
    """Closed trades of one ladder, oldest entry first, (n,), under some ladders, (k, n). `actual`: what they really
    made. `whole`: the record runs without a gap to where everything would be sold."""

    entry_at: IntColumn
    actual: FloatColumn
    gain: FloatColumn
    known_at: IntColumn
    whole: BoolColumn
    has_path: BoolColumn

    def __len__(self) -> int:
        return len(self.actual)


def present_ladder(portfolio: Portfolio, ladder: str) -> Ladder:
    """The steps in force, which a new bet would copy."""
    return terms_in_force(portfolio.profile_id).ladders[ladder]


def held_to(portfolio: Portfolio) -> str:
    """What sells a position without a tier."""
    return (
        "the stop, the target or the forced close" if portfolio.system == MAG7_7DTE else "the stop or the forced close"
    )


def steps_of(rows: Sequence[tuple[float, float]]) -> Ladder:
    return tuple(Step(_decimal(threshold), _decimal(share), True) for threshold, share in rows)


def rows_of(steps: Sequence[Step]) -> Rows:
    return tuple((float(each.threshold), float(each.value)) for each in steps)


def _decimal(number: float) -> Decimal:
    return Decimal(f"{number:.6f}").normalize()


def _walk(portfolio: Portfolio, ladder: str, ladders: Sequence[Steps], at: datetime) -> Walked:
    """Every closed trade of the ladder under each of `ladders`, in a fixed number of statements for each 250 of them.

    Minutes stand between two looks, in which a live quote is confirmed many times: one look at the stop confirms it.
    """
    limits = replace(terms_in_force(portfolio.profile_id).limits, stop_confirmations=1.0)
    trades = closed_trades([portfolio.pk], until=at)
    mine = np.array([each == REGIME_OF[ladder] for each in trades.regime], np.bool_) & np.isfinite(trades.confidence)
    trades = trades.take(mine)
    trades = trades.take(np.arange(len(trades)) >= len(trades) - MOST_TRADES)
    by_entry = np.argsort(trades.entry_at, kind="stable")
    parts = [
        _walk_some(trades.position_id[by_entry[start : start + AT_ONCE]], portfolio.system, ladders, limits)
        for start in range(0, len(trades), AT_ONCE)
    ]
    k = len(ladders)
    gain = np.concatenate([each[0] for each in parts], axis=1) if parts else np.zeros((k, 0))
    known_at = np.concatenate([each[1] for each in parts], axis=1) if parts else np.zeros((k, 0), np.int64)
    whole, has_path = (
        np.concatenate([each[place] for each in parts]) if parts else np.zeros(0, np.bool_) for place in (2, 3)
    )
    return Walked(trades.entry_at[by_entry], trades.gain[by_entry], gain, known_at, whole, has_path)


def _walk_some(ids: IntColumn, system: str, ladders: Sequence[Steps], limits: Limits) -> tuple[Any, ...]:
    seven = system == MAG7_7DTE
    kept = price_paths(ids.tolist(), limits, seven_day=seven)
    found = paths.closes(kept.bets, kept.looks, limits, seven_day=seven)
    came = paths.outcomes(kept.bets, kept.looks, found, ladders, limits)
    return came.gain, came.known_at, paths.whole(kept.looks, found, LONGEST_GAP), kept.ends_at > 0


def _calculated(steps: Sequence[Step]) -> Steps:
    return Steps.of([(float(each.threshold), float(each.value), True) for each in steps])


# ---- What-if ----


def what_if(portfolio: Portfolio, ladder: str, asked: Sequence[Step] | None, *, now: datetime) -> dict[str, Any]:
    """The asked ladder (None: only the present one) beside the one in force, and both beside no tier at all."""
    at = market_now(portfolio.clock, now)
    present = present_ladder(portfolio, ladder)
    candidates = [present, present if asked is None else tuple(asked)]
    walked = _walk(portfolio, ladder, [*map(_calculated, candidates), paths.NO_TIER], at)
    now_gain, then_gain, held = walked.gain
    difference = _paired(then_gain, now_gain)
    return {
        "ladder": ladder,
        "label": LADDERS[ladder].label,
        "trades": len(walked),
        "with_path": int(walked.has_path.sum()),
        "present": _came(present, now_gain),
        "asked": None if asked is None else _came(tuple(asked), then_gain),
        "none": _came((), held),
        "difference": None if asked is None else difference,
        "against_holding": _paired(now_gain, held),
        "fidelity": _paired(now_gain, walked.actual),
        "verdict": None if asked is None else _said(difference, "The ladder you ask about", "the present one"),
        "held_verdict": _said(_paired(now_gain, held), "The present tiers", f"holding to {held_to(portfolio)}"),
        "known_until": ny(instant(int(walked.known_at.max()))) if walked.known_at.any() else None,
    }


def _came(steps: Sequence[Step], gain: FloatColumn) -> dict[str, Any]:
    told = gain[np.isfinite(gain)]
    return {
        "steps": [{"threshold": float(each.threshold), "share": float(each.value)} for each in steps],
        "n": len(told),
        "not_known": len(gain) - len(told),
        **interval("gain", expectancy(told)),
        "wins": int((told > 0.0).sum()),
        "worst": known(told.min()) if len(told) else None,
    }


def _paired(gain: FloatColumn, other: FloatColumn) -> dict[str, Any]:
    """The mean difference per dollar on the trades of which both are known."""
    both = np.isfinite(gain) & np.isfinite(other)
    return {"n": int(both.sum()), **interval("mean", expectancy((gain - other)[both]))}


def _said(difference: dict[str, Any], subject: str, than: str) -> str:
    n, mean, low, high = (difference[name] for name in ("n", "mean", "mean_low", "mean_high"))
    if mean is None:
        return f"{subject} cannot be compared with {than}: no trade’s prices were kept long enough."
    does = "makes" if subject.startswith("The ladder") else "make"
    side = f"{_signed(abs(mean))[1:]} {'more' if mean >= 0.0 else 'less'} per dollar than {than}"
    trades = "1 trade" if n == 1 else f"{n:,} trades"
    if low is None or high is None:
        return f"{subject} {does} {side}, on {trades}: one has no interval."
    tells = f"which {'includes 0: not told from luck' if low <= 0.0 <= high else on_one_side(n)}"
    return f"{subject} {does} {side}, on {trades}; 95% interval {_signed(low)} to {_signed(high)}, {tells}."


def _signed(fraction: float) -> str:
    """+1.25%: a difference of gains is small, and has two decimals."""
    return f"{'−' if fraction < 0 else '+'}{abs(fraction) * 100:.2f}%"


# ---- Suggestion ----


def suggestion(portfolio: Portfolio, ladder: str, *, now: datetime) -> dict[str, Any]:
    """The walk-forward of some ladders around the present one. Nothing is put in force by it."""
    at = market_now(portfolio.clock, now)
    present = present_ladder(portfolio, ladder)
    tried = _candidates(ladder, present)
    walked = _walk(portfolio, ladder, [_calculated(each) for each in tried], at)
    n = int(walked.whole.sum())
    answer: dict[str, Any] = {
        "ladder": ladder,
        "label": LADDERS[ladder].label,
        "trades": len(walked),
        "whole": n,
        "needed": FEWEST,
        "tried": len(tried),
        "refusal": None,
        "study": None,
    }
    if n < FEWEST:
        return answer | {"refusal": f"{n} of the {FEWEST} trades with a whole path that a suggestion needs."}
    entered = walked.entry_at[walked.whole]
    known_at = walked.known_at[:, walked.whole].max(axis=0)
    found = walk_forward.walk_forward(walked.gain[:, walked.whole], entered, known_at)
    return answer | {"study": _study(found, tried, entered)}


def _candidates(ladder: str, present: Ladder) -> list[Ladder]:
    """The present one first; only those that a profile could carry."""
    others = [steps_of(rows) for rows in walk_forward.grid(rows_of(present))[1:]]
    return [present, *(each for each in others if not problems_of_ladder(LADDERS[ladder], each))]


def _study(found: WalkForward, tried: Sequence[Ladder], entered: IntColumn) -> dict[str, Any]:
    return {
        "tested": found.tested,
        "folds": [
            {
                "learned": each.learned,
                "tested": each.last - each.first,
                "first": ny(instant(int(entered[each.first]))),
                "last": ny(instant(int(entered[each.last - 1]))),
                "steps": _steps(tried[each.chosen]),
                "is_present": each.chosen == 0,
            }
            for each in found.folds
        ],
        **interval("chosen", found.chosen_gain),
        **interval("present", found.present_gain),
        **interval("difference", found.difference),
        **interval("in_sample", found.in_sample),
        "holds": found.holds,
        "steps": None if found.suggested == 0 else _steps(tried[found.suggested]),
        "verdict": _verdict(found, len(tried) - 1, len(entered)),
    }


def _steps(ladder: Ladder) -> list[dict[str, float]]:
    return [{"threshold": float(each.threshold), "share": float(each.value)} for each in ladder]


def _verdict(found: WalkForward, others: int, n: int) -> str:
    if found.suggested == 0:
        return (
            f"None of the {others} other ladders beats the present one by its standard error on all {n:,} trades: "
            "there is nothing to change."
        )
    out = found.difference
    if out.mean is None or out.low is None or out.high is None:
        return "The later trades do not say what the choice is worth."
    if all(each.chosen == 0 for each in found.folds):
        return (
            f"On all {n:,} trades another ladder is best, but before each block of later ones the present ladder was "
            "chosen: no later trade has judged the other."
        )
    more = f"{_signed(abs(out.mean))[1:]} {'more' if out.mean >= 0.0 else 'less'} per dollar than the present one"
    said = (
        f"On the {found.tested:,} later trades the ladders chosen before them made {more} "
        f"(95% interval {_signed(out.low)} to {_signed(out.high)})"
    )
    if found.holds:
        return f"{said}: the later trades confirm the choosing{still_few(found.tested)}."
    if out.high < 0.0:
        return f"{said}: the later trades speak against the choosing, and the present ladder may stay."
    return f"{said}: that is not told from luck, and the present ladder may as well stay."


def reason_of(study: dict[str, Any] | None, label: str) -> str:
    """What a person may begin a reason with: the figures of the study."""
    if study is None:
        return f"{label}: tried on recorded paths."
    low, high = study["difference_low"], study["difference_high"]
    between = "" if low is None or high is None else f", 95% interval {_signed(low)} to {_signed(high)}"
    return (
        f"{label}: walk-forward, {_signed(study['difference'] or 0.0)} per dollar against the ladder before on "
        f"{study['tested']} later trades{between}."
    )
