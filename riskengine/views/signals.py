"""Signals, what their record says of confidence, and how the underlyings move together."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from positions.access import portfolio_or_404
from positions.market.calendar import OutsideCalendar
from positions.selectors import portfolios_for
from riskengine.forms import TierForm
from riskengine.models import Signal, SignalState
from riskengine.selectors import signal_for, signals_for
from riskengine.services.signals.acting import review_tier
from riskengine.services.signals.record import confidence_record
from riskengine.services.signals.story import signal_row, signal_story
from riskengine.services.watch.companies import companies_of
from riskengine.services.watch.correlations import correlations_of
from riskengine.views.header import header
from riskengine.views.records import ROWS_A_PAGE, asked_for
from riskengine.views.signed_in import signed_in


@never_cache
@login_required
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Every signal the person may see, the latest first; of one portfolio, or in one state."""
    now = timezone.now()
    rows = signals_for(request.user).select_related("portfolio__clock")
    chosen, state = asked_for(request, "portfolio"), asked_for(request, "state")
    if chosen:
        rows = rows.filter(portfolio__slug=chosen)
    if state:
        rows = rows.filter(state=state)
    page = Paginator(rows, ROWS_A_PAGE).get_page(request.GET.get("page"))
    portfolios = list(portfolios_for(request.user))
    context: dict[str, Any] = {
        "page": page,
        "rows": [signal_row(each, now=now) for each in page],
        "chosen": chosen,
        "state": state,
        "states": SignalState.choices,
    }
    return render(request, "riskengine/signals.html", header(request.user, now, portfolios=portfolios) | context)


@never_cache
@login_required
@require_safe
def page(request: HttpRequest, signal_id: int) -> HttpResponse:
    """One signal: what it was made of, what the selection saw, what became of it."""
    now = timezone.now()
    found = signal_or_404(request, signal_id)
    context = {"signal": signal_story(found, now=now)}
    return render(request, "riskengine/signal.html", header(request.user, now, found.portfolio) | context)


def signal_or_404(request: HttpRequest, signal_id: int) -> Signal:
    """The signal, or 404 whether it is missing or someone else's."""
    try:
        return signal_for(request.user, signal_id)
    except Signal.DoesNotExist:
        raise Http404("There is no such signal, or it is not yours.") from None


@never_cache
@login_required
@require_safe
def confidence(request: HttpRequest, slug: str) -> HttpResponse:
    """Whether confidence came true, by tier and by source, and what it may scale."""
    now = timezone.now()
    portfolio = portfolio_or_404(request.user, slug)
    context = header(request.user, now, portfolio)
    context["may_review"] = request.user.has_perm("riskengine.add_tierreview")
    try:
        context["record"] = confidence_record(portfolio, now=now)
    except OutsideCalendar as problem:
        context["problem"] = str(problem)
    return render(request, "riskengine/confidence.html", context)


@signed_in
@require_POST
def review(request: HttpRequest, slug: str) -> HttpResponse:
    """Let a tier scale again, with a reason."""
    portfolio = portfolio_or_404(request.user, slug)
    form = TierForm(request.POST)
    problems = [message for found in form.errors.values() for message in found] if not form.is_valid() else []
    if not problems:
        try:
            review_tier(portfolio=portfolio, actor=request.user, now=timezone.now(), **form.cleaned_data)
            messages.success(request, "The tier scales again. What it closes from now on is counted anew.")
        except ValidationError as refused:
            problems = refused.messages
        except OutsideCalendar as refused:
            problems = [str(refused)]
    for each in problems:
        messages.error(request, each)
    return redirect("confidence", slug)


@never_cache
@login_required
@require_safe
def correlation(request: HttpRequest, slug: str) -> HttpResponse:
    """How the underlyings of a portfolio move together, held or not."""
    now = timezone.now()
    portfolio = portfolio_or_404(request.user, slug)
    context = header(request.user, now, portfolio)
    try:
        context["together"] = correlations_of(portfolio, now=now)
    except OutsideCalendar as problem:
        context["problem"] = str(problem)
    return render(request, "riskengine/correlation.html", context)


@never_cache
@login_required
@require_safe
def companies(request: HttpRequest, slug: str) -> HttpResponse:
    """What is known of the companies: scores, and the dates ahead."""
    now = timezone.now()
    portfolio = portfolio_or_404(request.user, slug)
    context = header(request.user, now, portfolio) | {"known": companies_of(portfolio, now=now)}
    return render(request, "riskengine/companies.html", context)
