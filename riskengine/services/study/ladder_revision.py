"""Putting a take-profit ladder in force: by a person, with a reason, as the next revision of the profile."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied

from accounts.bounds import problems_of_ladder
from accounts.defaults import LADDERS, Step
from accounts.models import RiskProfileRevision, User
from accounts.selectors import describe_ladder, ladders_of, latest_revision
from accounts.services import revise_profile
from positions.models import Portfolio

REVISES = "accounts.change_riskprofile"
MAY_NOT = "Only who may change the parameters of a profile can put a ladder in force."


def may_revise(user: User) -> bool:
    return user.is_active and user.is_staff and user.has_perm(REVISES)


def ladder_change(portfolio: Portfolio, ladder: str, steps: Sequence[Step]) -> dict[str, Any]:
    """Before and after, and what would refuse it. `based_on` is the revision that this was told from."""
    latest = latest_revision(portfolio.profile)
    of = LADDERS[ladder]
    before = ladders_of(latest)[ladder]
    return {
        "ladder": ladder,
        "label": of.label,
        "based_on": latest.number,
        "differences": [
            {
                "label": of.label,
                "unit": "share sold by gain",
                "old": describe_ladder(of, before),
                "new": describe_ladder(of, steps),
            }
        ],
        "is_same": tuple(before) == tuple(steps),
        "problems": problems_of_ladder(of, steps),
    }


def take_ladder(
    *,
    portfolio: Portfolio,
    ladder: str,
    steps: Sequence[Step],
    based_on: int,
    reason: str,
    actor: User,
    now: datetime,
) -> RiskProfileRevision:
    """The next revision, with this ladder and everything else as it is. Open positions keep theirs.

    Raises PermissionDenied, ValidationError with sentences (bounds, limits held by a breaker, nothing to change), and
    accounts.services.StaleRevisionError where somebody was faster.
    """
    if not may_revise(actor):
        raise PermissionDenied(MAY_NOT)
    return revise_profile(
        profile=portfolio.profile,
        based_on=based_on,
        numbers={},
        ladders={ladder: tuple(steps)},
        reason=reason,
        author=actor,
        now=now,
    )
