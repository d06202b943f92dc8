"""Sizing over the API: the chain to choose from, and the explained size of a bet."""

from datetime import date
from decimal import Decimal

from django.urls import path
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Scope
from betsizing.errors import ErrorsSerializer, Unprocessable
from betsizing.parsers import ShallowJSONParser
from betsizing.schema import error_example
from positions.access import portfolio_or_404
from positions.market.calendar import OutsideCalendar
from riskengine.api.examples import deciding as examples
from riskengine.api.field import ContractField, StrictDecimalField, StrictSerializer
from riskengine.services.decide.chain import UnreadableSearch, chain_view
from riskengine.services.decide.explanation import unusable
from riskengine.services.decide.request import SizeRequest
from riskengine.services.decide.sizing import preview_size

LEAST_PAYOFF, MOST_PAYOFF = Decimal("0.01"), Decimal(100)  # as on the page


class PreviewRequestSerializer(StrictSerializer):
    contract = ContractField()
    confidence = StrictDecimalField(min_value=0, max_value=1, help_text="0 to 1; half-up to 6 places.")
    win_probability = StrictDecimalField(
        min_value=0, max_value=1, required=False, allow_null=True, help_text="Your own odds, for Kelly."
    )
    payoff = StrictDecimalField(
        min_value=LEAST_PAYOFF,
        max_value=MOST_PAYOFF,
        required=False,
        allow_null=True,
        help_text="Gained per dollar bet when right.",
    )


@extend_schema(
    request=PreviewRequestSerializer,
    responses={200: OpenApiTypes.OBJECT, 400: ErrorsSerializer, 404: ErrorsSerializer, 422: ErrorsSerializer},
    examples=[
        OpenApiExample(
            "A 0DTE put on the recorded day",
            value={"contract": "SPXW  210104P03700000", "confidence": "0.70"},
            request_only=True,
        ),
        OpenApiExample("Three contracts (shortened)", value=examples.PREVIEW_APPROVED, response_only=True),
        OpenApiExample("Refused by a gate (shortened)", value=examples.PREVIEW, response_only=True),
        error_example("No price to size by", 422, "STALE_QUOTE", examples.STALE, "contract"),
    ],
)
class SizingPreview(APIView):
    """How big this bet may be now, and why exactly that: size, every factor, every gate, what it can cost.

    Writes nothing. A bet that is refused is a 200 whose `answer.refusal` has code and sentence, with the nearest
    contract that passes. What cannot be sized at all is a 422 and gets no size: an expired contract, a stale, crossed
    or one-sided quote, an account whose equity or exposure is not known.
    """

    token_scope = Scope.READ
    parser_classes = [ShallowJSONParser]

    def post(self, request: Request, slug: str) -> Response:
        portfolio = portfolio_or_404(request.user, slug)
        serializer = PreviewRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        try:
            preview = preview_size(
                portfolio=portfolio, request=SizeRequest(**serializer.validated_data), now=timezone.now()
            )
        except OutsideCalendar as problem:
            raise Unprocessable("SESSION_CLOSED", str(problem)) from problem
        if refusal := unusable(preview):
            code, sentence = refusal
            raise Unprocessable(code, sentence, "contract" if preview["answer"]["unusable_quote"] else "")
        return Response(preview)


@extend_schema(
    parameters=[
        OpenApiParameter("q", str, description="What to search: “SPXW 3800 P”, “goog 750”, an OCC symbol."),
        OpenApiParameter("expiration", date, description="Only this expiration, as YYYY-MM-DD."),
    ],
    responses={200: OpenApiTypes.OBJECT, 400: ErrorsSerializer, 404: ErrorsSerializer},
    examples=[OpenApiExample("One of the day's calls", value=examples.CHAIN, response_only=True)],
)
class Contracts(APIView):
    """The recorded chain at the portfolio's market time: contracts with quote, size, volume and open interest."""

    def get(self, request: Request, slug: str) -> Response:
        portfolio = portfolio_or_404(request.user, slug)
        expiration = request.query_params.get("expiration", "")
        try:
            day = date.fromisoformat(expiration) if expiration else None
        except ValueError:
            message = f"{expiration[:20]} is no date: write it as 2021-01-04."
            raise serializers.ValidationError({"expiration": message}, code="invalid") from None
        try:
            chain = chain_view(
                portfolio=portfolio, query=request.query_params.get("q", "")[:80], expiration=day, now=timezone.now()
            )
        except UnreadableSearch as problem:
            raise serializers.ValidationError({"q": str(problem)}, code="unreadable") from problem
        except OutsideCalendar as problem:
            raise Unprocessable("SESSION_CLOSED", str(problem)) from problem
        return Response(chain)


urlpatterns = [
    path("portfolios/<slug:slug>/contracts/", Contracts.as_view(), name="api-contracts"),
    path("portfolios/<slug:slug>/sizing/preview/", SizingPreview.as_view(), name="api-sizing-preview"),
]
