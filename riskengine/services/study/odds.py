"""What a person's own odds come to: Kelly, growth, where the account ends, how far it falls on the way.

Work is bounded: at most 200,000 paths, fewer for many bets, so that an answer takes less than a second.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from accounts.defaults import SMART_0DTE
from positions.market.clock import market_now
from positions.models import Portfolio
from riskengine.calculators import advice
from riskengine.calculators.columns import FloatColumn
from riskengine.calculators.kelly import expected_log_growth, growth_optimal_fraction
from riskengine.calculators.limits import Limits
from riskengine.calculators.projection import Wager, project
from riskengine.loading.equity import EquityDays, equity_days
from riskengine.loading.revisions import terms_in_force
from riskengine.services.decide.inputs import known
from riskengine.services.wording import percent

DEPTHS = (0.20, 0.30, 0.50, 0.80)
MOST_PATHS, MOST_DRAWS, SEED = 200_000, 12_000_000, 11
MOST_OUTCOMES, MOST_FRACTIONS, MOST_BETS = 6, 6, 1_000
LARGEST_PAYOFF = 100.0
SUM_TOLERANCE = 5e-6  # six chances, each rounded to six places, miss 1 by up to three of the last


class NotOdds(ValueError):
    """These numbers are no odds. `code`, a sentence, and the field to mend."""

    def __init__(self, code: str, sentence: str, field: str) -> None:
        super().__init__(sentence)
        self.code, self.field = code, field


@dataclass(frozen=True, slots=True)
class Asked:
    """`outcomes` are (probability, payoff per dollar bet); `fractions` of the account; `lost_whole` the share of losses
    that take the whole bet; `initial` and `minimum` USD, None: not known."""

    outcomes: tuple[tuple[float, float], ...]
    fractions: tuple[float, ...]
    bets: int = 100
    lost_whole: float = 0.0
    initial: float | None = None
    minimum: float | None = None


def two_outcomes(win_probability: float, gain: float, loss: float) -> tuple[tuple[float, float], ...]:
    return (win_probability, gain), (1.0 - win_probability, -loss)


@dataclass(frozen=True, slots=True)
class Account:
    """What the form begins with: bets of the system's size, on an account of so much, that ends under so much. USD."""

    smallest: float
    largest: float
    initial: float
    minimum: float


def account_of(portfolio: Portfolio, *, now: datetime) -> Account:
    """At wall time `now`: the equity at the start of the last session, else the configured account."""
    limits = terms_in_force(portfolio.profile_id).limits
    return account_with(portfolio.system, limits, equity_days(portfolio.pk, until=market_now(portfolio.clock, now)))


def account_with(system: str, limits: Limits, days: EquityDays) -> Account:
    """The same from what is read already. A same-day system bets shares of the smaller of equity and configured
    account, a seven-day one of its equity and never less than its minimum in dollars."""
    told = float(days.start[-1]) if len(days) else math.nan
    initial = told if told > 0.0 else float(limits.account_size)
    basis = min(initial, float(limits.account_size)) if system == SMART_0DTE else initial
    smallest = max(float(limits.min_position_size) * basis, float(limits.min_position_dollars))
    largest = float(limits.max_position_size) * basis
    return Account(min(smallest / initial, 1.0), min(largest / initial, 1.0), initial, _minimum(limits))


def _minimum(limits: Limits) -> float:
    """Under so much the minimum bet would exceed the maximum: no bet is permissible. 0 where it never does."""
    return float(limits.min_position_dollars) / float(limits.max_position_size)


def odds(asked: Asked) -> dict[str, Any]:
    """Plain data; raises NotOdds. Fractions are fractions, money USD."""
    _check(asked)
    probability, payoff = _outcomes(asked)
    full = growth_optimal_fraction(probability, payoff)
    paths = max(1_000, min(MOST_PATHS, MOST_DRAWS // (asked.bets * len(asked.fractions))))
    return {
        "outcomes": [
            {"probability": known(p), "payoff": known(b)}
            for p, b in zip(probability.tolist(), payoff.tolist(), strict=True)
        ],
        "expectancy": known(math.fsum(probability * payoff)),
        "kelly": known(full),
        "unbounded": math.isinf(full),
        "bets": asked.bets,
        "paths": paths,
        "error": known(0.5 / math.sqrt(paths)),
        "initial": known(asked.initial),
        "minimum": known(asked.minimum),
        "depths": list(DEPTHS),
        "sizes": [_size(asked, probability, payoff, each, full, paths) for each in asked.fractions],
    }


def _size(
    asked: Asked, probability: FloatColumn, payoff: FloatColumn, share: float, full: float, paths: int
) -> dict[str, Any]:
    initial = asked.initial or 1.0
    floors = (asked.minimum,) if asked.minimum and asked.initial else ()
    wager = Wager(probability=probability, payoff=payoff, fraction=share, bets=asked.bets, initial=initial)
    found = project(wager, paths=paths, seed=SEED, levels=(initial,), drawdowns=DEPTHS, floors=floors)
    growth = expected_log_growth(probability, payoff, share)
    return {
        "fraction": known(share),
        "dollars": None if asked.initial is None else round(share * initial, 2),
        "times_kelly": known(share / full) if 0.0 < full < math.inf else None,
        "level": level(full, share),
        "says": advice.kelly_sentence(full, share),
        "growth": known(growth),
        "can_ruin": math.isinf(growth),
        "median": known(found.median / initial),
        "p5": known(found.p5 / initial),
        "p95": known(found.p95 / initial),
        "ahead": known(found.above[0]),
        "falls": [known(each) for each in found.drawdown],
        "under_minimum": known(found.fallen[0]) if floors else None,
    }


def level(full: float, share: float) -> str:
    """How grave a bet is against Kelly (W2): "" up to it, amber over it, red over twice."""
    if share <= 0.0 or math.isinf(full):
        return ""
    if full <= 0.0 or share > 2.0 * full * (1.0 + 1e-9):
        return "red"
    return "amber" if share > full * (1.0 + 1e-9) else ""


def _outcomes(asked: Asked) -> tuple[FloatColumn, FloatColumn]:
    """The outcomes, with the share of losses that take everything as one more."""
    probability, payoff = (np.array(column, np.float64) for column in zip(*asked.outcomes, strict=True))
    probability = probability / probability.sum()
    if not asked.lost_whole:
        return probability, payoff
    lost = payoff < 0.0
    whole = asked.lost_whole * float(probability[lost].sum())
    probability = np.where(lost, probability * (1.0 - asked.lost_whole), probability)
    return np.append(probability, whole), np.append(payoff, -1.0)


def _check(asked: Asked) -> None:
    chances = [p for p, _ in asked.outcomes]
    if not 1 <= len(chances) <= MOST_OUTCOMES:
        raise NotOdds("OUT_OF_RANGE", f"Give 1 to {MOST_OUTCOMES} outcomes; these are {len(chances)}.", "outcomes")
    if not all(math.isfinite(p) and 0.0 <= p <= 1.0 for p in chances):
        raise NotOdds("OUT_OF_RANGE", "A probability is a number from 0 to 1.", "outcomes")
    if abs(math.fsum(chances) - 1.0) > SUM_TOLERANCE:
        said = f"The probabilities must add up to 1; these add up to {math.fsum(chances):.6g}."
        raise NotOdds("PROBABILITIES", said, "outcomes")
    if not all(math.isfinite(b) and -1.0 <= b <= LARGEST_PAYOFF for _, b in asked.outcomes):
        said = f"A payoff is from −1, the whole bet lost, to {LARGEST_PAYOFF:g} dollars per dollar bet."
        raise NotOdds("OUT_OF_RANGE", said, "outcomes")
    _between("fractions", asked.fractions, 0.0, 1.0, "A bet is from 0% to 100% of the account.")
    if not 1 <= len(asked.fractions) <= MOST_FRACTIONS:
        raise NotOdds("OUT_OF_RANGE", f"Give 1 to {MOST_FRACTIONS} sizes of the bet.", "fractions")
    if not 1 <= asked.bets <= MOST_BETS:
        raise NotOdds("OUT_OF_RANGE", f"Give 1 to {MOST_BETS:,} bets.", "bets")
    _between("lost_whole", (asked.lost_whole,), 0.0, 1.0, "The share of total losses is from 0% to 100%.")
    for field in ("initial", "minimum"):
        value = getattr(asked, field)
        if value is not None and not 0.0 < value <= 1e12:
            raise NotOdds("OUT_OF_RANGE", "An amount is above 0 and at most a trillion dollars.", field)


def _between(field: str, values: Sequence[float], low: float, high: float, sentence: str) -> None:
    wrong = next((each for each in values if not low <= each <= high), None)
    if wrong is not None:
        entered = percent(wrong) if math.isfinite(wrong) else "no number"
        raise NotOdds("OUT_OF_RANGE", f"{sentence} You gave {entered}.", field)
