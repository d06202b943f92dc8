"""The account as columns: what is open and reserved, equity, day P&L, exposure, buying power.

Ledger   what is held, ordered and paid, as it was read
Marks    what each contract of the ledger is worth
Account  both together; whatever the ledger says next, it is made from the same marks again
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from django.db import connection

from positions.market.calendar import Calendar
from positions.market_selectors import QuotedContract, UnderlyingPrice
from positions.models import Portfolio
from positions.querysets import LIVE_ORDER_STATUSES
from riskengine.calculators import exposure, stops
from riskengine.calculators.columns import BoolColumn, FloatColumn, IntColumn
from riskengine.calculators.limits import Limits
from riskengine.loading import market, pricing

# ---- What is held, ordered and paid ----


class OpenPosition(NamedTuple):
    position_id: int
    contract_id: int
    contracts: int
    price: Decimal


class Opening(NamedTuple):
    """A live opening order: the contracts that may still come, at the worst price, USD a share."""

    position_id: int | None
    contract_id: int
    contracts: int
    price: Decimal


class Snapshot(NamedTuple):
    equity_start_of_day: Decimal
    net_deposits: Decimal
    taken_at: datetime


@dataclass(frozen=True, slots=True, eq=False)
class Ledger:
    """USD and contracts, the oldest first. `snapshot` is that of the session's start, None where there is none."""

    cash: Decimal
    settled_cash: Decimal
    snapshot: Snapshot | None
    positions: tuple[OpenPosition, ...]
    openings: tuple[Opening, ...]

    def contract_ids(self) -> set[int]:
        return {each.contract_id for each in self.positions} | {each.contract_id for each in self.openings}

    def with_opening(self, contract_id: int, contracts: int, price: Decimal) -> "Ledger":
        """With one more order, as the next look would read it."""
        return replace(self, openings=(*self.openings, Opening(None, contract_id, contracts, price)))


def read_ledger(portfolio: Portfolio, session_on: date) -> Ledger:
    """The portfolio's ledger. Three statements, whatever is open."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT equity_start_of_day, net_deposits, taken_at FROM positions_equitysnapshot
            WHERE portfolio_id = %s AND session_on = %s
            """,
            [portfolio.pk, session_on],
        )
        snapshot = cursor.fetchone()
        cursor.execute(
            """
            SELECT id, contract_id, quantity_open, average_entry_price FROM positions_position
            WHERE portfolio_id = %s AND quantity_open > 0 ORDER BY id
            """,
            [portfolio.pk],
        )
        positions = tuple(map(OpenPosition._make, cursor.fetchall()))
        cursor.execute(
            """
            SELECT position_id, contract_id, quantity - filled_quantity, worst_price FROM positions_order
            WHERE portfolio_id = %s AND intent = 'open' AND parent_id IS NULL AND status = ANY(%s) ORDER BY id
            """,
            [portfolio.pk, list(LIVE_ORDER_STATUSES)],
        )
        openings = tuple(map(Opening._make, cursor.fetchall()))
    known = Snapshot._make(snapshot) if snapshot else None
    return Ledger(portfolio.cash, portfolio.settled_cash, known, positions, openings)


# ---- What each contract is worth ----


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """One row a contract. `bid` is what selling is counted at, NaN where the quote is stale; `mid` counts a missing bid
    as 0; `usable` says which quotes may be priced, and `priced` has Greeks of those only."""

    quotes: market.Quotes
    place: Mapping[int, int]
    fresh: BoolColumn
    bid: FloatColumn
    mid: FloatColumn
    usable: BoolColumn
    priced: pricing.Priced


def marks_of(
    rows: Sequence[QuotedContract],
    prices: Mapping[int, UnderlyingPrice],
    calendar: Calendar,
    *,
    session_on: date,
    at: datetime,
    live: bool,
    limits: Limits,
    spot_max_age: timedelta,
) -> Marks:
    """Mark contracts at market time `at`. Volatility is implied from a usable quote only: a stale mid would say what
    the Greeks were (A-14)."""
    quotes = market.quotes(rows, at=at)
    today = np.array([row.expires_on == session_on for row in rows], bool)
    fresh = stops.fresh(quotes.age_seconds, today, np.full(len(rows), not live), limits)
    # A missing bid beside an ask is worth 0, and a crossed quote no more than its lower side.
    bid = np.where(np.isnan(quotes.bid), 0.0, quotes.bid)
    usable = stops.usable_for_exit(quotes.bid, quotes.ask, quotes.tick(quotes.bid), fresh, limits)
    priceable = replace(quotes, ask=np.where(usable, quotes.ask, np.nan))
    return Marks(
        quotes=quotes,
        place={row.contract_id: place for place, row in enumerate(rows)},
        fresh=fresh,
        bid=np.where(fresh, np.fmin(bid, quotes.ask), np.nan),
        mid=(bid + quotes.ask) / 2.0,
        usable=usable,
        priced=pricing.price(priceable, prices, calendar, at, spot_max_age),
    )


# ---- Both together ----


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """Bets, one a row: contracts, entry and mark in USD per share, exposure in USD, `direction` +1 for a call and -1
    for a put; `places` are their contracts' rows among the marks."""

    quotes: market.Quotes
    places: IntColumn
    contracts: FloatColumn
    entry: FloatColumn
    mark: FloatColumn
    dollars: FloatColumn
    direction: IntColumn

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


def account_of(ledger: Ledger, marks: Marks) -> Account:
    """The ledger at these marks.

    Without a snapshot of the session's start there is no basis (B-11). A position without a fresh quote makes equity
    and day P&L unknown: an unknown risk is not a small risk (P-08's data breaker).
    """
    reserved: dict[int, float] = {}
    still_to_come: dict[int | None, int] = {}
    for opening in ledger.openings:
        row = marks.quotes.rows[marks.place[opening.contract_id]]
        cost = float(opening.contracts * opening.price * row.multiplier)
        reserved[row.underlying_id] = reserved.get(row.underlying_id, 0.0) + cost
        still_to_come[opening.position_id] = still_to_come.get(opening.position_id, 0) + opening.contracts
    bets = [(each.contract_id, each.contracts, each.price) for each in ledger.positions]
    all_bets = [
        (each.contract_id, each.contracts + still_to_come.get(each.position_id, 0), each.price)
        for each in ledger.positions
    ]
    all_bets += [(each.contract_id, each.contracts, each.price) for each in ledger.openings if each.position_id is None]
    held, committed = _held(bets, marks), _held(all_bets, marks)
    snapshot = ledger.snapshot
    start = float(snapshot.equity_start_of_day) if snapshot else np.nan
    deposits = float(snapshot.net_deposits) if snapshot else np.nan
    selling = held.contracts * held.quotes.multiplier * marks.bid[held.places]
    equity = float(ledger.cash) + float(selling.sum())
    reservations = sum(reserved.values())
    return Account(
        equity_start_of_day=start,
        snapshot_taken_at=snapshot.taken_at if snapshot else None,
        equity=equity,
        day_pnl=equity - start - deposits,
        exposure=float(held.dollars.sum()) + reservations,
        buying_power=float(ledger.settled_cash) - reservations,
        held=held,
        committed=committed,
        reserved=reserved,
    )


def _held(bets: Sequence[tuple[int, int, Decimal]], marks: Marks) -> Held:
    places = np.array([marks.place[contract] for contract, *_ in bets], np.int64)
    quotes = marks.quotes.take(places)
    contracts = market.column([count for _, count, _ in bets])
    entry = market.column([price for *_, price in bets])
    mid = marks.mid[places]
    mark = exposure.mark(mid, marks.fresh[places], entry, mid)  # a stale quote's last mid is the last mark there is
    return Held(
        quotes=quotes,
        places=places,
        contracts=contracts,
        entry=entry,
        mark=mark,
        dollars=exposure.position_exposure(contracts, quotes.multiplier, entry, mark),
        direction=np.where(quotes.call, 1, -1),
    )


def share_equivalents(held: Held, marks: Marks, spy: float) -> exposure.ShareEquivalents:
    """Delta and gamma of the bets in SPY share-equivalents, shape (1,); NaN where one is unknown (P-05)."""
    n, priced = len(held.contracts), marks.priced
    return exposure.share_equivalents(
        contracts=held.contracts,
        multiplier=held.quotes.multiplier,
        delta=priced.greeks.delta[held.places],
        gamma=priced.greeks.gamma[held.places],
        spot=priced.spot[held.places],
        spy=np.full(n, spy),
        group=np.zeros(n, np.int64),
        groups=1,
    )
