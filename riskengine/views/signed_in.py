"""Who presses a button after the session has ended signs in and comes back to the page, not to the button's address."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme


def signed_in(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """For addresses that take a POST alone: signing in could not repeat it, and must not."""

    @wraps(view)
    def asked(request: HttpRequest, *given: Any, **named: Any) -> HttpResponse:
        if request.user.is_authenticated:
            return view(request, *given, **named)
        messages.warning(request, "You were signed out, so nothing was done. Sign in and press the button again.")
        return redirect_to_login(_page_before(request))

    return asked


def _page_before(request: HttpRequest) -> str:
    """The page of ours that the button stood on; the desk where that is not known."""
    referer = request.headers.get("referer", "")
    if not url_has_allowed_host_and_scheme(referer, {request.get_host()}) or not urlsplit(referer).netloc:
        return reverse("desk")
    page = urlsplit(referer)
    return f"{page.path}?{page.query}" if page.query else page.path
