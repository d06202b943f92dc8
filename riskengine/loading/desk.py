"""Everything that is open in some portfolios, as rows for a page and as columns for the rules that judge them.

One statement a question, whatever is open and however many portfolios there are (the volatility index and the prices of
underlyings apart: one a portfolio).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter

import numpy as np
from django.db.models import Q, QuerySet, Subquery

from accounts.models import RiskProfileRevision
from accounts.selectors import ladders_by_revision, numbers_of
from positions.desk_selectors import LastQuote, calendars_around, last_quotes, snapshots_of
from positions.market.calendar import Calendar, OutsideCalendar, Session, new_york_date
from positions.market.clock import market_now
from positions.market.contracts import TICK_TABLES
from positions.market.ticks import TICK_CHANGES_AT, tick_columns
from positions.market_selectors import UnderlyingPrice, VixLevel, underlying_prices, vix_at
from positions.models import (
    EquitySnapshot,
    Heartbeat,
    Order,
    Portfolio,
    PortfolioStateChange,
    Position,
    SliceState,
    State,
)
from riskengine.calculators import take_profit
from riskengine.calculators.columns import BoolColumn, FloatColumn, IntColumn
from riskengine.calculators.limits import Limits
from riskengine.loading import market, pricing
from riskengine.loading.limits import limits_of
from riskengine.models import Breaker, BreakerState, Reading

STATES = {
    SliceState.ARMED: take_profit.ARMED,
    SliceState.PENDING: take_profit.PENDING,
    SliceState.FILLED: take_profit.FILLED,
    SliceState.DEFERRED: take_profit.DEFERRED,
    SliceState.CANCELLED: take_profit.CANCELLED,
}


@dataclass(frozen=True, slots=True, eq=False)
class Book:
    """One portfolio at its market time `at`: what is open, what works, and what it is judged by.

    `stopped` is why the state is not ACTIVE. `limits` are those of the revision in force, for what is new; a position
    is judged by its own (`own_limits`, by revision id). `calendar` and `session` are None where no session is known
    around `at`.
    """

    portfolio: Portfolio
    at: datetime
    calendar: Calendar | None
    session: Session | None
    revision: RiskProfileRevision
    limits: Limits
    own_limits: dict[int, Limits]
    snapshot: EquitySnapshot | None
    heartbeats: dict[str, Heartbeat]
    tripped: list[Breaker]
    reading: Reading | None
    stopped: PortfolioStateChange | None
    vix: VixLevel | None
    positions: list[Position]
    orders: list[Order]
    quotes: dict[int, LastQuote] = field(default_factory=dict)
    spots: dict[int, UnderlyingPrice] = field(default_factory=dict)

    @property
    def live(self) -> bool:
        return bool(self.portfolio.clock.kind == "live")

    @property
    def is_open(self) -> bool:
        return self.session is not None and self.session.contains(self.at)


def load_books(portfolios: Sequence[Portfolio], *, now: datetime) -> list[Book]:
    """The books of these portfolios (each with its clock and profile read) at wall time `now`, in their order."""
    if not portfolios:
        return []
    ids = [portfolio.pk for portfolio in portfolios]
    at = {portfolio.pk: market_now(portfolio.clock, now) for portfolio in portfolios}
    positions = list(
        Position.objects.held()
        .filter(portfolio__in=ids)
        .select_related("contract__underlying")
        .prefetch_related("slices")
        .order_by("portfolio_id", "id")
    )
    orders = list(
        Order.objects.live().filter(portfolio__in=ids).select_related("contract").order_by("portfolio_id", "id")
    )
    revisions, limits = _limits(portfolios, positions)
    calendars = calendars_around(at)
    sessions = {pk: _session(calendars[pk], moment) for pk, moment in at.items()}
    snapshots = snapshots_of({pk: session.day for pk, session in sessions.items() if session is not None})
    beats = _by_portfolio(Heartbeat.objects.filter(portfolio__in=ids).order_by("portfolio_id", "scope"))
    tripped = _by_portfolio(
        Breaker.objects.filter(portfolio__in=ids, state=BreakerState.TRIPPED)
        .select_related("underlying")
        .order_by("portfolio_id", "id")
    )
    inactive = [portfolio.pk for portfolio in portfolios if portfolio.state != State.ACTIVE]
    stopped = {change.portfolio_id: change for change in _last_changes(inactive)} if inactive else {}
    readings = {reading.portfolio_id: reading for reading in Reading.objects.filter(portfolio__in=ids)}
    source = {portfolio.pk: portfolio.quote_source for portfolio in portfolios}
    asked = {(row.portfolio_id, row.contract_id) for row in (*positions, *orders)}
    quotes = last_quotes([(pk, contract, source[pk], at[pk]) for pk, contract in sorted(asked)])
    held, working = _by_portfolio(positions), _by_portfolio(orders)
    books = []
    for portfolio in portfolios:
        pk, revision = portfolio.pk, revisions[portfolio.profile_id]
        books.append(
            Book(
                portfolio=portfolio,
                at=at[pk],
                calendar=calendars[pk],
                session=sessions[pk],
                revision=revision,
                limits=limits[revision.pk],
                own_limits=limits,
                snapshot=snapshots.get(pk),
                heartbeats={beat.scope: beat for beat in beats.get(pk, [])},
                tripped=tripped.get(pk, []),
                reading=readings.get(pk),
                stopped=stopped.get(pk),
                vix=vix_at(
                    at[pk],
                    clock_kind=portfolio.clock.kind,
                    source=portfolio.quote_source,
                    index=revision.volatility_index,
                ),
                positions=held.get(pk, []),
                orders=working.get(pk, []),
                quotes={contract: quote for (owner, contract), quote in quotes.items() if owner == pk},
                spots=_spots(held.get(pk, []), source[pk], at[pk]),
            )
        )
    return books


def _last_changes(ids: Sequence[int]) -> QuerySet[PortfolioStateChange]:
    changes = PortfolioStateChange.objects.filter(portfolio__in=ids)
    return changes.order_by("portfolio_id", "-id").distinct("portfolio_id")


def _spots(positions: Sequence[Position], source: str, at: datetime) -> dict[int, UnderlyingPrice]:
    """The price of each underlying that something is held in; no statement where nothing is."""
    held = {position.contract.underlying_id for position in positions}
    return underlying_prices(held, source=source, now=at) if held else {}


def _by_portfolio(rows: object) -> dict[int, list]:
    return {pk: list(group) for pk, group in groupby(rows, attrgetter("portfolio_id"))}  # type: ignore[call-overload]


def _limits(
    portfolios: Sequence[Portfolio], positions: Sequence[Position]
) -> tuple[dict[int, RiskProfileRevision], dict[int, Limits]]:
    """The latest revision by profile id, and the limits of it and of every revision a position was opened with."""
    latest = (
        RiskProfileRevision.objects.filter(profile__in={portfolio.profile_id for portfolio in portfolios})
        .order_by("profile_id", "-number")
        .distinct("profile_id")
    )
    rows = RiskProfileRevision.objects.filter(
        Q(pk__in=Subquery(latest.values("pk"))) | Q(pk__in={position.revision_id for position in positions})
    ).order_by("number")
    found = list(rows)
    ladders = ladders_by_revision(found)
    newest = {revision.profile_id: revision for revision in found}
    return newest, {revision.pk: limits_of(numbers_of(revision), ladders[revision.pk]) for revision in found}


def _session(calendar: Calendar | None, at: datetime) -> Session | None:
    """Today's session, or the last one before today."""
    try:
        return calendar.on_or_before(new_york_date(at)) if calendar else None
    except OutsideCalendar:
        return None


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """Positions of one revision as columns, shape (n,). USD a share and contracts; NaN is not known.

    `bid` and `ask` are as quoted. `seconds_to_close` is to the close of the expiration's own session, -1 past it.
    """

    positions: tuple[Position, ...]
    limits: Limits
    entry: FloatColumn
    quantity: IntColumn
    opened: IntColumn
    multiplier: FloatColumn
    bid: FloatColumn
    ask: FloatColumn
    age_seconds: FloatColumn
    spot: FloatColumn
    strike: FloatColumn
    call: BoolColumn
    days: FloatColumn
    seconds_to_close: IntColumn
    seconds_open: IntColumn
    initial_stop: FloatColumn
    stop: FloatColumn
    high_water: FloatColumn
    seven_day: BoolColumn
    slices: take_profit.Slices
    under_three: FloatColumn
    from_three: FloatColumn

    @property
    def mid(self) -> FloatColumn:
        return (self.bid + self.ask) / 2.0

    def tick(self, price: FloatColumn) -> FloatColumn:
        """The tick of each contract's class at a price, USD."""
        return np.where(price < float(TICK_CHANGES_AT), self.under_three, self.from_three)

    def as_of(self, book: Book, at: datetime) -> "Held":
        """The same positions at another market time, for asking what time alone will change."""
        days, to_close, opened = _times(book, self.positions, at)
        return replace(self, days=days, seconds_to_close=to_close, seconds_open=opened)


def columns(book: Book) -> list[Held]:
    """The open positions of a book, one block of columns for each revision that they were opened with."""
    ordered = sorted(book.positions, key=attrgetter("revision_id", "id"))
    groups = groupby(ordered, attrgetter("revision_id"))
    return [_held(book, book.own_limits[revision], tuple(group)) for revision, group in groups]


def _held(book: Book, limits: Limits, positions: tuple[Position, ...]) -> Held:
    quotes = [book.quotes.get(position.contract_id) for position in positions]
    days, to_close, seconds_open = _times(book, positions, book.at)
    under, from_three = tick_columns([TICK_TABLES[position.contract.tick_class] for position in positions])
    ages = [None if quote is None else (book.at - quote.confirmed_at).total_seconds() for quote in quotes]
    return Held(
        positions=positions,
        limits=limits,
        entry=market.column([position.average_entry_price for position in positions]),
        quantity=np.array([position.quantity_open for position in positions], np.int64),
        opened=np.array([position.quantity_opened for position in positions], np.int64),
        multiplier=market.column([position.contract.multiplier for position in positions]),
        bid=market.column([None if quote is None else quote.bid for quote in quotes]),
        ask=market.column([None if quote is None else quote.ask for quote in quotes]),
        age_seconds=market.column(ages),
        spot=np.array([_spot(book, position) for position in positions], np.float64),
        strike=market.column([position.contract.strike for position in positions]),
        call=np.array([position.contract.right == "C" for position in positions], bool),
        days=days,
        seconds_to_close=to_close,
        seconds_open=seconds_open,
        initial_stop=market.column([position.initial_stop for position in positions]),
        stop=market.column([position.current_stop for position in positions]),
        high_water=market.column([position.high_water for position in positions]),
        seven_day=np.array([position.regime == "seven_day" for position in positions], bool),
        slices=_slices(positions),
        under_three=under,
        from_three=from_three,
    )


def _spot(book: Book, position: Position) -> float:
    """NaN where it is older than an entry would take it (A-14)."""
    limits = book.limits
    oldest = limits.quote_max_age_seconds if book.live else limits.recorded_quote_max_age_seconds
    found = book.spots.get(position.contract.underlying_id)
    return pricing.known(found, book.at, timedelta(seconds=float(oldest)))


def _times(book: Book, positions: Sequence[Position], at: datetime) -> tuple[FloatColumn, IntColumn, IntColumn]:
    """Calendar days to expiration, whole seconds to its session's close, and whole seconds since the entry."""
    today = new_york_date(at)
    days = market.column([(position.contract.expiration_on - today).days for position in positions])
    to_close = np.array([_seconds_to_close(book, position, at) for position in positions], np.int64)
    seconds_open = np.array([(at - position.entry_at).total_seconds() // 1 for position in positions], np.int64)
    return days, to_close, seconds_open


def _seconds_to_close(book: Book, position: Position, at: datetime) -> int:
    closes_at = closes_on_expiration(book, position)
    return -1 if closes_at is None or closes_at < at else int((closes_at - at).total_seconds() // 1)


def closes_on_expiration(book: Book, position: Position) -> datetime | None:
    """The close of the session in which the position's contract expires; None where the calendar does not know it."""
    day = position.contract.expiration_on
    try:
        session = book.calendar.session(day) if book.calendar else None
    except OutsideCalendar:
        return None
    return session.closes_at if session else None


def _slices(positions: Sequence[Position]) -> take_profit.Slices:
    shape = (len(positions), take_profit.MAX_SLICES)
    base = np.full(shape, np.inf)
    cumulative = np.zeros(shape, np.int64)
    state = np.full(shape, take_profit.ARMED, np.int8)
    contracts = np.zeros(shape, np.int64)
    for row, position in enumerate(positions):
        for each in position.slices.all():
            k = each.number - 1
            base[row, k] = float(each.threshold)
            cumulative[row, k] = each.cumulative_share_ten_thousandths
            state[row, k] = STATES[each.state]
            contracts[row, k] = each.contracts_pending + each.contracts_filled
    # A row's unused places repeat its last share, so that planned contracts never fall from slice to slice.
    cumulative = np.maximum.accumulate(cumulative, axis=1)
    return take_profit.Slices(
        base=base, threshold=base, cumulative=cumulative, state=state, contracts=contracts, mask=np.isfinite(base)
    )
