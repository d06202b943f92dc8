"""How the API describes itself: what a library says of errors, in our error shape."""

from typing import Any

from drf_spectacular.utils import OpenApiExample
from drf_standardized_errors.openapi import AutoSchema as LibrarySchema


def error_example(name: str, status: int, code: str, message: str, field: str = "") -> OpenApiExample:
    value = {"errors": [{"code": code, "message": message, "field": field}]}
    return OpenApiExample(name, value=value, response_only=True, status_codes=[str(status)])


_EVERYWHERE = [
    error_example("A field that is not known", 400, "unknown_field", "Not a field here: reason.", "raeson"),
    error_example("No name", 401, "not_authenticated", "Authentication credentials were not provided."),
    error_example("A token that has ended", 401, "token_expired", "This API token has expired. Issue a new one."),
    error_example("Another scope", 403, "token_scope", "This API token does not have the scope for that."),
    error_example("Not there, or not yours", 404, "not_found", "There is no such portfolio, or it is not yours."),
    error_example("Another method", 405, "method_not_allowed", 'Method "PUT" not allowed.'),
    error_example("No JSON wanted", 406, "not_acceptable", "Could not satisfy the request Accept header."),
    error_example("Busy", 409, "busy", "The portfolio is being changed just now. Nothing was done; send it again."),
    error_example("No JSON sent", 415, "unsupported_media_type", 'Unsupported media type "text/plain" in request.'),
    error_example("Over 600 a minute", 429, "throttled", "Request was throttled. Expected available in 12 seconds."),
    error_example("A fault of ours", 500, "error", "A server error occurred."),
]


class AutoSchema(LibrarySchema):
    """The library's, whose own examples have another shape than its schema says."""

    def _get_error_response_examples(self) -> list[Any]:
        return _EVERYWHERE
