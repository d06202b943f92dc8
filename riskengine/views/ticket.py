"""The ticket: size a bet."""

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from positions.access import portfolio_or_404
from positions.market.calendar import OutsideCalendar, new_york_date, new_york_instant
from positions.market.clock import market_now
from positions.models import Portfolio
from positions.services.recording import set_market_time
from riskengine.forms import CONFIDENCE_AT_FIRST, ChainForm, MarketTimeForm, SizeForm
from riskengine.models import Signal
from riskengine.selectors import signals_for
from riskengine.services.decide.chain import UnreadableSearch, chain_view
from riskengine.services.decide.request import SizeRequest
from riskengine.services.decide.sizing import preview_size
from riskengine.services.signals.acting import is_proven
from riskengine.views.header import header
from riskengine.views.signed_in import signed_in

UNPROCESSABLE = 422
KEY_BYTES = 12


@never_cache
@login_required
@require_safe
def size(request: HttpRequest, slug: str) -> HttpResponse:
    """Size a bet: the chain, the question and the answer. Works as a plain form; a script makes it live."""
    now = timezone.now()
    portfolio = portfolio_or_404(request.user, slug)
    form = _size_form(request)
    answer = _answer(request, portfolio, form, now)
    context = answer | _chain(portfolio, request, now) | header(request.user, now, portfolio)
    return render(request, "riskengine/size.html", context | {"form": form})


@never_cache
@login_required
@require_safe
def size_answer(request: HttpRequest, slug: str) -> HttpResponse:
    """The answer alone, for the live page."""
    form = SizeForm(request.GET)
    portfolio = portfolio_or_404(request.user, slug)
    context = _answer(request, portfolio, form, timezone.now()) | {"portfolio": portfolio}
    status = UNPROCESSABLE if context["problems"] else 200
    return render(request, "riskengine/_answer.html", context, status=status)


@signed_in
@require_POST
def set_clock(request: HttpRequest, slug: str) -> HttpResponse:
    """Set a recorded market to another minute of its day, and go back to the page."""
    portfolio = portfolio_or_404(request.user, slug)
    # The clock is the portfolio's, for everyone: who may only look at it must not turn it.
    if portfolio.owner != request.user and not request.user.has_perm("positions.change_portfolio"):
        raise PermissionDenied("Only the owner or a risk manager sets this portfolio's market time.")
    form = MarketTimeForm(request.POST)
    if form.is_valid():
        day = new_york_date(market_now(portfolio.clock, timezone.now()))
        try:
            to = new_york_instant(day, form.cleaned_data["at"])
            set_market_time(portfolio=portfolio, to=to, now=timezone.now())
        except ValidationError as problem:
            messages.error(request, " ".join(problem.messages))
    else:
        messages.error(request, "Give the market time as hours and minutes, New York: 10:08.")
    asked = urlsplit(request.META.get("HTTP_REFERER", "")).query  # what stood on the page, a script may have changed it
    here = reverse("size", args=[slug])
    return redirect(f"{here}?{asked}" if asked else here)


@never_cache
@login_required
@require_safe
def size_chain(request: HttpRequest, slug: str) -> HttpResponse:
    """The chain alone, for the live page."""
    return render(
        request, "riskengine/_chain.html", _chain(portfolio_or_404(request.user, slug), request, timezone.now())
    )


def _size_form(request: HttpRequest) -> SizeForm:
    """What was asked; a first visit asks nothing yet and shows where the slider starts."""
    if "confidence" in request.GET:
        return SizeForm(request.GET)
    return SizeForm({"confidence": str(CONFIDENCE_AT_FIRST), **request.GET.dict()})


def _answer(request: HttpRequest, portfolio: Portfolio, form: SizeForm, now: datetime) -> dict[str, Any]:
    """The service's answer, or what is wrong with the question, or neither while no contract is chosen."""
    if not form.is_valid():
        return {"preview": None, "problems": [message for messages in form.errors.values() for message in messages]}
    asked = form.cleaned_data
    if asked["contract"] is None:
        return {"preview": None, "problems": []}
    signal = _signal(request, portfolio, asked["signal"])
    question = SizeRequest(
        contract=asked["contract"],
        confidence=asked["confidence"],
        win_probability=asked["win_probability"],
        payoff=asked["payoff"],
        proven=signal is None or is_proven(signal),
    )
    try:
        preview = preview_size(portfolio=portfolio, request=question, now=now)
    except OutsideCalendar as problem:
        return {"preview": None, "problems": [str(problem)]}
    underlying = asked["contract"].underlying
    return {
        "preview": preview,
        "problems": [],
        "closes_alias": underlying.closes_alias_label,
        "underlying": underlying,
        "asked_confidence": asked["confidence"],
        "signal": signal,
        # Made with the button: pressed twice, or sent again by the browser, it is one entry.
        "place_key": secrets.token_urlsafe(KEY_BYTES) if preview["answer"]["approved"] else "",
    }


def _signal(request: HttpRequest, portfolio: Portfolio, signal_id: int | None) -> Signal | None:
    """The signal that the ticket is about; what is not there, not theirs or of another account is none."""
    if signal_id is None:
        return None
    return signals_for(request.user).filter(pk=signal_id, portfolio=portfolio).first()


def _chain(portfolio: Portfolio, request: HttpRequest, now: datetime) -> dict[str, Any]:
    asked = ChainForm(request.GET)
    query, expiration = asked.query(), asked.day()
    picked = request.GET.getlist("contract")
    try:
        chain, unreadable = chain_view(portfolio=portfolio, query=query, expiration=expiration, now=now), ""
    except UnreadableSearch as problem:
        chain, unreadable = {"underlyings": [], "expirations": [], "rows": [], "total": 0}, str(problem)
    return {
        "chain": chain,
        "unreadable": unreadable,
        "groups": _by_expiration(chain),
        "query": query,
        "expiration": expiration,
        "picked": _compact(picked[-1]) if picked else "",
    }


def _compact(symbol: str) -> str:
    return symbol.replace(" ", "").upper()


def _by_expiration(chain: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows under their expirations, in the order in which they came."""
    dates = {expiration["days"]: expiration["on"] for expiration in chain["expirations"]}
    groups: dict[int, dict[str, Any]] = {}
    for row in chain["rows"]:
        group = groups.setdefault(row["days"], {"on": dates.get(row["days"]), "days": row["days"], "rows": []})
        group["rows"].append({**row, "symbol": _compact(row["occ_symbol"])})
    return list(groups.values())
