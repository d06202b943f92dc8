"""What the book looks like now and with this bet: exposure, Greeks, and a fall or rise of every underlying by 5%.

The same numbers as the gates and the risk page have. Where an option cannot be priced a sum of it is not known.
"""

from typing import Any

import numpy as np

from accounts.defaults import SMART_0DTE
from riskengine.calculators.columns import FloatColumn
from riskengine.calculators.scenarios import scenario_pnl
from riskengine.loading.pricing import DIVIDEND_YIELD, RATE
from riskengine.services.decide import inputs
from riskengine.services.decide.judge import Judged

MOVES = np.array([-0.05, 0.05])


def rows(judged: Judged, i: int) -> list[dict[str, Any]]:
    """Each figure as label, unit, before, after and limit (None: no limit, or not known); none where nothing would be
    bought."""
    contracts = float(judged.sizing.contracts[i])
    if not contracts:
        return []
    situation, candidates, limits = judged.situation, judged.candidates, judged.situation.limits
    shares = contracts * float(candidates.quotes.multiplier[i])
    basis = float(judged.sizing.basis[i])
    gated = situation.portfolio.system == SMART_0DTE
    held, priced = situation.account.held, situation.marks.priced
    owned, theirs, own = held.contracts * held.quotes.multiplier, priced.greeks, candidates.priced.greeks
    ratio = float(candidates.priced.spot[i] / situation.spy)
    delta, gamma = (float(each[0]) for each in (situation.book.delta, situation.book.gamma))
    theta, vega = (float((owned * each[held.places]).sum()) for each in (theirs.theta_per_day, theirs.vega_per_point))
    now, then = _moved(judged), _moved(judged, i)
    exposure, most = situation.account.exposure, float(limits.max_total_exposure) * basis

    def row(name: str, unit: str, before: float, after: float, limit: float | None = None) -> dict[str, Any]:
        return {
            "label": name,
            "unit": unit,
            "before": inputs.known(before),
            "after": inputs.known(after),
            "limit": None if limit is None else inputs.known(limit),
        }

    return [
        row("Exposure", "USD", exposure, exposure + float(judged.sizing.dollars[i]), most),
        row(
            "Delta", "SPY shares", delta, delta + shares * float(own.delta[i]) * ratio,
            float(limits.max_portfolio_delta) * basis if gated else None,
        ),
        row(
            "Gamma", "SPY shares per dollar", gamma, gamma + shares * float(own.gamma[i]) * ratio**2,
            float(limits.max_portfolio_gamma) * basis if gated else None,
        ),
        row("Theta", "USD a day", theta, theta + shares * float(own.theta_per_day[i])),
        row("Vega", "USD a point", vega, vega + shares * float(own.vega_per_point[i])),
        row("Underlyings −5%", "USD", now[0], then[0]),
        row("Underlyings +5%", "USD", now[1], then[1]),
    ]  # fmt: skip


def _moved(judged: Judged, i: int | None = None) -> FloatColumn:
    """USD gained or lost as every underlying moves at once and no volatility does: by the book, with row i by both."""
    situation, candidates = judged.situation, judged.candidates
    held, priced = situation.account.held, situation.marks.priced
    bet = slice(0, 0) if i is None else slice(i, i + 1)

    def both(theirs: Any, own: Any) -> Any:
        return np.concatenate((theirs, own[bet]))

    return scenario_pnl(
        contracts=both(held.contracts, judged.sizing.contracts.astype(np.float64)),
        multiplier=both(held.quotes.multiplier, candidates.quotes.multiplier),
        spot=both(priced.spot[held.places], candidates.priced.spot),
        strike=both(held.quotes.strike, candidates.quotes.strike),
        seconds_to_expiry=both(priced.seconds[held.places], candidates.priced.seconds),
        volatility=both(priced.volatility[held.places], candidates.priced.volatility),
        rate=RATE,
        dividend_yield=DIVIDEND_YIELD,
        call=both(held.quotes.call, candidates.quotes.call),
        spot_moves=MOVES,
        volatility_moves=np.zeros(1),
    )[0]
