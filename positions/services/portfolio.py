"""Opening a portfolio, changing its trading state, moving its cash. Wall time comes in as `now`."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F

from accounts.models import RiskProfile, User
from positions.market.calendar import new_york_date
from positions.market.clock import LIVE, market_now
from positions.models import (
    Broker,
    CashKind,
    CashMovement,
    ClockKind,
    EquitySnapshot,
    MarketClock,
    Mode,
    Portfolio,
    PortfolioModeChange,
    PortfolioStateChange,
    State,
)

SYSTEM_NAME = "betsizing"
WAITED = timedelta(minutes=1)  # for the account's lock, at the longest
JUST_AFTER = timedelta(microseconds=1)
BEGINS = (Mode.OFF, Mode.PAPER)
NO_BEGINNING = "A portfolio begins off or on paper. From there it goes forward by signed steps, on its rollout page."


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSetting:
    """Which market time a new portfolio lives in. A live clock needs no more; the others have a start and a label."""

    kind: str = LIVE
    market_started_at: datetime | None = None
    market_ends_at: datetime | None = None
    speed: Decimal = Decimal(1)
    label: str = ""


LIVE_CLOCK = ClockSetting()


@transaction.atomic
def create_portfolio(
    *,
    owner: User,
    slug: str,
    name: str,
    system: str,
    profile: RiskProfile,
    cash: Decimal,
    mode: str,
    now: datetime,
    clock: ClockSetting = LIVE_CLOCK,
    broker: str = "paper",
    quote_source: str = "",
    is_demo: bool = False,
    paper_extra_ticks: int = 0,
    actor: User | None = None,
) -> Portfolio:
    """A portfolio with its clock, its first deposit, its first snapshot and the rows that say it was created.

    `cash` is its equity at the start of the day, all of it settled. It begins off or on paper: one that began live
    would have passed every checklist and every signature by (P-27).
    """
    if mode not in BEGINS:
        raise ValidationError({"mode": NO_BEGINNING})
    if cash <= 0:
        raise ValidationError({"cash": f"A portfolio starts with cash; you entered {cash}."})
    portfolio = Portfolio(
        owner=owner,
        slug=slug,
        name=name,
        system=system,
        profile=profile,
        mode=mode,
        state=State.ACTIVE,
        broker=broker,
        quote_source=quote_source or clock.kind,
        is_demo=is_demo,
        paper_extra_ticks=paper_extra_ticks,
        cash=cash,
        settled_cash=cash,
        reconciled_at=now if broker == Broker.PAPER else None,  # the paper account is as new as this one
        created_at=now,
    )
    portfolio.full_clean()
    portfolio.save(force_insert=True)
    _start_clock(portfolio, clock, now)
    market_at = market_now(portfolio.clock, now)
    session_on = new_york_date(market_at)
    CashMovement.objects.create(
        portfolio=portfolio,
        kind=CashKind.DEPOSIT,
        amount=cash,
        moved_at=market_at,
        settles_on=session_on,
        note="Starting cash",
    )
    EquitySnapshot.objects.create(
        portfolio=portfolio,
        session_on=session_on,
        equity_start_of_day=cash,
        cash_start_of_day=cash,
        taken_at=market_at,
    )
    who = {"actor": actor, "actor_name": actor.get_username() if actor else SYSTEM_NAME, "reason": "Created."}
    PortfolioStateChange.objects.create(
        portfolio=portfolio, to_state=State.ACTIVE, changed_at=market_at, cause="created", **who
    )
    PortfolioModeChange.objects.create(portfolio=portfolio, to_mode=mode, changed_at=now, **who)
    return portfolio


def _start_clock(portfolio: Portfolio, setting: ClockSetting, now: datetime) -> MarketClock:
    clock = MarketClock(
        portfolio=portfolio,
        kind=setting.kind,
        market_started_at=setting.market_started_at,
        wall_started_at=None if setting.kind == ClockKind.LIVE else now,
        market_ends_at=setting.market_ends_at,
        speed=setting.speed,
        label=setting.label,
    )
    clock.full_clean()
    clock.save(force_insert=True)
    return clock


def lock_portfolio(portfolio_id: int, *related: str) -> Portfolio:
    """The portfolio's row, locked until the transaction ends: first of all locks, before exposure or cash is read.
    `related` rows are read with it, not locked."""
    rows = Portfolio.objects.select_for_update(no_key=True, of=("self",))
    return (rows.select_related(*related) if related else rows).get(pk=portfolio_id)


@transaction.atomic
def change_state(
    *,
    portfolio: Portfolio,
    to_state: str,
    cause: str,
    reason: str,
    market_at: datetime,
    actor: User | None = None,
    actor_name: str = SYSTEM_NAME,
    value: Decimal | None = None,
    limit: Decimal | None = None,
    trace: dict | None = None,
    written_anyway: bool = False,
) -> bool:
    """Move the portfolio to another trading state and write the change. False: it was in that state already, and unless
    it is `written_anyway` (a kill) nothing was written.

    Whether the change is allowed (only a person re-enables, a reason is given) is judged by the caller.
    """
    locked = lock_portfolio(portfolio.pk)
    moves = locked.state != to_state
    if not moves and not written_anyway:
        portfolio.state = to_state
        return False
    change = PortfolioStateChange(
        portfolio=locked,
        from_state=locked.state,
        to_state=to_state,
        changed_at=market_at,
        actor=actor,
        actor_name=actor.get_username() if actor else actor_name,
        cause=cause,
        reason=reason.strip(),
        value=value,
        limit=limit,
        trace=trace,
    )
    change.full_clean()
    change.save(force_insert=True)
    Portfolio.objects.filter(pk=locked.pk).update(state=to_state)
    portfolio.state = to_state
    return moves


@transaction.atomic
def move_cash(*, portfolio: Portfolio, kind: str, amount: Decimal, market_at: datetime, note: str) -> CashMovement:
    """Book a deposit (positive) or a withdrawal (negative), USD, settled at once. It never counts as profit or loss.

    Where the start of a day was valued while this waited for the account, it is booked just after that: the value does
    not have it, and by the earlier time it would be a loss of the day before and a profit of this one, for good.
    """
    if kind not in (CashKind.DEPOSIT, CashKind.WITHDRAWAL):
        raise ValidationError({"kind": "Only deposits and withdrawals are booked by hand; fills book themselves."})
    if (amount > 0) != (kind == CashKind.DEPOSIT):
        raise ValidationError({"amount": "A deposit is positive, a withdrawal negative."})
    locked = lock_portfolio(portfolio.pk)
    if locked.settled_cash + amount < 0:
        raise ValidationError(
            {"amount": f"Only ${locked.settled_cash:,.2f} is settled; you asked to withdraw ${-amount:,.2f}."}
        )
    valued = EquitySnapshot.objects.filter(portfolio=locked, taken_at__gte=market_at, taken_at__lt=market_at + WAITED)
    latest = valued.order_by("-taken_at").values_list("taken_at", flat=True).first()
    if latest is not None:
        market_at = latest + JUST_AFTER
    session_on = new_york_date(market_at)
    movement = CashMovement(
        portfolio=locked, kind=kind, amount=amount, moved_at=market_at, settles_on=session_on, note=note
    )
    movement.full_clean()
    movement.save(force_insert=True)
    Portfolio.objects.filter(pk=locked.pk).update(cash=F("cash") + amount, settled_cash=F("settled_cash") + amount)
    EquitySnapshot.objects.filter(portfolio=locked, session_on=session_on).update(
        net_deposits=F("net_deposits") + amount
    )
    return movement
