"""What the rows say of an account since it came into its mode: sessions, trades, books that add up, gaps, slippage.

Market times, USD. Each is one or two statements; what cannot be told is None, never a pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection

from positions.models import (
    BrokerDifference,
    ClockKind,
    Decision,
    EquitySnapshot,
    Portfolio,
    PortfolioStateChange,
    Position,
)
from positions.services.settlement import EXPIRED_WORTHLESS, SETTLED
from riskengine.calculators.codes import CODES
from riskengine.models import RolloutStep, RolloutTrigger

HALF_A_CENT = Decimal("0.005")
AVERAGE_WITHIN = Decimal("0.0001")  # 0.01%
KNOWN_CODES = frozenset(code.name for code in CODES if code.name)
SPARE = timedelta(minutes=1)  # between two looks that are 5 minutes apart anyway

# A-08's invariants as far as rows tell them. A position that was split is another number of another contract.
_BOOKS = """
    SELECT p.id, c.occ_symbol, p.quantity_opened, p.quantity_open, p.status, p.average_entry_price, p.realised_pnl,
           p.entry_cost, p.exit_proceeds, p.fees, p.close_cause,
           sum(f.quantity) FILTER (WHERE o.side = 'buy'), sum(f.quantity) FILTER (WHERE o.side = 'sell'),
           sum(f.quantity * f.price) FILTER (WHERE o.side = 'buy'), sum(f.fee)
    FROM positions_position p
    JOIN positions_optioncontract c ON c.id = p.contract_id
    LEFT JOIN positions_fill f ON f.position_id = p.id
    LEFT JOIN positions_order o ON o.id = f.order_id
    WHERE p.portfolio_id = %s AND p.entry_at >= %s AND p.split_factor = 1
    GROUP BY p.id, c.id ORDER BY p.id
"""
_CASH = """
    SELECT f.cash, (SELECT sum(amount) FROM positions_cashmovement m WHERE m.portfolio_id = f.id)
    FROM positions_portfolio f WHERE f.id = %s
"""
# A point is the first known reading of its five minutes: the open, the points and the close, and what lies between.
_GAPS = """
    SELECT day, gap_from, gap_to FROM (
        SELECT s.session_on AS day, at AS gap_to,
               lag(at) OVER (PARTITION BY s.session_on ORDER BY at) AS gap_from
        FROM positions_equitysnapshot e
        JOIN positions_exchangesession s ON s.exchange = 'XNYS' AND s.session_on = e.session_on
        CROSS JOIN LATERAL (
            SELECT greatest(s.open_at, e.taken_at, %(since)s) AS at
            UNION ALL
            SELECT market_at FROM riskengine_readingpoint r
            WHERE r.portfolio_id = e.portfolio_id AND r.market_at BETWEEN greatest(s.open_at, %(since)s) AND s.close_at
            UNION ALL
            SELECT least(s.close_at, %(at)s)
        ) looked
        WHERE e.portfolio_id = %(portfolio)s AND s.close_at > %(since)s AND s.open_at < %(at)s
    ) each
    WHERE gap_to - gap_from > %(longest)s
    ORDER BY gap_from
"""
# What the spread and the extra ticks would cost, and what the fills did cost against the mid that was decided on.
_SLIPPAGE = """
    SELECT sum(f.quantity * c.multiplier * CASE o.side
                   WHEN 'buy' THEN f.price - coalesce(t.reference_mid, o.reference_mid)
                   ELSE coalesce(t.reference_mid, o.reference_mid) - f.price END)::float8,
           sum(f.quantity * c.multiplier * (f.quote_ask - f.quote_bid) / 2)::float8,
           sum(f.quantity * c.multiplier)::float8,
           bool_and(coalesce(t.reference_mid, o.reference_mid) IS NOT NULL
                    AND f.quote_bid IS NOT NULL AND f.quote_ask IS NOT NULL),
           min(last.closed_at), max(last.closed_at), count(DISTINCT last.id), max(last.id)
    FROM (SELECT id, contract_id, closed_at FROM positions_position
          WHERE portfolio_id = %(portfolio)s AND status = 'closed' AND closed_at >= %(since)s
          ORDER BY closed_at DESC, id DESC LIMIT %(trades)s) last
    JOIN positions_fill f ON f.position_id = last.id
    JOIN positions_order o ON o.id = f.order_id
    LEFT JOIN positions_order t ON t.id = o.parent_id
    JOIN positions_optioncontract c ON c.id = last.contract_id
"""


def in_mode_since(portfolio: Portfolio) -> datetime:
    """Market time from which its mode is as it is: the last step, or when it was created."""
    step = RolloutStep.objects.filter(portfolio=portfolio).order_by("-id").values_list("market_at", flat=True).first()
    if step is not None:
        return step
    created = PortfolioStateChange.objects.filter(portfolio=portfolio, cause="created").order_by("id")
    return created.values_list("changed_at", flat=True)[0]


def soaks_since(portfolio: Portfolio) -> datetime:
    """From when its sessions and trades count: since the last step, and since the last trigger."""
    last = RolloutTrigger.objects.filter(portfolio=portfolio).order_by("-happened_at")
    triggered = last.values_list("happened_at", flat=True).first()
    since = in_mode_since(portfolio)
    return since if triggered is None else max(since, triggered)


def sessions_over(portfolio: Portfolio, since: datetime) -> int:
    """Sessions that began since then and are over: the next one has begun."""
    found = EquitySnapshot.objects.filter(portfolio=portfolio, taken_at__gte=since).count()
    return max(found - 1, 0)


def closed_since(portfolio: Portfolio, since: datetime) -> int:
    return Position.objects.filter(portfolio=portfolio, status="closed", entry_at__gte=since).count()


def broken_books(portfolio: Portfolio, since: datetime) -> list[str]:
    """Every invariant that does not hold, in words. Empty: the books add up."""
    found = []
    with connection.cursor() as cursor:
        cursor.execute(_BOOKS, [portfolio.pk, since])
        for row in cursor.fetchall():
            found += _of_position(*row)
        cursor.execute(_CASH, [portfolio.pk])
        cash, moved = cursor.fetchone()
    if cash != (moved or Decimal(0)):
        found.append(f"Cash is ${cash:,.2f}; its movements add up to ${moved or 0:,.2f}.")
    open_differences = BrokerDifference.objects.filter(portfolio=portfolio, ended_at__isnull=True)
    found += [str(each) for each in open_differences.select_related("contract").order_by("id")]
    return found


def _of_position(
    pk: int, name: str, opened: int, open_: int, status: str, average: Decimal, realised: Decimal, cost: Decimal,
    proceeds: Decimal, fees: Decimal, cause: str, bought: int | None, sold: int | None, paid: Decimal | None,
    charged: Decimal | None,
) -> list[str]:  # fmt: skip
    found, label = [], f"Position {pk} ({name.strip()})"
    if bought != opened:
        found.append(f"{label}: {opened} contracts opened, fills bought {bought or 0}.")
    settled = status == "closed" and cause in (SETTLED, EXPIRED_WORTHLESS)
    if not settled and (opened - (sold or 0)) != open_:
        found.append(f"{label}: {open_} contracts open, fills leave {opened - (sold or 0)}.")
    if bought and paid is not None and abs(paid / bought - average) > AVERAGE_WITHIN * average:
        found.append(f"{label}: average price {average:.4f}, fills say {paid / bought:.4f}.")
    if charged is not None and charged != fees:
        found.append(f"{label}: fees {fees}, fills say {charged}.")
    if status == "closed" and abs(proceeds - cost - fees - realised) > HALF_A_CENT:
        found.append(f"{label}: P&L {realised}, premium and fees say {proceeds - cost - fees}.")
    return found


def unexplained(portfolio: Portfolio, since: datetime) -> list[str]:
    """Refusals without a code that is known, or without a sentence. No signal is dropped without them: the database
    sees to that."""
    refused = Decision.objects.filter(portfolio=portfolio, approved=False, decided_at__gte=since)
    rows = refused.values_list("pk", "refusal_code", "refusal_sentence").order_by("pk")
    return [f"Decision {pk}: {code or 'no code'}." for pk, code, said in rows if code not in KNOWN_CODES or not said]


@dataclass(frozen=True, slots=True)
class Gap:
    """No known reading for so long in a session."""

    day: Any
    began_at: datetime
    ended_at: datetime

    @property
    def minutes(self) -> float:
        return (self.ended_at - self.began_at).total_seconds() / 60.0


def gaps(portfolio: Portfolio, since: datetime, at: datetime, longest: timedelta) -> list[Gap] | None:
    """Stretches of sessions in which nothing was known; None but on live time: a recorded or made-up market is set,
    stands still and is lived through at any speed, which says nothing of the product's watch."""
    if portfolio.clock.kind != ClockKind.LIVE:
        return None
    asked = {"portfolio": portfolio.pk, "since": since, "at": at, "longest": longest + SPARE}
    with connection.cursor() as cursor:
        cursor.execute(_GAPS, asked)
        return [Gap(*row) for row in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class Slippage:
    """Of the last closed trades, USD: what the fills cost against the mids decided on, and half the spread they met."""

    trades: int
    paid: float
    modelled: float
    last_id: int
    last_at: datetime

    @property
    def multiple(self) -> float | None:
        return self.paid / self.modelled if self.modelled > 0.0 else None


def slippage(portfolio: Portfolio, since: datetime, trades: int) -> Slippage | None:
    """None where there are fewer trades, or a mid is not known. The extra ticks of the paper account are modelled too,
    at a cent a share."""
    asked = {"portfolio": portfolio.pk, "since": since, "trades": trades}
    with connection.cursor() as cursor:
        cursor.execute(_SLIPPAGE, asked)
        paid, half, shares, known, _, last_at, count, last_id = cursor.fetchone()
    if count < trades or not known:
        return None
    extra = 0.01 * portfolio.paper_extra_ticks * shares
    return Slippage(count, paid, half + extra, last_id, last_at)


def sessions_of(portfolio: Portfolio, count: int) -> Sequence[Any]:
    """The last so many sessions of the account, New York dates, the latest first."""
    rows = EquitySnapshot.objects.filter(portfolio=portfolio).order_by("-session_on")
    return list(rows.values_list("session_on", flat=True)[:count])
