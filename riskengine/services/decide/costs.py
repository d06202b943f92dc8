"""What a bet can cost, in dollars, shares of equity and words (SPEC 7.1, A-06)."""

from collections.abc import Callable
from typing import Any

import numpy as np

from riskengine.calculators import wording
from riskengine.calculators.columns import FloatColumn
from riskengine.calculators.consequences import Consequences, consequences
from riskengine.calculators.exposure import gap_to_zero
from riskengine.services.decide import inputs
from riskengine.services.decide.judge import Judged


def consequences_of(judged: Judged) -> Consequences:
    candidates, sizing = judged.candidates, judged.sizing
    n = len(sizing.contracts)
    equity = np.full(n, judged.situation.account.equity_start_of_day)
    budget = sizing.amount("risk_budget")
    return consequences(
        contracts=sizing.contracts.astype(np.float64),
        bid=candidates.quotes.bid,
        ask=candidates.quotes.ask,
        stop=judged.stop.stop,
        multiplier=candidates.quotes.multiplier,
        spot=candidates.priced.spot,
        greeks=candidates.priced.greeks,
        equity=equity,
        basis=judged.sizing.basis,
        risk_budget=budget,
        limits=judged.situation.limits,
    )


def _gap(judged: Judged, extra: float) -> tuple[float, float, float]:
    """Gap to zero of the book plus a bet worth `extra` dollars: dollars, share of equity, times the emergency limit."""
    account, held = judged.situation.account, judged.situation.account.held
    gap = gap_to_zero(
        contracts=np.append(held.contracts, 1.0),
        multiplier=np.append(held.quotes.multiplier, 1.0),
        marked=np.append(held.mark, extra),
        equity=np.array([account.equity]),
        basis=judged.sizing.basis[:1],
        emergency_halt_loss=judged.situation.limits.emergency_halt_loss,
        group=np.zeros(len(held.contracts) + 1, np.int64),
        groups=1,
    )
    return float(gap.dollars[0]), float(gap.equity_fraction[0]), float(gap.emergency_multiple[0])


def rows(judged: Judged, costs: Consequences, i: int) -> list[dict[str, Any]]:
    """Each consequence as code, label, dollars, share of equity and a note in words."""
    if not judged.sizing.contracts[i]:
        return []

    def cost(code: str, name: str, dollars: float, note: str, share: float | None = None) -> dict[str, Any]:
        share = None if share is None else inputs.known(share)
        return {"code": code, "label": name, "dollars": inputs.known(dollars), "share_of_equity": share, "note": note}

    def show(column: FloatColumn, unit: str) -> str:
        return wording.show(inputs.known(column[i]), unit)

    fee = wording.usd(float(judged.situation.limits.fee_per_contract))
    contracts = f"{int(judged.sizing.contracts[i]):,} contracts"
    stop = (
        f"The stop stands at {show(judged.stop.stop, 'USD per share')}: {show(costs.day_limit_share, 'fraction')} of "
        f"the daily limit, {show(costs.budget_multiple, 'multiple')} the risk budget. A gap can cost more."
    )
    zero = (
        f"Of the equity at the start of the day {show(costs.equity_after_total_loss, 'USD')} is left, and has to gain "
        f"{show(costs.recovery_gain, 'fraction')} to make it good."
    )
    move = f"By delta alone: {show(costs.share_delta, 'SPY shares')} shares of the underlying."
    if judged.candidates.quotes.rows[i].settlement == "pm_physical":
        exercise = f"{contracts} are {show(costs.exercise_shares, 'count')} shares; closed before they could be."
    else:
        exercise = f"{contracts} stand for {show(costs.exercise_shares, 'count')} times the index; settled in cash."
    return [
        cost("AT_STOP", "Loss at the stop", costs.loss_at_stop[i], stop, costs.loss_at_stop_fraction[i]),
        cost("TOTAL_LOSS", "Total loss", costs.total_loss[i], zero, costs.total_loss_fraction[i]),
        cost("HALF_SPREAD", "Half the spread", costs.half_spread[i], "Lost at once: bought at the ask, worth the mid."),
        cost("FEES", "Fees, both sides", costs.fees[i], f"{fee} a contract and side."),
        cost("ONE_PERCENT", "Underlying up 1%", costs.one_percent_move[i], move),
        cost("THETA_HOUR", "One hour passes", costs.theta_per_hour[i], "Theta over 365 days; faster near expiry."),
        cost("EXERCISE", "Notional on exercise", costs.exercise_notional[i], exercise),
        *_gaps(judged, float(costs.total_loss[i]), cost),
    ]


def _gaps(judged: Judged, bet: float, cost: Callable[..., dict[str, Any]]) -> list[dict[str, Any]]:
    """Gap to zero before and after this bet (A-06)."""
    found = []
    for code, name, extra in (("GAP_BEFORE", "Gap to zero now", 0.0), ("GAP_AFTER", "Gap to zero with this bet", bet)):
        dollars, share, times = _gap(judged, extra)
        note = "Nothing is open."
        if dollars != 0:
            multiple = wording.show(inputs.known(times), "multiple")
            note = (
                f"If every open option went to zero: {multiple} the emergency limit. No breaker can bound it, only the "
                "size can."
            )
        found.append(cost(code, name, dollars, note, share))
    return found
