"""The built-in paper broker: its own books, filled against the portfolio's recorded, pushed or simulated quotes.

    a buy    fills at the ask (plus the portfolio's extra ticks) when its limit reaches the ask
    a sale   fills at the bid (less the extra ticks, at least one tick) when its limit reaches the bid

Never inside the spread, however long an order rests. Only in an open session, against a fresh quote whose side is there
and that is not crossed. An order takes at most the displayed size of one quote, once; orders matched at the same moment
share it, the oldest first. The fee is the profile's, half-up to the cent. docs/decisions/0016 says why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal

from django.db import connection, transaction

from positions.brokers.base import Acknowledgement, Answer, Execution, Holding, Instruction
from positions.brokers.quotes import CLOCK_SKEW, Freshness
from positions.market.calendar import new_york_date
from positions.market.contracts import TICK_TABLES
from positions.models import PaperExecution, Portfolio, Side

CENT = Decimal("0.01")

_FILLABLE = """
    WITH quoted AS MATERIALIZED (
        SELECT q.* FROM (
            SELECT DISTINCT contract_id FROM positions_paperorder
            WHERE portfolio_id = %(portfolio)s AND status = 'working'
        ) c CROSS JOIN LATERAL (
            SELECT contract_id, quoted_at, confirmed_at, bid, bid_size, ask, ask_size FROM positions_optionquote
            WHERE contract_id = c.contract_id AND source = %(source)s AND quoted_at <= %(at)s
            ORDER BY quoted_at DESC LIMIT 1
        ) q
        WHERE EXISTS (
            SELECT FROM positions_exchangesession s
            WHERE s.exchange = 'XNYS' AND s.session_on = %(today)s AND s.open_at <= %(at)s AND s.close_at > %(at)s
        )
    )
    SELECT p.id, p.client_order_id, p.contract_id, p.side, p.quantity - p.filled_quantity, c.tick_class,
           q.quoted_at, q.bid, q.bid_size, q.ask, q.ask_size,
           (SELECT count(*) FROM positions_paperexecution e WHERE e.order_id = p.id)
    FROM positions_paperorder p
    JOIN positions_optioncontract c ON c.id = p.contract_id
    JOIN quoted q ON q.contract_id = p.contract_id
    WHERE p.portfolio_id = %(portfolio)s AND p.status = 'working'
      AND p.taken_from IS DISTINCT FROM q.quoted_at
      AND CASE p.side WHEN 'buy' THEN q.ask > 0 AND p.limit_price >= q.ask ELSE q.bid > 0 AND p.limit_price <= q.bid END
      AND (q.bid IS NULL OR q.ask IS NULL OR q.ask = 0 OR q.ask >= q.bid)
      AND q.confirmed_at <= %(latest)s
      AND q.confirmed_at >= CASE WHEN c.expiration_on = %(today)s THEN %(since_expiring)s ELSE %(since_others)s END
    ORDER BY p.id
"""


@dataclass(frozen=True, slots=True)
class _Fillable:
    """A working order and the quote that reaches its limit."""

    order_id: int
    client_order_id: str
    contract_id: int
    side: str
    open_quantity: int
    tick_class: str
    quoted_at: datetime
    bid: Decimal | None
    bid_size: int
    ask: Decimal | None
    ask_size: int
    executions: int


_SUBMIT = """
    WITH made AS (
        INSERT INTO positions_paperorder (
            portfolio_id, contract_id, client_order_id, side, quantity, filled_quantity, limit_price, status,
            accepted_at)
        SELECT w.portfolio_id, w.contract_id, w.key, w.side, w.quantity, 0, w.price, 'working', %(at)s
        FROM unnest(%(portfolios)s::bigint[], %(contracts)s::bigint[], %(keys)s::text[], %(sides)s::text[],
                    %(quantities)s::int[], %(prices)s::numeric[])
            WITH ORDINALITY AS w(portfolio_id, contract_id, key, side, quantity, price, place)
        ORDER BY w.place
        ON CONFLICT (client_order_id) DO NOTHING
        RETURNING client_order_id, status, id, filled_quantity
    )
    SELECT * FROM made
"""

_CANCEL = """
    UPDATE positions_paperorder SET status = 'cancelled', finished_at = %(at)s
    WHERE id IN (  -- locked by ascending id, as `match` locks them
        SELECT id FROM positions_paperorder WHERE client_order_id = ANY(%(keys)s) ORDER BY id FOR NO KEY UPDATE
    ) AND status = 'working'
    RETURNING client_order_id, status, id, filled_quantity
"""

_LOOK_UP = """
    SELECT client_order_id, status, id, filled_quantity FROM positions_paperorder WHERE client_order_id = ANY(%(keys)s)
"""

_EXECUTIONS = """
    SELECT e.execution_id, o.client_order_id, e.quantity, e.price, e.fee, e.executed_at, e.quote_bid, e.quote_ask,
           o.contract_id, o.side
    FROM positions_paperexecution e JOIN positions_paperorder o ON o.id = e.order_id
    WHERE e.executed_at >= %(after)s AND o.portfolio_id = %(portfolio)s
    ORDER BY e.executed_at, e.id
"""

# What was executed before a split is held in the contracts that the split's event tells.
_HOLDINGS = """
    SELECT coalesce(s.contract_id, p.contract_id) AS contract, c.expiration_on,
           sum(CASE p.side WHEN 'buy' THEN e.quantity ELSE -e.quantity END * coalesce(s.times, 1)) AS held
    FROM positions_paperexecution e
    JOIN positions_paperorder p ON p.id = e.order_id
    JOIN positions_optioncontract c ON c.id = p.contract_id
    LEFT JOIN LATERAL (
        SELECT h.contract_id,
               CASE WHEN (v.detail ->> 'new_shares')::int %% (v.detail ->> 'old_shares')::int = 0
                    THEN (v.detail ->> 'new_shares')::int / (v.detail ->> 'old_shares')::int ELSE 1 END AS times
        FROM positions_positionevent v JOIN positions_position h ON h.id = v.position_id
        WHERE h.portfolio_id = %(portfolio)s AND v.kind = 'split' AND v.before ->> 'contract' = c.occ_symbol
        ORDER BY v.id LIMIT 1
    ) s ON true
    WHERE p.portfolio_id = %(portfolio)s AND c.expiration_on >= %(on)s
    GROUP BY contract, c.expiration_on
    HAVING sum(CASE p.side WHEN 'buy' THEN e.quantity ELSE -e.quantity END * coalesce(s.times, 1)) <> 0
    ORDER BY contract
"""


class PaperBroker:
    """Orders and executions of the paper accounts. It answers at once and never fails."""

    def submit(self, instructions: Sequence[Instruction], at: datetime) -> list[Acknowledgement]:
        keys = [each.client_order_id for each in instructions]
        return _answers(
            _SUBMIT,
            keys,
            at=at,
            portfolios=[each.portfolio_id for each in instructions],
            contracts=[each.contract_id for each in instructions],
            sides=[each.side for each in instructions],
            quantities=[each.quantity for each in instructions],
            prices=[each.limit_price for each in instructions],
        )

    def cancel(self, client_order_ids: Sequence[str], at: datetime) -> list[Acknowledgement]:
        return _answers(_CANCEL, client_order_ids, at=at)

    def lookup(self, client_order_ids: Sequence[str]) -> list[Acknowledgement]:
        return _answers(_LOOK_UP, client_order_ids)

    def executions(self, portfolio: Portfolio, after: datetime) -> list[Execution]:
        with connection.cursor() as cursor:
            cursor.execute(_EXECUTIONS, {"after": after, "portfolio": portfolio.pk})
            return [Execution(*row) for row in cursor.fetchall()]

    def holdings(self, portfolio: Portfolio, on: date) -> list[Holding]:
        with connection.cursor() as cursor:
            cursor.execute(_HOLDINGS, {"portfolio": portfolio.pk, "on": on})
            return [Holding(contract, expires_on, int(held)) for contract, expires_on, held in cursor.fetchall()]


def _answers(statement: str, keys: Sequence[str], **parameters: object) -> list[Acknowledgement]:
    """How each order stands after the statement; those it did not touch are looked up."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters | {"keys": list(keys)})
        known = {row[0]: row for row in cursor.fetchall()}
        others = [key for key in keys if key not in known]
        if others and statement is not _LOOK_UP:
            cursor.execute(_LOOK_UP, {"keys": others})
            known |= {row[0]: row for row in cursor.fetchall()}
    return [
        Acknowledgement(key, Answer(known[key][1]), f"paper-{known[key][2]}", known[key][3])
        if key in known
        else Acknowledgement(key, Answer.ABSENT)
        for key in keys
    ]


@dataclass(frozen=True, slots=True)
class Terms:
    """What a fill is judged and charged by: how fresh a quote must be, and the fee in USD a contract."""

    freshness: Freshness
    fee_per_contract: Decimal


def match(portfolio: Portfolio, *, at: datetime, terms: Terms) -> int:
    """Fill what the quotes known at market time `at` reach; the number of executions. One statement when nothing is."""
    today = new_york_date(at)
    parameters = _parameters(portfolio, at, today, terms.freshness)
    if not _fillable(_FILLABLE, parameters):
        return 0
    with transaction.atomic():
        # Locked and read again: of two passes at the same moment the second finds the quote taken.
        found = _fillable(_FILLABLE + " FOR NO KEY UPDATE OF p", parameters)
        taken = _taken_at(portfolio, at)
        executions: list[PaperExecution] = []
        for each in found:
            shown = each.ask_size if each.side == Side.BUY else each.bid_size
            key = (each.contract_id, each.side)
            quantity = min(each.open_quantity, shown - taken.get(key, 0))
            if quantity > 0:
                taken[key] = taken.get(key, 0) + quantity
                executions.append(_execution(each, quantity, portfolio.paper_extra_ticks, terms, at))
        _book(executions, {each.order_id: each.quoted_at for each in found}, at)
    return len(executions)


def _parameters(portfolio: Portfolio, at: datetime, today: date, freshness: Freshness) -> dict[str, object]:
    return {
        "portfolio": portfolio.pk,
        "source": portfolio.quote_source,
        "at": at,
        "today": today,
        "latest": at + CLOCK_SKEW,
        "since_expiring": at - freshness.expiring_today,
        "since_others": at - freshness.others,
    }


def _fillable(statement: str, parameters: dict[str, object]) -> list[_Fillable]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return [_Fillable(*row) for row in cursor.fetchall()]


def _taken_at(portfolio: Portfolio, at: datetime) -> dict[tuple[int, str], int]:
    """Contracts executed at this very moment, by contract and side: the size they took is not shown again."""
    rows = PaperExecution.objects.filter(executed_at=at, order__portfolio=portfolio).order_by("id")
    taken: dict[tuple[int, str], int] = {}
    for contract_id, side, quantity in rows.values_list("order__contract_id", "order__side", "quantity"):
        taken[contract_id, side] = taken.get((contract_id, side), 0) + quantity
    return taken


def _execution(of: _Fillable, quantity: int, extra_ticks: int, terms: Terms, at: datetime) -> PaperExecution:
    ticks = TICK_TABLES[of.tick_class]
    touch = of.ask if of.side == Side.BUY else of.bid
    if touch is None:
        raise ValueError(f"Order {of.client_order_id} was matched against a missing side.")
    if extra_ticks:
        through = ticks.ticks_down(touch, extra_ticks)
        touch = ticks.ticks_up(touch, extra_ticks) if of.side == Side.BUY else max(ticks.under, through)
    return PaperExecution(
        order_id=of.order_id,
        execution_id=f"{of.client_order_id}-{of.executions + 1}",
        quantity=quantity,
        price=touch,
        fee=(terms.fee_per_contract * quantity).quantize(CENT, ROUND_HALF_UP),
        executed_at=at,
        quote_bid=of.bid,
        quote_ask=of.ask,
    )


_BOOK = """
    WITH executed AS (
        SELECT * FROM unnest(%(ids)s::bigint[], %(keys)s::text[], %(quantities)s::int[], %(prices)s::numeric[],
                             %(fees)s::numeric[], %(bids)s::numeric[], %(asks)s::numeric[], %(quoted)s::timestamptz[])
            AS w(id, key, quantity, price, fee, bid, ask, quoted_at)
    ), filled AS (
        UPDATE positions_paperorder p SET
            filled_quantity = p.filled_quantity + w.quantity,
            taken_from = w.quoted_at,
            status = CASE WHEN p.filled_quantity + w.quantity = p.quantity THEN 'filled' ELSE p.status END,
            finished_at = CASE WHEN p.filled_quantity + w.quantity = p.quantity THEN %(at)s ELSE p.finished_at END
        FROM executed w WHERE p.id = w.id
    )
    INSERT INTO positions_paperexecution
        (order_id, execution_id, quantity, price, fee, executed_at, quote_bid, quote_ask)
    SELECT id, key, quantity, price, fee, %(at)s, bid, ask FROM executed ORDER BY id
"""


def _book(executions: Sequence[PaperExecution], quoted_at: Mapping[int, datetime], at: datetime) -> None:
    """The executions, and their orders filled. An order that came too late for the size shown is left as it was."""
    if not executions:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            _BOOK,
            {
                "ids": [each.order_id for each in executions],
                "keys": [each.execution_id for each in executions],
                "quantities": [each.quantity for each in executions],
                "prices": [each.price for each in executions],
                "fees": [each.fee for each in executions],
                "bids": [each.quote_bid for each in executions],
                "asks": [each.quote_ask for each in executions],
                "quoted": [quoted_at[each.order_id] for each in executions],
                "at": at,
            },
        )
