"""Components of a signal, and how they become a direction and a confidence.

A component is a strength from -1 (down) to +1 (up) for each row, NaN where an input is missing. Each follows a
published finding, and none is a promise: the effects were found in averages over decades, mostly before costs, and most
were smaller after they were published. What they are worth here is told by the account's own trades (`confidence`).

    s          = weighted mean of the known components
    direction  = sign of s          confidence = 0.5 + 0.5 |s| calm          no signal under half of the weights

Prices enter as logarithms, so that a rise and the fall that undoes it are equally strong, and only their ratios matter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from riskengine.calculators.columns import CONFIDENCE_PLACES, FloatColumn, above, at_least, half_up_places
from riskengine.calculators.correlation import UNMOVED

TREND_SESSIONS = (20, 50)
TREND_BAND = 0.01  # Brock, Lakonishok and LeBaron's band: within 1% of the average nothing is said
MOMENTUM_SESSIONS = 20
HISTORY_SHARE = 0.5  # of the sessions of a history that must be known
DRIFT_DAYS = 90.0
FULL_SURPRISE_PERCENT = 10.0
FULL_VALUATION_RATIO = 2.0  # half or twice the sector's P/E is as cheap or dear as counts
LEAST_KNOWN_SHARE = 0.5

# A bet that ends today lives on what happens today: the first half hour is the only one of these findings about the
# same day, so it weighs as much as the two slow ones together; what the other indices do is the weakest of the four.
SMART_0DTE_WEIGHTS: Mapping[str, float] = MappingProxyType(
    {"intraday_momentum": 0.4, "trend": 0.2, "momentum": 0.2, "cross_asset": 0.2}
)
# A bet of a week on one stock: drift after earnings is the best documented of these at that horizon, price trends come
# next, and what analysts and valuations say works over months and may only tilt.
MAG7_7DTE_WEIGHTS: Mapping[str, float] = MappingProxyType(
    {
        "post_earnings_drift": 0.3,
        "momentum": 0.2,
        "trend": 0.2,
        "cross_asset": 0.1,
        "analyst_tilt": 0.1,
        "valuation_tilt": 0.1,
    }
)


def trend(closes: FloatColumn) -> FloatColumn:
    """Where the last close stands against its averages over 20 and 50 sessions, each worth a half, shape (n,).

    `closes`, shape (n, sessions), USD, oldest first. An average counts in full once the close is 1% or more away from
    it, and in proportion within that band. NaN where one of the last 50 closes is missing or not above 0.

    Source: Brock, Lakonishok and LeBaron, "Simple Technical Trading Rules and the Stochastic Properties of Stock
    Returns" (1992), with the average of log closes. They found it in the Dow Jones from 1897 to 1986; Sullivan,
    Timmermann and White (1999) found nothing left of it in the ten years after.
    """
    logs = _logs(closes, max(TREND_SESSIONS))
    distances = [logs[:, -1] - logs[:, -sessions:].mean(axis=1) for sessions in TREND_SESSIONS]
    strength: FloatColumn = np.mean([np.clip(distance / TREND_BAND, -1.0, 1.0) for distance in distances], axis=0)
    return strength


def momentum(closes: FloatColumn) -> FloatColumn:
    """tanh of the log return over 20 sessions, counted in its own standard deviations, shape (n,).

    `closes` as `trend`; the deviation is that of the 20 daily returns, times sqrt(20). NaN where one of the last 21
    closes is missing or not above 0, or the daily returns do not differ.

    Source: Moskowitz, Ooi and Pedersen, "Time Series Momentum" (2012): futures went on for 1 to 12 months in the
    direction they had gone. One month is the short end of what they looked at, and theirs were portfolios of many.
    """
    logs = _logs(closes, MOMENTUM_SESSIONS + 1)
    deviation = np.diff(logs, axis=1).std(axis=1, ddof=1) * np.sqrt(MOMENTUM_SESSIONS)
    return _tanh_ratio(logs[:, -1] - logs[:, 0], deviation)


def intraday_momentum(first_half_hour_return: FloatColumn, daily_volatility: FloatColumn) -> FloatColumn:
    """tanh of the return of the first half hour in daily standard deviations, shape (n,).

    `first_half_hour_return` from the last close to 10:00 New York, a log return as a fraction; `daily_volatility` a
    fraction, above 0. NaN where one is missing.

    Source: Gao, Han, Li and Zhou, "Market Intraday Momentum" (2018): in SPY from 1993 to 2013 the first half hour told
    about 1.6% of the variance of the last one. It says nothing of the hours between.
    """
    return _tanh_ratio(first_half_hour_return, daily_volatility)


def volatility_regime(vix: FloatColumn, vix_history: FloatColumn, vix1d: FloatColumn) -> FloatColumn:
    """How calm it is, from 0 to 1, shape (n,): a factor on any signal and not a direction.

    The median variance of the history over today's, at most 1, halved where VIX1D is known and above VIX: today is then
    priced as wilder than the month.

    `vix` and `vix1d`, shape (n,), in points of the index; `vix_history`, shape (n, sessions). NaN where VIX or half of
    the history is missing or not above 0.

    Source: Moreira and Muir, "Volatility-Managed Portfolios" (2017): returns per unit of risk were lower where variance
    had been high. Cederburg and others (2020) found that hard to earn out of sample. The halving is ours.
    """
    known = _positive(vix_history)
    count = known.sum(axis=1)
    usable = _positive(vix) & (count > 0) & at_least(count, HISTORY_SHARE * vix_history.shape[1])
    calm = np.full(len(vix), np.nan)
    median = np.nanmedian(np.where(known, vix_history, np.nan)[usable] ** 2, axis=1)
    calm[usable] = np.minimum(median / vix[usable] ** 2, 1.0)
    return np.where(_positive(vix1d) & above(vix1d, vix), 0.5 * calm, calm)


def cross_asset(own: FloatColumn, others: FloatColumn) -> FloatColumn:
    """The share of the others that moved the same way, with the sign of the own move, shape (n,).

    `own`, shape (n,), and `others`, shape (n, k), are returns over the same time. An other that did not move agrees
    with nobody, one that is missing is left out. NaN where own or all others are missing; 0 where own is 0.

    Source: Pitkäjärvi, Suominen and Vaittinen, "Cross-Asset Signals and Time Series Momentum" (2020): past returns of
    one market told of another's, for bonds and equities over months. That days of related stocks do so is assumed here.
    """
    known = np.isfinite(others)
    agree = known & (np.sign(others) == np.sign(own)[:, None])
    count = known.sum(axis=1)
    usable = np.isfinite(own) & (count > 0)
    return np.where(usable, np.sign(own) * agree.sum(axis=1) / np.where(usable, count, 1), np.nan)


def post_earnings_drift(surprise_percent: FloatColumn, days_since: FloatColumn) -> FloatColumn:
    """The last earnings surprise, in full from 10% on, fading along a straight line to 0 after 90 days, shape (n,).

    `surprise_percent` (11 means 11%) and `days_since` in calendar days. NaN where one is missing, or the earnings are
    yet to come.

    Source: Bernard and Thomas, "Post-Earnings-Announcement Drift: Delayed Price Response or Risk Premium?" (1989): for
    about 60 sessions prices went on towards the surprise, least so in large companies, which is what the seven are.
    """
    size = np.clip(surprise_percent / FULL_SURPRISE_PERCENT, -1.0, 1.0)
    usable = np.isfinite(surprise_percent) & np.isfinite(days_since) & (days_since >= 0.0)
    return np.where(usable, size * np.clip(1.0 - days_since / DRIFT_DAYS, 0.0, 1.0), np.nan)


def valuation_tilt(pe: FloatColumn, sector_pe: FloatColumn) -> FloatColumn:
    """How cheap against the sector: ln(sector P/E / P/E) / ln 2, from half the sector's (+1) to twice (-1), (n,).

    NaN where a ratio is missing or not above 0: a loss is not cheap.

    Source: Basu, "Investment Performance of Common Stocks in Relation to Their Price-Earnings Ratios" (1977): low P/E
    earned more over a year. Over a week it is a tilt and no more.
    """
    usable = _positive(pe) & _positive(sector_pe)
    ratio = np.where(usable, sector_pe, 1.0) / np.where(usable, pe, 1.0)
    return np.where(usable, np.clip(np.log(ratio) / np.log(FULL_VALUATION_RATIO), -1.0, 1.0), np.nan)


def analyst_tilt(buy_percent: FloatColumn, sell_percent: FloatColumn) -> FloatColumn:
    """Buys less sells as a share of the ratings, shape (n,); both in percent (60 means 60%).

    NaN where one is missing or outside 0 and 100.

    Source: Womack, "Do Brokerage Analysts' Recommendations Have Investment Value?" (1996): prices went on in the
    direction of a *changed* recommendation for one to six months. Standing ratings, as here, say less and lean to buys.
    """
    usable = np.all([(share >= 0.0) & (share <= 100.0) for share in (buy_percent, sell_percent)], axis=0)
    return np.where(usable, (buy_percent - sell_percent) / 100.0, np.nan)


def _positive(column: FloatColumn) -> npt.NDArray[np.bool_]:
    return np.isfinite(column) & (column > 0.0)


def _logs(closes: FloatColumn, sessions: int) -> FloatColumn:
    """The last `sessions` log closes, shape (n, sessions); a row is NaN throughout where one is missing, all are where
    there are fewer."""
    if closes.ndim != 2:
        raise ValueError("closes is a table of shape (n, sessions)")
    recent = closes[:, -sessions:]
    if recent.shape[1] < sessions:
        return np.full((len(closes), sessions), np.nan)
    usable = _positive(recent).all(axis=1, keepdims=True)
    return np.where(usable, np.log(np.where(usable, recent, 1.0)), np.nan)


def _tanh_ratio(move: FloatColumn, deviation: FloatColumn) -> FloatColumn:
    usable = np.isfinite(move) & np.isfinite(deviation) & (deviation > UNMOVED)
    return np.where(usable, np.tanh(move / np.where(usable, deviation, 1.0)), np.nan)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Combined:
    """The signal of each row, shape (n,).

    `direction` (int8) +1 up, -1 down, 0 no signal; `confidence` from 0.5 to 1 to 6 places, NaN without a signal;
    `known_share` of the weights, `strength` the weighted mean s, NaN where no component is known.
    """

    direction: npt.NDArray[np.int8]
    confidence: FloatColumn
    known_share: FloatColumn
    strength: FloatColumn


def combine(strength: FloatColumn, weight: FloatColumn, calm: FloatColumn) -> Combined:
    """One signal of several components.

    Parameters
    ----------
    strength : (n, k), -1 to +1, NaN where a component is not known.
    weight : (k,), at least 0, above 0 in sum.
    calm : (n,), 0 to 1, NaN where not known.

    Returns
    -------
    Combined. No signal where less than half of the weights is known, s is 0, or calm is not known. The confidence is a
    scale on which the account's trades can be counted, and no probability before they were (A-21).

    Raises
    ------
    ValueError
        Where shapes do not fit or a number is outside its bounds.

    Source: equal and fixed weights against fitted ones: Dawes, "The Robust Beauty of Improper Linear Models in Decision
    Making" (1979).
    """
    if strength.ndim != 2 or weight.shape != strength.shape[1:] or calm.shape != strength.shape[:1]:
        raise ValueError("strength is a table of rows and components, weight has the components and calm the rows")
    if not (np.isfinite(weight) & (weight >= 0.0)).all() or not weight.sum() > 0.0:
        raise ValueError("weights are at least 0, and one is above")
    if (np.abs(strength) > 1.0).any() or (calm < 0.0).any() or (calm > 1.0).any():
        raise ValueError("a strength is a number from -1 to +1, calm one from 0 to 1")
    known = np.isfinite(strength)
    weight_known = np.where(known, weight, 0.0).sum(axis=1)
    s = (np.where(known, strength, 0.0) * weight).sum(axis=1) / np.where(weight_known > 0.0, weight_known, np.nan)
    s = np.clip(s, -1.0, 1.0)
    share = weight_known / weight.sum()
    # Components that cancel leave 1e-17 of rounding: that is no direction.
    signal = at_least(share, LEAST_KNOWN_SHARE) & above(np.abs(s), 0.0) & np.isfinite(calm)
    confidence = half_up_places(0.5 + 0.5 * np.abs(s) * calm, CONFIDENCE_PLACES)
    return Combined(
        direction=np.where(signal, np.sign(np.where(signal, s, 0.0)), 0.0).astype(np.int8),
        confidence=np.where(signal, confidence, np.nan),
        known_share=share,
        strength=s,
    )
