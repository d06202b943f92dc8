"""The limits of the revisions that open positions were opened under. Revisions never change, so each is read once."""

from collections.abc import Iterable

from django.db import connection

from accounts.models import RiskProfileRevision
from accounts.selectors import ladders_by_revision, numbers_of
from riskengine.calculators.limits import Limits
from riskengine.loading.limits import limits_of

MOST_KEPT = 1_000

# By database too: a process may go from one to another, and each counts its revisions from 1.
_kept: dict[tuple[str, int], Limits] = {}


def limits_by_revision(revision_ids: Iterable[int]) -> dict[int, Limits]:
    """The limits of each revision. Two statements for those that this process has not read yet."""
    database = str(connection.settings_dict["NAME"])
    wanted = sorted(set(revision_ids))
    new = [pk for pk in wanted if (database, pk) not in _kept]
    if new and len(_kept) + len(new) > MOST_KEPT:
        _kept.clear()
        new = wanted
    if new:
        revisions = list(RiskProfileRevision.objects.filter(pk__in=new).order_by("id"))
        ladders = ladders_by_revision(revisions)
        for revision in revisions:
            _kept[database, revision.pk] = limits_of(numbers_of(revision), ladders[revision.pk])
    return {pk: _kept[database, pk] for pk in wanted}
