"""What a person must be told about a bet: the warnings W1 to W14 as far as their facts are known, and Kelly."""

from typing import Any

import numpy as np

from accounts.defaults import SMART_0DTE
from positions.models import Mode
from riskengine.calculators import advice, greeks, kelly, take_profit
from riskengine.calculators.columns import FloatColumn, above
from riskengine.calculators.consequences import Consequences
from riskengine.calculators.performance import wilson_interval
from riskengine.loading.pricing import DIVIDEND_YIELD, RATE
from riskengine.services.decide import inputs
from riskengine.services.decide.judge import Judged
from riskengine.services.decide.request import SizeRequest

NEAR_EXPIRY_DAYS = 1  # W11: today or tomorrow


def kelly_for(judged: Judged, i: int, request: SizeRequest) -> dict[str, Any] | None:
    """Full Kelly by the user's own odds, and how many times that this bet is (None where that is no number)."""
    full = _full_kelly(judged, request)
    equity = judged.situation.account.equity_start_of_day
    if full is None:
        return None
    comparable = full > 0 and equity > 0
    times = float(judged.sizing.dollars[i]) / equity / full if comparable else None
    return {"fraction": inputs.known(full), "times": times}


def _full_kelly(judged: Judged, request: SizeRequest) -> float | None:
    """From the user's own odds (`payoff` gained per dollar bet against the whole dollar lost), else from 30 or more of
    the portfolio's own trades; None without either."""
    if request.win_probability is not None and request.payoff is not None:
        return float(kelly.two_outcome_fraction(float(request.win_probability), float(request.payoff), 1.0))
    record = judged.situation.record
    if record.trades < advice.CERTAIN_TRADES or not record.gain or not record.loss:
        return None
    won = record.wins / record.trades
    return float(kelly.two_outcome_fraction(won, float(record.gain), float(record.loss)))


def advice_for(judged: Judged, costs: Consequences, i: int, request: SizeRequest) -> list[dict[str, str]]:
    """W1 to W14 as far as their facts are known."""
    situation, sizing = judged.situation, judged.sizing
    n = len(sizing.contracts)
    zero_dte = situation.portfolio.system == SMART_0DTE
    equity = np.full(n, situation.account.equity_start_of_day)
    physical = np.array([row.settlement == "pm_physical" for row in judged.candidates.quotes.rows])
    known: dict[str, FloatColumn] = {
        "dollars": sizing.dollars,
        "equity": equity,
        "basis": sizing.basis,
        "loss_at_stop": costs.loss_at_stop,
        "minimum": sizing.minimum,
        "asked": sizing.asked * sizing.minimum,
        "day_pnl": np.full(n, situation.account.day_pnl),
        "round_trip_cost": costs.round_trip_cost,
        "first_target": judged.slices.threshold[:, 0] * judged.candidates.quotes.ask,
        "risk_budget": sizing.amount("risk_budget"),
        "shares": np.where(physical, costs.exercise_shares, np.nan),
        "notional": np.where(judged.candidates.days <= NEAR_EXPIRY_DAYS, costs.exercise_notional, np.nan),
        "kelly": np.full(n, np.nan if (full := _full_kelly(judged, request)) is None else full),
    }
    if zero_dte:
        known["vix"] = sizing.saw("VIX")
        known["confidence_factor"] = sizing.says("CONFIDENCE")
    else:
        rises = float(situation.limits.min_position_dollars) / float(situation.limits.min_position_size)
        known["allocation"] = sizing.amount("allocation")
        known["minimum_rises"] = np.full(n, rises)
    known |= _record(judged, n) | _overnight(judged, costs) | {"correlated_dollars": _correlated(judged)}
    shares = take_profit.shares(judged.slices)
    known["break_even"] = advice.break_even(judged.slices.threshold, shares, judged.stop.fraction)
    return advice.advise(advice.bets_of(n, **known), situation.limits)[i]


def _record(judged: Judged, n: int) -> dict[str, FloatColumn]:
    """The portfolio's own closed trades, with their Wilson interval; paper trades are counted as such."""
    record, portfolio = judged.situation.record, judged.situation.portfolio
    low, high = wilson_interval(np.array([record.wins]), np.array([record.trades]))
    paper = float(record.trades) if portfolio.mode == Mode.PAPER else np.nan
    numbers = {
        "record_trades": float(record.trades),
        "record_wins": float(record.wins),
        "record_low": float(low[0]),
        "record_high": float(high[0]),
        "paper_trades": paper,
    }
    return {name: np.full(n, value) for name, value in numbers.items()}


def _overnight(judged: Judged, costs: Consequences) -> dict[str, FloatColumn]:
    """What a bet held over a close loses when the underlying moves 5% against it, at the same volatility (W12)."""
    candidates = judged.candidates
    priced, quotes = candidates.priced, candidates.quotes
    moved = priced.spot * np.where(quotes.call, 0.95, 1.05)
    then = greeks.greeks(moved, quotes.strike, priced.seconds, priced.volatility, RATE, DIVIDEND_YIELD, quotes.call)
    loss = costs.total_loss - costs.exercise_shares * then.price
    return {"loss_at_minus_5": np.where(candidates.days > 0, loss, np.nan)}


def _correlated(judged: Judged) -> FloatColumn:
    """This bet and what is open or ordered that is nearly the same bet, USD (W13)."""
    held, candidates = judged.situation.account.committed, judged.candidates
    n = len(judged.sizing.dollars)
    mine = np.where(candidates.quotes.call, 1, -1)[candidates.pair_row]
    together = candidates.pair_correlation * mine * np.tile(held.direction, n)
    same_bet = np.where(above(together, judged.situation.limits.high_pair_correlation), np.tile(held.dollars, n), 0.0)
    return judged.sizing.dollars + np.bincount(candidates.pair_row, weights=same_bet, minlength=n)
