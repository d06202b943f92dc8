"""Revisions with their limits. A revision never changes, so each is read once in a session with the database."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from django.db import connection

from accounts.defaults import Step
from accounts.models import RiskProfileRevision
from accounts.selectors import ladders_by_revision, numbers_of
from riskengine.calculators.limits import Limits
from riskengine.loading.limits import limits_of


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """A revision with its ladders, and all its numbers as limits."""

    revision: RiskProfileRevision
    ladders: Mapping[str, tuple[Step, ...]]
    limits: Limits


# By session with the database: a process may go on to another one, which counts its revisions from 1 as well.
_kept: WeakKeyDictionary[Any, dict[int, Terms]] = WeakKeyDictionary()


def terms_by_revision(revision_ids: Iterable[int]) -> dict[int, Terms]:
    """The terms of each revision. Two statements for those that this session has not read yet, none for the others."""
    wanted = sorted(set(revision_ids))
    connection.ensure_connection()
    kept = _kept.setdefault(connection.connection, {})
    new = [pk for pk in wanted if pk not in kept]
    if new:
        revisions = list(RiskProfileRevision.objects.filter(pk__in=new).order_by("id"))
        ladders = ladders_by_revision(revisions)
        for revision in revisions:
            steps = ladders[revision.pk]
            kept[revision.pk] = Terms(revision, steps, limits_of(numbers_of(revision), steps))
    return {pk: kept[pk] for pk in wanted}


def limits_by_revision(revision_ids: Iterable[int]) -> dict[int, Limits]:
    """The limits of each revision."""
    return {pk: terms.limits for pk, terms in terms_by_revision(revision_ids).items()}


def terms_in_force(profile_id: int) -> Terms:
    """The terms of the profile's newest revision, which new bets use. Which that is, is read at every look."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM accounts_riskprofilerevision WHERE profile_id = %s ORDER BY number DESC LIMIT 1",
            [profile_id],
        )
        (revision_id,) = cursor.fetchone()
    return terms_by_revision([revision_id])[revision_id]
