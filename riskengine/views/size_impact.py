"""What the size of bets did to an account."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from positions.access import portfolio_or_404
from riskengine.services.study.ladder_tables import size_impact_tables
from riskengine.services.study.size_impact import size_impact
from riskengine.views.exports import exported
from riskengine.views.header import header


@never_cache
@login_required
@require_safe
def page(request: HttpRequest, slug: str) -> HttpResponse:
    """The same trades at the minimum bet, as they were, and at half Kelly."""
    now = timezone.now()
    portfolio = portfolio_or_404(request.user, slug)
    impact = size_impact(portfolio, now=now)
    file = exported(request, f"size-impact-{slug}", size_impact_tables(impact))
    if file is not None:
        return file
    return render(request, "riskengine/size_impact.html", header(request.user, now, portfolio) | {"impact": impact})
