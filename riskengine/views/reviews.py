"""Reviews of an account, and the reports of its days: to read, to print, and to decide."""

from datetime import date
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from positions.access import portfolio_or_404
from positions.models import Portfolio
from riskengine.forms import DecideForm
from riskengine.models import Review, ReviewState
from riskengine.services.decide.entries import PortfolioBusy
from riskengine.services.review.day import day_report, days_around, last_days
from riskengine.services.review.deciding import (
    AlreadyDecided,
    NotHalted,
    comment,
    decide,
    link_revision,
    may_decide,
    reviews_of,
    revisions_since,
)
from riskengine.services.review.document import document, file_name
from riskengine.services.review.periods import period_name
from riskengine.services.review.sheet import sheet
from riskengine.services.watch.kill import may_kill
from riskengine.views.header import header
from riskengine.views.records import ROWS_A_PAGE
from riskengine.views.signed_in import signed_in

BUSY = "busy"


@never_cache
@login_required
@require_safe
def index(request: HttpRequest, slug: str) -> HttpResponse:
    """Every review of an account, what waits for a person first, and its last days."""
    portfolio = portfolio_or_404(request.user, slug)
    page = Paginator(reviews_of(portfolio), ROWS_A_PAGE).get_page(request.GET.get("page"))
    context: dict[str, Any] = {
        "page": page,
        "rows": [{"review": each, "period": period_name(each.kind, each.period_start)} for each in page],
        "days": last_days(portfolio),
    }
    return render(request, "riskengine/reviews.html", header(request.user, timezone.now(), portfolio) | context)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest, slug: str, review_id: int) -> HttpResponse:
    """One review: what happened beside each question; its answers, or the form that takes them."""
    portfolio = portfolio_or_404(request.user, slug)
    review = review_or_404(portfolio, review_id)
    revisions = list(revisions_since(review)) if review.state == ReviewState.OPEN or review.awaits_revision else []
    form = DecideForm(request.POST or None, review=review, revisions=revisions)
    if request.method == "POST" and _decided(request, review, form):
        return redirect("review", slug=slug, review_id=review.pk)
    context = _shown(review, form) | {
        "may_decide": may_decide(request.user, portfolio),
        "may_halt": may_kill(request.user, portfolio),
        "revisions": revisions,
    }
    status = 409 if form.has_error(NON_FIELD_ERRORS, BUSY) else 422 if form.errors else 200
    return render(
        request, "riskengine/review.html", header(request.user, timezone.now(), portfolio) | context, status=status
    )


def _decided(request: HttpRequest, review: Review, form: DecideForm) -> bool:
    """False: nothing was done, and the form says why beside what was typed."""
    if not form.is_valid():
        return False
    try:
        decide(review=review, **form.asked(), actor=request.user, now=timezone.now())
    except ValidationError as problem:
        form.refuse(problem)
        return False
    except (AlreadyDecided, NotHalted, PermissionDenied) as problem:
        form.add_error(None, str(problem))
        return False
    except PortfolioBusy as problem:  # not by way of another page: what was typed would be lost
        form.add_error(None, ValidationError(str(problem), code=BUSY))
        return False
    messages.success(request, "Decided, and kept with your name.")
    return True


def _shown(review: Review, form: DecideForm) -> dict[str, Any]:
    """The account first; each other section of the snapshot beside the first question that looks at it; the rest after
    the questions."""
    sections = sheet(review.snapshot)
    left = dict(sections)
    account = left.pop("equity")
    answers = {each.code: each.text for each in review.answers.all()}
    questions = []
    for each in review.questions:
        section = left.pop(each["beside"], None)
        again = sections.get(each["beside"]) if section is None else None
        field = None if review.state == ReviewState.DECIDED else form[form.name_of(each["code"])]
        questions.append(
            {**each, "section": section, "again": again, "field": field, "answer": answers.get(each["code"], "")}
        )
    return {
        "review": review,
        "period": period_name(review.kind, review.period_start),
        "account": account,
        "questions": questions,
        "rest": list(left.values()),
        "equity": review.snapshot["equity"],
        "comments": review.comments.order_by("id"),
        "form": form,
        "first_problem": _first_problem(form),
    }


def _first_problem(form: DecideForm) -> str:
    """The id of the field that the page leads to: questions first, as they stand."""
    order = [*(form.name_of(code) for code in form.codes), "decision", "revision", "reason"]
    return next((f"id_{name}" if name != "decision" else "decide" for name in order if name in form.errors), "decide")


@never_cache
@login_required
@require_safe
def pdf(request: HttpRequest, slug: str, review_id: int) -> HttpResponse:
    """The review as a file."""
    review = review_or_404(portfolio_or_404(request.user, slug), review_id)
    answer = HttpResponse(document(review), content_type="application/pdf")
    answer["Content-Disposition"] = f'attachment; filename="{file_name(review)}"'
    return answer


@signed_in
@require_POST
def write_comment(request: HttpRequest, slug: str, review_id: int) -> HttpResponse:
    """Keep a comment."""
    review = review_or_404(portfolio_or_404(request.user, slug), review_id)
    try:
        comment(review=review, text=request.POST.get("text", ""), actor=request.user, now=timezone.now())
    except ValidationError as problem:
        _say(request, problem)
    return _to(review, "comments")


@signed_in
@require_POST
def name_revision(request: HttpRequest, slug: str, review_id: int) -> HttpResponse:
    """Name the revision that a decided change led to."""
    review = review_or_404(portfolio_or_404(request.user, slug), review_id)
    number = request.POST.get("revision", "")
    try:
        if not (number.isascii() and number.isdigit() and len(number) < 8):
            raise ValidationError({"revision": "Choose the revision."})
        link_revision(review=review, revision=int(number), actor=request.user, now=timezone.now())
        messages.success(request, f"Revision {number} is what this review led to.")
    except ValidationError as problem:
        _say(request, problem)
    except PortfolioBusy as problem:
        messages.error(request, str(problem))
    return _to(review, "decision")


def _say(request: HttpRequest, problem: ValidationError) -> None:
    for message in problem.messages:
        messages.error(request, message)


def _to(review: Review, place: str) -> HttpResponse:
    address = redirect("review", slug=review.portfolio.slug, review_id=review.pk)
    address["Location"] += f"#{place}"
    return address


def review_or_404(portfolio: Portfolio, review_id: int) -> Review:
    """The review, or 404 whether it is missing or of another account."""
    found = Review.objects.filter(portfolio=portfolio, pk=review_id).select_related("portfolio__profile", "revision")
    review = found.first()
    if review is None:
        raise Http404("There is no such review, or it is not yours.")
    return review


# ---- Days ----


@never_cache
@login_required
@require_safe
def day(request: HttpRequest, slug: str, day: str) -> HttpResponse:
    """What was decided in a session and why, as it was reported after its close; `?format=text` as it was sent."""
    portfolio = portfolio_or_404(request.user, slug)
    report = day_report(portfolio, _day(day))
    if report is None:
        raise Http404("There is no report of this day: none was a session that is over, or nothing was decided before.")
    if request.GET.get("format") == "text":
        return HttpResponse(report.text, content_type="text/plain; charset=utf-8")
    context = {"report": report, "told": report.contents, **days_around(portfolio, report.session_on)}
    return render(request, "riskengine/day.html", header(request.user, timezone.now(), portfolio) | context)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Http404("A day is written YYYY-MM-DD.") from None
