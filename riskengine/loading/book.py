"""What is held, as columns: the door through which a check reads positions, slices, quotes and working exits.

Every read is one COPY whatever the number of positions. Positions come in the order of their ids. Prices are USD a
share, times int64 microseconds of market time since 1970, `NEVER` where there is none.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Self

import numpy as np

from positions.market.calendar import new_york_date
from positions.market.contracts import TICK_TABLES
from positions.market.ticks import tick_columns
from positions.models import SliceState
from positions.models.order import LIVE, WHOLE_POSITION
from riskengine.calculators import take_profit
from riskengine.calculators.columns import BoolColumn, FloatColumn, IntColumn
from riskengine.calculators.take_profit import MAX_SLICES, Slices
from riskengine.loading.copying import BIGINT, BOOLEAN, DOUBLE, INSTANT, INTEGER, NEVER, Columns, copy_columns
from riskengine.loading.watched import Watched

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

SLICE_STATES = {
    SliceState.ARMED: take_profit.ARMED,
    SliceState.PENDING: take_profit.PENDING,
    SliceState.FILLED: take_profit.FILLED,
    SliceState.DEFERRED: take_profit.DEFERRED,
    SliceState.CANCELLED: take_profit.CANCELLED,
}


def microseconds(at: datetime) -> int:
    return (at - EPOCH) // MICROSECOND


def instant(at: int) -> datetime:
    return EPOCH + at * MICROSECOND


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Book:
    """Open positions, one a row. `place` is the row of its portfolio in the list that was watched.

    `days` are New York calendar days from the portfolio's market date to the expiration. `pending` are contracts that
    live exits may still sell. `awaiting`: expired, and not settled yet. `entering`: its opening order is live;
    `closing`, `targeting`: an order that closes all of it, or its target, is. A quote that was never given has NaN
    prices and its times are `NEVER`.
    """

    position: IntColumn
    version: IntColumn
    place: IntColumn
    revision: IntColumn
    contract: IntColumn
    seven_day: BoolColumn
    awaiting: BoolColumn
    multiplier: FloatColumn
    tick_under: FloatColumn
    tick_from_three: FloatColumn
    days: IntColumn
    quantity: IntColumn
    quantity_open: IntColumn
    pending: IntColumn
    entering: BoolColumn
    closing: BoolColumn
    targeting: BoolColumn
    entry: FloatColumn
    initial_stop: FloatColumn
    current_stop: FloatColumn
    high_water: FloatColumn
    stop_breaches: IntColumn
    stop_breached_at: IntColumn
    unusable_since: IntColumn
    entry_at: IntColumn
    bid: FloatColumn
    ask: FloatColumn
    quoted_at: IntColumn
    changed_at: IntColumn
    confirmed_at: IntColumn

    def __len__(self) -> int:
        return len(self.position)

    def take(self, rows: BoolColumn | IntColumn) -> Self:
        return replace(self, **{field.name: getattr(self, field.name)[rows] for field in fields(self)})


_POSITIONS = {
    "position": BIGINT,
    "version": INTEGER,
    "place": INTEGER,
    "revision": BIGINT,
    "contract": BIGINT,
    "seven_day": BOOLEAN,
    "awaiting": BOOLEAN,
    "multiplier": INTEGER,
    "tick_class": INTEGER,
    "days": INTEGER,
    "quantity": INTEGER,
    "quantity_open": INTEGER,
    "pending": BIGINT,
    "entering": BOOLEAN,
    "closing": BOOLEAN,
    "targeting": BOOLEAN,
    "entry": DOUBLE,
    "initial_stop": DOUBLE,
    "current_stop": DOUBLE,
    "high_water": DOUBLE,
    "stop_breaches": INTEGER,
    "stop_breached_at": INSTANT,
    "unusable_since": INSTANT,
    "entry_at": INSTANT,
}

_READ_POSITIONS = """
    WITH watched AS (
        SELECT id, day, whole, (place - 1)::int4 AS place
        FROM unnest(%(ids)s::bigint[], %(days)s::date[], %(whole)s::bool[]) WITH ORDINALITY AS w(id, day, whole, place)
    ), working AS (
        SELECT coalesce(o.position_id, entered.id) AS position_id,
               coalesce(sum(o.quantity - o.filled_quantity) FILTER (WHERE o.side = 'sell'), 0) AS pending,
               bool_or(o.intent = 'open') AS entering,
               bool_or(o.intent = ANY(%(closes)s)) AS closing,
               bool_or(o.intent = 'target') AS targeting
        FROM positions_order o
        LEFT JOIN positions_position entered ON o.intent = 'open' AND entered.decision_id = o.decision_id
        WHERE o.portfolio_id = ANY(%(ids)s) AND o.parent_id IS NULL AND o.status IN %(live)s
        GROUP BY 1
    )
    SELECT p.id, p.version, w.place, p.revision_id, p.contract_id, p.regime = 'seven_day', p.status = 'expired',
           c.multiplier, array_position(%(tick_classes)s, c.tick_class::text), c.expiration_on - w.day,
           p.quantity_opened, p.quantity_open, coalesce(o.pending, 0)::int8,
           coalesce(o.entering, false), coalesce(o.closing, false), coalesce(o.targeting, false),
           p.average_entry_price::float8, coalesce(p.initial_stop::float8, 'NaN'),
           coalesce(p.current_stop::float8, 'NaN'), p.high_water::float8, p.stop_breaches::int4,
           coalesce(p.stop_breached_at, '-infinity'), coalesce(p.unusable_since, '-infinity'), p.entry_at
    FROM watched w
    JOIN positions_position p ON p.portfolio_id = w.id AND p.quantity_open > 0
    JOIN positions_optioncontract c ON c.id = p.contract_id
    LEFT JOIN working o ON o.position_id = p.id
    WHERE %(everything)s OR w.whole OR c.expiration_on <= w.day
"""

_QUOTES = {
    "row": INTEGER,
    "bid": DOUBLE,
    "ask": DOUBLE,
    "quoted_at": INSTANT,
    "changed_at": INSTANT,
    "confirmed_at": INSTANT,
}

_READ_QUOTES = """
    SELECT (w.row - 1)::int4, coalesce(q.bid::float8, 'NaN'), coalesce(q.ask::float8, 'NaN'),
           q.quoted_at, q.changed_at, q.confirmed_at
    FROM unnest(%(contracts)s::bigint[], %(markets)s::int[]) WITH ORDINALITY AS w(contract, market, row)
    JOIN unnest(%(sources)s::text[], %(at)s::timestamptz[]) WITH ORDINALITY AS m(source, at, market)
        ON m.market = w.market
    CROSS JOIN LATERAL (
        SELECT bid, ask, quoted_at, changed_at, confirmed_at FROM positions_optionquote
        WHERE contract_id = w.contract AND source = m.source AND quoted_at <= m.at
        ORDER BY quoted_at DESC LIMIT 1
    ) q
"""

_SLICES = {
    "row": INTEGER,
    "number": INTEGER,
    "id": BIGINT,
    "base": DOUBLE,
    "cumulative": INTEGER,
    "state": INTEGER,
    "contracts": INTEGER,
}

_READ_SLICES = """
    SELECT (w.row - 1)::int4, s.number::int4, s.id, s.threshold::float8, s.cumulative_share_ten_thousandths,
           array_position(%(states)s, s.state::text), s.contracts_pending + s.contracts_filled
    FROM unnest(%(positions)s::bigint[]) WITH ORDINALITY AS w(position, row)
    JOIN positions_exitslice s ON s.position_id = w.position
"""


def load(watched: Sequence[Watched], *, everything: bool) -> Book:
    """The open positions of these portfolios with their last quotes: two statements, one when there is none.

    `everything` false: what expires on the portfolio's market date or should have before, and all of a portfolio that
    is being flattened.
    """
    columns = copy_columns(
        _READ_POSITIONS,
        _POSITIONS,
        {
            "ids": [each.portfolio.pk for each in watched],
            "days": [new_york_date(each.at) for each in watched],
            "whole": [each.is_flattening for each in watched],
            "everything": everything,
            "closes": list(WHOLE_POSITION),
            "live": tuple(LIVE),
            "tick_classes": list(TICK_TABLES),
        },
    )
    order = np.argsort(columns["position"], kind="stable")
    columns = {name: column[order] for name, column in columns.items()}
    under, from_three = tick_columns(list(TICK_TABLES.values()))
    ticks = columns.pop("tick_class") - 1
    columns["multiplier"] = columns["multiplier"].astype(np.float64)
    return Book(
        **columns,
        **_last_quotes(columns["contract"], columns["place"], watched),
        tick_under=under[ticks],
        tick_from_three=from_three[ticks],
    )


def _last_quotes(contract: IntColumn, place: IntColumn, watched: Sequence[Watched]) -> Columns:
    """The last quote of each row's contract at or before its portfolio's market time; each is looked up once."""
    rows = len(contract)
    found: Columns = {name: np.full(rows, np.nan if kind is DOUBLE else NEVER) for name, kind in _QUOTES.items()}
    del found["row"]
    if not rows:
        return found
    markets: dict[tuple[str, datetime], int] = {}
    market = np.array([markets.setdefault((w.portfolio.quote_source, w.at), len(markets)) for w in watched], np.int64)
    key = market[place] * (int(contract.max()) + 1) + contract
    wanted, which = np.unique(key, return_inverse=True)
    quotes = copy_columns(
        _READ_QUOTES,
        _QUOTES,
        {
            "contracts": (wanted % (int(contract.max()) + 1)).tolist(),
            "markets": (wanted // (int(contract.max()) + 1) + 1).tolist(),
            "sources": [source for source, _ in markets],
            "at": [at for _, at in markets],
        },
    )
    at_row = quotes.pop("row")
    for name, column in quotes.items():
        each = np.full(len(wanted), np.nan if column.dtype == np.float64 else NEVER, column.dtype)
        each[at_row] = column
        found[name] = each[which]
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """The exit slices of positions as (n, 8) blocks, with the id of each slice row (0 where there is none)."""

    slices: Slices
    ids: IntColumn

    def of(self, rows: IntColumn) -> Slices:
        """The slices of some rows; rows are unique, so all of them in order need no copy."""
        if len(rows) == len(self.ids):
            return self.slices
        return Slices(**{each.name: getattr(self.slices, each.name)[rows] for each in fields(self.slices)})


def no_plan(rows: int) -> Plan:
    """Positions without any slice."""
    shape = (rows, MAX_SLICES)
    base = np.full(shape, np.inf)
    return Plan(
        Slices(
            base=base,
            threshold=base,
            cumulative=np.zeros(shape, np.int64),
            state=np.full(shape, take_profit.CANCELLED, np.int8),
            contracts=np.zeros(shape, np.int64),
            mask=np.zeros(shape, np.bool_),
        ),
        ids=np.zeros(shape, np.int64),
    )


def load_plan(positions: IntColumn) -> Plan:
    """The slices of these positions, in their order. One statement; none for no position."""
    plan = no_plan(len(positions))
    if not len(positions):
        return plan
    columns = copy_columns(_READ_SLICES, _SLICES, {"positions": positions.tolist(), "states": list(SLICE_STATES)})
    codes = np.array(list(SLICE_STATES.values()), np.int8)
    where = columns["row"], columns["number"] - 1
    slices = plan.slices
    slices.base[where] = columns["base"]  # also the threshold, until a factor lowers it
    slices.cumulative[where] = columns["cumulative"]
    slices.contracts[where] = columns["contracts"]
    slices.state[where] = codes[columns["state"] - 1]
    slices.mask[where] = True
    plan.ids[where] = columns["id"]
    return plan
