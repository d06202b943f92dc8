"""The two ends of a day: what expired is settled after the close, and a session starts with its snapshot (A-17, A-18).

    cash-settled                   intrinsic on the official close, to the cent; worthless: closed at 0
    physical, out of the money     closed at 0
    physical, in the money         EXPIRED: it becomes shares, and a person must act (B-51)
    no official price              EXPIRED, and tried again at each look

Both are harmless twice. `at` is market time, `now` wall time; money USD.
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NoReturn

from django.db import transaction
from django.db.models import Exists, OuterRef, Sum

from accounts.selectors import latest_revision
from positions.market.calendar import Calendar, Session, new_york_date
from positions.market_selectors import calendar_around
from positions.models import (
    CashKind,
    CashMovement,
    DailyClose,
    EquitySnapshot,
    Order,
    OrderStatus,
    Portfolio,
    Position,
    PositionEvent,
    PositionStatus,
    Settlement,
    UnderlyingBar,
)
from positions.services import fill_rows, session_marks
from positions.services.fills import Planner, realised
from positions.services.order_changes import Change, change_orders, limit_lock_waits
from positions.services.portfolio import SYSTEM_NAME, WAITED, lock_portfolio
from positions.services.working import work_portfolio

logger = logging.getLogger(__name__)

CENT = Decimal("0.01")
OFFICIAL_WITHIN = timedelta(minutes=5)  # a bar older than this at the close is not that close
SETTLED, EXPIRED_WORTHLESS = "settled", "expired"


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of an expired position: cash a share for a closed one, or why a person must act."""

    position: Position
    per_share: Decimal | None
    why: str
    official: Decimal | None = None


# ---- Expiration ----


def settle_expired(*, portfolio: Portfolio, at: datetime, now: datetime) -> int:
    """Settle what expired and is still open once its session has closed; how many positions changed.

    Orders still working on them are cancelled first; a position whose cancel is not confirmed waits for the next call.
    """
    expired = _expired(portfolio, new_york_date(at))
    if not expired:
        return 0
    calendar = calendar_around(at)
    due = [p for p in expired if calendar.on_or_before(p.contract.expiration_on).closes_at <= at]
    if not due:
        return 0
    cancel_orders_of(portfolio, [p.pk for p in due], at=at, now=now, reason="expired")
    return _settle(portfolio, [p.pk for p in due], calendar, at)


def _expired(portfolio: Portfolio, today: date) -> list[Position]:
    held = portfolio.positions.held().filter(contract__expiration_on__lte=today)
    return list(held.select_related("contract").order_by("id"))


def _no_entries(*_: Any) -> NoReturn:
    raise RuntimeError("An entry that filled before is not booked yet: the next pass over orders does.")


def cancel_orders_of(
    portfolio: Portfolio,
    position_ids: Collection[int],
    *,
    at: datetime,
    now: datetime,
    reason: str,
    plan: Planner = _no_entries,
) -> None:
    """Cancel what works on these positions, and let the broker answer. What is not confirmed then is still live."""
    live = Order.objects.live().filter(position_id__in=position_ids, parent__isnull=True).order_by("id")
    rows = list(live.values_list("id", "status"))
    if not rows:
        return
    with transaction.atomic():
        limit_lock_waits()
        lock_portfolio(portfolio.pk)
        changes = [
            Change(order_id, status, OrderStatus.CANCELLING, at, {"reason": reason})
            for order_id, status in rows
            if status != OrderStatus.CANCELLING
        ]
        change_orders(changes, actor_name=SYSTEM_NAME)
    work_portfolio(portfolio, now=now, plan=plan)


@transaction.atomic
def _settle(portfolio: Portfolio, position_ids: Sequence[int], calendar: Calendar, at: datetime) -> int:
    limit_lock_waits()
    locked = lock_portfolio(portfolio.pk)
    live = Order.objects.live().filter(position_id=OuterRef("pk"))
    held = Position.objects.held().filter(~Exists(live), pk__in=position_ids).select_related("contract").order_by("id")
    positions = list(held.select_for_update(no_key=True, of=("self",)))
    officials = _officials(locked, positions, calendar)
    outcomes = [_outcome(p, officials.get((p.contract.underlying_id, p.contract.expiration_on))) for p in positions]
    closed = [o for o in outcomes if o.per_share is not None]
    waiting = [o for o in outcomes if o.per_share is None and o.position.status == PositionStatus.OPEN]
    today = new_york_date(at)
    cash = [_close(outcome, at) for outcome in closed]
    events = [_event(o.position, at, "closed", _numbers(o) | {"cause": o.position.close_cause}) for o in closed]
    for outcome in waiting:
        outcome.position.status = PositionStatus.EXPIRED
        events.append(_event(outcome.position, at, "settlement_needed", _numbers(outcome) | {"why": outcome.why}))
        logger.error("%s: position %s expired: %s", locked, outcome.position.pk, outcome.why)
    changed = [o.position for o in closed + waiting]
    fill_rows.update_positions(changed)
    fill_rows.cancel_slices([p.pk for p in changed], at)
    CashMovement.objects.bulk_create(
        CashMovement(
            portfolio=locked,
            kind=CashKind.SETTLEMENT,
            amount=amount,
            moved_at=at,
            settles_on=calendar.next(today).day,
            note=f"Settlement of {outcome.position.contract}",
        )
        for outcome, amount in zip(closed, cash, strict=True)
        if amount
    )
    PositionEvent.objects.bulk_create(events)
    locked.cash += sum(cash, Decimal(0))
    locked.save(update_fields=["cash"])
    portfolio.cash = locked.cash
    return len(changed)


def _officials(
    portfolio: Portfolio, positions: Sequence[Position], calendar: Calendar
) -> dict[tuple[int, date], Decimal]:
    """The official close by underlying and date: the last bar of the portfolio's source in the session's last minutes,
    else that day's recorded close."""
    found: dict[tuple[int, date], Decimal] = {}
    for underlying_id, day in sorted({(p.contract.underlying_id, p.contract.expiration_on) for p in positions}):
        session = calendar.on_or_before(day)
        bars = UnderlyingBar.objects.filter(
            instrument_id=underlying_id,
            source=portfolio.quote_source,
            bar_at__lte=session.closes_at,
            bar_at__gte=session.closes_at - OFFICIAL_WITHIN,
        )
        closes = DailyClose.objects.filter(instrument_id=underlying_id, session_on=session.day)
        price = (
            bars.order_by("-bar_at").values_list("close", flat=True).first()
            or closes.values_list("close", flat=True).first()
        )
        if price is not None:
            found[underlying_id, day] = price
    return found


def _outcome(position: Position, official: Decimal | None) -> _Outcome:
    contract = position.contract
    if official is None:
        return _Outcome(position, None, "find the official closing price and settle it by hand")
    if contract.settlement == Settlement.AM_CASH:
        return _Outcome(position, None, "settle it on the opening quotation, which is not recorded here", official)
    intrinsic = official - contract.strike if contract.is_call else contract.strike - official
    if intrinsic <= 0:
        return _Outcome(position, Decimal(0), "", official)
    if contract.settlement == Settlement.PM_PHYSICAL:
        return _Outcome(position, None, "it is in the money and becomes shares: exercise or abandon it", official)
    return _Outcome(position, intrinsic, "", official)


def _close(outcome: _Outcome, at: datetime) -> Decimal:
    """Close the position at its intrinsic value; the cash that comes in."""
    position, per_share = outcome.position, outcome.per_share or Decimal(0)
    amount = (per_share * position.quantity_open * position.contract.multiplier).quantize(CENT, ROUND_HALF_UP)
    position.exit_proceeds += amount
    position.quantity_open = 0
    position.status, position.closed_at = PositionStatus.CLOSED, at
    position.close_cause = SETTLED if amount else EXPIRED_WORTHLESS
    position.realised_pnl = realised(position)
    return amount


def _numbers(outcome: _Outcome) -> dict[str, Any]:
    official = None if outcome.official is None else str(outcome.official)
    per_share = None if outcome.per_share is None else str(outcome.per_share)
    return {"official_close": official, "per_share": per_share, "open": outcome.position.quantity_open}


def _event(position: Position, at: datetime, kind: str, after: dict[str, Any]) -> PositionEvent:
    return PositionEvent(position=position, happened_at=at, kind=kind, actor_name=SYSTEM_NAME, after=after)


# ---- Start of a session ----


def start_session(*, portfolio: Portfolio, at: datetime, now: datetime) -> bool:
    """At the first look of a New York trading date: its snapshot, and what settles today. False when there is nothing
    to start: no session today, or started already.

    Equity is cash and every open position at its last usable bid up to the previous session's close; one that never
    had a usable bid counts as nothing.
    """
    today = new_york_date(at)
    if EquitySnapshot.objects.filter(portfolio=portfolio, session_on=today).exists():
        return False
    calendar = calendar_around(at)
    if calendar.session(today) is None:
        return False
    with transaction.atomic():
        limit_lock_waits()
        locked = lock_portfolio(portfolio.pk)
        if EquitySnapshot.objects.filter(portfolio=locked, session_on=today).exists():
            return False
        previous = calendar.previous(today)
        equity = locked.cash + _held_value(locked, previous)
        # What was paid in or out since this look began is in the cash by now: by its time it would count once more.
        paid = locked.cash_movements.filter(
            kind__in=(CashKind.DEPOSIT, CashKind.WITHDRAWAL), moved_at__gt=at, moved_at__lt=at + WAITED
        )
        EquitySnapshot.objects.create(
            portfolio=locked,
            session_on=today,
            equity_start_of_day=equity,
            cash_start_of_day=locked.cash,
            taken_at=paid.order_by("-moved_at").values_list("moved_at", flat=True).first() or at,
        )
        EquitySnapshot.objects.filter(portfolio=locked, session_on=previous.day, equity_end_of_day__isnull=True).update(
            equity_end_of_day=equity, closed_at=previous.closes_at
        )
        settled = locked.cash_movements.filter(settles_on__lte=today).aggregate(total=Sum("amount"))["total"]
        locked.settled_cash = settled or Decimal(0)
        locked.save(update_fields=["settled_cash"])
        portfolio.settled_cash = locked.settled_cash
    return True


def _held_value(portfolio: Portfolio, session: Session) -> Decimal:
    """What is open, at its last usable bid at or before the session's close, USD."""
    held = list(portfolio.positions.held().select_related("contract").order_by("id"))
    if not held:
        return Decimal(0)
    bids = session_marks.last_usable_bids(
        [position.contract for position in held],
        source=portfolio.quote_source,
        until=session.closes_at,
        revision=latest_revision(portfolio.profile),
    )
    value = sum(
        (p.quantity_open * p.contract.multiplier * bids.get(p.contract_id, Decimal(0)) for p in held), Decimal(0)
    )
    return value.quantize(CENT, ROUND_HALF_UP)
