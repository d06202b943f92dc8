"""What each closed trade cost on its way in and out, how far it went either way, and what its profit came from (P-29).

    slippage     fills against the mid that was decided on, entry and exit
    MAE, MFE     lowest and highest bid by the minute while it was held, and price of a sale, against the entry
    attribution  delta, gamma, theta, vega by the minute; spread at the fills; fees; what is left over: the realised P&L

The parts of a trade add up to its P&L to the cent, by what is left over. What cannot be told says why.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from riskengine.calculators.attribution import greek_parts, to_the_cent
from riskengine.calculators.columns import FloatColumn
from riskengine.loading.book import instant
from riskengine.loading.paths import Costs, Paths, costs_of, paths_of
from riskengine.loading.trades import Trades
from riskengine.services.decide.inputs import known, ny
from riskengine.services.study.rates import dollars, ratio

PARTS = ("delta", "gamma", "theta", "vega", "spread", "fees", "unexplained")
OF_A_TRADE = tuple(name for name in PARTS if name != "fees")  # a trade has its fees, whether its parts are known or not
NO_MINUTES = "no minute of its price was kept"
TOO_FEW = "too many of its minutes had no usable price"
NO_QUOTE = "the quote at a fill is not known"


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """Of `trades`, shape (n,) each. `parts` in cents by name, each a whole number of them, NaN where not known;
    `reasons` why not, by the place of the trade."""

    trades: Trades
    costs: Costs
    lowest: FloatColumn
    highest: FloatColumn
    parts: Mapping[str, FloatColumn]
    reasons: Mapping[int, str]

    @property
    def mae(self) -> FloatColumn:
        """The worst it stood at, per dollar paid: −0.25 is a quarter lost."""
        return self.lowest / self.trades.entry_price - 1.0

    @property
    def mfe(self) -> FloatColumn:
        return self.highest / self.trades.entry_price - 1.0


def figures_of(trades: Trades) -> Figures:
    """Three statements."""
    ids: list[int] = trades.position_id.tolist()
    costs, paths = costs_of(ids), paths_of(ids, while_held=True)
    parts, reasons = _parts(trades, costs, paths)
    lowest, highest = _extremes(paths, costs, len(ids))
    return Figures(trades, costs, lowest, highest, parts, reasons)


def _extremes(paths: Paths, costs: Costs, n: int) -> tuple[FloatColumn, FloatColumn]:
    """Of the bids by the minute, and of what was paid for it between two of them. NaN where no minute was kept."""
    bid, trade = paths.bid[np.isfinite(paths.bid)], paths.trade[np.isfinite(paths.bid)]
    lowest, highest = np.full(n, np.inf), np.full(n, -np.inf)
    np.minimum.at(lowest, trade, bid)
    np.maximum.at(highest, trade, bid)
    seen = np.isfinite(lowest)
    low, high = np.fmin(lowest, costs.lowest_sale), np.fmax(highest, costs.highest_sale)
    return np.where(seen, low, np.nan), np.where(seen, high, np.nan)


def _parts(trades: Trades, costs: Costs, paths: Paths) -> tuple[dict[str, FloatColumn], dict[int, str]]:
    n = len(trades)
    greek = greek_parts(paths.marks, n)
    minutes = np.bincount(paths.trade, minlength=n)
    reasons: dict[int, str] = {}
    for place in range(n):
        if not minutes[place]:
            reasons[place] = NO_MINUTES
        elif not greek.known[place]:
            reasons[place] = TOO_FEW
        elif np.isnan(costs.spread[place]):
            reasons[place] = NO_QUOTE
    told = {name: getattr(greek, name) for name in ("delta", "gamma", "theta", "vega")}
    parts = to_the_cent(told | {"spread": -costs.spread, "fees": -trades.fees}, trades.pnl)
    return parts, reasons


# ---- Told ----


def costs_record(figures: Figures) -> dict[str, Any]:
    """Slippage against the mid that was decided on, and what all costs come to. Shares are of premium paid for entries
    and of premium received for exits. A trade without an exit order (settled at expiration) slipped none there."""
    trades, costs = figures.trades, figures.costs
    premium = float(trades.cost.sum())
    entry, exit_ = np.isfinite(costs.entry_slippage), np.isfinite(costs.exit_slippage)
    both = entry & (exit_ | ~costs.sold)
    slipped = np.nan_to_num(costs.entry_slippage) + np.nan_to_num(costs.exit_slippage)
    whole = float((slipped + trades.fees)[both].sum())
    gross = float(trades.pnl[both].sum()) + whole
    paid, got = float(trades.cost[entry].sum()), float(trades.proceeds[exit_].sum())
    entered, left = float(costs.entry_slippage[entry].sum()), float(costs.exit_slippage[exit_].sum())
    return {
        "premium": dollars(premium),
        "fees": dollars(trades.fees.sum()),
        "fees_share": known(ratio(float(trades.fees.sum()), premium)),
        "entry_slippage": dollars(entered) if entry.any() else None,
        "entry_share": known(ratio(entered, paid)) if entry.any() else None,
        "entry_trades": int(entry.sum()),
        "exit_slippage": dollars(left) if exit_.any() else None,
        "exit_share": known(ratio(left, got)) if exit_.any() else None,
        "exit_trades": int(exit_.sum()),
        "known_trades": int(both.sum()),
        "all": dollars(whole) if both.any() else None,
        "share_of_premium": known(ratio(whole, float(trades.cost[both].sum()))) if both.any() else None,
        "gross": dollars(gross) if both.any() else None,
        "share_of_gross": known(whole / gross) if both.any() and gross > 0.0 else None,
    }


def excursions(figures: Figures) -> dict[str, Any]:
    """How far trades went against and for them while they were held, by the minute, per dollar paid."""
    seen = np.isfinite(figures.mae)
    mae, mfe, gain = figures.mae[seen], figures.mfe[seen], figures.trades.gain[seen]
    return {
        "trades": int(seen.sum()),
        "mae": known(float(mae.mean())) if len(mae) else None,
        "mae_worst": known(float(mae.min())) if len(mae) else None,
        "mfe": known(float(mfe.mean())) if len(mfe) else None,
        "mfe_best": known(float(mfe.max())) if len(mfe) else None,
        "given_back": known(float(np.nanmean(np.maximum(mfe - gain, 0.0)))) if np.isfinite(gain).any() else None,
    }


def attribution_record(figures: Figures) -> dict[str, Any]:
    """What the profit of those trades came from of which it can be told, USD; the parts add up to `pnl`."""
    told = [place for place in range(len(figures.trades)) if place not in figures.reasons]
    why = Counter(figures.reasons.values())
    return {
        "trades": len(told),
        "of": len(figures.trades),
        "parts": [{"part": name, "usd": dollars(figures.parts[name][told].sum() / 100.0)} for name in PARTS],
        "pnl": dollars(figures.trades.pnl[told].sum()),
        "unknown": [{"reason": reason, "trades": count} for reason, count in sorted(why.items())],
    }


def trade_rows(figures: Figures) -> list[dict[str, Any]]:
    """One a trade, the latest first."""
    trades, costs = figures.trades, figures.costs
    rows = []
    for k in range(len(trades)):
        parts = {name: None if k in figures.reasons else dollars(figures.parts[name][k] / 100.0) for name in OF_A_TRADE}
        rows.append(
            {
                "position": int(trades.position_id[k]),
                "contract": trades.contract[k],
                "underlying": trades.underlying[k],
                "right": trades.right[k],
                "entered_at": ny(instant(int(trades.entry_at[k]))),
                "closed_at": ny(instant(int(trades.closed_at[k]))),
                "closed_by": trades.close_cause[k],
                "confidence": known(trades.confidence[k]),
                "contracts": int(trades.opened[k]),
                "entry_price": known(trades.entry_price[k]),
                "cost": dollars(trades.cost[k]),
                "proceeds": dollars(trades.proceeds[k]),
                "fees": dollars(trades.fees[k]),
                "pnl": dollars(trades.pnl[k]),
                "gain": known(trades.gain[k]),
                "share_of_equity": known(trades.fraction[k]),
                "multiple_of_minimum": known(trades.scale[k]),
                "entry_slippage": known(costs.entry_slippage[k]),
                "exit_slippage": known(costs.exit_slippage[k]),
                "slipped": known(costs.entry_slippage[k] + (costs.exit_slippage[k] if costs.sold[k] else 0.0)),
                "mae": known(figures.mae[k]),
                "mfe": known(figures.mfe[k]),
                **parts,
                "attribution_unknown": figures.reasons.get(k, ""),
            }
        )
    return rows[::-1]
