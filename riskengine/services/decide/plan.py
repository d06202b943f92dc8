"""The plan of a new position: ladder, initial stop and slices, from its decision's revision and the average fill price.

    0DTE      stop = entry x (1 - 25%), the ladder of the regime by New York hour (P-09, B-30, B-31)
    7DTE      stop = entry x (1 - min(20%, 10% x V / position value)), one ladder of partial profits (P-10)

Booking a fill asks for it; what it answers is stored with the position and no later revision changes it.
"""

import logging
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

import numpy as np

from accounts.defaults import SMART_0DTE
from positions.market.calendar import new_york
from positions.market.contracts import TICK_TABLES
from positions.market.ticks import TickTable
from positions.models import Decision, EquitySnapshot, OptionContract, Portfolio
from positions.services.fills import ExitPlan
from riskengine.calculators import codes, stops, take_profit
from riskengine.calculators.limits import Limits
from riskengine.loading.revisions import terms_by_revision

logger = logging.getLogger(__name__)

FOUR_PLACES = Decimal("0.0001")
SEVEN_DAY = "seven_day"
LADDER = {
    "morning": "take_profit_morning",
    "midday": "take_profit_midday",
    "late": "take_profit_late",
    SEVEN_DAY: "partial_profit",
}


def exit_plan(decision: Decision, average_entry_price: Decimal, quantity_opened: int, entry_at: datetime) -> ExitPlan:
    """How the position of this decision will be left; the planner of `positions.services.fills`.

    `average_entry_price` is USD a share, `entry_at` the market time of the first fill. The stop stands on the tick of
    the price where it is. A contract that was bought is never left without a stop: where the rule gives none, the
    highest valid price under the entry is taken, and logged.
    """
    terms = terms_by_revision([decision.revision_id])[decision.revision_id]
    limits, regime = terms.limits, _regime(decision, entry_at)
    steps = terms.ladders[LADDER[regime]]
    armed = take_profit.arm((getattr(limits, LADDER[regime]),), np.zeros(1, np.int64))
    shares = armed.cumulative[0, : len(steps)].tolist()
    return ExitPlan(
        regime=regime,
        initial_stop=initial_stop(
            decision.portfolio,
            decision.contract,
            average_entry_price,
            quantity_opened,
            entry_at,
            limits,
            of=f"Decision {decision.pk}",
        ),
        slices=tuple((step.threshold, share) for step, share in zip(steps, shares, strict=True)),
    )


def _regime(decision: Decision, entry_at: datetime) -> str:
    if decision.portfolio.system != SMART_0DTE:
        return SEVEN_DAY
    hour = np.array([new_york(entry_at).hour], np.int64)
    return take_profit.REGIMES[int(take_profit.regime(hour)[0])]


def initial_stop(
    portfolio: Portfolio,
    contract: OptionContract,
    average_entry_price: Decimal,
    quantity: int,
    at: datetime,
    limits: Limits,
    *,
    of: str,
) -> Decimal:
    """The stop of so many contracts by the rule of the portfolio's system, at a market time; `of` says whose it is."""
    entry = np.array([float(average_entry_price)])
    ticks = TICK_TABLES[contract.tick_class]
    if portfolio.system == SMART_0DTE:
        exact = entry * (1.0 - limits.stop_fraction)
        found = stops.initial_stop_0dte(entry, _tick(ticks, exact), limits.stop_fraction)
    else:
        value = entry * quantity * contract.multiplier
        equity = _start_of_day_equity(portfolio, at, value)
        exact = entry * (1.0 - np.minimum(limits.stop_fraction, limits.stop_account_risk * equity / value))
        found = stops.initial_stop_7dte(entry, value, equity, _tick(ticks, exact), limits)
    if found.refusal[0] == codes.NONE:
        return Decimal(float(found.stop[0])).quantize(FOUR_PLACES, ROUND_HALF_UP)
    nearest = _highest_under(average_entry_price, ticks)
    logger.error(
        "%s: no stop by the rule for an entry at %s (%s); it stands at %s.",
        of,
        average_entry_price,
        codes.CODES[found.refusal[0]].name,
        nearest,
    )
    return nearest


def _tick(ticks: TickTable, price: np.ndarray) -> np.ndarray:
    """The tick where the price stands, not where the entry does: 4.00 x 75% is at 3.00, 3.80 x 75% under it."""
    return np.array([float(ticks.at(Decimal(float(price[0])).quantize(FOUR_PLACES, ROUND_HALF_UP)))])


def _start_of_day_equity(portfolio: Portfolio, entry_at: datetime, value: np.ndarray) -> np.ndarray:
    """V of the entry's session (A-15). Without one no entry is approved (B-11); should a bet be held all the same, V is
    taken as the bet itself: the tightest stop that the rule can give."""
    snapshots = EquitySnapshot.objects.filter(portfolio=portfolio)
    of_day = snapshots.filter(session_on=new_york(entry_at).date()).values_list("equity_start_of_day", flat=True)
    known = of_day.first()
    return value if known is None or known <= 0 else np.array([float(known)])


def _highest_under(price: Decimal, ticks: TickTable) -> Decimal:
    """The highest price that the exchange accepts under this one; half of it where there is none above zero."""
    valid = ticks.down(price)
    below = valid if valid < price else ticks.ticks_down(price, 1)
    return below if below > 0 else (price / 2).quantize(FOUR_PLACES, ROUND_HALF_UP)
