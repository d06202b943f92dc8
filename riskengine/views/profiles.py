"""The parameters for who trades under them: what is in force, in words and pictures, and how it came to be."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.described import described
from accounts.models import RiskProfile, RiskProfileRevision
from accounts.notes import notes_on
from accounts.selectors import differences, history, holds_in_force, ladders_of, numbers_of
from positions.selectors import portfolios_for, profiles_for
from riskengine.views.header import header


@never_cache
@login_required
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Every profile that the person may see; the only one at once."""
    profiles = list(profiles_for(request.user))
    if len(profiles) == 1:
        return redirect("profile", profiles[0].slug)
    context = header(request.user, timezone.now()) | {"profiles": profiles}
    return render(request, "accounts/profiles.html", context)


@never_cache
@login_required
@require_safe
def page(request: HttpRequest, slug: str) -> HttpResponse:
    """One profile, read-only. `?revision=` shows an earlier one, `?from=&to=` what changed between two."""
    profile = get_object_or_404(profiles_for(request.user), slug=slug)
    portfolios = list(portfolios_for(request.user))
    entries = history(profile)
    revisions = {entry.revision.number: entry.revision for entry in entries}
    latest = entries[0].revision
    revision = _chosen(request, "revision", revisions, latest)
    numbers, ladders = numbers_of(revision), ladders_of(revision)
    context = header(request.user, timezone.now(), portfolios=portfolios) | {
        "profile": profile,
        "mine": [each.name for each in portfolios if each.profile_id == profile.pk],
        "revision": revision,
        "latest": latest,
        "is_latest": revision == latest,
        "holds": holds_in_force(profile),
        "notes": notes_on(profile.system, numbers, ladders),
        "groups": described(profile.system, numbers, ladders),
        "entries": entries,
        "compared": _compared(request, profile, revisions, latest),
        "may_look_back": True,
    }
    return render(request, "accounts/profile.html", context)


def _compared(
    request: HttpRequest, profile: RiskProfile, revisions: dict[int, RiskProfileRevision], latest: RiskProfileRevision
) -> dict[str, Any]:
    """What changed between the two revisions that the page was asked for; unasked, the last two are offered."""
    before = revisions.get(latest.number - 1, latest)
    old, new = _chosen(request, "from", revisions, before), _chosen(request, "to", revisions, latest)
    asked = "from" in request.GET or "to" in request.GET
    return {
        "asked": asked,
        "old": old.number,
        "new": new.number,
        "differences": differences(old, new) if asked else (),
    }


def _chosen(
    request: HttpRequest, name: str, revisions: dict[int, RiskProfileRevision], otherwise: RiskProfileRevision
) -> RiskProfileRevision:
    """The revision whose number the address gives. There is no page for a number that there is not."""
    given = request.GET.get(name)
    if given is None:
        return otherwise
    if not given.isascii() or not given.isdecimal() or len(given) > 9 or int(given) not in revisions:
        raise Http404(f"There is no revision {given[:20]!r}.")
    return revisions[int(given)]
