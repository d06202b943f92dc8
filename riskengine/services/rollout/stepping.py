"""Signing a step: forward one at a time past its checklist, back at any time with a reason (P-27).

The account's row is locked, the checklist judged again, and the step, the change of mode and the new mode are written
together. Open positions keep their exits in every mode; openings that still work are taken back with a step back: in
the lower mode they would buy what nobody may open there, or what no person confirmed. `now` is wall time.
"""

from datetime import datetime

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction

from accounts.models import User
from accounts.selectors import latest_revision
from positions.market.clock import market_now
from positions.models import ClockKind, Mode, Portfolio, PortfolioModeChange
from positions.services.order_changes import limit_lock_waits
from positions.services.portfolio import lock_portfolio
from riskengine.calculators.trace import ENGINE
from riskengine.models import RolloutStep, StepKind
from riskengine.services.decide.entries import CHANGING, unless_busy
from riskengine.services.rollout.checklist import as_data, checklist
from riskengine.services.rollout.terms import after, is_forward
from riskengine.services.watch.acting import cancel_all

SIGNS = "positions.step_portfolio"


class NotSteppable(Exception):
    """The mode was not changed. The message says why, and what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def may_sign(actor: User) -> bool:
    return actor.is_active and actor.is_staff and actor.has_perm(SIGNS)


@unless_busy(CHANGING)
@transaction.atomic
def step(
    *, portfolio: Portfolio, to_mode: str, from_mode: str, name: str, reason: str, actor: User, now: datetime
) -> RolloutStep:
    """Change the mode, signed by a person.

    `from_mode` is the mode that the person saw: a second press, or another's, finds it changed and does nothing.
    `name` is the account's name as they typed it. Raises PermissionDenied, ValidationError for the form's fields,
    PortfolioBusy when the account is not had within 2 s, and NotSteppable with STALE_MODE, NOT_ONE_STEP, CHECKLIST or
    MARKET_STANDS_STILL.
    """
    if not may_sign(actor):
        raise PermissionDenied("Only staff who may sign steps of the rollout can change the mode.")
    if to_mode not in Mode.values:
        raise ValidationError({"to_mode": f"“{to_mode}” is no mode: {', '.join(Mode.values)}."})
    why = reason.strip()
    if not why:
        raise ValidationError({"reason": "Say why: the reason is kept with your name."})
    if name.strip() != portfolio.name:
        raise ValidationError({"name": f"Type the account's name, “{portfolio.name}”, to sign."})
    limit_lock_waits()
    locked = lock_portfolio(portfolio.pk, "clock", "profile")
    if locked.mode != from_mode:
        raise NotSteppable("STALE_MODE", f"The mode is {locked.mode} by now, no more {from_mode}: nothing was changed.")
    if to_mode == from_mode:
        raise NotSteppable("NOT_ONE_STEP", f"The mode is {from_mode} already.")
    forward = is_forward(from_mode, to_mode)
    items = checklist(locked, now=now) if forward else []
    if forward:
        _refuse_forward(from_mode, to_mode, [f"{each.label}: {each.to_do}" for each in items if each.holds_up])
    elif to_mode == Mode.OFF:
        _refuse_standing_still(locked)
    at = market_now(locked.clock, now)
    if not forward:
        cancel_all(locked, at=at, now=now, reason=why, who=actor.get_username())
    made = RolloutStep.objects.create(
        portfolio=locked,
        kind=StepKind.FORWARD if forward else StepKind.BACK,
        from_mode=from_mode,
        to_mode=to_mode,
        revision=latest_revision(locked.profile),
        checklist=as_data(items),
        signed_by=actor,
        signed_by_name=actor.get_username(),
        reason=why,
        engine_version=ENGINE,
        signed_at=now,
        market_at=at,
    )
    PortfolioModeChange.objects.create(
        portfolio=locked,
        from_mode=from_mode,
        to_mode=to_mode,
        changed_at=now,
        actor=actor,
        actor_name=actor.get_username(),
        reason=why,
    )
    Portfolio.objects.filter(pk=locked.pk).update(mode=to_mode)
    if forward and to_mode == Mode.LIVE_MANUAL:
        # What the paper account agreed with is not the broker's: openings wait until the two were compared.
        Portfolio.objects.filter(pk=locked.pk).update(reconciled_at=None)
    portfolio.mode = to_mode
    return made


def _refuse_forward(from_mode: str, to_mode: str, lacking: list[str]) -> None:
    expected = after(from_mode)
    if to_mode != expected:
        raise NotSteppable("NOT_ONE_STEP", f"Forward it goes one step at a time: from {from_mode} to {expected}.")
    if lacking:
        raise NotSteppable("CHECKLIST", f"Not yet: {len(lacking)} of its items stand in the way. {' '.join(lacking)}")


def _refuse_standing_still(locked: Portfolio) -> None:
    if locked.clock.kind == ClockKind.SIMULATED and locked.positions.held().exists():
        raise NotSteppable(
            "MARKET_STANDS_STILL",
            "A made-up market stands still while its account is off, and nothing could be sold in it: close what is "
            "open first.",
        )
