"""The account as columns: what is open and reserved, equity, day P&L, exposure, buying power."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import numpy as np

from positions.market.calendar import Session
from positions.market_selectors import QuotedContract, quoted_contracts
from positions.models import Portfolio
from positions.selectors import held_positions, live_orders, snapshot_of
from riskengine.calculators import exposure, stops
from riskengine.calculators.columns import BoolColumn, FloatColumn, IntColumn
from riskengine.calculators.limits import Limits
from riskengine.loading import market


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """Bets, one a row: contracts, entry and mark in USD per share, exposure in USD, `direction` +1 for a call and -1
    for a put. `bid` is what selling is counted at, NaN where the quote is stale; `usable` says which quotes may be
    priced."""

    quotes: market.Quotes
    contracts: FloatColumn
    entry: FloatColumn
    mark: FloatColumn
    dollars: FloatColumn
    direction: IntColumn
    bid: FloatColumn
    usable: BoolColumn

    def underlyings(self) -> list[int]:
        return [row.underlying_id for row in self.quotes.rows]


@dataclass(frozen=True, slots=True, eq=False)
class Account:
    """The account at a market time. Money USD; NaN is not known, and refuses. `reserved` is by underlying id.

    `held` are the open positions. `committed` are they and the working opening orders: what the book is once those
    fill, which is what counts, correlation and Greeks are judged on (B-28).
    """

    equity_start_of_day: float
    snapshot_taken_at: datetime | None
    equity: float
    day_pnl: float
    exposure: float
    buying_power: float
    held: Held
    committed: Held
    reserved: Mapping[int, float]

    def allocation(self, underlying_id: int) -> float:
        """What is open and reserved in one underlying, USD (B-28)."""
        mine = np.array([each == underlying_id for each in self.held.underlyings()], bool)
        return float(self.held.dollars[mine].sum()) + self.reserved.get(underlying_id, 0.0)


Bet = tuple[int, int, Decimal]  # contract id, contracts, price paid or still to be paid


def load(portfolio: Portfolio, *, session: Session, at: datetime, limits: Limits) -> Account:
    """The account at market time `at`, in four statements whatever is open.

    Without a snapshot of the session's start there is no basis (B-11). A position without a fresh quote makes equity
    and day P&L unknown: an unknown risk is not a small risk (P-08's data breaker).
    """
    positions = list(held_positions(portfolio).select_related(None).prefetch_related(None))
    orders = list(live_orders(portfolio).openings().select_related("contract"))
    reserved: dict[int, float] = {}
    still_to_come: dict[int | None, int] = {}
    for order in orders:
        remaining = order.quantity - order.filled_quantity
        underlying = order.contract.underlying_id
        cost = float(remaining * order.worst_price * order.contract.multiplier)
        reserved[underlying] = reserved.get(underlying, 0.0) + cost
        still_to_come[order.position_id] = still_to_come.get(order.position_id, 0) + remaining
    open_bets = [(p.contract_id, p.quantity_open, p.average_entry_price) for p in positions]
    all_bets = [(p.contract_id, p.quantity_open + still_to_come.get(p.pk, 0), p.average_entry_price) for p in positions]
    all_bets += [
        (o.contract_id, o.quantity - o.filled_quantity, o.worst_price) for o in orders if o.position_id is None
    ]
    ids = {contract for contract, *_ in all_bets}
    found = quoted_contracts(ids, source=portfolio.quote_source, now=at) if ids else []
    by_contract = {row.contract_id: row for row in found}
    live = portfolio.clock.kind == "live"
    held, committed = (
        _bets(bets, by_contract, session=session, at=at, live=live, limits=limits) for bets in (open_bets, all_bets)
    )
    snapshot = snapshot_of(portfolio, session.day)
    start = float(snapshot.equity_start_of_day) if snapshot else np.nan
    deposits = float(snapshot.net_deposits) if snapshot else np.nan
    equity = float(portfolio.cash) + float((held.contracts * held.quotes.multiplier * held.bid).sum())
    reservations = sum(reserved.values())
    return Account(
        equity_start_of_day=start,
        snapshot_taken_at=snapshot.taken_at if snapshot else None,
        equity=equity,
        day_pnl=equity - start - deposits,
        exposure=float(held.dollars.sum()) + reservations,
        buying_power=float(portfolio.settled_cash) - reservations,
        held=held,
        committed=committed,
        reserved=reserved,
    )


def _bets(
    bets: Sequence[Bet],
    by_contract: Mapping[int, QuotedContract],
    *,
    session: Session,
    at: datetime,
    live: bool,
    limits: Limits,
) -> Held:
    quotes = market.quotes([by_contract[contract] for contract, *_ in bets], at=at)
    contracts = market.column([count for _, count, _ in bets])
    entry = market.column([price for *_, price in bets])
    today = np.array([row.expires_on == session.day for row in quotes.rows], bool)
    fresh = stops.fresh(quotes.age_seconds, today, np.full(len(bets), not live), limits)
    # A missing bid beside an ask is worth 0, and a crossed quote no more than its lower side.
    bid = np.where(np.isnan(quotes.bid), 0.0, quotes.bid)
    mid = (bid + quotes.ask) / 2.0
    mark = exposure.mark(mid, fresh, entry, mid)  # a stale quote's last mid is the last mark there is
    return Held(
        quotes=quotes,
        contracts=contracts,
        entry=entry,
        mark=mark,
        dollars=exposure.position_exposure(contracts, quotes.multiplier, entry, mark),
        direction=np.where(quotes.call, 1, -1),
        bid=np.where(fresh, np.fmin(bid, quotes.ask), np.nan),
        usable=stops.usable_for_exit(quotes.bid, quotes.ask, quotes.tick(quotes.bid), fresh, limits),
    )
