"""What a person does: place a bet, let a waiting one through, close a position. Each is a POST that may be repeated."""

from dataclasses import replace
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from positions.access import portfolio_or_404
from positions.market.calendar import OutsideCalendar
from positions.models import Portfolio, Position
from riskengine.forms import PlaceForm
from riskengine.services.decide.cancelling import NotCancellable, cancel_entry
from riskengine.services.decide.closing import NotClosable, close_position
from riskengine.services.decide.entries import (
    Authorised,
    IdempotencyConflict,
    NothingToConfirm,
    PortfolioBusy,
    authorise_entry,
    confirm_entry,
)
from riskengine.services.decide.request import EntryRequest
from riskengine.services.signals.acting import SignalTaken, is_proven, place_signal
from riskengine.services.watch.life import life_of
from riskengine.services.watch.words import contract_label
from riskengine.services.wording import price
from riskengine.views.header import header
from riskengine.views.records import decision_or_404, order_or_404, position_or_404
from riskengine.views.signals import signal_or_404
from riskengine.views.signed_in import signed_in


@signed_in
@require_POST
def place(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask for the entry that the ticket's button named. Pressing it is the person's confirmation, unless they only
    propose it."""
    portfolio = portfolio_or_404(request.user, slug)
    form = PlaceForm(request.POST)
    if not form.is_valid():
        for problem in (message for found in form.errors.values() for message in found):
            messages.error(request, problem)
        return _back_to(slug, request.POST.get("contract", ""), request.POST.get("confidence", ""))
    asked = form.cleaned_data
    entry = EntryRequest(
        contract=asked["contract"],
        confidence=asked["confidence"],
        contracts=asked["contracts"],
        pace=asked["pace"],
        confirmed=not asked["propose"],
        propose=asked["propose"],
    )
    try:
        answer = _placed(request, portfolio, entry, f"ticket:{asked['key']}", asked["signal"])
    except (IdempotencyConflict, PortfolioBusy, OutsideCalendar, ValueError) as problem:
        messages.error(request, str(problem))
        return _back_to(slug, asked["contract"].occ_symbol.replace(" ", ""), str(asked["confidence"]))
    return _answered(request, answer)


def _placed(
    request: HttpRequest, portfolio: Portfolio, entry: EntryRequest, key: str, signal_id: int | None
) -> Authorised:
    """The entry; of a signal, where the ticket was about one: that has one entry, whoever asks for it."""
    now, who = timezone.now(), request.user
    if signal_id is None:
        return authorise_entry(
            portfolio=portfolio, request=entry, now=now, actor=who, actor_name=who.get_username(), idempotency_key=key
        )
    signal = signal_or_404(request, signal_id)
    if signal.portfolio_id != portfolio.pk:
        raise SignalTaken("This signal is about another account.")
    entry = replace(entry, proven=is_proven(signal))
    return place_signal(signal=signal, request=entry, now=now, actor=who, idempotency_key=key)


def _back_to(slug: str, contract: str, confidence: str) -> HttpResponse:
    """To the ticket with its question."""
    return redirect(f"{reverse('size', args=[slug])}?{urlencode({'contract': contract, 'confidence': confidence})}")


@signed_in
@require_POST
def confirm(request: HttpRequest, decision_id: int) -> HttpResponse:
    """Let an approved decision through that waits for a person."""
    waiting = decision_or_404(request, decision_id)
    try:
        answer = confirm_entry(
            decision=waiting, now=timezone.now(), actor=request.user, actor_name=request.user.get_username()
        )
    except (NothingToConfirm, PortfolioBusy, OutsideCalendar) as problem:
        messages.error(request, str(problem))
        return redirect("decision", decision_id=waiting.pk)
    return _answered(request, answer)


def _answered(request: HttpRequest, answer: Authorised) -> HttpResponse:
    """To the desk with what was ordered; a refusal leads to the decision, where every gate stands."""
    made = answer.decision
    label = contract_label(made.contract)
    if not made.approved:
        messages.error(request, f"{label}: {made.refusal_sentence or made.refusal_code} Nothing was ordered.")
        return redirect("decision", decision_id=made.pk)
    if answer.order is None:
        messages.info(request, f"{label}: approved, and waits for a person to confirm it.")
        return redirect("decision", decision_id=made.pk)
    again = "" if answer.created else " It was placed before; nothing was ordered twice."
    most = f"at most {price(float(made.limit_price))} a share" if made.limit_price is not None else ""
    messages.success(request, f"Placed: {made.contracts:,} of {label}, {most}.{again}")
    return redirect("desk")


@signed_in
@require_POST
def cancel(request: HttpRequest, order_id: int) -> HttpResponse:
    """Take back what of an opening is not filled yet."""
    order = order_or_404(request, order_id)
    try:
        cancelled = cancel_entry(order=order, now=timezone.now(), actor_name=request.user.get_username())
    except (NotCancellable, PortfolioBusy) as problem:
        messages.error(request, str(problem))
    else:
        kept = f" What was filled ({cancelled.filled_quantity:,}) stays." if cancelled.filled_quantity else ""
        messages.success(request, f"Cancelling the opening of {contract_label(cancelled.contract)}.{kept}")
    return redirect("desk")


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def close(request: HttpRequest, slug: str, position_id: int) -> HttpResponse:
    """A page that says what closing means; its button closes."""
    now = timezone.now()
    portfolio = portfolio_or_404(request.user, slug)
    position = position_or_404(request, portfolio, position_id)
    if request.method == "POST":
        return _close(request, portfolio, position)
    life = life_of(position, portfolio, now=now)
    return render(request, "riskengine/close.html", header(request.user, now, portfolio) | {"life": life})


def _close(request: HttpRequest, portfolio: Portfolio, position: Position) -> HttpResponse:
    try:
        order = close_position(position=position, now=timezone.now(), actor=request.user)
    except (NotClosable, PortfolioBusy, OutsideCalendar) as problem:
        messages.error(request, str(problem))
        return redirect("position", slug=portfolio.slug, position_id=position.pk)
    messages.success(request, f"Closing {order.quantity:,} of {contract_label(position.contract)}.")
    return redirect("desk")
