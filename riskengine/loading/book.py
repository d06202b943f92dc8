"""What is held, as columns: the door through which a check reads positions, slices, quotes and working exits.

Every read is one COPY whatever the number of positions. Positions come in the order of their ids. Prices are USD a
share, times int64 microseconds of market time since 1970, `NEVER` where there is none.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from typing import Self

import numpy as np

from positions.market.calendar import new_york_date
from positions.market.contracts import TICK_TABLES
from positions.market.ticks import tick_columns
from positions.models import SliceState
from positions.models.order import LIVE, WHOLE_POSITION
from riskengine.calculators import take_profit
from riskengine.calculators.columns import BoolColumn, FloatColumn, IntColumn
from riskengine.calculators.take_profit import MAX_SLICES, Slices, StateColumn
from riskengine.loading.copying import BIGINT, BOOLEAN, INSTANT, INTEGER, MICROS, Columns, Fields, copy_columns
from riskengine.loading.watched import EPOCH, MICROSECOND, Watched

SEVEN_DAY = len(take_profit.REGIMES)  # beside the regimes of take_profit: the one ladder of seven days

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

    `regime` is which ladder was copied: one of take_profit's, or `SEVEN_DAY`. `adopted`: bought at the broker.
    `days` are New York calendar days from the portfolio's market date to the expiration. `pending` are contracts that
    live exits may still sell. `awaiting`: expired, and not settled yet. `entering`: its opening order is live;
    `closing`, `targeting`: an order that closes all of it, or its target, is. A quote that was never given has NaN
    prices and its times are `NEVER`. `initial_stop` is read where a rule asks for it: of seven-day positions.
    """

    position: IntColumn
    version: IntColumn
    place: IntColumn
    revision: IntColumn
    contract: IntColumn
    regime: StateColumn
    adopted: BoolColumn
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
    halted: BoolColumn
    resumed_at: IntColumn

    def __len__(self) -> int:
        return len(self.position)

    @property
    def seven_day(self) -> BoolColumn:
        return self.regime == SEVEN_DAY

    def take(self, rows: IntColumn) -> Self:
        """Some rows, each at most once and in order: all of them need no copy."""
        if len(rows) == len(self):
            return self
        return replace(self, **{field.name: getattr(self, field.name)[rows] for field in fields(self)})


_POSITIONS = Fields(
    {
        "position": BIGINT,
        "version": INTEGER,
        "portfolio": BIGINT,
        "revision": BIGINT,
        "contract": BIGINT,
        "regime": INTEGER,
        "adopted": BOOLEAN,
        "awaiting": BOOLEAN,
        "quantity": INTEGER,
        "quantity_open": INTEGER,
        "pending": BIGINT,
        "entering": BOOLEAN,
        "closing": BOOLEAN,
        "targeting": BOOLEAN,
        "entry": MICROS,
        "initial_stop": MICROS,
        "current_stop": MICROS,
        "high_water": MICROS,
        "stop_breaches": INTEGER,
        "stop_breached_at": INSTANT,
        "unusable_since": INSTANT,
        "entry_at": INSTANT,
    }
)

# No WITH: it would keep the server from casting the columns where it reads them.
_OF_POSITIONS = """
    SELECT p.id, p.version, p.portfolio_id, p.revision_id, p.contract_id,
           CASE p.regime WHEN 'morning' THEN 0 WHEN 'midday' THEN 1 WHEN 'late' THEN 2 ELSE 3 END,
           p.origin = 'manual', p.status = 'expired',
           p.quantity_opened, p.quantity_open, coalesce(o.pending, 0),
           coalesce(o.entering, false), coalesce(o.closing, false), coalesce(o.targeting, false),
           p.average_entry_price, CASE WHEN p.regime = 'seven_day' THEN p.initial_stop END, p.current_stop,
           p.high_water, p.stop_breaches, p.stop_breached_at, p.unusable_since, p.entry_at
"""

_LIVE_ORDERS = """
    LEFT JOIN (
        SELECT coalesce(o.position_id, CASE WHEN o.intent = 'open' THEN (
                   SELECT e.id FROM positions_position e WHERE e.decision_id = o.decision_id
               ) END) AS position_id,
               sum(o.quantity - o.filled_quantity) FILTER (WHERE o.side = 'sell') AS pending,
               bool_or(o.intent = 'open') AS entering,
               bool_or(o.intent = ANY(%(closes)s)) AS closing,
               bool_or(o.intent = 'target') AS targeting
        FROM positions_order o
        WHERE o.portfolio_id = ANY(%(ids)s) AND o.parent_id IS NULL AND o.status = ANY(%(live)s)
        GROUP BY 1
    ) o ON o.position_id = p.id
"""

# Portfolios are a condition and not joined: the server would put a hundred thousand positions into a table first.
_READ_POSITIONS = f"""
    {_OF_POSITIONS} FROM positions_position p {_LIVE_ORDERS}
    WHERE p.quantity_open > 0 AND p.portfolio_id = ANY(%(ids)s::bigint[])
"""

# Days are looked up and not joined: the planner would take them for one row, and what they are joined with for few.
_READ_EXPIRING = f"""
    {_OF_POSITIONS}
    FROM unnest(%(ids)s::bigint[], %(which)s::int[]) AS w(id, day)
    JOIN positions_position p ON p.portfolio_id = w.id AND p.quantity_open > 0
    JOIN positions_optioncontract c ON c.id = p.contract_id
    {_LIVE_ORDERS}
    WHERE w.id = ANY(%(whole)s::bigint[]) OR c.expiration_on <= (%(days)s::date[])[w.day] OR w.id IN (
        SELECT t.id FROM unnest(%(ids)s::bigint[], %(which)s::int[]) AS t(id, day)
        JOIN positions_position e ON e.portfolio_id = t.id AND e.quantity_open > 0
        JOIN positions_optioncontract x ON x.id = e.contract_id
        WHERE x.expiration_on = (%(days)s::date[])[t.day]
    )
"""  # noqa: S608

# Of each contract once, however many positions hold it.
_CONTRACTS = Fields(
    {
        "row": INTEGER,
        "multiplier": INTEGER,
        "tick_class": INTEGER,
        "days": INTEGER,
        "bid": MICROS,
        "ask": MICROS,
        "quoted_at": INSTANT,
        "changed_at": INSTANT,
        "confirmed_at": INSTANT,
        "halted": BOOLEAN,
        "resumed_at": INSTANT,
    }
)

_READ_CONTRACTS = """
    SELECT w.row - 1, c.multiplier, array_position(%(tick_classes)s, c.tick_class::text),
           c.expiration_on - m.day, q.bid, q.ask, q.quoted_at, q.changed_at, q.confirmed_at,
           coalesce(h.halted_at IS NOT NULL AND (h.resumed_at IS NULL OR h.resumed_at > m.at), false),
           CASE WHEN h.resumed_at <= m.at THEN h.resumed_at END
    FROM unnest(%(contracts)s::bigint[], %(markets)s::int[]) WITH ORDINALITY AS w(contract, market, row)
    JOIN unnest(%(sources)s::text[], %(at)s::timestamptz[], %(days)s::date[]) WITH ORDINALITY
        AS m(source, at, day, market) ON m.market = w.market
    JOIN positions_optioncontract c ON c.id = w.contract
    LEFT JOIN LATERAL (
        SELECT bid, ask, quoted_at, changed_at, confirmed_at FROM positions_optionquote
        WHERE contract_id = w.contract AND source = m.source AND quoted_at <= m.at
        ORDER BY quoted_at DESC LIMIT 1
    ) q ON true
    LEFT JOIN LATERAL (
        SELECT halted_at, resumed_at FROM positions_tradinghalt
        WHERE instrument_id = c.underlying_id AND halted_at <= m.at ORDER BY halted_at DESC LIMIT 1
    ) h ON true
"""

_SLICES = Fields(
    {
        "position": BIGINT,
        "number": INTEGER,
        "id": BIGINT,
        "base": MICROS,
        "cumulative": INTEGER,
        "state": INTEGER,
        "contracts": INTEGER,
    }
)

_READ_SLICES = """
    SELECT s.position_id, s.number, s.id, s.threshold, s.cumulative_share_ten_thousandths,
           array_position(%(states)s, s.state::text), s.contracts_pending + s.contracts_filled
    FROM positions_exitslice s WHERE s.position_id = ANY(%(positions)s)
"""


def load(watched: Sequence[Watched], *, everything: bool) -> Book:
    """The open positions of these portfolios with their last quotes: two statements, one when there is none.

    `everything` false: what should have expired before the portfolio's market date, all of a portfolio that holds
    something that expires on it (its loss is judged on that clock, A-01), and all of one that is being flattened.
    """
    days: dict[date, int] = {}
    which = [days.setdefault(each.day, len(days) + 1) for each in watched]
    ids = [each.portfolio_id for each in watched]
    columns = copy_columns(
        _READ_POSITIONS if everything else _READ_EXPIRING,
        _POSITIONS,
        {
            "ids": ids,
            "which": which,
            "days": list(days),
            "whole": [each.portfolio_id for each in watched if each.is_flattening],
            "closes": list(WHOLE_POSITION),
            "live": list(LIVE),
        },
    )
    if (np.diff(columns["position"]) < 0).any():
        order = np.argsort(columns["position"], kind="stable")
        columns = {name: column[order] for name, column in columns.items()}
    regime = columns.pop("regime").astype(np.int8)
    by_id = np.argsort(ids)
    place = by_id[np.searchsorted(ids, columns.pop("portfolio"), sorter=by_id)]
    return Book(**columns, **_contracts(columns["contract"], place, watched), place=place, regime=regime)


def _contracts(contract: IntColumn, place: IntColumn, watched: Sequence[Watched]) -> Columns:
    """Each row's contract and its last quote at or before its portfolio's market time; each is looked up once."""
    if not len(contract):
        none: Columns = {name: np.zeros(0, kind.native) for name, kind in _CONTRACTS.kinds.items()}
        return _with_ticks(none)
    markets: dict[tuple[str, datetime], int] = {}
    market = np.array([markets.setdefault((w.quote_source, w.at), len(markets)) for w in watched], np.int64)
    span = int(contract.max()) + 1
    wanted, which = np.unique(market[place] * span + contract, return_inverse=True)
    found = copy_columns(
        _READ_CONTRACTS,
        _CONTRACTS,
        {
            "contracts": (wanted % span).tolist(),
            "markets": (wanted // span + 1).tolist(),
            "sources": [source for source, _ in markets],
            "at": [at for _, at in markets],
            "days": [new_york_date(at) for _, at in markets],
            "tick_classes": list(TICK_TABLES),
        },
    )
    place_of = np.empty(len(wanted), np.int64)
    place_of[found["row"]] = np.arange(len(wanted))
    each = place_of[which]
    return _with_ticks({name: column[each] for name, column in found.items()})


def _with_ticks(columns: Columns) -> Columns:
    del columns["row"]
    under, from_three = tick_columns(list(TICK_TABLES.values()))
    ticks = columns.pop("tick_class") - 1
    multiplier = columns.pop("multiplier").astype(np.float64)
    return {**columns, "multiplier": multiplier, "tick_under": under[ticks], "tick_from_three": from_three[ticks]}


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
    """The slices of these positions, given by ascending id. One statement; none for no position."""
    plan = no_plan(len(positions))
    if not len(positions):
        return plan
    columns = copy_columns(_READ_SLICES, _SLICES, {"positions": positions.tolist(), "states": list(SLICE_STATES)})
    codes = np.array(list(SLICE_STATES.values()), np.int8)
    where = np.searchsorted(positions, columns["position"]), columns["number"] - 1
    slices = plan.slices
    slices.base[where] = columns["base"]  # also the threshold, until a factor lowers it
    slices.cumulative[where] = columns["cumulative"]
    slices.contracts[where] = columns["contracts"]
    slices.state[where] = codes[columns["state"] - 1]
    slices.mask[where] = True
    plan.ids[where] = columns["id"]
    return plan
