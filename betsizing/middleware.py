"""What every request passes through besides Django's own."""

from collections.abc import Callable

from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse

Handler = Callable[[HttpRequest], HttpResponseBase]

# The admin's theme (django-unfold) evaluates its Alpine attributes and sets styles on elements; the API's page of
# documentation (Swagger UI) sets styles and draws its icons from data: addresses. Our own pages do none of it.
RELAXED_POLICIES = {
    "/admin/": {"script-src": [SELF, UNSAFE_EVAL], "style-src": [SELF, UNSAFE_INLINE]},
    "/api/v1/docs/": {"style-src": [SELF, UNSAFE_INLINE], "img-src": [SELF, "data:"]},
}


def limit_request_size(get_response: Handler) -> Handler:
    """Refuse a body over MAX_REQUEST_BYTES before reading it. Django's own limits leave uploaded files unbounded."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isdecimal() or int(length) > settings.MAX_REQUEST_BYTES:
            limit = settings.MAX_REQUEST_BYTES // 1_000_000
            message = f"The request is larger than {limit} MB. Send it in parts."
            if request.path_info.startswith("/api/"):
                error = {"code": "request_too_large", "message": message, "field": ""}
                return JsonResponse({"errors": [error]}, status=413)
            return HttpResponse(f"{message}\n", status=413, content_type="text/plain")
        return get_response(request)

    return middleware


def relax_content_policy(get_response: Handler) -> Handler:
    """Give the two third-party pages what they need and keep it from all others. Stands below CSPMiddleware."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        for prefix, policy in RELAXED_POLICIES.items():
            if request.path_info.startswith(prefix):
                response._csp_replace = policy  # as django-csp's own decorators do
        return response

    return middleware
