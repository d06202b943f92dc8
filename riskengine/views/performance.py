"""What an account's record comes to, as pages and files. Nothing here changes anything."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from positions.access import portfolio_or_404
from positions.market.calendar import new_york_date
from positions.market.clock import market_now
from positions.models import Portfolio
from positions.selectors import portfolios_for
from riskengine.forms import PerformanceForm
from riskengine.services.study.performance import CLOSE_WORDS, performance, period
from riskengine.services.study.record_tables import performance_tables
from riskengine.services.study.tax_lots import lots_table, tax_lots
from riskengine.views.exports import exported
from riskengine.views.header import header
from riskengine.views.records import ROWS_A_PAGE

MOST_SHOWN = 200  # trades on the page


@never_cache
@login_required
@require_safe
def page(request: HttpRequest, slug: str) -> HttpResponse:
    """The record of an account: whether these bets work, and how sure one can be of it."""
    now = timezone.now()
    portfolio = portfolio_or_404(request.user, slug)
    portfolios = list(portfolios_for(request.user))
    form = PerformanceForm(request.GET)
    beside = [each for each in portfolios if each.pk != portfolio.pk]
    record = performance(portfolio, now=now, beside=beside, **asked(form, portfolio, now))
    file = exported(request, f"performance-{slug}", performance_tables(record))
    if file is not None:
        return file
    shown = [each | {"closed_words": CLOSE_WORDS.get(each["closed_by"], each["closed_by"])} for each in record["list"]]
    context: dict[str, Any] = {
        "record": record,
        "form": form,
        "problems": form.problems,
        "shown": shown[:MOST_SHOWN],
    }
    return render(
        request, "riskengine/performance.html", header(request.user, now, portfolio, portfolios=portfolios) | context
    )


def asked(form: PerformanceForm, portfolio: Portfolio, now: Any) -> dict[str, Any]:
    """What the form asks for, as the service takes it. What cannot be read asks for nothing, and the page says so."""
    form.is_valid()
    given = form.cleaned_data
    since, until = period(given.get("period") or "all", new_york_date(market_now(portfolio.clock, now)))
    return {
        "since": given.get("since") or since,
        "until": given.get("until") or until,
        "tier": None if given.get("tier") is None else float(given["tier"]),
        "underlying": given.get("underlying") or None,
        "bucket": None if given.get("bucket") is None else float(given["bucket"]),
    }


@never_cache
@login_required
@require_safe
def fills(request: HttpRequest, slug: str) -> HttpResponse:
    """Every sale with the purchase it ended, as an accountant asks for them."""
    now = timezone.now()
    portfolio = portfolio_or_404(request.user, slug)
    form = PerformanceForm(request.GET)
    span = asked(form, portfolio, now)
    found = tax_lots(portfolio, now=now, since=span["since"], until=span["until"])
    file = exported(request, f"fills-{slug}", {"lots": lots_table(found["lots"])})
    if file is not None:
        return file
    page = Paginator(found["lots"], ROWS_A_PAGE).get_page(request.GET.get("page"))
    context = {"found": found, "form": form, "problems": form.problems, "page": page}
    return render(request, "riskengine/fills.html", header(request.user, now, portfolio) | context)
