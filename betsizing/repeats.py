"""The Idempotency-Key header: a request that is sent again is answered again and not carried out again."""

import hashlib
import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.request_keys import AnotherRequest, BeingAnswered, free_key, keep_answer, take_key
from betsizing.errors import Busy, Unprocessable
from betsizing.schema import error_example

KEY = "Idempotency-Key"
LONGEST_KEY = 100
KEY_PARAMETER = OpenApiParameter(
    KEY,
    str,
    OpenApiParameter.HEADER,
    description="Yours, up to 100 printable ASCII characters: a repeat under it within 7 days gets the same answer and "
    "changes nothing. Another body under it is a 422 IDEMPOTENCY_CONFLICT; 409: the first is still being answered.",
)
CONFLICT = error_example(
    "The key of another request",
    422,
    "IDEMPOTENCY_CONFLICT",
    "The key “bet-2021-01-04-1” was used here for another request. Use a new key.",
)

Post = Callable[..., Response]


def key_of(request: Request) -> str:
    """The idempotency key, empty when none was sent: 1 to 100 printable ASCII characters."""
    key = request.headers.get(KEY)
    if key is None:
        return ""
    if not (1 <= len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        message = f"{KEY} takes 1 to {LONGEST_KEY} printable ASCII characters."
        raise serializers.ValidationError({KEY: [serializers.ErrorDetail(message, "invalid")]})
    return key


def once_per_key(post: Post) -> Post:
    """A view's `post`, carried out once for each key. Without a key it is what it is."""

    @wraps(post)
    def answered(self: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = key_of(request)
        if not key:
            return post(self, request, *args, **kwargs)
        asked: dict[str, Any] = {"actor": request.user, "route": f"POST {request.path}", "key": key}
        sent = json.dumps(request.data, sort_keys=True, default=str)
        try:
            before = take_key(**asked, digest=hashlib.sha256(sent.encode()).hexdigest(), now=timezone.now())
        except AnotherRequest as problem:
            raise Unprocessable("IDEMPOTENCY_CONFLICT", str(problem)) from problem
        except BeingAnswered as problem:
            raise Busy(str(problem)) from problem
        if before is not None:
            return Response(before.body, status=before.status)
        try:
            response = post(self, request, *args, **kwargs)
        except BaseException:
            free_key(**asked)
            raise
        body = json.loads(JSONRenderer().render(response.data))
        keep_answer(**asked, status=response.status_code, body=body, now=timezone.now())
        return response

    return answered
