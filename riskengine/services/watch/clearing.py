"""A named person clears a tripped breaker, or lets a portfolio trade again, with a reason (A-02, A-03, P-07).

What a clearing cannot do: let a day go on whose loss is still at the limit, or return a portfolio to ACTIVE that is
still being closed. `now` is wall time.
"""

from datetime import datetime

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction

from accounts.models import User
from positions.market.clock import market_now
from positions.models import CheckScope, Portfolio, PortfolioStateChange, State
from positions.services.order_changes import limit_lock_waits
from positions.services.portfolio import change_state, lock_portfolio
from riskengine.loading.book import load
from riskengine.loading.breakers import LOSS
from riskengine.loading.revisions import limits_by_revision
from riskengine.loading.watched import Watched, watched_portfolios
from riskengine.models import Breaker, BreakerCode, BreakerEvent, BreakerEventKind, BreakerState
from riskengine.services.decide.entries import CHANGING, unless_busy
from riskengine.services.watch import guards
from riskengine.services.watch.acting import STATES
from riskengine.services.watch.exits import judge_book
from riskengine.services.watch.kill import REACTIVATED, is_killed
from riskengine.services.watch.latching import lift

BY_ITSELF = ("stale_quote", "stale_vix")
CLEARS, REACTIVATES = "riskengine.clear_breaker", "positions.reactivate_portfolio"


class NotClearable(ValueError):
    """Nothing was changed; the message says why, and what has to happen first."""


@unless_busy(CHANGING)
@transaction.atomic
def clear_breaker(*, breaker: Breaker, actor: User, reason: str, now: datetime) -> BreakerEvent:
    """Clear a tripped breaker; the event that says so. A portfolio that stands still because of it trades again,
    unless a person stopped it, too.

    Raises PermissionDenied for anybody but staff with the permission, ValidationError without a reason, PortfolioBusy
    when the portfolio is not had within 2 s, NotClearable while the same date's loss or the volatility index is still
    at the limit, while the portfolio is being closed, for stale data, and for a breaker that is clear.
    """
    _may(actor, CLEARS, "clear a circuit breaker")
    why = _reason(reason)
    limit_lock_waits()
    portfolio = lock_portfolio(breaker.portfolio_id)
    at = market_now(portfolio.clock, now)
    locked = Breaker.objects.select_for_update(no_key=True, of=("self",)).get(pk=breaker.pk)
    label = BreakerCode(locked.code).label
    if locked.state != BreakerState.TRIPPED:
        raise NotClearable(f"{label} is not tripped: there is nothing to clear.")
    if locked.code in BY_ITSELF:
        raise NotClearable(f"{label} clears by itself as soon as the feed is fresh: look at the feed.")
    if locked.code == BreakerCode.LOSS_HALT and portfolio.state == State.FLATTENING:
        raise NotClearable("The portfolio is still being closed. Clear it once it is HALTED.")
    _refuse_while_breached(locked, now)
    event = BreakerEvent(
        breaker=locked,
        portfolio=portfolio,
        code=locked.code,
        kind=BreakerEventKind.CLEARED,
        happened_at=at,
        recorded_at=now,
        actor=actor,
        actor_name=actor.get_username(),
        value=locked.value,
        limit=locked.limit,
        reason=why,
    )
    event.full_clean()
    event.save(force_insert=True)
    Breaker.objects.filter(pk=locked.pk).update(
        state=BreakerState.CLEAR,
        clears_at=None,
        calm_since=None,
        cleared_at=at,
        cleared_by=actor,
        cleared_by_name=actor.get_username(),
        cleared_reason=why,
        version=locked.version + 1,
    )
    lift([(portfolio.pk, locked.code)], now=now)
    if locked.code in STATES and not is_killed(portfolio) and _stands_by(portfolio) in (*STATES, "flattened"):
        _go_on(portfolio, actor, why, at, cause="cleared")
    return event


@unless_busy(CHANGING)
@transaction.atomic
def reactivate(*, portfolio: Portfolio, actor: User, reason: str, now: datetime) -> bool:
    """Return a portfolio to ACTIVE that a person stopped; False: it is ACTIVE already.

    Raises PermissionDenied, ValidationError without a reason, PortfolioBusy as above, and NotClearable while it is
    being closed or while a breaker that stopped it is tripped.
    """
    _may(actor, REACTIVATES, "return a portfolio to ACTIVE")
    why = _reason(reason)
    limit_lock_waits()
    locked = lock_portfolio(portfolio.pk)
    if locked.state == State.FLATTENING:
        raise NotClearable("The portfolio is still being closed. It can be ACTIVE again once it is HALTED.")
    tripped = _stopping(locked)
    if tripped:
        names = ", ".join(BreakerCode(code).label for code in tripped)
        raise NotClearable(f"Tripped: {names}. Clear that first, with its reason.")
    return _go_on(locked, actor, why, market_now(locked.clock, now), cause=REACTIVATED)


def _may(actor: User, permission: str, what: str) -> None:
    if not (actor.is_active and actor.is_staff and actor.has_perm(permission)):
        raise PermissionDenied(f"Only staff who may {what} can do this.")


def _reason(reason: str) -> str:
    why = reason.strip()
    if not why:
        raise ValidationError({"reason": "Say why: the reason is kept with your name."})
    return why


def _stopping(portfolio: Portfolio) -> list[str]:
    """The tripped breakers of those that change the trading state, the strictest first."""
    rows = Breaker.objects.filter(portfolio=portfolio, state=BreakerState.TRIPPED, code__in=STATES)
    tripped = set(rows.values_list("code", flat=True))
    return [code for code in STATES if code in tripped]


def _stands_by(portfolio: Portfolio) -> str:
    """What brought the portfolio into its state: the row written last, also where a market clock was set back."""
    causes = PortfolioStateChange.objects.filter(portfolio=portfolio).order_by("-id")
    return causes.values_list("cause", flat=True).first() or ""


def _go_on(portfolio: Portfolio, actor: User, reason: str, at: datetime, *, cause: str) -> bool:
    """To ACTIVE, or to REDUCING while another breaker asks for that; the emergency halt keeps it where it is."""
    tripped = _stopping(portfolio)
    if "loss_l3" in tripped or portfolio.state not in (State.HALTED, State.REDUCING, State.UNKNOWN):
        return False
    return change_state(
        portfolio=portfolio,
        to_state=str(State.REDUCING) if tripped else str(State.ACTIVE),
        cause=tripped[0] if tripped else cause,  # that breaker's clearing is then the one that lets it go on
        reason=reason,
        market_at=at,
        actor=actor,
    )


def _refuse_while_breached(breaker: Breaker, now: datetime) -> None:
    """The loss of the date it tripped on, or the volatility index, as it stands now."""
    if breaker.code not in (*LOSS, BreakerCode.VIX):
        return
    watched, errors = watched_portfolios(now, [breaker.portfolio_id])
    if not watched:
        raise NotClearable(f"Whether it is still at its limit cannot be judged: {errors[breaker.portfolio_id]}")
    if breaker.code in LOSS and watched[0].day != breaker.session_on:
        return
    if _is_breached(breaker.code, watched, now):
        what = "The volatility index" if breaker.code == BreakerCode.VIX else "The day's loss"
        raise NotClearable(
            f"{what} is still at the limit, or cannot be judged: it would trip again at the next check. "
            "Wait until it is back, or until the next trading date."
        )


def _is_breached(code: str, watched: list[Watched], now: datetime) -> bool:
    book = load(watched, everything=True)
    limits = limits_by_revision(set(book.revision.tolist()))
    return guards.is_breached(code, judge_book(book, watched, limits), watched, limits, scope=str(CheckScope.RISK))
