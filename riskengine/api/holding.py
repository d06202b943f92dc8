"""What is done to a position over the API beside closing it: sell a part of it, tighten its stop."""

from django.core.exceptions import ValidationError
from django.urls import path
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models.constraint import PRICE_LIMIT
from betsizing.repeats import CONFLICT, KEY_PARAMETER, once_per_key
from betsizing.schema import error_example
from positions.access import portfolio_or_404
from riskengine.api.entries import REFUSED, Act, domain_errors
from riskengine.api.examples import deciding as examples
from riskengine.api.field import StrictDecimalField, StrictIntegerField, StrictSerializer
from riskengine.api.records import OrderSerializer, PositionSerializer, position_or_404, shown
from riskengine.services.decide.closing import close_part
from riskengine.services.decide.request import MOST_CONTRACTS
from riskengine.services.watch.tightening import LONGEST_REASON, PLACES, tighten_stop


class PartSerializer(StrictSerializer):
    contracts = StrictIntegerField(
        min_value=1, max_value=MOST_CONTRACTS, help_text="How many to sell: at most what is open and in no order yet."
    )


class TightenSerializer(StrictSerializer):
    stop = StrictDecimalField(
        min_value=PLACES,
        max_value=PRICE_LIMIT,
        help_text="USD a share, at most 4 decimals: above the stop that stands, under the bid.",
    )
    reason = serializers.CharField(max_length=LONGEST_REASON, help_text="Why; kept with your name.")


@extend_schema(
    request=PartSerializer,
    responses={201: OrderSerializer, **REFUSED},
    examples=[
        OpenApiExample("One contract", value={"contracts": 1}, request_only=True),
        shown("One to be sold", examples.ORDER_CLOSING_PART, "201"),
        error_example("More than is free", 422, "NOT_CLOSABLE", examples.NOT_SO_MANY),
        CONFLICT,
    ],
)
class PartClosing(Act):
    """Sell so many contracts of a position now, from the mid towards the bid in 3 steps of 5 s.

    Not under the bid as it is now less 1% of the mid; what is not sold by then stays open and guarded. What working
    orders sell already is not sold again. Every request is another part: send an Idempotency-Key, so that a repeat is
    not. To sell everything whatever it brings, use `close/`.
    """

    @extend_schema(operation_id="position_close_part", parameters=[KEY_PARAMETER])
    @once_per_key
    def post(self, request: Request, slug: str, position_id: int) -> Response:
        position = position_or_404(portfolio_or_404(request.user, slug), position_id)
        asked = self.asked(request, PartSerializer)
        with domain_errors():
            order = close_part(position=position, contracts=asked["contracts"], now=timezone.now(), actor=request.user)
        return Response(OrderSerializer(order).data, status=201)


@extend_schema(
    request=TightenSerializer,
    responses={200: PositionSerializer, **REFUSED},
    examples=[
        OpenApiExample("Up to 42", value={"stop": "42.00", "reason": "The gap is closed."}, request_only=True),
        shown("It stands at 42", examples.POSITION_TIGHTENED),
        error_example("Not above the old one", 422, "NOT_TIGHTER", examples.NOT_TIGHTER),
        error_example("Not under the bid", 422, "SELLS_AT_ONCE", examples.SELLS_AT_ONCE),
        CONFLICT,
    ],
)
class Tightening(Act):
    """Raise the stop of a position, never lower it; the rule of its system may raise it further.

    An adopted position that has no stop yet gets its first one by the rule of its system, and is raised from there.
    422: NOT_TIGHTER, SELLS_AT_ONCE (at or above the bid), NO_BID, NOT_OPEN, NO_STOP, CHANGED (meanwhile).
    """

    @extend_schema(operation_id="position_tighten_stop", parameters=[KEY_PARAMETER])
    @once_per_key
    def post(self, request: Request, slug: str, position_id: int) -> Response:
        portfolio = portfolio_or_404(request.user, slug)
        position = position_or_404(portfolio, position_id)
        asked = self.asked(request, TightenSerializer)
        try:
            with domain_errors():
                tighten_stop(
                    position=position,
                    stop=asked["stop"],
                    reason=asked["reason"],
                    actor=request.user,
                    now=timezone.now(),
                )
        except ValidationError as problem:
            raise serializers.ValidationError(problem.message_dict) from problem
        return Response(PositionSerializer(position_or_404(portfolio, position_id)).data)


POSITION = "portfolios/<slug:slug>/positions/<int:position_id>/"

urlpatterns = [
    path(f"{POSITION}close-part/", PartClosing.as_view(), name="api-position-close-part"),
    path(f"{POSITION}tighten-stop/", Tightening.as_view(), name="api-position-tighten-stop"),
]
