"""The kill switch with its three verbs: stop entries, cancel openings, flatten (A-23).

    stop entries       REDUCING: nothing is opened; stops, slices and the forced close go on
    cancel openings    what would still buy is taken back
    flatten            FLATTENING: everything is sold by the next exit check, then the portfolio is HALTED

The first two are the default; flatten must be confirmed, because it sells at what is bid. Repeating it is harmless.
"""

import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db import transaction

from accounts.models import User
from positions.market.clock import market_now
from positions.models import Portfolio, PortfolioStateChange, State
from positions.services.order_changes import limit_lock_waits
from positions.services.portfolio import change_state, lock_portfolio
from riskengine.services.watch.acting import cancel_all

HALTS = "positions.halt_portfolio"
CAUSE, REACTIVATED = "kill_switch", "reactivated"

logger = logging.getLogger(__name__)


class Verb(StrEnum):
    STOP_ENTRIES = "stop_entries"
    CANCEL_OPENINGS = "cancel_openings"
    FLATTEN = "flatten"


DEFAULT = (Verb.STOP_ENTRIES, Verb.CANCEL_OPENINGS)


class FlattenUnconfirmed(ValueError):
    """Nothing was done: flattening asks again."""

    def __init__(self) -> None:
        super().__init__(
            "Flattening sells every position of the portfolio at what is bid. Nothing was done: confirm it to go on."
        )


@dataclass(frozen=True, slots=True)
class Killed:
    """What became of one portfolio: its state, how many openings are being cancelled; `error` where it was not done."""

    portfolio: Portfolio
    state: str
    cancelled: int
    error: str = ""


def kill(
    *,
    portfolios: Iterable[Portfolio],
    verbs: Collection[str] = DEFAULT,
    reason: str,
    now: datetime,
    actor: User | None,
    actor_name: str = "",
    confirmed: bool = False,
) -> list[Killed]:
    """Do it to each of the portfolios; one that fails is said and stops no other. `now` is wall time.

    Entries are refused as soon as this returns; what is to be sold is ordered by the next exit check. `actor` None is
    the command line, with `actor_name`. Raises PermissionDenied for who neither owns a portfolio nor may halt it as
    staff, FlattenUnconfirmed, and ValidationError without a reason or for an unknown verb; then nothing was done.
    """
    asked = _verbs(verbs)
    why = reason.strip()
    if not why:
        raise ValidationError({"reason": "Say why: the reason is kept with your name."})
    if Verb.FLATTEN in asked and not confirmed:
        raise FlattenUnconfirmed
    chosen = sorted(portfolios, key=lambda each: each.pk)
    if actor is not None and not all(may_kill(actor, each) for each in chosen):
        raise PermissionDenied("Only the owner of a portfolio, or staff who may halt it, can do this.")
    who = actor.get_username() if actor else actor_name
    return [_kill(each, asked, why, now, actor, who) for each in chosen]


def _verbs(verbs: Collection[str]) -> set[Verb]:
    try:
        found = {Verb(each) for each in verbs}
    except ValueError as unknown:
        raise ValidationError({"verbs": f"Known are {', '.join(Verb)}."}) from unknown
    if not found:
        raise ValidationError({"verbs": f"Say what to do: {', '.join(Verb)}."})
    return found


def may_kill(actor: User, portfolio: Portfolio) -> bool:
    """The owner, and staff who may halt."""
    return actor.is_active and (portfolio.owner_id == actor.pk or (actor.is_staff and actor.has_perm(HALTS)))


def _kill(portfolio: Portfolio, verbs: set[Verb], reason: str, now: datetime, actor: User | None, who: str) -> Killed:
    try:
        with transaction.atomic():
            limit_lock_waits()
            locked = lock_portfolio(portfolio.pk)
            at = _market_time(locked, now)
            to_state = _to_state(locked.state, verbs) or locked.state
            stops = bool(verbs & {Verb.STOP_ENTRIES, Verb.FLATTEN})
            if stops and (to_state != locked.state or not is_killed(locked)):
                change_state(
                    portfolio=locked,
                    to_state=to_state,
                    cause=CAUSE,
                    reason=reason,
                    market_at=at,
                    actor=actor,
                    actor_name=who,
                    written_anyway=True,
                )
            cancelled = 0
            if verbs & {Verb.CANCEL_OPENINGS, Verb.FLATTEN}:
                cancelled = cancel_all(locked, at=at, now=now, reason=reason, who=who)
            return Killed(locked, locked.state, cancelled)
    except Exception as error:  # whatever it was: the others are stopped all the same
        logger.exception("%s could not be stopped.", portfolio.name)
        return Killed(portfolio, portfolio.state, 0, f"Nothing was done: {error!s:.200} Send it again.")


def _market_time(portfolio: Portfolio, now: datetime) -> datetime:
    """Without a clock that tells the time it is stopped all the same, at wall time."""
    try:
        return market_now(portfolio.clock, now)
    except (ObjectDoesNotExist, ValueError, OverflowError):
        return now


def is_killed(portfolio: Portfolio) -> bool:
    """Whether a person stopped it and none has let it go on since. A breaker's clearing does not (A-02)."""
    rows = PortfolioStateChange.objects.filter(portfolio=portfolio, cause__in=(CAUSE, REACTIVATED))
    return rows.order_by("-id").values_list("cause", flat=True).first() == CAUSE


def _to_state(state: str, verbs: set[Verb]) -> str:
    """The state that the verbs ask for; empty where it is that, or a stricter one."""
    if Verb.FLATTEN in verbs:
        return "" if state == State.FLATTENING else str(State.FLATTENING)
    if Verb.STOP_ENTRIES in verbs and state in (State.ACTIVE, State.UNKNOWN):
        return str(State.REDUCING)
    return ""
