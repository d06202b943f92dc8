"""Trying numbers out beside those in force, ending that, and putting them in force by a person's hand."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Count, Q

from accounts.bounds import problems_of_profile
from accounts.defaults import LADDERS, PARAMETERS
from accounts.models import RiskProfileRevision, User
from accounts.selectors import ladders_of, latest_revision, numbers_of
from accounts.services import StaleRevisionError, revise_profile
from positions.models import Portfolio
from riskengine.loading.limits import ConfigError
from riskengine.models import Shadow, ShadowDecision
from riskengine.services.decide.shadow import own_numbers, shadow_limits

TRIES = "riskengine.add_shadow"
CHANGES = "accounts.change_riskprofile"


class NotTried(Exception):
    """Nothing was changed. The message says why."""


def running(portfolio: Portfolio) -> Shadow | None:
    return Shadow.objects.filter(portfolio=portfolio, ended_at__isnull=True).select_related("based_on").first()


def start_shadow(
    *, portfolio: Portfolio, changes: Mapping[str, Any], reason: str, actor: User, now: datetime
) -> Shadow:
    """Judge every entry of the account by these numbers too, from now on. `changes` by name: numbers and ladders as the
    API takes them. Raises PermissionDenied, ValidationError, NotTried where another one runs."""
    _may(actor, TRIES, "try parameters out")
    why = reason.strip()
    if not why:
        raise ValidationError({"reason": "Say what is being tried out."})
    if not changes:
        raise ValidationError({"changes": "Give at least one number that differs from the ones in force."})
    unknown = sorted(set(changes) - set(PARAMETERS) - set(LADDERS))
    if unknown:
        raise ValidationError({"changes": f"{', '.join(unknown)}: there is no parameter of this name."})
    numbers = {name: value for name, value in changes.items() if name in PARAMETERS}
    ladders = {name: value for name, value in changes.items() if name in LADDERS}
    beside = latest_revision(portfolio.profile)
    try:
        own, steps = own_numbers(numbers, ladders)
    except ConfigError as problem:
        raise ValidationError({"changes": str(problem)}) from problem
    problems = problems_of_profile(numbers_of(beside) | own, ladders_of(beside) | steps)
    if problems:  # what no revision could hold is not worth trying out: a limit above the one it must stay under
        raise ValidationError({"changes": [text for each in problems.values() for text in each]})
    shadow = Shadow(
        portfolio=portfolio,
        based_on=beside,
        numbers=numbers,
        ladders=ladders,
        reason=why,
        started_by=actor,
        started_at=now,
    )
    try:
        with transaction.atomic():
            shadow.save(force_insert=True)
    except IntegrityError as problem:
        raise NotTried("Numbers are being tried out already: end that first.") from problem
    return shadow


def end_shadow(*, shadow: Shadow, actor: User, now: datetime) -> None:
    """Stop judging by it; what it said stays. A repeat changes nothing."""
    _may(actor, TRIES, "try parameters out")
    mine = Shadow.objects.filter(pk=shadow.pk, ended_at__isnull=True)
    mine.update(ended_at=now, ended_by_name=actor.get_username())


@transaction.atomic
def put_in_force(*, shadow: Shadow, reason: str, actor: User, now: datetime) -> RiskProfileRevision:
    """Its numbers become the next revision of the profile, and it ends. Raises PermissionDenied, NotTried where the
    profile was changed since, ValidationError as every revision does."""
    _may(actor, CHANGES, "change parameters")
    profile = shadow.portfolio.profile
    if latest_revision(profile).pk != shadow.based_on_id:
        raise NotTried(
            f"It was tried out beside revision {shadow.based_on.number}, and another is in force by now: start it anew."
        )
    numbers, ladders = own_numbers(shadow.numbers, shadow.ladders)
    try:
        revision = revise_profile(
            profile=profile,
            based_on=shadow.based_on.number,
            numbers=numbers,
            ladders=ladders,
            reason=reason,
            author=actor,
            now=now,
        )
    except StaleRevisionError as problem:  # somebody was faster between the look above and the profile's lock
        raise NotTried(str(problem)) from problem
    end_shadow(shadow=shadow, actor=actor, now=now)
    return revision


def compared(shadow: Shadow, *, most: int = 50) -> dict[str, Any]:
    """What it said beside what was decided: counts, and the latest entries, those that differ among them marked."""
    shadow_limits(shadow)  # a number that is none by now is a fault to be seen here, not at the next entry
    rows = ShadowDecision.objects.filter(shadow=shadow)
    counts = rows.aggregate(
        all=Count("id"),
        both=Count("id", filter=Q(approved=True, decision__approved=True)),
        only_real=Count("id", filter=Q(approved=False, decision__approved=True)),
        only_shadow=Count("id", filter=Q(approved=True, decision__approved=False)),
    )
    latest = rows.select_related("decision__contract", "decision__position").order_by("-id")[:most]
    return {"counts": counts, "rows": [_row(each) for each in latest]}


def _row(each: ShadowDecision) -> dict[str, Any]:
    decision = each.decision
    position = getattr(decision, "position", None)
    closed = position is not None and position.status == "closed" and position.quantity_opened > 0
    pnl = float(position.realised_pnl) if closed and position is not None else None
    scale = each.contracts / position.quantity_opened if closed and position is not None else None
    return {
        "decision": decision.pk,
        "at": decision.decided_at,
        "contract": decision.contract.occ_symbol.strip(),
        "confidence": float(decision.confidence),
        "contracts": decision.contracts,
        "code": decision.refusal_code,
        "dollars": float(decision.dollars),
        "shadow_contracts": each.contracts,
        "shadow_code": each.code,
        "shadow_dollars": float(each.dollars),
        "failed_gates": each.failed_gates,
        "differs": (decision.contracts, decision.refusal_code) != (each.contracts, each.code),
        "pnl": pnl,
        "shadow_pnl": None if pnl is None or scale is None else pnl * scale,
    }


def _may(actor: User, permission: str, what: str) -> None:
    if not (actor.is_active and actor.is_staff and actor.has_perm(permission)):
        raise PermissionDenied(f"Only staff who may {what} can do this.")
