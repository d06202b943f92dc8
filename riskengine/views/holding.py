"""What a person does with an open position beside closing it: sell a part, tighten the stop, write about it."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from positions.access import portfolio_or_404
from positions.market.calendar import OutsideCalendar
from positions.models import Portfolio, Position
from positions.services.journal import add_tag, remove_tag, write_note
from riskengine.forms import PartForm, TightenForm
from riskengine.services.decide.closing import NotClosable, close_part, part_offer
from riskengine.services.decide.entries import PortfolioBusy
from riskengine.services.watch.life import life_of
from riskengine.services.watch.tightening import NotTightenable, tighten_stop, tightening
from riskengine.services.watch.words import contract_label
from riskengine.services.wording import price
from riskengine.views.header import header
from riskengine.views.records import position_or_404
from riskengine.views.signed_in import signed_in


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def part(request: HttpRequest, slug: str, position_id: int) -> HttpResponse:
    """How many; then what selling so many means; its button sells them."""
    now = timezone.now()
    portfolio = portfolio_or_404(request.user, slug)
    position = position_or_404(request, portfolio, position_id)
    if request.method == "POST":
        return _sell_part(request, portfolio, position)
    offer = part_offer(position, now=now)
    asked = {name: request.GET[name] for name in ("contracts",) if name in request.GET}
    form = PartForm(asked | {"parts": offer.free.parts_before} if asked else None, most=offer.free.contracts)
    chosen = form.cleaned_data["contracts"] if form.is_bound and form.is_valid() else None
    context = {
        "life": life_of(position, portfolio, now=now),
        "offer": offer,
        "form": form,
        "chosen": chosen,
        "stays": None if chosen is None else position.quantity_open - chosen,
    }
    status = 422 if form.errors else 200
    return render(request, "riskengine/part.html", header(request.user, now, portfolio) | context, status=status)


def _sell_part(request: HttpRequest, portfolio: Portfolio, position: Position) -> HttpResponse:
    form = PartForm(request.POST)
    if not form.is_valid():
        for problem in (message for found in form.errors.values() for message in found):
            messages.error(request, problem)
        return redirect("close-part", slug=portfolio.slug, position_id=position.pk)
    asked = form.cleaned_data
    try:
        order = close_part(
            position=position,
            contracts=asked["contracts"],
            parts_before=asked["parts"],
            now=timezone.now(),
            actor=request.user,
        )
    except (NotClosable, PortfolioBusy, OutsideCalendar) as problem:
        messages.error(request, str(problem))
    else:
        messages.success(request, f"Selling {order.quantity:,} of {contract_label(position.contract)}.")
    return redirect("position", slug=portfolio.slug, position_id=position.pk)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def tighten(request: HttpRequest, slug: str, position_id: int) -> HttpResponse:
    """Between which prices the stop may be set; a price and a reason set it."""
    now = timezone.now()
    portfolio = portfolio_or_404(request.user, slug)
    position = position_or_404(request, portfolio, position_id)
    form = TightenForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and _tighten(request, position, form):
        return redirect("position", slug=portfolio.slug, position_id=position.pk)
    context: dict[str, Any] = {"form": form, "life": life_of(position, portfolio, now=now)}
    try:
        context["possible"] = tightening(position, now=now)
    except (NotTightenable, OutsideCalendar) as problem:
        context["problem"] = str(problem)
    status = 422 if form.errors else 200
    return render(request, "riskengine/tighten.html", header(request.user, now, portfolio) | context, status=status)


def _tighten(request: HttpRequest, position: Position, form: TightenForm) -> bool:
    """False: nothing was changed, and the form says why."""
    asked = form.cleaned_data
    try:
        changed = tighten_stop(
            position=position, stop=asked["stop"], reason=asked["reason"], actor=request.user, now=timezone.now()
        )
    except ValidationError as problem:
        form.add_error(None, problem)
    except (NotTightenable, PortfolioBusy, OutsideCalendar) as problem:
        form.add_error("stop", str(problem))
    else:
        stands = "" if changed.current_stop is None else price(float(changed.current_stop))
        messages.success(request, f"The stop of {contract_label(position.contract)} stands at {stands}.")
        return True
    return False


# ---- The journal ----


@signed_in
@require_POST
def note(request: HttpRequest, slug: str, position_id: int) -> HttpResponse:
    """Keep a note."""
    portfolio = portfolio_or_404(request.user, slug)
    position = position_or_404(request, portfolio, position_id)
    try:
        write_note(position=position, text=request.POST.get("text", ""), actor=request.user, now=timezone.now())
    except ValidationError as problem:
        _say(request, problem)
    return _to_journal(portfolio, position)


@signed_in
@require_POST
def tags(request: HttpRequest, slug: str, position_id: int) -> HttpResponse:
    """Add a tag, or remove the one whose button was pressed."""
    portfolio = portfolio_or_404(request.user, slug)
    position = position_or_404(request, portfolio, position_id)
    removed, now = request.POST.get("remove"), timezone.now()
    try:
        if removed is not None:
            remove_tag(position=position, tag=removed, actor=request.user, now=now)
        else:
            add_tag(position=position, tag=request.POST.get("tag", ""), actor=request.user, now=now)
    except ValidationError as problem:
        _say(request, problem)
    return _to_journal(portfolio, position)


def _say(request: HttpRequest, problem: ValidationError) -> None:
    for message in problem.messages:
        messages.error(request, message)


def _to_journal(portfolio: Portfolio, position: Position) -> HttpResponse:
    address = redirect("position", slug=portfolio.slug, position_id=position.pk)
    address["Location"] += "#journal"
    return address
