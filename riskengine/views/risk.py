"""The risk page of a portfolio."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from positions.access import portfolio_or_404
from positions.market.calendar import OutsideCalendar
from riskengine.services.watch.night import has_night
from riskengine.services.watch.outlook import outlook
from riskengine.views.header import header


@never_cache
@login_required
@require_safe
def page(request: HttpRequest, slug: str) -> HttpResponse:
    """What the book is exposed to, what if it moved, what is one bet, and what guards it."""
    now = timezone.now()
    portfolio = portfolio_or_404(request.user, slug)
    answer = header(request.user, now, portfolio) | {"has_night": has_night(portfolio, now)}
    try:
        answer["risk"] = outlook(portfolio=portfolio, now=now)
    except OutsideCalendar as problem:
        answer["problem"] = str(problem)
    return render(request, "riskengine/risk.html", answer)
