"""From off to paper to live and back: the page, and what a person signs there."""

from datetime import datetime

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import RiskProfileRevision
from accounts.selectors import differences, latest_revision
from accounts.services import StaleRevisionError, restore_revision
from positions.access import portfolio_or_404
from positions.market.calendar import new_york_date
from positions.models import Mode, Portfolio
from positions.selectors import portfolios_for
from riskengine.forms import EndShadowForm, RollbackForm, ShadowForm, StepForm
from riskengine.models import Shadow
from riskengine.services.decide.entries import PortfolioBusy
from riskengine.services.rollout.shown import rollout_of
from riskengine.services.rollout.stepping import NotSteppable, step
from riskengine.services.rollout.trying import NotTried, end_shadow, put_in_force, running, start_shadow
from riskengine.views.header import header
from riskengine.views.signed_in import signed_in

CHANGES = "accounts.change_riskprofile"


@never_cache
@login_required
@require_safe
def page(request: HttpRequest, slug: str) -> HttpResponse:
    """Where the account stands, what the next step needs, what was signed, and numbers that are tried out."""
    now = timezone.now()
    portfolio = portfolio_or_404(request.user, slug)
    context = header(request.user, now, portfolio) | {"shown": rollout_of(portfolio, request.user, now=now)}
    return render(request, "riskengine/rollout.html", context)


@signed_in
@require_POST
def sign(request: HttpRequest, slug: str) -> HttpResponse:
    """Change the mode, signed."""
    portfolio = portfolio_or_404(request.user, slug)
    form = StepForm(request.POST)
    if not form.is_valid():
        return _back(request, slug, [text for found in form.errors.values() for text in found])
    try:
        made = step(portfolio=portfolio, actor=request.user, now=timezone.now(), **form.cleaned_data)
    except ValidationError as problem:
        return _back(request, slug, problem.messages)
    except (NotSteppable, PortfolioBusy) as problem:
        return _back(request, slug, [str(problem)])
    messages.success(request, f"Signed: {portfolio.name} went from {made.from_mode} to {made.to_mode}.")
    return redirect("rollout", slug)


@signed_in
@require_POST
def try_out(request: HttpRequest, slug: str) -> HttpResponse:
    """Judge every entry by other numbers too."""
    portfolio = portfolio_or_404(request.user, slug)
    form = ShadowForm(request.POST)
    if not form.is_valid():
        return _back(request, slug, [text for found in form.errors.values() for text in found])
    asked = form.cleaned_data
    try:
        start_shadow(
            portfolio=portfolio,
            changes=asked["changes"],
            reason=asked["reason"],
            actor=request.user,
            now=timezone.now(),
        )
    except ValidationError as problem:
        return _back(request, slug, problem.messages)
    except NotTried as problem:
        return _back(request, slug, [str(problem)])
    messages.success(request, "From now on every entry is judged by these numbers too. They decide nothing.")
    return redirect("rollout", slug)


@signed_in
@require_POST
def end(request: HttpRequest, slug: str) -> HttpResponse:
    """Try the numbers out no longer; `force` puts them in force."""
    portfolio = portfolio_or_404(request.user, slug)
    shadow = _running(portfolio)
    form = EndShadowForm(request.POST)
    if not form.is_valid():
        return _back(request, slug, [text for found in form.errors.values() for text in found])
    asked, now = form.cleaned_data, timezone.now()
    if asked["shadow"] != shadow.pk:  # ended and begun anew by somebody since: these numbers nobody here has seen
        return _back(request, slug, ["Other numbers are being tried out by now. Nothing was done: look at them first."])
    if not asked["force"]:
        end_shadow(shadow=shadow, actor=request.user, now=now)
        messages.success(request, "Ended. What it said stays on record.")
        return redirect("rollout", slug)
    reason = asked["reason"] or f"Tried out since {shadow.started_at:%Y-%m-%d}: {shadow.reason}"
    try:
        revision = put_in_force(shadow=shadow, reason=reason, actor=request.user, now=now)
    except ValidationError as problem:
        return _back(request, slug, problem.messages)
    except NotTried as problem:
        return _back(request, slug, [str(problem)])
    messages.success(request, f"In force as revision {revision.number}. Open bets keep the revision they began with.")
    return redirect("rollout", slug)


@never_cache
@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def roll_back(request: HttpRequest, slug: str) -> HttpResponse:
    """Put the numbers of an earlier revision in force again (P-27): what differs, and one click."""
    portfolio = portfolio_or_404(request.user, slug)
    if not (request.user.is_staff and request.user.has_perm(CHANGES)):
        raise PermissionDenied("Only staff who may change parameters can put a revision in force again.")
    profile, now = portfolio.profile, timezone.now()
    if request.method != "POST":
        return _what_differs(request, portfolio, now)
    form = RollbackForm(request.POST)
    if not form.is_valid():
        if "number" in form.errors or "based_on" in form.errors:
            raise Http404("There is no such revision.")
        return _back(request, slug, [text for found in form.errors.values() for text in found])
    asked = form.cleaned_data
    try:
        revision = restore_revision(profile=profile, author=request.user, now=now, **asked)
    except RiskProfileRevision.DoesNotExist:
        raise Http404("There is no such revision.") from None
    except StaleRevisionError as problem:
        return _back(request, slug, [str(problem)])
    except ValidationError as problem:
        return _back(request, slug, problem.messages)
    messages.success(
        request,
        f"Revision {revision.number} is in force with the numbers of revision {asked['number']}. Open bets keep the "
        "revision they began with.",
    )
    return redirect("rollout", slug)


def _what_differs(request: HttpRequest, portfolio: Portfolio, now: datetime) -> HttpResponse:
    """What the click would change, with its reason written out. Other accounts of the profile change too."""
    number, profile = request.GET.get("number", ""), portfolio.profile
    latest = latest_revision(profile)
    if not (number.isascii() and number.isdecimal() and len(number) < 10 and int(number) < latest.number):
        raise Http404("There is no such revision.")
    earlier = get_object_or_404(RiskProfileRevision, profile=profile, number=int(number))
    others = portfolios_for(request.user).filter(profile=profile).exclude(pk=portfolio.pk).exclude(mode=Mode.OFF)
    context = header(request.user, now, portfolio) | {
        "earlier": earlier,
        "latest": latest,
        "differences": differences(latest, earlier),
        "others": [each.name for each in others],
        "reason": f"Rolled back from revision {latest.number} on {new_york_date(now)}.",
    }
    return render(request, "riskengine/roll_back.html", context)


def _running(portfolio: Portfolio) -> Shadow:
    found = running(portfolio)
    if found is None:
        raise Http404("Nothing is being tried out in this account.")
    return found


def _back(request: HttpRequest, slug: str, problems: list[str]) -> HttpResponse:
    for problem in problems:
        messages.error(request, problem)
    return redirect("rollout", slug)
