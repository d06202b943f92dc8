"""What was decided, ordered and held: one position, one decision, and the lists of them."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Case, When
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.models import RiskProfileRevision
from positions.access import portfolio_or_404
from positions.models import Decision, Order, Portfolio, Position, PositionStatus
from positions.models.journal import LONGEST_NOTE, LONGEST_TAG
from positions.selectors import (
    decision_for,
    notes_of,
    portfolios_for,
    position_for,
    positions_for,
    tags_for,
    tags_of,
)
from positions.services.journal import may_write
from riskengine.services.decide.entries import CONFIRMS
from riskengine.services.decide.what_if import NotRecorded, what_if
from riskengine.services.watch.life import decision_of, decision_row, life_of, orders_of, position_row
from riskengine.services.watch.path import path_of
from riskengine.views.header import header

ROWS_A_PAGE = 50


@never_cache
@login_required
@require_safe
def position(request: HttpRequest, slug: str, position_id: int) -> HttpResponse:
    """The whole life of a position."""
    now = timezone.now()
    portfolio = portfolio_or_404(request.user, slug)
    found = position_or_404(request, portfolio, position_id)
    context = {
        "life": life_of(found, portfolio, now=now),
        "notes": notes_of(found),
        "tags": tags_of(found),
        "writes": may_write(found, request.user),
        "longest_note": LONGEST_NOTE,
        "longest_tag": LONGEST_TAG,
    }
    return render(request, "riskengine/position.html", header(request.user, now, portfolio) | context)


def position_or_404(request: HttpRequest, portfolio: Portfolio, position_id: int) -> Position:
    """The position, or 404 whether it is missing, in another portfolio or someone else's."""
    try:
        found = position_for(request.user, position_id)
    except Position.DoesNotExist:
        found = None
    if found is None or found.portfolio_id != portfolio.pk:
        raise Http404("There is no such position, or it is not yours.")
    return found


@never_cache
@login_required
@require_safe
def decision(request: HttpRequest, decision_id: int) -> HttpResponse:
    """One decision with everything it was made from; beside it, if asked, its size under another revision."""
    now = timezone.now()
    found = decision_or_404(request, decision_id)
    held = Position.objects.filter(decision=found).first()
    others = RiskProfileRevision.objects.filter(profile=found.portfolio.profile).exclude(pk=found.revision_id)
    context = {
        "decision": decision_of(found, now=now),
        "position_id": held.pk if held else None,
        "revision": found.revision,
        "orders": orders_of(found.orders.select_related("contract", "portfolio").order_by("id")),
        "confirmed_as": _made_of(found, f"{CONFIRMS}{found.pk}"),
        "revisions": others.order_by("-number"),
    }
    asked = request.GET.get("revision", "")
    if asked.isascii() and asked.isdigit():
        try:
            context["other"] = what_if(found, get_object_or_404(others, number=int(asked)))
        except NotRecorded as problem:
            context["other_problem"] = str(problem)
    return render(request, "riskengine/decision.html", header(request.user, now, found.portfolio) | context)


def _made_of(proposal: Decision, key: str) -> Decision | None:
    """The decision that a person's yes made of a proposal: it is judged anew, and may be of another size."""
    return proposal.portfolio.decisions.filter(idempotency_key=key).order_by("-id").first()


def decision_or_404(request: HttpRequest, decision_id: int) -> Decision:
    """The decision, or 404 whether it is missing or someone else's."""
    try:
        return decision_for(request.user, decision_id)
    except Decision.DoesNotExist:
        raise Http404("There is no such decision, or it is not yours.") from None


@never_cache
@login_required
@require_safe
def position_path(request: HttpRequest, slug: str, position_id: int) -> JsonResponse:
    """What the chart of a position draws."""
    portfolio = portfolio_or_404(request.user, slug)
    position = position_or_404(request, portfolio, position_id)
    return JsonResponse(path_of(position, portfolio, now=timezone.now()))


def asked_for(request: HttpRequest, name: str) -> str:
    """A filter of the address. A NUL is in no text that the database holds, and it takes none: nothing matches."""
    return request.GET.get(name, "").replace("\0", "\ufffd")


APPROVED = "approved"  # beside the codes of refusals, in the choice of what is listed


@never_cache
@login_required
@require_safe
def decisions(request: HttpRequest) -> HttpResponse:
    """Every decision the person may see, the latest first; of one portfolio, or of one verdict."""
    visible = Decision.objects.filter(portfolio__in=Portfolio.objects.visible_to(request.user))
    chosen, verdict = asked_for(request, "portfolio"), asked_for(request, "verdict")
    if chosen:
        visible = visible.filter(portfolio__slug=chosen)
    refused = visible.exclude(refusal_code="").order_by("refusal_code").values_list("refusal_code", flat=True)
    rows = visible
    if verdict == APPROVED:
        rows = rows.filter(approved=True)
    elif verdict:
        rows = rows.filter(refusal_code=verdict)
    rows = rows.select_related("portfolio", "contract").defer("inputs", "trace", "gates", "warnings").order_by("-id")
    page = Paginator(rows, ROWS_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "rows": [decision_row(each) for each in page],
        "chosen": chosen,
        "verdict": verdict,
        "verdicts": [APPROVED, *refused.distinct()],
    }
    return render(request, "riskengine/decisions.html", _listed(request) | context)


@never_cache
@login_required
@require_safe
def positions(request: HttpRequest) -> HttpResponse:
    """Every position the person may see, what is held first, then the latest; of one portfolio, or with one tag."""
    over = Case(When(status=PositionStatus.CLOSED, then=1), default=0)
    rows = positions_for(request.user).order_by(over, "-id")
    chosen, tag = asked_for(request, "portfolio"), asked_for(request, "tag")
    if chosen:
        rows = rows.filter(portfolio__slug=chosen)
    if tag:
        rows = rows.filter(tags__word=tag)
    page = Paginator(rows, ROWS_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "rows": [position_row(each) for each in page],
        "chosen": chosen,
        "tag": tag,
        "tags": tags_for(request.user),
    }
    return render(request, "riskengine/positions.html", _listed(request) | context)


@never_cache
@login_required
@require_safe
def orders(request: HttpRequest) -> HttpResponse:
    """Every order the person may see, the latest intent first, each with what was sent for it."""
    intents = (
        Order.objects.filter(portfolio__in=Portfolio.objects.visible_to(request.user), parent__isnull=True)
        .select_related("contract", "portfolio")
        .order_by("-id")
    )
    chosen = asked_for(request, "portfolio")
    if chosen:
        intents = intents.filter(portfolio__slug=chosen)
    page = Paginator(intents, ROWS_A_PAGE).get_page(request.GET.get("page"))
    children = Order.objects.filter(parent__in=[each.pk for each in page]).order_by("id")
    context = {
        "page": page,
        "orders": orders_of([*page, *children.select_related("contract", "portfolio")]),
        "chosen": chosen,
    }
    return render(request, "riskengine/orders.html", _listed(request) | context)


def order_or_404(request: HttpRequest, order_id: int) -> Order:
    """The order, or 404 whether it is missing or someone else's."""
    visible = Order.objects.filter(portfolio__in=Portfolio.objects.visible_to(request.user))
    found = visible.filter(pk=order_id).first()
    if found is None:
        raise Http404("There is no such order, or it is not yours.")
    return found


def _listed(request: HttpRequest) -> dict[str, Any]:
    now = timezone.now()
    return header(request.user, now, portfolios=list(portfolios_for(request.user)))
