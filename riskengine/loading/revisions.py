"""The limits of the revisions that open positions were opened under. Revisions never change, so each is read once."""

from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

from django.db import connection

from accounts.models import RiskProfileRevision
from accounts.selectors import ladders_by_revision, numbers_of
from riskengine.calculators.limits import Limits
from riskengine.loading.limits import limits_of

# By session with the database: a process may go on to another one, which counts its revisions from 1 as well.
_kept: WeakKeyDictionary[Any, dict[int, Limits]] = WeakKeyDictionary()


def limits_by_revision(revision_ids: Iterable[int]) -> dict[int, Limits]:
    """The limits of each revision. Two statements for those that this session has not read yet, none for the others."""
    wanted = sorted(set(revision_ids))
    connection.ensure_connection()
    kept = _kept.setdefault(connection.connection, {})
    new = [pk for pk in wanted if pk not in kept]
    if new:
        revisions = list(RiskProfileRevision.objects.filter(pk__in=new).order_by("id"))
        ladders = ladders_by_revision(revisions)
        for revision in revisions:
            kept[revision.pk] = limits_of(numbers_of(revision), ladders[revision.pk])
    return {pk: kept[pk] for pk in wanted}
