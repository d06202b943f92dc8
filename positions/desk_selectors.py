"""What a desk looks at, over any number of portfolios: each question one statement, whatever is open.

Every portfolio has its own market time and source, so they come in as lists of the same length and the database joins
them. `at` is market time, aware; nothing after it is read.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import CharField, Exists, OuterRef, Q, Value
from django.db.models.functions import Cast, Concat

from positions.market.calendar import Calendar, Session, new_york_date
from positions.models import Decision, EquitySnapshot, ExchangeSession

DAYS_AROUND = timedelta(days=12)  # covers the longest closure and the next session beyond it


@dataclass(frozen=True, slots=True)
class LastQuote:
    """The last quote of a contract at or before a market time. USD a share; None is a missing side."""

    bid: Decimal | None
    bid_size: int
    ask: Decimal | None
    ask_size: int
    quoted_at: datetime
    confirmed_at: datetime


def last_quotes(wanted: Sequence[tuple[int, int, str, datetime]]) -> dict[tuple[int, int], LastQuote]:
    """By (portfolio id, contract id), of rows (portfolio id, contract id, source, at); absent what was never quoted."""
    if not wanted:
        return {}
    portfolios, contracts, sources, times = (list(column) for column in zip(*wanted, strict=True))
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT w.portfolio_id, w.contract_id, q.bid, q.bid_size, q.ask, q.ask_size, q.quoted_at, q.confirmed_at
            FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::timestamptz[])
                AS w(portfolio_id, contract_id, source, at)
            CROSS JOIN LATERAL (
                SELECT * FROM positions_optionquote q
                WHERE q.contract_id = w.contract_id AND q.source = w.source AND q.quoted_at <= w.at
                ORDER BY q.quoted_at DESC LIMIT 1
            ) q
            """,
            [portfolios, contracts, sources, times],
        )
        return {(row[0], row[1]): LastQuote(*row[2:]) for row in cursor.fetchall()}


def calendars_around(at: Mapping[int, datetime], *, exchange: str = "XNYS") -> dict[int, Calendar | None]:
    """The sessions of a week or two around each portfolio's market time, by portfolio id; None where none is known."""
    if not at:
        return {}
    windows = {
        portfolio: (new_york_date(moment) - DAYS_AROUND, new_york_date(moment) + DAYS_AROUND)
        for portfolio, moment in at.items()
    }
    wanted = Q()
    for first, last in set(windows.values()):
        wanted |= Q(session_on__gte=first, session_on__lte=last)
    rows = ExchangeSession.objects.filter(wanted, exchange=exchange).order_by("session_on")
    sessions = [Session(*row) for row in rows.values_list("session_on", "open_at", "close_at", "is_early")]
    found: dict[int, Calendar | None] = {}
    for portfolio, (first, last) in windows.items():
        mine = [session for session in sessions if first <= session.day <= last]
        found[portfolio] = Calendar(mine, first=first, last=last) if mine else None
    return found


def snapshots_of(days: Mapping[int, date]) -> dict[int, EquitySnapshot]:
    """The equity at the start of each portfolio's session, by portfolio id; absent where none was taken."""
    if not days:
        return {}
    wanted = Q()
    for portfolio, day in days.items():
        wanted |= Q(portfolio_id=portfolio, session_on=day)
    return {snapshot.portfolio_id: snapshot for snapshot in EquitySnapshot.objects.filter(wanted)}


def waiting_decisions(at: Mapping[int, datetime], *, confirms: str) -> list[Decision]:
    """Approved openings without an order, still good at their portfolio's market time, the oldest first.

    `confirms` begins the key of a confirmation: what was confirmed waits no more.
    """
    if not at:
        return []
    wanted = Q()
    for portfolio, moment in at.items():
        wanted |= Q(portfolio_id=portfolio, decided_at__lte=moment, expires_at__gte=moment)
    key = Concat(Value(confirms), Cast(OuterRef("pk"), CharField()))
    confirmed = Decision.objects.filter(portfolio=OuterRef("portfolio"), idempotency_key=key)
    rows = Decision.objects.filter(wanted, intent="open", approved=True, orders__isnull=True)
    rows = rows.exclude(inputs__has_key="confirms").exclude(Exists(confirmed))
    return list(rows.select_related("contract", "portfolio").defer("inputs", "trace", "gates").order_by("id"))


@dataclass(frozen=True, slots=True)
class Happening:
    """One row of what happened: to a position, an order, a decision or the portfolio.

    `kind` is the event's own word (for an order its new status), `data` the row's numbers as they were written.
    """

    portfolio_id: int
    what: str
    id: int
    at: datetime
    kind: str
    actor_name: str
    position_id: int | None
    decision_id: int | None
    root: str | None
    strike: Decimal | None
    right: str | None
    data: dict[str, Any]


_COLUMNS = (
    *("portfolio_id", "what", "id", "at", "kind", "actor_name", "position_id", "decision_id"),
    *("root", "strike", "right"),
)

# Each part reads at most `limit` rows of a portfolio from the newest back. Fills and exit orders are told by the
# position's own events, which know what is left; of orders what ended without a fill is left to tell.
_HAPPENINGS = """
    SELECT p.id, e.what, e.id, e.at, e.kind, e.actor_name, e.position_id, e.decision_id, c.root, c.strike, c.right,
           e.data
    FROM unnest(%(portfolios)s::bigint[]) AS p(id)
    CROSS JOIN LATERAL (
        (SELECT 'position' AS what, e.id, e.happened_at AS at, e.kind, e.actor_name, e.position_id,
                NULL::bigint AS decision_id, x.contract_id,
                jsonb_build_object('before', e.before, 'after', e.after, 'detail', e.detail) AS data
         FROM positions_positionevent e JOIN positions_position x ON x.id = e.position_id
         WHERE x.portfolio_id = p.id ORDER BY e.id DESC LIMIT %(limit)s)
        UNION ALL
        (SELECT 'order', e.id, e.happened_at, e.to_status, e.actor_name, o.position_id, o.decision_id, o.contract_id,
                jsonb_build_object('intent', o.intent, 'side', o.side, 'quantity', o.quantity,
                    'filled', o.filled_quantity, 'limit', o.limit_price, 'from', e.from_status,
                    'reject_reason', o.reject_reason, 'detail', e.detail)
         FROM positions_orderevent e JOIN positions_order o ON o.id = e.order_id
         WHERE o.portfolio_id = p.id
           AND e.to_status IN ('cancelled', 'rejected', 'expired', 'unknown')
           AND (o.parent_id IS NULL OR e.to_status IN ('rejected', 'unknown'))
         ORDER BY e.id DESC LIMIT %(limit)s)
        UNION ALL
        (SELECT 'decision', d.id, d.decided_at, CASE WHEN d.approved THEN 'approved' ELSE 'refused' END,
                d.requested_by_name, NULL, d.id, d.contract_id,
                jsonb_build_object('contracts', d.contracts, 'dollars', d.dollars, 'limit', d.limit_price,
                    'code', d.refusal_code, 'sentence', d.refusal_sentence)
         FROM positions_decision d
         WHERE d.portfolio_id = p.id AND d.intent = 'open' ORDER BY d.id DESC LIMIT %(limit)s)
        UNION ALL
        (SELECT 'state', s.id, s.changed_at, s.to_state, s.actor_name, NULL, NULL, NULL,
                jsonb_build_object('from', s.from_state, 'reason', s.reason, 'cause', s.cause)
         FROM positions_portfoliostatechange s
         WHERE s.portfolio_id = p.id ORDER BY s.id DESC LIMIT %(limit)s)
    ) e
    LEFT JOIN positions_optioncontract c ON c.id = e.contract_id
    ORDER BY p.id, e.at DESC, e.what, e.id DESC
"""

_HAPPENINGS_OF = """
    SELECT x.portfolio_id, e.what, e.id, e.at, e.kind, e.actor_name, x.id, e.decision_id, c.root, c.strike, c.right,
           e.data
    FROM positions_position x
    CROSS JOIN LATERAL (
        (SELECT 'position' AS what, e.id, e.happened_at AS at, e.kind, e.actor_name, NULL::bigint AS decision_id,
                jsonb_build_object('before', e.before, 'after', e.after, 'detail', e.detail) AS data
         FROM positions_positionevent e WHERE e.position_id = x.id)
        UNION ALL
        (SELECT 'order', e.id, e.happened_at, e.to_status, e.actor_name, o.decision_id,
                jsonb_build_object('intent', o.intent, 'side', o.side, 'quantity', o.quantity,
                    'filled', o.filled_quantity, 'limit', o.limit_price, 'from', e.from_status,
                    'reject_reason', o.reject_reason, 'detail', e.detail)
         FROM positions_orderevent e JOIN positions_order o ON o.id = e.order_id
         WHERE o.position_id = x.id
           AND e.to_status IN ('cancelled', 'rejected', 'expired', 'unknown')
           AND (o.parent_id IS NULL OR e.to_status IN ('rejected', 'unknown')))
        UNION ALL
        (SELECT 'decision', d.id, d.decided_at, CASE WHEN d.approved THEN 'approved' ELSE 'refused' END,
                d.requested_by_name, d.id,
                jsonb_build_object('contracts', d.contracts, 'dollars', d.dollars, 'limit', d.limit_price,
                    'code', d.refusal_code, 'sentence', d.refusal_sentence)
         FROM positions_decision d WHERE d.id = x.decision_id)
    ) e
    JOIN positions_optioncontract c ON c.id = x.contract_id
    WHERE x.id = %(position)s
    ORDER BY e.at DESC, e.what, e.id DESC
"""


def happenings(portfolio_ids: Sequence[int], *, limit: int) -> dict[int, list[Happening]]:
    """The last `limit` of what happened in each portfolio, the latest first."""
    with connection.cursor() as cursor:
        cursor.execute(_HAPPENINGS, {"portfolios": list(portfolio_ids), "limit": limit})
        rows = cursor.fetchall()
    found: dict[int, list[Happening]] = {portfolio: [] for portfolio in portfolio_ids}
    for row in rows:
        if len(found[row[0]]) < limit:
            found[row[0]].append(_happening(row))
    return found


def _happening(row: tuple[Any, ...]) -> Happening:
    return Happening(**dict(zip(_COLUMNS, row[:-1], strict=True)), data=json.loads(row[-1]))


def happenings_of(position_id: int) -> list[Happening]:
    """Everything that happened to one position and to its orders, the latest first."""
    with connection.cursor() as cursor:
        cursor.execute(_HAPPENINGS_OF, {"position": position_id})
        return [_happening(row) for row in cursor.fetchall()]
