"""What a tripped breaker asks of the portfolio: its trading state, and its openings cancelled (P-07, A-02, A-04).

It follows from what is tripped and not from the moment of the trip: a process that dies between the two leaves it to
the next check.
"""

from datetime import datetime

from django.db import transaction

from accounts.selectors import latest_revision
from positions.models import Portfolio, PortfolioStateChange, Position, State
from positions.services.order_changes import limit_lock_waits
from positions.services.orders import cancel_openings
from positions.services.portfolio import SYSTEM_NAME, change_state, lock_portfolio
from riskengine.loading.revisions import limits_by_revision
from riskengine.loading.watched import Watched
from riskengine.models import Breaker, BreakerState

STATES: dict[str, str] = {  # the first that is tripped counts
    "loss_l3": str(State.FLATTENING),
    "drawdown_20": str(State.REDUCING),
    "drawdown_5": str(State.REDUCING),
}
# From which states: what already closes is left as it is, and so is what stands still, but for the emergency halt.
FROM: dict[str, tuple[str, ...]] = {
    "loss_l3": (str(State.ACTIVE), str(State.REDUCING), str(State.UNKNOWN), str(State.HALTED)),
    "drawdown_20": (str(State.ACTIVE), str(State.UNKNOWN)),
    "drawdown_5": (str(State.ACTIVE), str(State.UNKNOWN)),
}


def act(watched: Watched, tripped: set[str], *, holds: bool, now: datetime) -> bool:
    """Bring the portfolio into the state that its tripped breakers ask for. False: it is in it or in a stricter one.
    `holds`: something is open in it."""
    code = next(each for each in STATES if each in tripped)
    if watched.state not in FROM[code]:
        return False
    if watched.state == State.HALTED and not (holds and _may_be_flattened(watched)):
        return False
    portfolio = watched.portfolio()
    to_state = STATES[code]
    if code == "loss_l3" and not latest_revision(portfolio.profile).halt_flattens:
        to_state = str(State.HALTED)
    with transaction.atomic():
        limit_lock_waits()
        locked = lock_portfolio(portfolio.pk)
        breaker = Breaker.objects.filter(portfolio=locked, code=code, state=BreakerState.TRIPPED).first()
        if breaker is None or locked.state not in FROM[code]:
            return False  # a person was faster
        if locked.state == State.HALTED and not (to_state == State.FLATTENING and _to_flatten(breaker)):
            return False
        event = breaker.events.filter(kind="tripped").latest("id")
        changed = change_state(
            portfolio=locked,
            to_state=to_state,
            cause=code,
            reason=event.reason,
            market_at=watched.at,
            value=event.value,
            limit=event.limit,
            trace=event.trace,
        )
        if code == "loss_l3":
            cancel_all(locked, at=watched.at, now=now, reason=event.reason)
    return changed


def _may_be_flattened(watched: Watched) -> bool:
    """Before it is locked: it may stand there all day with what it holds, and is looked at every second."""
    if not limits_by_revision([watched.revision])[watched.revision].halt_flattens:
        return False
    halt = Breaker.objects.filter(portfolio=watched.portfolio_id, code="loss_l3", state=BreakerState.TRIPPED).first()
    return halt is not None and _to_flatten(halt)


def _to_flatten(halt: Breaker) -> bool:
    """Whether what stands still holds what was open at the trip: a person's halt sells nothing, the emergency does.
    What came in later is not sold by it, nor anything once all was closed since: that halt is over, and what is found
    at the broker afterwards, however old, was adopted after it."""
    held = Position.objects.held().filter(portfolio=halt.portfolio_id, entry_at__lte=halt.tripped_at)
    over = PortfolioStateChange.objects.filter(
        portfolio=halt.portfolio_id, cause="flattened", changed_at__gte=halt.tripped_at
    )
    return held.exists() and not over.exists()


def cancel_all(portfolio: Portfolio, *, at: datetime, now: datetime, reason: str, who: str = SYSTEM_NAME) -> int:
    """Ask the cancel of every live opening; how many."""
    return cancel_openings(portfolio=portfolio, at=at, now=now, reason=reason, actor_name=who)
