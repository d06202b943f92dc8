"""What the size of bets did: the same trades at the minimum bet, at the actual size, and at half of Kelly's fraction.

Trades are taken one after another in the order in which they closed, as if each began when the one before was over.
What a trade made per dollar is the same at every size: the market is taken to have filled each of them alike. Bets are
whole contracts. Money USD, columns of shape (n,).

    minimum     the fewest contracts worth at least the minimum bet at its entry; never more than were bought
    actual      what was bought
    half Kelly  the most contracts that half of Kelly's fraction of the account pays for, the fraction from the trades
                that had closed before this one was entered; the minimum until there are 30 of them
    hindsight   the same with the fraction from all trades: what nobody could have known
"""

from dataclasses import dataclass

import numpy as np

from riskengine.calculators.columns import FloatColumn, IntColumn, contracts_reaching, whole_contracts
from riskengine.calculators.kelly import growth_optimal_fraction
from riskengine.calculators.performance import Expectancy, expectancy

FEWEST_EARLIER = 30  # trades before half of Kelly's fraction is anything but noise
MOST = 1.0  # of the account: nothing is borrowed


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Sized:
    """Closed trades in the order in which they closed. `gain` per dollar paid, after fees; `cost` actually paid;
    `contract` what one contract cost; `deposits` what came in or went out otherwise since the trade before. Times
    int64."""

    gain: FloatColumn
    cost: FloatColumn
    minimum: FloatColumn
    contract: FloatColumn
    contracts: IntColumn
    deposits: FloatColumn
    entry_at: IntColumn
    closed_at: IntColumn

    def __len__(self) -> int:
        return len(self.gain)


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One way of sizing. `bet` and `pnl` of each trade, `equity` after each, `index` of one dollar that was there from
    the start, free of deposits. `ruined`: nothing was left to bet at some time."""

    bet: FloatColumn
    pnl: FloatColumn
    equity: FloatColumn
    index: FloatColumn
    start: float
    ruined: bool

    @property
    def returns(self) -> FloatColumn:
        before = np.concatenate(([1.0], self.index[:-1]))
        return np.divide(self.index, before, out=np.ones(len(self.index)), where=before > 0.0) - 1.0

    @property
    def max_drawdown(self) -> float:
        """The deepest fall under the highest before it, a fraction of 0 or less."""
        path = np.concatenate(([1.0], self.index))
        return float((path / np.maximum.accumulate(path) - 1.0).min())

    @property
    def volatility(self) -> float | None:
        """Standard deviation of the account's return from trade to trade."""
        return float(self.returns.std(ddof=1)) if len(self.index) > 1 else None

    @property
    def growth(self) -> float | None:
        """Mean natural log of what one trade makes of a dollar of the account; None after ruin, or without a trade."""
        if self.ruined or not len(self.index):
            return None
        return float(np.log(self.index[-1]) / len(self.index))


def minimum_bets(cost: FloatColumn, contracts: IntColumn, minimum: FloatColumn) -> FloatColumn:
    """Dollars of the fewest whole contracts that reach each minimum, at most those that were bought for `cost`."""
    fewest = np.minimum(contracts_reaching(minimum, cost / contracts), contracts)
    return cost * fewest / contracts


def fixed(trades: Sized, bet: FloatColumn, start: float) -> Curve:
    """The account when each trade is made at `bet` dollars, whatever has become of the account."""
    return _curve(trades, bet, start, None)


def by_fraction(trades: Sized, fraction: FloatColumn, otherwise: FloatColumn, start: float) -> Curve:
    """The account when each trade bets a fraction of it in whole contracts; NaN: `otherwise` dollars."""
    return _curve(trades, otherwise, start, fraction)


def _curve(trades: Sized, dollars: FloatColumn, start: float, fraction: FloatColumn | None) -> Curve:
    n = len(trades)
    bet, equity, index = np.zeros(n), np.zeros(n), np.zeros(n)
    account, grown, ruined = float(start), 1.0, bool(start <= 0.0)
    for k in range(n):
        account += float(trades.deposits[k])
        share = np.nan if fraction is None else float(fraction[k])
        wanted = float(dollars[k])
        if np.isfinite(share):
            unit = float(trades.contract[k])
            wanted = float(whole_contracts(max(share * account, 0.0), unit)) * unit
        bet[k] = 0.0 if ruined else wanted
        made = bet[k] * float(trades.gain[k])
        if account > 0.0 and not ruined:
            grown *= max(1.0 + made / account, 0.0)
        account += made
        ruined = ruined or account <= 0.0
        equity[k], index[k] = account, grown
    return Curve(bet, bet * trades.gain, equity, index, start, ruined)


def half_kelly(trades: Sized) -> FloatColumn:
    """Half of Kelly's fraction for each trade from those that had closed before it was entered; NaN with fewer than 30
    of them. Each of them counts as one equally likely outcome."""
    earlier = np.searchsorted(trades.closed_at, trades.entry_at, side="right")
    enough = earlier >= FEWEST_EARLIER
    counts, which = np.unique(earlier[enough], return_inverse=True)
    halves, last = np.empty(len(counts)), 0.0
    for place, count in enumerate(counts.tolist()):
        last = _kelly_near(trades.gain[:count], last)
        halves[place] = min(last / 2.0, MOST)
    found = np.full(len(trades), np.nan)
    found[enough] = halves[which]
    return found


@np.errstate(divide="ignore", invalid="ignore")  # one digit from ruin 1 + f b may round to 0
def _kelly_near(gain: FloatColumn, near: float) -> float:
    """`growth_optimal_fraction` of equally likely outcomes, searched from the fraction of one trade less: by Newton's
    steps inside the bracket, a few a trade where bisection takes sixty, so that a long record opens at once."""
    if gain.sum() <= 1e-15 * np.abs(gain).sum() or gain.min() >= 0.0:
        return growth_optimal_fraction(np.full(len(gain), 1.0 / len(gain)), gain)
    low, high = 0.0, -1.0 / float(gain.min())
    fraction = near if low < near < high else 0.5 * high
    for _ in range(100):
        each = gain / (1.0 + fraction * gain)
        slope = float(each.sum())
        low, high = (fraction, high) if slope > 0.0 else (low, fraction)
        step = fraction + slope / float((each * each).sum())
        step = step if low < step < high else 0.5 * (low + high)
        if abs(step - fraction) <= 1e-14 * high:
            return step
        fraction = step
    return fraction


def half_kelly_in_hindsight(trades: Sized) -> float:
    """The same from all trades; NaN with fewer than 30."""
    return _half_of(trades.gain) if len(trades) >= FEWEST_EARLIER else float("nan")


def _half_of(gain: FloatColumn) -> float:
    n = len(gain)
    return min(growth_optimal_fraction(np.full(n, 1.0 / n), gain) / 2.0, MOST)


@dataclass(frozen=True, slots=True)
class Contribution:
    """What scaling made beyond the minimum, USD: the sum over `trades` and the 95% interval of that sum (Student)."""

    trades: int
    usd: float
    low: float | None
    high: float | None

    @property
    def sure(self) -> bool:
        return self.low is not None and self.high is not None and (self.low > 0.0 or self.high < 0.0)


def contribution(pnl: FloatColumn, minimum_pnl: FloatColumn) -> Contribution:
    """P&L as it was less P&L at the minimum bet."""
    each: Expectancy = expectancy(pnl - minimum_pnl)
    n = each.trades
    low = None if each.low is None else each.low * n
    high = None if each.high is None else each.high * n
    return Contribution(n, float((pnl - minimum_pnl).sum()), low, high)
