"""The account as columns: what is open and reserved, equity, day P&L, exposure, buying power."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from positions.market.calendar import Session
from positions.market_selectors import quoted_contracts
from positions.models import Portfolio
from positions.selectors import held_positions, live_orders, snapshot_of
from riskengine.calculators import exposure, stops
from riskengine.calculators.columns import FloatColumn, IntColumn
from riskengine.calculators.limits import Limits
from riskengine.loading import market


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """Open positions, one a row: open contracts, average entry and mark in USD per share, exposure in USD,
    `direction` +1 for a call and -1 for a put."""

    quotes: market.Quotes
    contracts: FloatColumn
    entry: FloatColumn
    mark: FloatColumn
    dollars: FloatColumn
    direction: IntColumn

    def underlyings(self) -> list[int]:
        return [row.underlying_id for row in self.quotes.rows]


@dataclass(frozen=True, slots=True, eq=False)
class Account:
    """The account at a market time. Money USD; NaN is not known, and refuses. `reserved` is by underlying id."""

    equity_start_of_day: float
    snapshot_taken_at: datetime | None
    equity: float
    day_pnl: float
    exposure: float
    buying_power: float
    held: Held
    reserved: Mapping[int, float]

    def allocation(self, underlying_id: int) -> float:
        """What is open and reserved in one underlying, USD (B-28)."""
        mine = np.array([each == underlying_id for each in self.held.underlyings()], bool)
        return float(self.held.dollars[mine].sum()) + self.reserved.get(underlying_id, 0.0)


def load(portfolio: Portfolio, *, session: Session, at: datetime, limits: Limits) -> Account:
    """The account at market time `at`, in four statements whatever is open.

    Without a snapshot of the session's start there is no basis (B-11). A position without any quote makes equity, day
    P&L and exposure unknown: an unknown risk is not a small risk.
    """
    held = _held(portfolio, session=session, at=at, limits=limits)
    reserved: dict[int, float] = {}
    for order in live_orders(portfolio).openings().select_related("contract"):
        cost = float((order.quantity - order.filled_quantity) * order.worst_price * order.contract.multiplier)
        reserved[order.contract.underlying_id] = reserved.get(order.contract.underlying_id, 0.0) + cost
    reservations = sum(reserved.values())
    snapshot = snapshot_of(portfolio, session.day)
    start = float(snapshot.equity_start_of_day) if snapshot else np.nan
    deposits = float(snapshot.net_deposits) if snapshot else np.nan
    # A missing bid beside a live ask is worth 0; no quote at all is not known.
    bid = np.where(np.isnan(held.quotes.age_seconds), np.nan, np.fmax(held.quotes.bid, 0.0))
    equity = float(portfolio.cash) + float((held.contracts * held.quotes.multiplier * bid).sum())
    return Account(
        equity_start_of_day=start,
        snapshot_taken_at=snapshot.taken_at if snapshot else None,
        equity=equity,
        day_pnl=equity - start - deposits,
        exposure=float(held.dollars.sum()) + reservations,
        buying_power=float(portfolio.settled_cash) - reservations,
        held=held,
        reserved=reserved,
    )


def _held(portfolio: Portfolio, *, session: Session, at: datetime, limits: Limits) -> Held:
    positions = list(held_positions(portfolio).select_related(None).prefetch_related(None))
    ids = {position.contract_id for position in positions}
    found = quoted_contracts(ids, source=portfolio.quote_source, now=at) if ids else []
    by_contract = {row.contract_id: row for row in found}
    quotes = market.quotes([by_contract[position.contract_id] for position in positions], at=at)
    contracts = market.column([position.quantity_open for position in positions])
    entry = market.column([position.average_entry_price for position in positions])
    today = np.array([row.expires_on == session.day for row in quotes.rows], bool)
    recorded = np.full(len(positions), portfolio.clock.kind != "live")
    fresh = stops.fresh(quotes.age_seconds, today, recorded, limits)
    # A missing bid beside an ask is worth 0. A stale quote's last mid is the last mark there is.
    mid = (np.where(np.isnan(quotes.bid), 0.0, quotes.bid) + quotes.ask) / 2.0
    mark = exposure.mark(mid, fresh, entry, mid)
    return Held(
        quotes=quotes,
        contracts=contracts,
        entry=entry,
        mark=mark,
        dollars=exposure.position_exposure(contracts, quotes.multiplier, entry, mark),
        direction=np.where(quotes.call, 1, -1),
    )
