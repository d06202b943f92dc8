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

from accounts.models import RiskProfileRevision
from positions.brokers.base import Acknowledgement, Answer, Execution, Instruction
from positions.brokers.quotes import CLOCK_SKEW, Freshness
from positions.market.calendar import new_york_date
from positions.market.contracts import TICK_TABLES
from positions.models import PaperExecution, PaperOrder, Portfolio, Side

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


class PaperBroker:
    """Orders and executions of the paper accounts. It answers at once and never fails."""

    def submit(self, instructions: Sequence[Instruction], at: datetime) -> list[Acknowledgement]:
        PaperOrder.objects.bulk_create(
            (
                PaperOrder(
                    portfolio_id=each.portfolio_id,
                    contract_id=each.contract_id,
                    client_order_id=each.client_order_id,
                    side=each.side,
                    quantity=each.quantity,
                    limit_price=each.limit_price,
                    status="working",
                    accepted_at=at,
                )
                for each in instructions
            ),
            ignore_conflicts=True,
        )
        return self.lookup([each.client_order_id for each in instructions])

    def cancel(self, client_order_ids: Sequence[str], at: datetime) -> list[Acknowledgement]:
        working = PaperOrder.objects.filter(client_order_id__in=client_order_ids, status="working")
        working.update(status="cancelled", finished_at=at)
        return self.lookup(client_order_ids)

    def lookup(self, client_order_ids: Sequence[str]) -> list[Acknowledgement]:
        rows = PaperOrder.objects.filter(client_order_id__in=client_order_ids)
        known = {row[0]: row for row in rows.values_list("client_order_id", "status", "id", "filled_quantity")}
        return [
            Acknowledgement(key, Answer(known[key][1]), f"paper-{known[key][2]}", known[key][3])
            if key in known
            else Acknowledgement(key, Answer.ABSENT)
            for key in client_order_ids
        ]

    def executions(self, portfolio: Portfolio, after: datetime) -> list[Execution]:
        rows = PaperExecution.objects.filter(executed_at__gte=after, order__portfolio=portfolio)
        columns = ("execution_id", "order__client_order_id", "quantity", "price", "fee", "executed_at")
        found = rows.order_by("executed_at", "id").values_list(*columns, "quote_bid", "quote_ask")
        return [Execution(*row) for row in found]


def match(portfolio: Portfolio, *, at: datetime, revision: RiskProfileRevision) -> int:
    """Fill what the quotes known at market time `at` reach; the number of executions. One statement when nothing is."""
    today = new_york_date(at)
    parameters = _parameters(portfolio, at, today, Freshness.of(portfolio, revision))
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
                executions.append(_execution(each, quantity, portfolio.paper_extra_ticks, revision, at))
        PaperExecution.objects.bulk_create(executions)
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


def _execution(
    of: _Fillable, quantity: int, extra_ticks: int, revision: RiskProfileRevision, at: datetime
) -> PaperExecution:
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
        fee=(revision.fee_per_contract * quantity).quantize(CENT, ROUND_HALF_UP),
        executed_at=at,
        quote_bid=of.bid,
        quote_ask=of.ask,
    )


def _book(executions: Sequence[PaperExecution], quoted_at: Mapping[int, datetime], at: datetime) -> None:
    """What was executed into the orders. One that came too late for the size shown is left as it was."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE positions_paperorder p SET
                filled_quantity = p.filled_quantity + w.quantity,
                taken_from = w.quoted_at,
                status = CASE WHEN p.filled_quantity + w.quantity = p.quantity THEN 'filled' ELSE p.status END,
                finished_at = CASE WHEN p.filled_quantity + w.quantity = p.quantity THEN %(at)s ELSE p.finished_at END
            FROM unnest(%(ids)s::bigint[], %(quantities)s::int[], %(quoted)s::timestamptz[])
                AS w(id, quantity, quoted_at)
            WHERE p.id = w.id
            """,
            {
                "ids": [each.order_id for each in executions],
                "quantities": [each.quantity for each in executions],
                "quoted": [quoted_at[each.order_id] for each in executions],
                "at": at,
            },
        )
