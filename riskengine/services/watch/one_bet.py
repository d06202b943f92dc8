"""What is said of a book that is one bet: its effective exposure is above its limit of equity (P-11, W13)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from riskengine.calculators.columns import above
from riskengine.calculators.limits import Limits
from riskengine.loading.watched import Watched
from riskengine.models import Severity
from riskengine.services.watch.alerts import NewAlert
from riskengine.services.watch.readings import Readings
from riskengine.services.watch.together import Pair

ONE_BET = "ONE_BET"
PAIRS_NAMED = 3


@dataclass(slots=True)
class OneBet:
    """Alerts of this look, and the keys of those that are over. What is not known is neither."""

    alerts: list[NewAlert] = field(default_factory=list)
    over: set[str] = field(default_factory=set)


def judge(readings: Readings, watched: Sequence[Watched], limits: Limits) -> OneBet:
    """`limits` are each portfolio's."""
    effective, equity = readings.together.effective, readings.equity
    fraction = np.broadcast_to(limits.max_effective_exposure, len(watched))
    limit = fraction * equity
    too_much = above(effective, limit)
    found = OneBet(
        over={_key(watched[row]) for row in np.flatnonzero(~too_much & ~np.isnan(effective - limit)).tolist()}
    )
    for row in np.flatnonzero(too_much).tolist():
        alike = int(readings.together.alike[row])
        pairs = readings.together.pairs[alike] if alike >= 0 else []
        found.alerts.append(
            _alert(watched[row], float(effective[row]), float(equity[row]), float(fraction[row]), pairs)
        )
    return found


def _key(each: Watched) -> str:
    return f"one_bet:{each.portfolio_id}"


def _alert(each: Watched, effective: float, equity: float, fraction: float, pairs: Sequence[Pair]) -> NewAlert:
    share = f"{effective / equity:.0%} of the account" if equity > 0.0 else "more than the account"
    closest = "; ".join(f"{one} and {other} move together ({rho:.2f})" for one, other, rho in pairs[:PAIRS_NAMED])
    return NewAlert(
        code=ONE_BET,
        key=_key(each),
        severity=Severity.WARNING,
        title="The open positions are one bet",
        happened=f"Together these are one bet of {share}: USD {effective:,.0f} counting what moves together as one, "
        f"with equity of USD {equity:,.0f}; the limit is {fraction:.0%}." + (f" {closest}." if closest else ""),
        to_do="Open nothing that moves the same way. Sell part of the position that adds most if this is more than you "
        "mean to lose on one idea.",
        portfolio_id=each.portfolio_id,
        value=effective,
        limit=fraction * equity,
        unit="USD",
        market_at=each.at,
    )
