"""What an account's record comes to (P-29): its days, its closed trades, and what each kind of them made.

    days      marked to the market, whatever was closed: equity, drawdown, the eleven figures of daily returns
    trades    closed ones, by system, account, tier, underlying, confidence, month, and why they were closed

Plain data. Money USD, shares and rates fractions, times New York with offset. None is not known.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from accounts.models import System
from positions.market.calendar import new_york_date
from positions.market.clock import market_now
from positions.models import Portfolio
from positions.models.position import Regime
from riskengine.calculators.columns import FloatColumn
from riskengine.calculators.confidence import tier_of
from riskengine.loading.equity import equity_days
from riskengine.loading.revisions import terms_in_force
from riskengine.loading.session_points import session_points
from riskengine.loading.trades import Trades, closed_trades
from riskengine.services.decide.inputs import known, ny
from riskengine.services.study.equity_record import equity_record, return_figures
from riskengine.services.study.exposure_record import exposure_record
from riskengine.services.study.kept_days import kept_days
from riskengine.services.study.rates import by, distinct, rates
from riskengine.services.study.trade_figures import (
    attribution_record,
    costs_record,
    excursions,
    figures_of,
    trade_rows,
)

BUCKETS = 20  # of confidence: steps of 0.05
ADOPTED = -1.0  # in the place of a confidence: what was bought at the broker has none
PERIODS = ("week", "month", "quarter", "all")

CLOSE_WORDS = {
    "slice": "take-profit tier",
    "target": "target",
    "stop": "stop",
    "forced_close": "forced close",
    "emergency": "emergency halt",
    "flatten": "flattened",
    "manual_close": "closed by a person",
    "manual_reduce": "part closed by a person",
    "adopted_close": "sold at the broker",
    "settled": "settled at expiration",
    "expired": "expired worthless",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """Which part of a record is asked about: New York dates, both included; None is no bound. `positions`: those trades
    and no others, whenever they closed."""

    since: date | None = None
    until: date | None = None
    tier: float | None = None
    underlying: str | None = None
    bucket: float | None = None
    positions: Collection[int] | None = None

    @property
    def of_trades(self) -> bool:
        """Whether it leaves out trades of the period: the account's days cannot be parted that way."""
        return any(each is not None for each in (self.tier, self.underlying, self.bucket))


def period(name: str, today: date) -> tuple[date | None, date | None]:
    """First and last day of this week, month or quarter; no bounds for "all"."""
    if name == "week":
        return today - timedelta(days=today.weekday()), today
    if name == "month":
        return today.replace(day=1), today
    if name == "quarter":
        return date(today.year, 3 * ((today.month - 1) // 3) + 1, 1), today
    return None, None


def performance(
    portfolio: Portfolio,
    *,
    now: datetime,
    since: date | None = None,
    until: date | None = None,
    tier: float | None = None,
    underlying: str | None = None,
    bucket: float | None = None,
    positions: Collection[int] | None = None,
    beside: Iterable[Portfolio] = (),
) -> dict[str, Any]:
    """The record at wall time `now`. `tier` and `bucket` by where they begin. `positions`: the trades, where they are
    not those that closed from `since` to `until`. `beside`: other accounts of the reader,
    which stand in the tables by account and system, each in the same period of its own market time."""
    choice = Choice(since, until, tier, underlying, bucket, positions)
    at = market_now(portfolio.clock, now)
    edges = tier_edges(portfolio)
    accounts = {each.pk: each for each in (portfolio, *beside)}
    everything = closed_trades(sorted(accounts), until=at)
    mine = everything.take(everything.portfolio_id == portfolio.pk)
    trades = chosen(mine, choice, edges)
    whole = equity_days(portfolio.pk, until=at)
    days = whole.take(since, until)
    figures = figures_of(trades)
    points = session_points(portfolio.pk, until=at)
    return {
        "portfolio": portfolio.slug,
        "name": portfolio.name,
        "system": System(portfolio.system).label,
        "as_of": ny(at),
        "today": new_york_date(at).isoformat(),
        "filters": {
            "since": since.isoformat() if since else None,
            "until": until.isoformat() if until else None,
            "tier": tier,
            "underlying": underlying,
            "bucket": bucket,
            "of_trades": choice.of_trades,
        },
        "choices": _choices(mine, edges),
        "equity": equity_record(days, points),
        "returns": return_figures(days),
        "trades": rates(trades) | {"closed_in_all": len(mine)},
        "costs": costs_record(figures),
        "excursions": excursions(figures),
        "attribution": attribution_record(figures),
        "exposure": exposure_record(portfolio, trades, days, points, at),
        "kept": kept_days(portfolio, whole, mine, now=now),
        "list": trade_rows(figures),
        "by": _tables(trades, edges) | _accounts(everything, choice, edges, accounts),
    }


def tier_edges(portfolio: Portfolio) -> FloatColumn:
    """Where the confidence tiers of the revision in force begin, (tiers,), the lowest first."""
    ladder = terms_in_force(portfolio.profile_id).limits.confidence_factor.thresholds[:, 0]
    edges: FloatColumn = np.asarray(ladder, np.float64)
    return edges[np.isfinite(edges)]


def chosen(trades: Trades, choice: Choice, edges: FloatColumn) -> Trades:
    """Those that closed in the period and are of the tier, underlying and bucket that are asked for."""
    mask = np.ones(len(trades), bool)
    if choice.positions is not None:
        mask &= np.isin(trades.position_id, list(choice.positions))
    else:
        if choice.since is not None:
            mask &= np.array([day >= choice.since for day in trades.closed_on], bool)
        if choice.until is not None:
            mask &= np.array([day <= choice.until for day in trades.closed_on], bool)
    if choice.underlying is not None:
        mask &= np.array([each == choice.underlying for each in trades.underlying], bool)
    if choice.tier is not None:
        mask &= np.abs(np.array(tiers_of(trades, edges), np.float64) - choice.tier) < 1e-9
    if choice.bucket is not None:
        mask &= np.abs(np.array(buckets_of(trades), np.float64) - choice.bucket) < 1e-9
    return trades.take(mask)


def tiers_of(trades: Trades, edges: FloatColumn) -> list[float]:
    """Where the tier of each trade's confidence begins; ADOPTED where it has none."""
    begins = np.where(np.isfinite(trades.confidence), edges[tier_of(trades.confidence, edges)], ADOPTED)
    return [round(each, 6) for each in begins.tolist()]


def buckets_of(trades: Trades) -> list[float]:
    """Where the step of 0.05 of each trade's confidence begins; 1.00 belongs to the last one."""
    step = np.floor(np.round(np.nan_to_num(trades.confidence) * BUCKETS, 6))
    begins = np.where(np.isfinite(trades.confidence), np.minimum(step, BUCKETS - 1) / BUCKETS, ADOPTED)
    return [round(each, 6) for each in begins.tolist()]


def _choices(trades: Trades, edges: FloatColumn) -> dict[str, Any]:
    """What the trades of the account can be chosen by, whatever is chosen."""
    return {
        "tiers": [{"key": known(each), "label": _tier_label(edges)(each)} for each in edges.tolist()],
        "underlyings": sorted(distinct(trades.underlying)),
        "buckets": [{"key": each, "label": _bucket_label(each)} for each in sorted(distinct(buckets_of(trades)))],
    }


def _tables(trades: Trades, edges: FloatColumn) -> dict[str, Any]:
    months = [f"{day:%Y-%m}" for day in trades.closed_on]
    return {
        "tier": by(trades, tiers_of(trades, edges), float, _tier_label(edges)),
        "underlying": by(trades, trades.underlying, str, str),
        "confidence": by(trades, buckets_of(trades), float, _bucket_label),
        "month": by(trades, months, str, lambda month: f"{date.fromisoformat(month + '-01'):%b %Y}"),
        "cause": by(trades, trades.close_cause, str, lambda cause: CLOSE_WORDS.get(cause, cause.replace("_", " "))),
        "regime": by(trades, trades.regime, str, lambda regime: str(Regime(regime).label)),
    }


def _accounts(
    everything: Trades, choice: Choice, edges: FloatColumn, accounts: Mapping[int, Portfolio]
) -> dict[str, Any]:
    """The accounts of the reader side by side, in the same period; tier and underlying part one account only."""
    trades = chosen(everything, Choice(choice.since, choice.until, positions=choice.positions), edges)
    names = {pk: each.name for pk, each in accounts.items()}
    ids: Sequence[int] = trades.portfolio_id.tolist()
    systems = [accounts[pk].system for pk in ids]
    found = by(trades, ids, lambda pk: names[pk], lambda pk: names[pk])
    return {
        "portfolio": [each | {"key": accounts[each["key"]].slug} for each in found],
        "system": by(trades, systems, str, lambda system: str(System(system).label)),
    }


def _tier_label(edges: FloatColumn) -> Any:
    begins = [round(each, 6) for each in edges.tolist()]

    def label(key: float) -> str:
        if key == ADOPTED:
            return "adopted, no confidence"
        place = begins.index(round(key, 6))
        return f"{key:.2f} to {begins[place + 1] if place + 1 < len(begins) else 1:.2f}"

    return label


def _bucket_label(key: float) -> str:
    return "adopted, no confidence" if key == ADOPTED else f"{key:.2f} to {key + 1 / BUCKETS:.2f}"
