"""Is the record luck, and what a person's own odds come to. Nothing here changes anything."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from positions.access import portfolio_or_404
from riskengine.forms_odds import OddsForm
from riskengine.services.study.luck_tables import luck_tables, odds_tables
from riskengine.services.study.odds import NotOdds, account_of, odds
from riskengine.services.study.projections import luck
from riskengine.views.exports import exported
from riskengine.views.header import header


@never_cache
@login_required
@require_safe
def page(request: HttpRequest, slug: str) -> HttpResponse:
    """The record against its projection and against no edge at all."""
    now = timezone.now()
    portfolio = portfolio_or_404(request.user, slug)
    record = luck(portfolio, now=now)
    file = exported(request, f"projection-{slug}", luck_tables(record))
    if file is not None:
        return file
    return render(request, "riskengine/projection.html", header(request.user, now, portfolio) | {"record": record})


@never_cache
@login_required
@require_safe
def odds_page(request: HttpRequest, slug: str) -> HttpResponse:
    """What odds come to at the sizes of this system. Until some are entered there is only the form."""
    now = timezone.now()
    portfolio = portfolio_or_404(request.user, slug)
    account = account_of(portfolio, now=now)
    asked = any(value for name, value in request.GET.items() if name not in ("format", "table"))
    form = OddsForm(request.GET if asked else None)
    found = None
    if asked and form.is_valid():
        try:
            found = odds(form.asked(account))
        except NotOdds as problem:
            form.refuse(problem)
    if found is not None:
        file = exported(request, f"odds-{slug}", odds_tables(found))
        if file is not None:
            return file
    context: dict[str, Any] = {
        "form": form,
        "problems": form.problems if asked else [],
        "odds": found,
        "account": account,
    }
    return render(request, "riskengine/odds.html", header(request.user, now, portfolio) | context)
