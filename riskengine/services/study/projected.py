"""What is projected of a system, and where the figures contradict each other and the exits (A-07).

expectancy   p a - (1 - p) b per dollar bet, from the win rate p, average win a and average loss b of the row
bets a year  ln(1 + annual return) / E ln(1 + f x): how many it takes at the minimum bet f
"""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.db.models import Q

from riskengine.calculators import bands
from riskengine.calculators.columns import FloatColumn
from riskengine.calculators.kelly import expected_log_growth
from riskengine.models import Projection
from riskengine.models.projection import FIGURES
from riskengine.services.decide.inputs import known, ny
from riskengine.services.study.zero_edge import NoEdge
from riskengine.services.wording import percent, plain

SESSIONS_A_YEAR = 252
MOST_BETS, PATHS, SEED = 1_000, 4_000, 71
NEAR = 0.05  # of a win rate: no closer look tells them apart in a hundred trades
LARGER = 1.2  # times its own figure: a loss that is this much deeper is another one


@dataclass(frozen=True, slots=True)
class Middle:
    """A row's figures of a trade, halfway between low and high."""

    win_rate: float
    gain: float
    loss: float

    @property
    def expectancy(self) -> float:
        return self.win_rate * self.gain - (1.0 - self.win_rate) * self.loss

    @property
    def deviation(self) -> float:
        """Of the gains per dollar bet."""
        return math.sqrt(self.win_rate * (1.0 - self.win_rate)) * (self.gain + self.loss)

    @property
    def gains(self) -> FloatColumn:
        return bands.two_outcomes(self.win_rate, self.gain, self.loss)

    def growth(self, fraction: float) -> float:
        p = np.array([self.win_rate, 1.0 - self.win_rate])
        return expected_log_growth(p, np.array([self.gain, -self.loss]), fraction)


def projection_in_force(system: str, now: datetime) -> Projection | None:
    """The newest row of a system at wall time `now`."""
    begun = Q(in_force_from__isnull=True) | Q(in_force_from__lte=now)
    return Projection.objects.filter(begun, system=system).order_by("-id").first()


def middle(row: Projection) -> Middle:
    return Middle(*(_mid(row, name) for name in ("win_rate", "average_win", "average_loss")))


def _ends(row: Projection, name: str) -> tuple[float, float]:
    return float(getattr(row, f"{name}_low")), float(getattr(row, f"{name}_high"))


def _mid(row: Projection, name: str) -> float:
    return sum(_ends(row, name)) / 2.0


def projected(row: Projection, fraction: float, luck: NoEdge | None) -> dict[str, Any]:
    """The row as plain data, with what it implies at a bet of `fraction` of the account, and its contradictions."""
    low, high = expectancies(row)
    figures = {name: dict(zip(("low", "high"), map(known, _ends(row, name)), strict=True)) for name in FIGURES}
    bets = bets_a_year(row, fraction)
    return {
        "id": row.pk,
        "source": row.source,
        "in_force_from": ny(row.in_force_from),
        "author": row.author_name,
        "reason": row.reason,
        **figures,
        "expectancy": {"low": known(low), "high": known(high)},
        "bet": known(fraction),
        "bets_a_year": bets,
        "contradictions": contradictions(row, fraction, bets, luck),
    }


def expectancies(row: Projection) -> tuple[float, float]:
    """The lowest and highest gain per dollar bet that the row allows."""
    (p_low, p_high), (a_low, a_high), (b_low, b_high) = (
        _ends(row, name) for name in ("win_rate", "average_win", "average_loss")
    )
    return p_low * a_low - (1.0 - p_low) * b_high, p_high * a_high - (1.0 - p_high) * b_low


def bets_a_year(row: Projection, fraction: float) -> int | None:
    """How many bets of `fraction` make the middle of the annual return; None where no number does."""
    growth, wanted = middle(row).growth(fraction), math.log1p(max(_mid(row, "annual_return"), -0.999))
    if not growth > 0.0 or not wanted > 0.0:
        return None
    return max(1, round(wanted / growth))


def contradictions(row: Projection, fraction: float, bets: int | None, luck: NoEdge | None) -> list[str]:
    """Sentences, each with both numbers."""
    said = [_years(row, fraction, bets)]
    mid = middle(row)
    if bets is not None and bets <= MOST_BETS:
        walked = bands.walk(mid.gains, np.full(bets, fraction), paths=PATHS, seed=SEED, drawn=False)
        deepest = float(np.median(walked.drawdowns))
        low, high = _ends(row, "max_drawdown")
        if not low <= deepest <= high:
            said.append(
                f"Its trades would fall by {percent(deepest, 0)} at the deepest in such a year (median), "
                f"not by {_range(low, high)}."
            )
        sharpe = mid.expectancy / mid.deviation * math.sqrt(bets) if mid.deviation > 0.0 else math.inf
        low, high = _ends(row, "sharpe")
        if not low <= sharpe <= high and math.isfinite(sharpe):
            said.append(
                f"Its trades would have a Sharpe ratio of {plain(sharpe, 1)}, not {plain(low, 1)} to {plain(high, 1)}."
            )
    if luck is not None:
        said += _against_luck(row, luck)
    return said


def _years(row: Projection, fraction: float, bets: int | None) -> str:
    low, high = expectancies(row)
    mid = middle(row)
    means = (
        f"Its win rate, average win and average loss mean {_signed(low)} to {_signed(high)} for each dollar bet."
        if low < high
        else f"Its win rate, average win and average loss mean {_signed(low)} for each dollar bet."
    )
    stated = _range(*_ends(row, "annual_return"))
    bet = f"the minimum bet of {percent(fraction, 0)} of the account"
    if bets is None:
        return f"{means} At {bet} no number of bets makes {stated} a year of that."
    daily = math.exp(min(mid.growth(fraction) * SESSIONS_A_YEAR, 100.0))
    return (
        f"{means} At {bet}, {bets:,} bets make {stated} a year of it; one bet a session would make "
        f"×{plain(daily, 1 if daily < 100 else 0)}."
    )


def _against_luck(row: Projection, luck: NoEdge) -> list[str]:
    said = []
    low, high = _ends(row, "win_rate")
    if low - NEAR <= luck.win_rate_before_costs:
        said.append(
            f"A win rate of {_range(low, high)} is about what these exits show without any edge: "
            f"{percent(luck.win_rate, 0)} after costs, {percent(luck.win_rate_before_costs, 0)} before."
        )
    else:
        said.append(
            f"Without any edge these exits win {percent(luck.win_rate, 0)}, not {_range(low, high)}: either the exits "
            "are not the stated ones, or the edge is large."
        )
    low, high = _ends(row, "average_loss")
    if luck.average_loss is not None and luck.average_loss > LARGER * high:
        said.append(
            f"An average loss of {_range(low, high)} is smaller than the stop leaves: these exits lose "
            f"{percent(luck.average_loss)} when they lose."
        )
    return said


def _range(low: float, high: float) -> str:
    return f"{percent(low, 0)} to {percent(high, 0)}" if low < high else percent(low, 0)


def _signed(value: float) -> str:
    return f"+{percent(value)}" if value > 0 else percent(value)
