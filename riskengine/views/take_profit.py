"""What take-profit tiers did, what other ladders would have, and putting one in force."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.defaults import LADDERS, Step
from accounts.services import StaleRevisionError
from positions.access import portfolio_or_404
from positions.models import Portfolio
from riskengine.forms import LadderForm, LadderRevisionForm
from riskengine.services.study.ladder_revision import MAY_NOT, ladder_change, may_revise, take_ladder
from riskengine.services.study.ladder_study import held_to, present_ladder, reason_of, steps_of, suggestion, what_if
from riskengine.services.study.ladder_tables import take_profit_tables
from riskengine.services.study.tier_record import ladders_of_system, tier_record
from riskengine.views.exports import exported
from riskengine.views.header import header


def _form(request: HttpRequest, portfolio: Portfolio) -> LadderForm:
    names = ladders_of_system(portfolio.system)
    form = LadderForm(request.GET, ladders=[(each, LADDERS[each].label) for each in names])
    form.is_valid()
    return form


def _steps(form: LadderForm) -> tuple[Step, ...]:
    return tuple(Step(threshold.normalize(), share.normalize(), True) for threshold, share in form.rows)


@never_cache
@login_required
@require_safe
def page(request: HttpRequest, slug: str) -> HttpResponse:
    """Whether the tiers help: taken against held, another ladder on recorded prices, and a suggestion where asked."""
    now = timezone.now()
    portfolio = portfolio_or_404(request.user, slug)
    form = _form(request, portfolio)
    problems = list(form.problems)
    steps = _steps(form)
    if steps and not problems:
        problems = ladder_change(portfolio, form.name, steps)["problems"]
    asked = steps if steps and not problems else None
    record = tier_record(portfolio, now=now)
    tried = what_if(portfolio, form.name, asked, now=now)
    wants = bool(form.cleaned_data.get("suggest"))
    suggested = suggestion(portfolio, form.name, now=now) if wants else None
    file = exported(request, f"take-profit-{slug}", take_profit_tables(record, tried, suggested))
    if file is not None:
        return file
    context: dict[str, Any] = {
        "record": record,
        "tried": tried,
        "no_tier": f"no tier: held to {held_to(portfolio)}",
        "suggested": suggested,
        "form": form,
        "rows": _rows(form, portfolio),
        "problems": problems,
        "may_revise": may_revise(request.user),
        "take_asked": _address(form.name, steps) if asked else "",
        "take_suggested": _suggested_address(form.name, suggested),
    }
    return render(request, "riskengine/take_profit.html", header(request.user, now, portfolio) | context)


def _rows(form: LadderForm, portfolio: Portfolio) -> list[dict[str, Any]]:
    """What the form's fields hold: what was entered, else the ladder in force, and a spare row."""
    entered = [{"number": row, "t": form[f"t{row}"].value(), "s": form[f"s{row}"].value()} for row in form.ROWS]
    if not any(each["t"] or each["s"] for each in entered):
        for each, step in zip(entered, present_ladder(portfolio, form.name), strict=False):
            each |= {"t": _percent(step.threshold), "s": _percent(step.value)}
    used = max((each["number"] for each in entered if each["t"] or each["s"]), default=0)
    return entered[: min(used + 1, len(entered))]


def _percent(fraction: Decimal) -> str:
    """As it is entered: 5, 12.5."""
    return f"{(fraction * 100).normalize():f}"


def _address(ladder: str, steps: Sequence[Step], **more: str) -> str:
    """The rows of a ladder as the form sends them."""
    pairs = {"ladder": ladder}
    for row, step in enumerate(steps, 1):
        pairs |= {f"t{row}": _percent(step.threshold), f"s{row}": _percent(step.value)}
    return urlencode(pairs | more)


def _suggested_address(ladder: str, suggested: dict[str, Any] | None) -> str:
    study = suggested and suggested["study"]
    if not study or not study["steps"]:
        return ""
    return _address(ladder, _suggested(study), study="1")


def _suggested(study: dict[str, Any]) -> tuple[Step, ...]:
    return steps_of([(each["threshold"], each["share"]) for each in study["steps"]])


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def take(request: HttpRequest, slug: str) -> HttpResponse:
    """Before and after of a ladder, and with a reason the next revision. The ladder stands in the address."""
    now = timezone.now()
    portfolio = portfolio_or_404(request.user, slug)
    form = _form(request, portfolio)
    steps = _steps(form)
    context: dict[str, Any] = {"change": None, "problems": form.problems, "ladder": form.name}
    status = 200
    if steps and not form.problems:
        change = ladder_change(portfolio, form.name, steps)
        context |= {"change": change, "problems": change["problems"], "back": _address(form.name, steps)}
        if not may_revise(request.user):
            context["may_not"] = MAY_NOT
            status = 403 if request.method == "POST" else 200
        else:
            reason = LadderRevisionForm(
                request.POST or None,
                initial={"based_on": change["based_on"], "reason": _reason(request, portfolio, form.name, steps)},
            )
            if request.method == "POST" and reason.is_valid() and _taken(request, portfolio, form.name, steps, reason):
                return redirect("take-profit", slug)
            context["form"] = reason
            status = 422 if reason.errors else 200
    return render(request, "riskengine/take_ladder.html", header(request.user, now, portfolio) | context, status=status)


def _reason(request: HttpRequest, portfolio: Portfolio, ladder: str, steps: tuple[Step, ...]) -> str:
    """The figures of the study, where it suggests this ladder: since it was looked at it may suggest another."""
    if request.method == "POST":
        return ""
    study = suggestion(portfolio, ladder, now=timezone.now())["study"] if request.GET.get("study") else None
    if study and (not study["steps"] or _suggested(study) != steps):
        study = None
    return reason_of(study, LADDERS[ladder].label)


def _taken(
    request: HttpRequest, portfolio: Portfolio, ladder: str, steps: tuple[Step, ...], form: LadderRevisionForm
) -> bool:
    """False: nothing was changed, and the form says why."""
    try:
        revision = take_ladder(
            portfolio=portfolio, ladder=ladder, steps=steps, actor=request.user, now=timezone.now(), **form.cleaned_data
        )
    except ValidationError as refused:
        form.add_error(None, refused.messages)
    except (StaleRevisionError, PermissionDenied) as refused:
        form.add_error(None, str(refused))
    else:
        messages.success(
            request, f"Revision {revision.number} is in force. Open positions keep the ladder they were opened with."
        )
        return True
    return False
