"""What the rows say of an account since it came into its mode: sessions, trades, books that add up, gaps, slippage.

Market times, USD. Each is one or two statements; what cannot be told is None, never a pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from django.db import connection

from positions.market.calendar import new_york_instant
from positions.market.contracts import TICK_TABLES
from positions.models import (
    BrokerDifference,
    ClockKind,
    Decision,
    EquitySnapshot,
    Portfolio,
    PortfolioStateChange,
    Position,
    Side,
)
from positions.services.settlement import EXPIRED_WORTHLESS, SETTLED
from riskengine.calculators.codes import CODES
from riskengine.models import RolloutStep, RolloutTrigger
from riskengine.services.decide.entries import CONFIRMS

HALF_A_CENT = Decimal("0.005")
AVERAGE_WITHIN = Decimal("0.0001")  # 0.01%
KNOWN_CODES = frozenset(code.name for code in CODES if code.name)

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
# A session's points lie in slots of five minutes, the first known reading in each. A gap is a whole slot without one:
# only that is sure to have been five minutes. The slot before the open, and the one that runs at the close or now, are
# its ends. A gap is named by what came before it in its session, wherever the look begins.
_GAPS = """
    SELECT day, heard_at, greatest(heard_at, %(since)s), gap_to FROM (
        SELECT s.session_on AS day, at AS gap_to, slot,
               lag(at) OVER each_session AS heard_at, lag(slot) OVER each_session AS slot_before
        FROM positions_exchangesession s
        CROSS JOIN LATERAL (
            SELECT s.open_at AS at, s.open_at - %(slot)s AS slot
            UNION ALL
            SELECT market_at, slot_at FROM riskengine_readingpoint r
            WHERE r.portfolio_id = %(portfolio)s AND r.slot_at >= s.open_at AND r.slot_at < s.close_at
              AND r.market_at <= %(at)s
            UNION ALL
            SELECT least(s.close_at, %(at)s), date_bin(%(slot)s, least(s.close_at, %(at)s), s.open_at)
        ) looked
        WHERE s.exchange = 'XNYS' AND s.close_at > %(since)s AND s.open_at < %(at)s
        WINDOW each_session AS (PARTITION BY s.session_on ORDER BY slot, at)
    ) each
    WHERE gap_to > %(since)s
      AND slot - greatest(slot_before, date_bin(%(slot)s, %(since)s, slot_before)) > %(slot)s
    ORDER BY heard_at
"""
# Of the last closed trades, each fill: contracts, multiplier, side, price, the mid that was decided on, the spread met
# when it was decided (an exit: when it was filled), and the class of ticks.
_SLIPPAGE = """
    SELECT last.id, last.closed_at, f.quantity, c.multiplier, o.side, f.price,
           coalesce(t.reference_mid, o.reference_mid),
           coalesce((d.inputs #>> '{market,quote,ask}')::numeric - (d.inputs #>> '{market,quote,bid}')::numeric,
                    f.quote_ask - f.quote_bid),
           c.tick_class
    FROM (SELECT id, contract_id, closed_at FROM positions_position
          WHERE portfolio_id = %(portfolio)s AND status = 'closed' AND closed_at >= %(since)s
          ORDER BY closed_at DESC, id DESC LIMIT %(trades)s) last
    JOIN positions_optioncontract c ON c.id = last.contract_id
    LEFT JOIN positions_fill f ON f.position_id = last.id
    LEFT JOIN positions_order o ON o.id = f.order_id
    LEFT JOIN positions_order t ON t.id = o.parent_id
    LEFT JOIN positions_decision d ON d.id = coalesce(t.decision_id, o.decision_id)
    ORDER BY last.closed_at, last.id, f.id
"""
_OPENED = """
    SELECT count(*), count(*) FILTER (WHERE e.taken_at >= %(also)s) FROM positions_equitysnapshot e
    JOIN positions_exchangesession s ON s.exchange = 'XNYS' AND s.session_on = e.session_on
    WHERE e.portfolio_id = %(portfolio)s AND e.taken_at >= %(since)s AND s.close_at <= %(at)s
"""
_PROPOSED = """
    SELECT count(*), count(*) FILTER (WHERE answered),
           count(*) FILTER (WHERE NOT answered AND expires_at > %(at)s)
    FROM (
        SELECT d.expires_at, EXISTS (SELECT FROM positions_order o WHERE o.decision_id = d.id)
               OR EXISTS (SELECT FROM positions_decision c WHERE c.portfolio_id = d.portfolio_id
                          AND c.idempotency_key = %(confirms)s || d.id) AS answered
        FROM positions_decision d
        WHERE d.portfolio_id = %(portfolio)s AND d.approved AND d.decided_at >= %(since)s
          AND d.warnings @> '[{"code": "WAITS_FOR_CONFIRMATION"}]'
    ) asked
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


def sessions_over(portfolio: Portfolio, since: datetime, at: datetime, also: datetime | None = None) -> tuple[int, int]:
    """Sessions that the account began since then and that are over, and how many of them since `also`."""
    asked = {"portfolio": portfolio.pk, "since": since, "at": at, "also": also or since}
    with connection.cursor() as cursor:
        cursor.execute(_OPENED, asked)
        return cursor.fetchone()


def proposals(portfolio: Portfolio, since: datetime, at: datetime) -> tuple[int, int, int]:
    """Entries that a person was asked to confirm: all, those answered, those that still wait."""
    with connection.cursor() as cursor:
        cursor.execute(_PROPOSED, {"portfolio": portfolio.pk, "since": since, "at": at, "confirms": CONFIRMS})
        return cursor.fetchone()


def triggers_lately(portfolio: Portfolio, sessions: int) -> int:
    """Triggers in the last so many sessions of the account, and since."""
    days = sessions_of(portfolio, sessions)
    found = RolloutTrigger.objects.filter(portfolio=portfolio)
    return found.filter(happened_at__gte=new_york_instant(days[-1], time())).count() if days else found.count()


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
    """Nothing was known in a session from `began_at` to `ended_at`; `heard_at` is the last known before it, or the
    open, and names it. Market times."""

    day: date
    heard_at: datetime
    began_at: datetime
    ended_at: datetime

    @property
    def minutes(self) -> float:
        return (self.ended_at - self.began_at).total_seconds() / 60.0


def gaps(portfolio: Portfolio, since: datetime, at: datetime, slot: timedelta) -> list[Gap] | None:
    """Stretches of sessions in which nothing was known for a whole slot; None but on live time: a recorded or made-up
    market is set, stands still and is lived through at any speed, which says nothing of the product's watch."""
    if portfolio.clock.kind != ClockKind.LIVE:
        return None
    with connection.cursor() as cursor:
        cursor.execute(_GAPS, {"portfolio": portfolio.pk, "since": since, "at": at, "slot": slot})
        return [Gap(*row) for row in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class Slippage:
    """Of the last closed trades, USD: what their fills cost against the mids decided on, and what is modelled: half
    the spread, and the ticks that paper fills pay beyond it."""

    trades: int
    paid: float
    modelled: float
    last_id: int
    last_at: datetime

    @property
    def multiple(self) -> float | None:
        return self.paid / self.modelled if self.modelled > 0.0 else None


def slippage(portfolio: Portfolio, since: datetime, trades: int) -> Slippage | None:
    """None where there are fewer trades, or a mid or a spread is not known. What was settled has no sale to measure."""
    with connection.cursor() as cursor:
        cursor.execute(_SLIPPAGE, {"portfolio": portfolio.pk, "since": since, "trades": trades})
        rows = cursor.fetchall()
    fills = [row[2:] for row in rows if row[2] is not None]
    if len({row[0] for row in rows}) < trades or any(mid is None or spread is None for *_, mid, spread, _ in fills):
        return None
    paid = modelled = Decimal(0)
    for quantity, multiplier, side, price, mid, spread, tick_class in fills:
        tick = TICK_TABLES[tick_class].at(price)
        paid += quantity * multiplier * (price - mid if side == Side.BUY else mid - price)
        modelled += quantity * multiplier * (spread / 2 + portfolio.paper_extra_ticks * tick)
    return Slippage(trades, float(paid), float(modelled), rows[-1][0], rows[-1][1])


def sessions_of(portfolio: Portfolio, count: int) -> Sequence[date]:
    """The last so many sessions of the account, New York dates, the latest first."""
    rows = EquitySnapshot.objects.filter(portfolio=portfolio).order_by("-session_on")
    return list(rows.values_list("session_on", flat=True)[:count])
