"""The confidence that scales a bet: the signal's own word, as far as the account's closed trades bear it out.

The gate reads the raw confidence and never this one (A-21). Calibration begins to lower once there are
`proven_after_trades` closed trades (P-13); until then it is shown and scales nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

import numpy as np

from riskengine.calculators.columns import BoolColumn, FloatColumn
from riskengine.calculators.confidence import (
    Calibration,
    Reliability,
    calibrate,
    reliability,
    scaling_confidence,
    tier_of,
)
from riskengine.calculators.limits import CALIBRATED, Limits


class Trade(NamedTuple):
    """A closed trade that this product decided on: raw confidence at entry, P&L after fees per dollar paid."""

    confidence: float
    gain: float
    closed_at: datetime


@dataclass(frozen=True, slots=True)
class Scaled:
    """What one raw confidence scales with, and everything that led there. `tier` is where its tier begins.

    `unproven`: its source has too few closed trades of its own and bets the minimum. `under_break_even`: its tier is
    surely under the win rate it needs, and waits for a review.
    """

    raw: float
    value: float
    tier: float
    trades: int
    needed: int
    base: float
    calibrated: float
    weight: float
    calibrates: bool
    unproven: bool
    under_break_even: bool


@dataclass(frozen=True, slots=True, eq=False)
class Confidence:
    """One account's record, read for its scaling. `record` counts every trade; a tier's own trades from before its last
    review are left out of `standing`, by which P-13 judges."""

    limits: Limits
    edges: FloatColumn
    calibration: Calibration
    record: Reliability
    standing: Reliability

    @classmethod
    def of(cls, trades: Sequence[Trade], reviewed: Mapping[float, datetime], limits: Limits) -> "Confidence":
        """`reviewed`: when each tier, by where it begins, was last reviewed (market time)."""
        edges = np.asarray(limits.confidence_factor.thresholds[:, 0], np.float64)
        edges = edges[np.isfinite(edges)]
        raw, gain = (np.array([getattr(each, name) for each in trades], np.float64) for name in ("confidence", "gain"))
        won, needed = gain > 0.0, int(limits.proven_after_trades)
        return cls(
            limits=limits,
            edges=edges,
            calibration=calibrate(raw, won, prior_trades=float(limits.calibration_prior_trades), certain_trades=needed),
            record=reliability(raw, won, gain, edges, certain_trades=needed),
            standing=_since_review(trades, raw, won, gain, edges, reviewed, needed),
        )

    def scaled(self, raw: float, *, proven: bool = True) -> Scaled:
        """What this raw confidence scales with. `proven` False: its source bets the minimum, whatever it says."""
        needed = int(self.limits.proven_after_trades)
        tier = int(tier_of(np.array([raw]), self.edges)[0])
        calibrates = self.limits.confidence_scaling == CALIBRATED and self.calibration.trades >= needed
        under = bool(self.standing.under_break_even[tier])
        value = float(scaling_confidence(np.array([raw]), self.calibration)[0]) if calibrates else raw
        if not proven or under:
            value = min(value, float(self.edges[0]))  # the first step of the ladder: the minimum bet
        return Scaled(
            raw=raw,
            value=value,
            tier=float(self.edges[tier]),
            trades=self.calibration.trades,
            needed=needed,
            base=self.calibration.base,
            calibrated=float(self.calibration.of(np.array([raw]))[0]),
            weight=self.calibration.weight,
            calibrates=calibrates,
            unproven=not proven,
            under_break_even=under,
        )


def _since_review(
    trades: Sequence[Trade],
    raw: FloatColumn,
    won: BoolColumn,
    gain: FloatColumn,
    edges: FloatColumn,
    reviewed: Mapping[float, datetime],
    needed: int,
) -> Reliability:
    last = {round(tier, 6): at for tier, at in reviewed.items()}
    begins = [round(float(edges[tier]), 6) for tier in tier_of(raw, edges)] if len(raw) else []
    before = [tier for tier, each in zip(begins, trades, strict=True) if tier in last and each.closed_at <= last[tier]]
    counts = np.array(
        [tier not in last or each.closed_at > last[tier] for tier, each in zip(begins, trades, strict=True)], bool
    )
    found = reliability(raw[counts], won[counts], gain[counts], edges, certain_trades=0)
    # A review takes trades from its own tier's case alone: counted off for all, it would let another tier scale again.
    enough = [len(raw) - before.count(round(float(edge), 6)) >= needed for edge in edges]
    return replace(found, under_break_even=found.under_break_even & np.array(enough, bool))
