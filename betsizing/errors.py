"""The one error shape of the API.

Every error reads {"errors": [{"code", "message", "field"}]}: a stable code to branch on, a sentence for a person, and
the field to mend ("" when it is none of them).
"""

from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import Http404
from drf_standardized_errors.formatter import ExceptionFormatter
from drf_standardized_errors.handler import ExceptionHandler
from drf_standardized_errors.types import ErrorResponse
from rest_framework import serializers
from rest_framework.exceptions import APIException, ErrorDetail, NotFound


class ErrorSerializer(serializers.Serializer):
    code = serializers.CharField(help_text="Stable: branch on it.")
    message = serializers.CharField(help_text="What happened, the number, the limit, what to do.")
    field = serializers.CharField(allow_blank=True, help_text='The field to mend, "" when it is none of them.')


class ErrorsSerializer(serializers.Serializer):
    errors = ErrorSerializer(many=True)


class ErrorFormatter(ExceptionFormatter):
    """The library collects nested errors; this gives them our names."""

    def format_error_response(self, error_response: ErrorResponse) -> Any:
        return {
            "errors": [
                {
                    "code": error.code,
                    "message": str(error.detail),
                    "field": "" if error.attr in (None, "non_field_errors") else error.attr,
                }
                for error in error_response.errors
            ]
        }


class ErrorHandler(ExceptionHandler):
    """Keeps the sentence of an Http404, which the library would drop, and answers a body over the limit as such."""

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        if isinstance(exc, Http404) and exc.args:
            return NotFound(str(exc.args[0]))
        if isinstance(exc, RequestDataTooBig):
            return TooLarge()
        return super().convert_known_exceptions(exc)


class TooLarge(APIException):
    """The body is larger than one request may be: 413."""

    status_code = 413
    default_code = "too_large"

    def __init__(self) -> None:
        super().__init__(f"The body is too large: send at most {settings.DATA_UPLOAD_MAX_MEMORY_SIZE:,} bytes.")


class Unprocessable(APIException):
    """The request is well-formed and cannot be done, for a reason of the domain with a code of its own: 422."""

    status_code = 422

    def __init__(self, code: str, message: str, field: str = "") -> None:
        super().__init__({field or "non_field_errors": [ErrorDetail(message, code)]})


class Busy(APIException):
    """Somebody else is changing the same thing: nothing was done, the request may be sent again as it is. 409."""

    status_code = 409
    default_code = "busy"

    def __init__(self, message: str) -> None:
        super().__init__(message)
