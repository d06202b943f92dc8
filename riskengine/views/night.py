"""The overnight page of a portfolio."""

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from positions.access import portfolio_or_404
from positions.market.calendar import OutsideCalendar
from positions.models import Portfolio
from riskengine.models import NightReport
from riskengine.services.watch.night import night_shown, reports
from riskengine.views.header import header


@never_cache
@login_required
@require_safe
def page(request: HttpRequest, slug: str) -> HttpResponse:
    """What the book becomes by the next open: the report of this night, an earlier one (`report`), or now (`now`)."""
    now = timezone.now()
    portfolio = portfolio_or_404(request.user, slug)
    answer = header(request.user, now, portfolio)
    asked = _asked(request, portfolio)
    try:
        answer["shown"] = night_shown(portfolio=portfolio, now=now, live="now" in request.GET, report=asked)
    except OutsideCalendar as problem:
        answer["problem"] = str(problem)
    return render(request, "riskengine/night.html", answer)


def _asked(request: HttpRequest, portfolio: Portfolio) -> NightReport | None:
    """The report of this id; a stranger's reads as absent."""
    pk = request.GET.get("report", "")
    if not pk:
        return None
    found = reports(portfolio).filter(pk=int(pk)).first() if pk.isdecimal() and len(pk) < 19 else None
    if found is None:
        raise Http404("There is no such report, or it is not yours.")
    return found
