"""Signals by webhook: a message with a shared secret, as TradingView and its like send it. No token, no header needed.

The secret is looked for before anything of the message is judged, and a wrong one answers like a webhook that there is
not: who guesses learns nothing.
"""

from collections.abc import Mapping
from typing import Any

from django.urls import path
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle, SimpleRateThrottle
from rest_framework.views import APIView

from betsizing.errors import Busy, ErrorsSerializer
from betsizing.parsers import ShallowJSONParser
from betsizing.schema import error_example
from positions.api import AwareDateTimeField
from riskengine.api.examples import signalling as examples
from riskengine.api.records import shown
from riskengine.api.signal_fields import (
    LONGEST_DIRECTION,
    LONGEST_SYMBOL,
    SaidSerializer,
    draft_of,
    problems_by_field,
)
from riskengine.api.signals import ProblemsFound
from riskengine.models import Signal
from riskengine.services.decide.entries import PortfolioBusy
from riskengine.services.signals.receiving import SignalsRefused, receive
from riskengine.services.signals.webhook import webhook_source

MOST_BYTES = 16_384
SECRET, SECRET_HEADER = "secret", "X-Signal-Secret"
OURS = {"ticker": "symbol", "action": "direction", "time": "as_of"}  # TradingView's names, and our own
ACTIONS = {
    "buy": "LONG_CALL",
    "call": "LONG_CALL",
    "long": "LONG_CALL",
    "long_call": "LONG_CALL",
    "put": "LONG_PUT",
    "long_put": "LONG_PUT",
}


class PlainTextJSONParser(ShallowJSONParser):
    """The same JSON under another name: TradingView says text/plain of what it does not recognise as JSON."""

    media_type = "text/plain"


class TooLong(exceptions.APIException):
    status_code = 413
    default_code = "too_large"
    default_detail = f"The message is too large: send at most {MOST_BYTES:,} bytes."


class NotKnown(exceptions.APIException):
    status_code = 403
    default_code = "not_known"
    default_detail = "There is no such webhook, or its secret is another one."


class _Rate(SimpleRateThrottle):
    def get_cache_key(self, request: Request, view: APIView) -> str:
        return f"webhook:{type(self).__name__}:{view.kwargs['source']}:{self.get_ident(request)}"


class Tries(_Rate):
    """Before the secret is known: each address by itself, so that a stranger's tries hold up nobody else."""

    rate = "300/minute"


class Messages(_Rate):
    """With the right secret: each source by itself, wherever it sends from."""

    rate = "120/minute"

    def get_cache_key(self, request: Request, view: APIView) -> str:
        return f"webhook:{type(self).__name__}:{view.kwargs['source']}"


class WebhookSerializer(SaidSerializer):
    """TradingView's names or our own, one of each pair."""

    secret = serializers.CharField(
        max_length=200, required=False, help_text=f"The shared secret; or in the header {SECRET_HEADER}."
    )
    ticker = serializers.CharField(
        max_length=LONGEST_SYMBOL, required=False, help_text="Or symbol. What stands before a colon is an exchange."
    )
    symbol = serializers.CharField(max_length=LONGEST_SYMBOL, required=False)
    action = serializers.CharField(
        max_length=LONGEST_DIRECTION,
        required=False,
        help_text="buy, call or long: a long call. put: a long put. sell and short are refused. Or direction.",
    )
    direction = serializers.CharField(max_length=LONGEST_DIRECTION, required=False)
    time = AwareDateTimeField(required=False, help_text="When it was said, not longer ago than it is good. Or as_of.")
    as_of = AwareDateTimeField(required=False)

    def validate(self, asked: dict[str, Any]) -> dict[str, Any]:
        for theirs, ours in OURS.items():
            given = [name for name in (theirs, ours) if name in asked]
            if len(given) != 1:
                message = f"Give {theirs} or {ours}, one of the two." if given else f"Give {theirs} (or {ours})."
                code = "given_twice" if given else "required"
                raise serializers.ValidationError({theirs: [serializers.ErrorDetail(message, code)]})
        return asked


class WebhookAnswerSerializer(serializers.ModelSerializer):
    created = serializers.BooleanField(help_text="False: it is a repeat.")

    class Meta:
        model = Signal
        fields = ("id", "external_id", "state", "expires_at", "created")
        read_only_fields = fields


@extend_schema(
    request={"application/json": WebhookSerializer, "text/plain": WebhookSerializer},
    responses={
        201: WebhookAnswerSerializer,
        200: WebhookAnswerSerializer,
        **dict.fromkeys((400, 403, 409, 413, 415, 422), ErrorsSerializer),
    },
    auth=[],
    parameters=[OpenApiParameter(SECRET_HEADER, str, OpenApiParameter.HEADER, description="Instead of `secret`.")],
    examples=[
        OpenApiExample("As TradingView sends it", value=examples.WEBHOOK, request_only=True),
        shown("Taken", examples.WEBHOOK_TAKEN, "201"),
        shown("Sent before", examples.WEBHOOK_REPEATED, "200"),
        error_example("Another secret, or no such webhook", 403, NotKnown.default_code, NotKnown.default_detail),
        error_example("Over 16 KB", 413, TooLong.default_code, TooLong.default_detail),
        error_example("Nothing is sold short", 422, "SHORT_NOT_SUPPORTED", examples.WEBHOOK_SELL, "action"),
    ],
)
class Webhook(APIView):
    """A signal from a service that can send a message and no token: the source's slug in the address, its secret in the
    body or a header.

    JSON of at most 16 KB, also where it is said to be text/plain. `id` and the time are required: sent again it is a
    repeat, and what is older than the lifetime of a signal is refused, so that a message that was caught on its
    way cannot be used later. 201 when it is new, 200 when it was sent before.
    """

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = [Tries]
    parser_classes = [ShallowJSONParser, PlainTextJSONParser]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isdecimal() or int(length) > MOST_BYTES:
            raise TooLong

    @extend_schema(operation_id="signals_webhook")
    def post(self, request: Request, source: str) -> Response:
        sent = request.data if isinstance(request.data, Mapping) else {}
        secret = sent.get(SECRET, request.headers.get(SECRET_HEADER, ""))
        found = webhook_source(source, secret if isinstance(secret, str) else "")
        if found is None:
            raise NotKnown
        self._hold_back(request, Messages())
        body = WebhookSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        asked = body.validated_data
        names = {ours: theirs for theirs, ours in OURS.items() if theirs in asked}
        values = {ours: asked.get(theirs, asked.get(ours)) for theirs, ours in OURS.items()}
        said = values["direction"]
        draft = draft_of(
            asked,
            symbol=values["symbol"].rpartition(":")[2],
            direction=ACTIONS.get(said.strip().lower(), said),
            as_of=values["as_of"],
        )
        try:
            received = receive(found, [draft], now=timezone.now())
        except SignalsRefused as refused:
            raise ProblemsFound(problems_by_field(refused.problems, numbered=False, names=names)) from refused
        except PortfolioBusy as problem:
            raise Busy(str(problem)) from problem
        (signal,), (created,) = received.signals, received.created
        signal.created = created
        return Response(WebhookAnswerSerializer(signal).data, status=201 if created else 200)

    def _hold_back(self, request: Request, throttle: BaseThrottle) -> None:
        if not throttle.allow_request(request, self):
            self.throttled(request, throttle.wait())


urlpatterns = [path("signals/webhook/<slug:source>/", Webhook.as_view(), name="api-signals-webhook")]
