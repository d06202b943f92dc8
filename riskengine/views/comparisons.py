"""One recorded period under two revisions, side by side: asked for, looked at while it runs, cancelled, kept."""

import json
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from positions.access import portfolio_or_404
from positions.models import Portfolio
from riskengine.comparison_form import ComparisonForm
from riskengine.models import Comparison
from riskengine.selectors import comparison_for, comparisons_for, replays_for, replays_of
from riskengine.services.study.asking import NotReplayable
from riskengine.services.study.comparing import compared, progress_of
from riskengine.services.study.comparison_tables import comparison_tables
from riskengine.services.study.comparisons import before_it, cancel_comparison, request_comparison
from riskengine.views.exports import exported
from riskengine.views.header import header
from riskengine.views.records import ROWS_A_PAGE
from riskengine.views.signed_in import signed_in

MOST_REPLAYS = 20  # asked for alone, on the page


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def index(request: HttpRequest, slug: str) -> HttpResponse:
    """The comparisons of a portfolio, replays that were asked for alone, and the form that asks for a comparison."""
    now = timezone.now()
    portfolio = portfolio_or_404(request.user, slug)
    revisions = list(portfolio.profile.revisions.order_by("-number"))
    form = ComparisonForm(request.POST or None, portfolio=portfolio, revisions=revisions)
    if request.method == "POST" and form.is_valid():
        try:
            made = request_comparison(user=request.user, portfolio=portfolio, asked=form.asked(), now=now)
        except NotReplayable as problem:
            form.add_error(problem.field if problem.field in form.fields else None, str(problem))
        else:
            return redirect("comparison", slug, made.pk)
    mine = comparisons_for(request.user).filter(portfolio=portfolio)
    page = Paginator(mine, ROWS_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "form": form,
        "page": page,
        "rows": [{"comparison": each} | progress_of(each, each.replays.all()) for each in page],
        "replays": replays_for(request.user).filter(comparison=None, portfolio=portfolio.system)[:MOST_REPLAYS],
        "most_replays": MOST_REPLAYS,
    }
    return render(
        request,
        "riskengine/comparisons.html",
        header(request.user, now, portfolio) | context,
        status=422 if form.errors else 200,
    )


@never_cache
@login_required
@require_safe
def page(request: HttpRequest, slug: str, comparison_id: int) -> HttpResponse:
    """One comparison: how far it is, and what came of it."""
    portfolio, comparison = _found(request, slug, comparison_id)
    shown = _shown(comparison)
    file = exported(request, f"comparison-{comparison.pk}", comparison_tables(shown["compared"]))
    if file is not None:
        return file
    return render(request, "riskengine/comparison.html", header(request.user, timezone.now(), portfolio) | shown)


@never_cache
@login_required
@require_safe
def live(request: HttpRequest, slug: str, comparison_id: int) -> HttpResponse:
    """What of the page changes, asked for while it is not finished."""
    portfolio, comparison = _found(request, slug, comparison_id)
    return render(request, "riskengine/_comparison.html", {"portfolio": portfolio} | _shown(comparison))


@signed_in
@require_POST
def cancel(request: HttpRequest, slug: str, comparison_id: int) -> HttpResponse:
    """What is not done is not done any more."""
    _, comparison = _found(request, slug, comparison_id)
    if progress_of(comparison, comparison.replays.all())["unfinished"]:
        cancel_comparison(comparison=comparison, now=timezone.now())
        messages.info(request, "Cancelled. What is done on both sides stays; what runs ends within a second or two.")
    else:
        messages.info(request, "It had ended already: nothing was cancelled.")
    return redirect("comparison", slug, comparison_id)


def _found(request: HttpRequest, slug: str, comparison_id: int) -> tuple[Portfolio, Comparison]:
    """404 whether it is missing, another portfolio's or a stranger's."""
    portfolio = portfolio_or_404(request.user, slug)
    try:
        comparison = comparison_for(request.user, comparison_id)
    except Comparison.DoesNotExist:
        comparison = None
    if comparison is None or comparison.portfolio_id != portfolio.pk:
        raise Http404("There is no such comparison, or it is not yours.")
    return portfolio, comparison


def _shown(comparison: Comparison) -> dict[str, Any]:
    replays = replays_of(comparison)
    return {
        "comparison": comparison,
        "compared": compared(comparison, replays),
        "before": before_it(replays),
        "changes": {"A": json.loads(comparison.changes_a), "B": json.loads(comparison.changes_b)},
        "texts": [each for each in replays if each.side == "A"],
    }
