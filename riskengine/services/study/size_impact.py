"""What the size of an account's bets did (P-29): the same trades at the minimum bet, as they were, and at half Kelly.

Plain data. Money USD, shares and gains fractions; None is not known.
"""

from datetime import datetime
from typing import Any

import numpy as np

from positions.market.clock import market_now
from positions.models import Portfolio
from riskengine.calculators import impact
from riskengine.calculators.columns import FloatColumn, IntColumn
from riskengine.calculators.impact import FEWEST_EARLIER, Contribution, Curve, Sized
from riskengine.calculators.performance import expectancy
from riskengine.loading.equity import EquityDays, cash_moves, equity_days
from riskengine.loading.trades import Trades, closed_trades
from riskengine.services.decide.inputs import known, ny
from riskengine.services.study.luck_words import on_one_side
from riskengine.services.study.performance import ADOPTED, tier_edges, tiers_of
from riskengine.services.study.rates import distinct, dollars
from riskengine.services.study.tier_record import interval
from riskengine.services.wording import usd

WAYS = {
    "minimum": "At the minimum bet",
    "actual": "As they were",
    "half_kelly": "At half Kelly, from the trades before each",
    "hindsight": "At half Kelly in hindsight",
}


def size_impact(portfolio: Portfolio, *, now: datetime) -> dict[str, Any]:
    """The account's closed trades at each size, at wall time `now`, in the order in which they closed.

    Trades without a minimum (adopted from the broker) or a price are left out of all of them, and counted; what they
    made is in the account from then on, as what was paid in is.
    """
    at = market_now(portfolio.clock, now)
    everything = closed_trades([portfolio.pk], until=at)
    usable = np.isfinite(everything.gain) & np.isfinite(everything.minimum) & (everything.opened > 0)
    trades = everything.take(usable)
    days = equity_days(portfolio.pk, until=at)
    start = _start(trades, days)
    moves, others = cash_moves(portfolio.pk, until=at), everything.take(~usable)
    deposits = _there(trades, moves.at, moves.amount)
    sized = _sized(trades, deposits + _there(trades, others.closed_at, others.pnl))
    least = impact.minimum_bets(sized.cost, sized.contracts, sized.minimum)
    answer: dict[str, Any] = {
        "portfolio": portfolio.slug,
        "name": portfolio.name,
        "as_of": ny(at),
        "n": len(trades),
        "left_out": len(everything) - len(trades),
        "start": None if start is None else dollars(start),
        "deposits": dollars(deposits.sum()),
        "kelly_needs": FEWEST_EARLIER,
    }
    made = impact.contribution(trades.pnl, least * trades.gain)
    answer |= {"scaling": _contribution(made), "verdict": _verdict(made), "tiers": _tiers(portfolio, trades, least)}
    if start is None or not len(trades):
        return answer | {"ways": [], "curve": [], "kelly_trades": 0, "kelly_verdict": None}
    fractions = impact.half_kelly(sized)
    hindsight = impact.half_kelly_in_hindsight(sized)
    curves = {
        "minimum": impact.fixed(sized, least, start),
        "actual": impact.fixed(sized, sized.cost, start),
        "half_kelly": impact.by_fraction(sized, fractions, least, start),
    }
    if np.isfinite(hindsight):
        curves["hindsight"] = impact.by_fraction(sized, np.full(len(sized), hindsight), least, start)
    from_kelly = int(np.isfinite(fractions).sum())
    return answer | {
        "ways": [_way(name, curve) for name, curve in curves.items()],
        "curve": _points(trades, curves),
        "kelly_trades": from_kelly,
        "kelly_verdict": _kelly(fractions, hindsight, from_kelly, len(trades)),
    }


def _start(trades: Trades, days: EquityDays) -> float | None:
    """What the account began with: the first session's equity, else that of the first trade's day."""
    if len(days):
        return float(days.start[0])
    told = trades.equity[np.isfinite(trades.equity)]
    return float(told[0]) if len(told) else None


def _there(trades: Trades, at: IntColumn, amount: FloatColumn) -> FloatColumn:
    """Money that moved, by the trade from which on it is there: the first in order of closing, entered after it."""
    found = np.zeros(len(trades))
    for moved_at, each in zip(at.tolist(), amount.tolist(), strict=True):
        later = np.flatnonzero(trades.entry_at >= moved_at)
        if len(later):
            found[later[0]] += each
    return found


def _sized(trades: Trades, moved: FloatColumn) -> Sized:
    return Sized(
        gain=trades.gain,
        cost=trades.cost,
        minimum=trades.minimum,
        contract=trades.cost / np.maximum(trades.opened, 1),
        contracts=trades.opened,
        deposits=moved,
        entry_at=trades.entry_at,
        closed_at=trades.closed_at,
    )


def _way(name: str, curve: Curve) -> dict[str, Any]:
    return {
        "way": name,
        "label": WAYS[name],
        "final": dollars(curve.equity[-1]),
        "pnl": dollars(curve.pnl.sum()),
        "max_drawdown": known(curve.max_drawdown),
        "volatility": known(curve.volatility),
        "worst": dollars(curve.pnl.min()),
        "growth": known(curve.growth),
        "mean_bet": dollars(curve.bet.mean()),
        "ruined": bool(curve.ruined),
    }


def _points(trades: Trades, curves: dict[str, Curve]) -> list[dict[str, Any]]:
    """One a trade: when it closed, and what the account then stands at under each way."""
    return [
        {
            "number": k + 1,
            "closed_on": day.isoformat(),
            "position": int(trades.position_id[k]),
            **{name: dollars(curve.equity[k]) for name, curve in curves.items()},
        }
        for k, day in enumerate(trades.closed_on)
    ]


def _contribution(made: Contribution) -> dict[str, Any]:
    return {
        "n": made.trades,
        "usd": dollars(made.usd),
        "low": None if made.low is None else dollars(made.low),
        "high": None if made.high is None else dollars(made.high),
        "sure": made.sure,
    }


def _verdict(made: Contribution) -> str:
    if not made.trades:
        return "No closed trade yet: what the size of bets did is not known."
    amount, trades = usd(abs(made.usd)), "1 trade" if made.trades == 1 else f"{made.trades:,} trades"
    if abs(made.usd) < 0.005 and not made.low:
        return f"Scaling by confidence has changed nothing against always betting the minimum; {trades}."
    did = "has made" if made.usd >= 0.0 else "has cost"
    more = " more than" if made.usd >= 0.0 else " against"
    said = f"Scaling by confidence {did} {amount}{more} always betting the minimum; {trades}"
    if made.low is None or made.high is None:
        return f"{said}: one has no interval."
    tells = on_one_side(made.trades) if made.sure else "includes 0: not told from luck"
    return f"{said}: the 95% interval, {usd(made.low)} to {usd(made.high)}, {tells}."


def _kelly(fractions: FloatColumn, hindsight: float, sized: int, n: int) -> str:
    if not np.isfinite(hindsight):
        return f"{n} of the {FEWEST_EARLIER} closed trades that a Kelly fraction needs: until then the minimum is bet."
    few = f"{n - sized:,} trades are bet at the minimum: fewer than {FEWEST_EARLIER} had closed when each was entered. "
    others = _then(fractions[np.isfinite(fractions)])
    return f"{few}{others}In hindsight, from all {n:,} trades, it is {hindsight:.1%}: nobody could have known that."


def _then(told: FloatColumn) -> str:
    """What half Kelly was where it was known."""
    if not len(told):
        return ""
    others = "For the other" if len(told) == 1 else f"For the other {len(told):,}"
    if told.max() < 0.0005:
        return f"{others} it says to bet nothing. "
    if told.max() - told.min() < 0.0005:
        return f"{others} half Kelly was {told.max():.1%} of the account. "
    return f"{others} half Kelly lay between {told.min():.1%} and {told.max():.1%} of the account. "


def _tiers(portfolio: Portfolio, trades: Trades, least: FloatColumn) -> list[dict[str, Any]]:
    """By tier of confidence, what scaling made."""
    keys = tiers_of(trades, tier_edges(portfolio))
    column = np.array(keys, np.float64)
    found = []
    for begins in sorted(distinct(keys)):
        which = column == begins
        made = impact.contribution(trades.pnl[which], (least * trades.gain)[which])
        found.append(
            {
                "begins": None if begins == ADOPTED else begins,
                "label": "without a confidence" if begins == ADOPTED else f"from {begins:.2f}",
                "multiple": known(float((trades.cost[which] / least[which]).mean())),
                "pnl": dollars(trades.pnl[which].sum()),
                "minimum_pnl": dollars((least * trades.gain)[which].sum()),
                **interval("expectancy", expectancy(trades.gain[which])),
                **_contribution(made),
            }
        )
    return found
