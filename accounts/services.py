"""Creating, revising and restoring risk profiles; tokens; groups. Wall time comes in as `now`."""

import hashlib
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from django.apps import apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.bounds import problems_of_profile
from accounts.defaults import LADDERS, PARAMETERS, Step
from accounts.held import loosens, may_be
from accounts.models import ApiToken, LadderStep, LimitHold, RiskProfile, RiskProfileRevision, Scope, User
from accounts.selectors import holds_in_force, ladders_of, latest_revision, numbers_of
from accounts.wording import Value, show

SEEDED_BY = "betsizing"
TOKEN_PREFIX = "bsz_"  # noqa: S105 (it marks a token, it is none)

RISK_MANAGERS = "Risk manager"
RISK_MANAGER_PERMISSIONS = (
    ("accounts", "riskprofile", ("view", "add", "change")),
    ("accounts", "riskprofilerevision", ("view",)),
    ("accounts", "limithold", ("view",)),
    ("positions", "portfolio", ("view", "change", "halt", "reactivate", "step")),
    ("positions", "portfoliostatechange", ("view",)),
    ("positions", "portfoliomodechange", ("view",)),
    ("positions", "equitysnapshot", ("view",)),
    ("positions", "cashmovement", ("view",)),
    ("positions", "decision", ("view",)),
    ("positions", "order", ("view",)),
    ("positions", "orderevent", ("view",)),
    ("positions", "fill", ("view",)),
    ("positions", "position", ("view", "protect")),
    ("positions", "brokerdifference", ("view",)),
    ("positions", "positionevent", ("view",)),
    ("positions", "positionnote", ("view", "add")),
    ("positions", "positiontag", ("view", "add")),
    ("positions", "exitslice", ("view",)),
    ("positions", "partialprofittaking", ("view",)),
    ("positions", "instrument", ("view", "add", "change")),
    ("positions", "fundamental", ("view", "add", "change")),
    ("positions", "earningsdate", ("view", "add", "change")),
    ("positions", "blackout", ("view", "add", "change", "delete")),
    ("positions", "tradinghalt", ("view", "add", "change")),
    ("riskengine", "breaker", ("view", "clear")),
    ("riskengine", "breakerevent", ("view",)),
    ("riskengine", "reading", ("view",)),
    ("riskengine", "alert", ("view",)),
    ("riskengine", "alertevent", ("view",)),
    ("riskengine", "alertdelivery", ("view",)),
    ("riskengine", "signalsource", ("view", "add", "change")),
    ("riskengine", "signal", ("view",)),
    ("riskengine", "tierreview", ("view", "add")),
    ("riskengine", "nightreport", ("view",)),
    ("riskengine", "review", ("view", "decide")),
    ("riskengine", "reviewanswer", ("view",)),
    ("riskengine", "reviewcomment", ("view",)),
    ("riskengine", "dayreport", ("view",)),
    ("riskengine", "rolloutstep", ("view",)),
    ("riskengine", "rollouttrigger", ("view",)),
    ("riskengine", "shadow", ("view", "add", "change")),
    ("riskengine", "shadowdecision", ("view",)),
    ("riskengine", "dailyperformance", ("view",)),
    ("riskengine", "projection", ("view", "add")),
    ("riskengine", "zeroedgerun", ("view",)),
    ("positions", "exdividenddate", ("view", "add", "change")),
    ("riskengine", "alerttarget", ("view", "add", "change")),
)


class StaleRevisionError(Exception):
    """Someone else saved a revision since the editor loaded the page: nothing was saved."""

    code = "STALE_REVISION"

    def __init__(self, based_on: int, latest: RiskProfileRevision) -> None:
        self.based_on = based_on
        self.latest = latest
        super().__init__(
            f"{latest.author_name} saved revision {latest.number} while you were editing revision {based_on}. "
            "Nothing was saved: reload to see it, then make your change again."
        )


@transaction.atomic
def create_profile(
    *, slug: str, name: str, system: str, author: User | None, now: datetime, reason: str = "The source's numbers."
) -> RiskProfile:
    """A profile whose first revision has every number of the source for its system."""
    profile = RiskProfile(slug=slug, name=name, system=system, created_at=now)
    profile.full_clean()
    profile.save()
    _insert_revision(
        profile=profile,
        number=1,
        numbers={p.name: p.default(system) for p in PARAMETERS.values()},
        ladders={ladder.name: ladder.steps for ladder in LADDERS.values()},
        reason=reason,
        author=author,
        now=now,
    )
    return profile


@transaction.atomic
def revise_profile(
    *,
    profile: RiskProfile,
    based_on: int,
    numbers: Mapping[str, Value],
    ladders: Mapping[str, Sequence[Step]],
    reason: str,
    author: User | None,
    now: datetime,
) -> RiskProfileRevision:
    """Put changed numbers in force as the next revision. What is not given stays as it is.

    `based_on` is the number of the revision the editor saw. Raises StaleRevisionError when there is a newer one,
    ValidationError with a sentence for each number out of bounds.
    """
    latest = _lock(profile, based_on)
    return _insert_next(
        latest=latest,
        numbers=numbers_of(latest) | dict(numbers),
        ladders=ladders_of(latest) | {name: tuple(steps) for name, steps in ladders.items()},
        reason=reason,
        author=author,
        now=now,
    )


@transaction.atomic
def restore_revision(
    *,
    profile: RiskProfile,
    number: int,
    based_on: int,
    reason: str,
    author: User | None,
    now: datetime,
) -> RiskProfileRevision:
    """Put the numbers of an earlier revision in force again, as a new revision (P-27's rollback)."""
    latest = _lock(profile, based_on)
    earlier = profile.revisions.get(number=number)
    return _insert_next(
        latest=latest,
        numbers=numbers_of(earlier),
        ladders=ladders_of(earlier),
        reason=reason,
        author=author,
        now=now,
        restored_from=earlier,
    )


def _lock(profile: RiskProfile, based_on: int) -> RiskProfileRevision:
    """The latest revision, with the profile locked so that it stays the latest until this transaction ends."""
    RiskProfile.objects.select_for_update(no_key=True, of=("self",)).get(pk=profile.pk)
    latest = latest_revision(profile)
    if latest.number != based_on:
        raise StaleRevisionError(based_on, latest)
    return latest


def _insert_next(
    *,
    latest: RiskProfileRevision,
    numbers: Mapping[str, Value],
    ladders: Mapping[str, Sequence[Step]],
    reason: str,
    author: User | None,
    now: datetime,
    restored_from: RiskProfileRevision | None = None,
) -> RiskProfileRevision:
    if numbers == numbers_of(latest) and ladders == ladders_of(latest):
        raise ValidationError("These are the numbers in force already: nothing to save.", code="no_change")
    problems = refusals_of_held_limits(latest, numbers)
    if problems:
        raise ValidationError(problems, code="limit_held")
    return _insert_revision(
        profile=latest.profile,
        number=latest.number + 1,
        numbers=numbers,
        ladders=ladders,
        reason=reason,
        author=author,
        now=now,
        restored_from=restored_from,
    )


def refusals_of_held_limits(latest: RiskProfileRevision, numbers: Mapping[str, Value]) -> dict[str, str]:
    """A-03: limits cannot be loosened while the breaker that reads them is tripped. Sentences by parameter."""
    problems = {}
    for hold in holds_in_force(latest.profile):
        parameter = PARAMETERS[hold.parameter]
        old = getattr(latest, hold.parameter)
        if loosens(parameter, old, numbers[hold.parameter]):
            problems[hold.parameter] = (
                f"{parameter.label} is held at {show(old, parameter.unit)} by the {hold.held_by}: "
                f"until that has cleared {may_be(parameter)}."
            )
    return problems


def _insert_revision(
    *,
    profile: RiskProfile,
    number: int,
    numbers: Mapping[str, Value],
    ladders: Mapping[str, Sequence[Step]],
    reason: str,
    author: User | None,
    now: datetime,
    restored_from: RiskProfileRevision | None = None,
) -> RiskProfileRevision:
    problems = problems_of_profile(numbers, ladders)
    if problems:
        raise ValidationError(problems, code="out_of_bounds")
    revision = RiskProfileRevision(
        profile=profile,
        number=number,
        in_force_from=now,
        author=author,
        author_name=author.get_username() if author else SEEDED_BY,
        reason=reason.strip(),
        restored_from=restored_from,
        **numbers,
    )
    revision.full_clean(validate_constraints=False)  # bounds are judged above, in one pass instead of 100 statements
    revision.save(force_insert=True)
    LadderStep.objects.bulk_create(
        LadderStep(
            revision=revision,
            ladder=name,
            number=position,
            threshold=step.threshold,
            inclusive=step.inclusive,
            value=step.value,
        )
        for name in LADDERS
        for position, step in enumerate(ladders[name], 1)
    )
    return revision


def hold_limit(*, profile: RiskProfile, parameter: str, held_by: str, now: datetime) -> None:
    """Keep a limit from being loosened while `held_by` (a tripped breaker) reads it. Doing it twice changes nothing."""
    if parameter not in PARAMETERS:
        raise ValueError(f"There is no parameter {parameter!r}.")
    hold = LimitHold(profile=profile, parameter=parameter, held_by=held_by, placed_at=now)
    LimitHold.objects.bulk_create([hold], ignore_conflicts=True)


def lift_holds(*, profile: RiskProfile, held_by: str, now: datetime) -> int:
    """Release every limit that `held_by` holds; returns how many."""
    return holds_in_force(profile).filter(held_by=held_by).order_by().update(lifted_at=now)


def issue_token(
    *, user: User, name: str, scopes: Iterable[Scope | str], now: datetime, valid_for: timedelta
) -> tuple[ApiToken, str]:
    """A new API token and its secret, which is shown this once and not stored."""
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    token = ApiToken(
        user=user,
        name=name,
        scopes=sorted({Scope(scope).value for scope in scopes}),
        prefix=secret[:12],
        key_digest=digest_of(secret),
        created_at=now,
        expires_at=now + valid_for,
    )
    token.full_clean()
    token.save(force_insert=True)
    return token, secret


def revoke_token(*, token: ApiToken, now: datetime) -> bool:
    """End a token. False: it was revoked before."""
    return bool(ApiToken.objects.filter(pk=token.pk, revoked_at__isnull=True).update(revoked_at=now))


def digest_of(secret: str) -> str:
    """How a token's secret is stored: its 32 random bytes need no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def ensure_groups() -> None:
    """The group “Risk manager” with its permissions. Repeating it is harmless; members also need staff status.

    A migration that calls it brings what was installed before up to date: each longer list needs one.
    """
    for app in ("accounts", "positions", "riskengine"):
        create_permissions(apps.get_app_config(app), verbosity=0)  # on a fresh database they come after the migrations
    group, _ = Group.objects.get_or_create(name=RISK_MANAGERS)
    for app, model, actions in RISK_MANAGER_PERMISSIONS:
        codenames = [f"{action}_{model}" for action in actions]
        group.permissions.add(*Permission.objects.filter(content_type__app_label=app, codename__in=codenames))
