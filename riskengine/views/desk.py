"""The desk, and the way to it."""

from datetime import datetime
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.models import User
from positions.selectors import portfolios_for
from riskengine.services.watch.desk import desk
from riskengine.services.watch.feed import alert_feed
from riskengine.views.admission import admit
from riskengine.views.header import clock_of, header


@login_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The first page is the desk."""
    return redirect("desk")


@never_cache
@login_required
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Everything open in every portfolio the person may see. A script keeps it fresh."""
    context = desk_context(request.user, timezone.now())
    if not context["portfolios"]:
        return render(request, "riskengine/no_portfolio.html")
    return admit(render(request, "riskengine/desk.html", context), request.user, secure=request.is_secure())


@never_cache
@login_required
@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """The numbers alone, for a page whose stream was lost; it may open another one then."""
    answer = render(request, "riskengine/_desk.html", desk_context(request.user, timezone.now()))
    return admit(answer, request.user, secure=request.is_secure())


def desk_context(user: User, now: datetime) -> dict[str, Any]:
    """What the desk's templates show this person at wall time `now`."""
    portfolios = list(portfolios_for(user))
    shown = desk(portfolios=portfolios, now=now)
    for card, portfolio in zip(shown["portfolios"], portfolios, strict=True):
        card["clock"] = clock_of(portfolio, now)
    return header(user, now, portfolios=portfolios) | {"desk": shown, "alerts": alert_feed(user, now=now)}
