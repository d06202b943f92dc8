"""What stops everything, and what lets it go on: the kill switch, and a named person's clearing with a reason."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.models import User
from positions.access import portfolio_or_404
from positions.models import Portfolio
from positions.selectors import portfolios_for
from riskengine.forms import KillForm, ReasonForm
from riskengine.models import Breaker, BreakerState
from riskengine.services.decide.entries import PortfolioBusy
from riskengine.services.watch.clearing import CLEARS, REACTIVATES, NotClearable, clear_breaker, reactivate
from riskengine.services.watch.kill import Verb, kill, may_kill
from riskengine.views.header import header

BUSY = "busy"


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def stop(request: HttpRequest) -> HttpResponse:
    """Armed by opening the page, confirmed by typing what is to be stopped."""
    now = timezone.now()
    portfolios = [each for each in portfolios_for(request.user) if may_kill(request.user, each)]
    form = KillForm(request.POST or None, portfolios=portfolios)
    if request.method == "POST" and form.is_valid():
        asked = form.cleaned_data
        done = kill(
            portfolios=asked["portfolios"],
            verbs=asked["verbs"],
            reason=asked["reason"],
            now=now,
            actor=request.user,
            confirmed=True,
        )
        for each in done:
            selling = " Everything is sold from the next exit check on." if Verb.FLATTEN.value in asked["verbs"] else ""
            said = f"{each.state}; {each.cancelled} opening orders are being cancelled.{selling}"
            (messages.error if each.error else messages.success)(
                request, f"{each.portfolio.name}: {each.error or said}"
            )
        return redirect("desk")
    answer = header(request.user, now) | {"form": form, "stoppable": portfolios}
    return render(request, "riskengine/stop.html", answer, status=200 if request.method != "POST" else 422)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def clear(request: HttpRequest, breaker_id: int) -> HttpResponse:
    """Clear a tripped breaker. Who may not, reads who may."""
    breaker = _breaker_or_404(request.user, breaker_id)

    def act(reason: str) -> str:
        clear_breaker(breaker=breaker, actor=request.user, reason=reason, now=timezone.now())
        return f"{breaker} is clear."

    trips = breaker.events.filter(kind="tripped").order_by("-id").values_list("reason", flat=True)
    page = {
        "title": f"Clear: {breaker.get_code_display()}",
        "lines": list(trips[:1]),
        "button": "Clear it, in my name",
        "possible": breaker.state == BreakerState.TRIPPED,
        "allowed": _has(request.user, CLEARS),
    }
    return _with_reason(request, breaker.portfolio, page, act)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def go_on(request: HttpRequest, slug: str) -> HttpResponse:
    """Return a portfolio to ACTIVE that a person stopped."""
    portfolio = portfolio_or_404(request.user, slug)

    def act(reason: str) -> str:
        moved = reactivate(portfolio=portfolio, actor=request.user, reason=reason, now=timezone.now())
        state = Portfolio.objects.values_list("state", flat=True).get(pk=portfolio.pk)
        return f"{portfolio.name} is {state}." if moved else f"{portfolio.name} is {state} already."

    page = {
        "title": f"Let {portfolio.name} trade again",
        "lines": [
            "It is ACTIVE already."
            if portfolio.state == "ACTIVE"
            else f"It is {portfolio.state}: nothing is opened. Stops and targets go on in every state."
        ],
        "button": "Return it to ACTIVE, in my name",
        "possible": portfolio.state != "ACTIVE",
        "allowed": _has(request.user, REACTIVATES),
    }
    return _with_reason(request, portfolio, page, act)


def _with_reason(request: HttpRequest, portfolio: Portfolio, page: dict[str, Any], act: Any) -> HttpResponse:
    form = ReasonForm(request.POST or None)
    if request.method == "POST":
        if not page["allowed"]:
            raise PermissionDenied
        if form.is_valid():
            try:
                messages.success(request, act(form.cleaned_data["reason"]))
                return redirect("risk", slug=portfolio.slug)
            except NotClearable as problem:
                form.add_error(None, str(problem))
            except PortfolioBusy as problem:
                form.add_error(None, ValidationError(str(problem), code=BUSY))
            except ValidationError as problem:
                form.add_error("reason", problem.messages)
    answer = header(request.user, timezone.now(), portfolio) | page | {"form": form}
    status = 409 if form.has_error(NON_FIELD_ERRORS, BUSY) else 422 if form.errors else 200
    return render(request, "riskengine/reason.html", answer, status=status)


def _has(user: User, permission: str) -> bool:
    return user.is_staff and user.has_perm(permission)


def _breaker_or_404(user: User, breaker_id: int) -> Breaker:
    """A stranger's breaker reads as absent."""
    found = Breaker.objects.select_related("portfolio", "underlying").filter(
        pk=breaker_id, portfolio__in=Portfolio.objects.visible_to(user)
    )
    breaker = found.first()
    if breaker is None:
        raise Http404("There is no such breaker, or it is not yours.")
    return breaker
