"""Entries over the API: ask for one, let a waiting one through, cancel its order, close its position."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.http import Http404
from django.urls import path
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Scope
from betsizing.errors import Busy, ErrorsSerializer, Unprocessable
from betsizing.parsers import ShallowJSONParser
from betsizing.repeats import CONFLICT, KEY, KEY_PARAMETER, key_of, once_per_key
from betsizing.schema import error_example
from positions.access import portfolio_or_404
from positions.market.calendar import OutsideCalendar
from positions.models import Order, Portfolio, Position
from positions.models.order import WHOLE_POSITION
from riskengine.api.examples import deciding as examples
from riskengine.api.field import (
    ContractField,
    StrictBooleanField,
    StrictDecimalField,
    StrictIntegerField,
    StrictSerializer,
)
from riskengine.api.records import AuthorisedSerializer, OrderSerializer, decision_or_404, position_or_404, shown
from riskengine.services.decide.cancelling import NotCancellable, cancel_entry
from riskengine.services.decide.closing import NotClosable, close_position
from riskengine.services.decide.entries import (
    Authorised,
    IdempotencyConflict,
    NothingToConfirm,
    PortfolioBusy,
    authorise_entry,
    confirm_entry,
)
from riskengine.services.decide.request import MOST_CONTRACTS, EntryRequest
from riskengine.services.watch.tightening import NotTightenable

PACES = (("normal", "4 steps of 10 s"), ("fast", "3 steps of 5 s"), ("patient", "5 steps of 20 s"))
DONE = {201: AuthorisedSerializer, 200: AuthorisedSerializer}
REFUSED = dict.fromkeys((400, 403, 404, 409, 422), ErrorsSerializer)


class PlacingSerializer(StrictSerializer):
    """What an entry and the placing of a signal ask for alike."""

    contract = ContractField()
    contracts = StrictIntegerField(
        min_value=1,
        max_value=MOST_CONTRACTS,
        required=False,
        allow_null=True,
        help_text="That many or none. Left out: the size is computed.",
    )
    pace = serializers.ChoiceField(
        choices=PACES, default="normal", help_text="How the limit is worked from the mid towards the ask."
    )
    propose = StrictBooleanField(
        default=False,
        help_text="Decide and place nothing: what is approved waits for its confirm/ until it expires.",
    )


class EntrySerializer(PlacingSerializer):
    confidence = StrictDecimalField(min_value=0, max_value=1, help_text="0 to 1; half-up to 6 places.")
    confirmed = StrictBooleanField(default=False, help_text="A person has seen and confirmed this entry.")

    def validate(self, asked: dict[str, Any]) -> dict[str, Any]:
        if asked["propose"] and asked["confirmed"]:
            message = "What is proposed is not confirmed yet: leave out one of the two."
            raise serializers.ValidationError({"propose": serializers.ErrorDetail(message, "proposed_and_confirmed")})
        return asked


class NothingSerializer(StrictSerializer):
    """An empty body."""


@contextmanager
def domain_errors() -> Iterator[None]:
    """What a service refuses to decide on, in the API's error shape."""
    try:
        yield
    except PortfolioBusy as problem:
        raise Busy(str(problem)) from problem
    except OutsideCalendar as problem:
        raise Unprocessable("SESSION_CLOSED", str(problem)) from problem
    except IdempotencyConflict as problem:
        raise Unprocessable("IDEMPOTENCY_CONFLICT", str(problem)) from problem
    except NothingToConfirm as problem:
        raise Unprocessable("NOTHING_TO_CONFIRM", str(problem)) from problem
    except NotClosable as problem:
        raise Unprocessable("NOT_CLOSABLE", str(problem)) from problem
    except NotCancellable as problem:
        raise Unprocessable("NOT_CANCELLABLE", str(problem)) from problem
    except NotTightenable as problem:
        raise Unprocessable(problem.code, str(problem)) from problem


def _answer(made: Authorised) -> Response:
    return Response(AuthorisedSerializer(made.decision).data, status=201 if made.created else 200)


class Act(APIView):
    """What a person or program does: a POST with a strict body, by a token that may trade."""

    token_scope = Scope.TRADE
    parser_classes = [ShallowJSONParser]

    def asked(self, request: Request, serializer: type[serializers.Serializer]) -> dict[str, Any]:
        body = serializer(data=request.data)
        body.is_valid(raise_exception=True)
        return body.validated_data


@extend_schema(
    request=EntrySerializer,
    responses={**DONE, **REFUSED},
    parameters=[
        OpenApiParameter(
            KEY,
            str,
            OpenApiParameter.HEADER,
            description="Yours, up to 100 characters: a repeat under it gets the same decision and order. Without one, "
            "a request that is sent again is another bet.",
        )
    ],
    examples=[
        OpenApiExample(
            "Sized by the product",
            value={"contract": "SPXW  210104C03700000", "confidence": "0.70"},
            request_only=True,
        ),
        OpenApiExample(
            "Proposed: decided and not placed",
            value={"contract": "SPXW  210104C03700000", "confidence": "0.70", "propose": True},
            request_only=True,
        ),
        OpenApiExample(
            "Three contracts, worked fast",
            value={"contract": "SPXW  210104C03700000", "confidence": "0.70", "contracts": 3, "pace": "fast"},
            request_only=True,
        ),
        shown("Placed (shortened)", examples.ENTRY_PLACED, "201", "200"),
        shown("Proposed (shortened)", examples.ENTRY_PROPOSED, "201"),
        shown("Refused by a gate (shortened)", examples.ENTRY_REFUSED, "201", "200"),
        error_example("The key of another entry", 422, "IDEMPOTENCY_CONFLICT", examples.KEY_CONFLICT),
    ],
)
class Entries(Act):
    """Ask for an entry: judged, stored, and placed where every gate and limit lets it pass.

    The answer is the decision, 201 when this request made it and 200 when it repeats one under the same key. A refused
    entry is a decision too: `approved` is false and `refusal` has code and sentence. An approved one has its order; or
    it `waits_for_confirmation` until `expires_at`: where it was only proposed (`"propose": true`), in mode live-manual,
    and where the day's loss has passed the first limit.

    **Propose and place**: post here with `"propose": true` and nothing is placed or reserved; the answer is the whole
    decision, with its size, worst price, gates and `expires_at`. Then post to `entries/{id}/confirm/`: gates and limits
    are judged again as they stand by then, and the order is placed at the size and worst price that were proposed.

    The same key with another body is a 422 IDEMPOTENCY_CONFLICT; 409 means try again, nothing was done.
    """

    @extend_schema(operation_id="entry_create")
    def post(self, request: Request, slug: str) -> Response:
        portfolio = portfolio_or_404(request.user, slug)
        asked = EntryRequest(**self.asked(request, EntrySerializer))
        key = key_of(request)
        with domain_errors():
            made = authorise_entry(
                portfolio=portfolio,
                request=asked,
                now=timezone.now(),
                actor=request.user,
                actor_name=request.user.get_username(),
                idempotency_key=key,
            )
        return _answer(made)


@extend_schema(
    request=NothingSerializer,
    responses={**DONE, **REFUSED},
    examples=[
        shown("Placed (shortened)", examples.ENTRY_CONFIRMED, "201", "200"),
        shown("Too late (shortened)", examples.ENTRY_LATE, "201"),
        error_example("Refused before", 422, "NOTHING_TO_CONFIRM", examples.NOTHING_TO_CONFIRM),
        CONFLICT,
    ],
)
class Confirmation(Act):
    """Let an approved entry through that was proposed or waits for a person, at the size and worst price approved.

    Gates and limits are judged again: the answer is a decision of its own, with its order, or refused (DECISION_EXPIRED
    when it is late). A repeat gets the same decision and order.
    """

    @extend_schema(operation_id="entry_confirm", parameters=[KEY_PARAMETER])
    @once_per_key
    def post(self, request: Request, slug: str, decision_id: int) -> Response:
        decision = decision_or_404(portfolio_or_404(request.user, slug), decision_id)
        self.asked(request, NothingSerializer)
        with domain_errors():
            made = confirm_entry(
                decision=decision, now=timezone.now(), actor=request.user, actor_name=request.user.get_username()
            )
        return _answer(made)


@extend_schema(
    request=NothingSerializer,
    responses={200: OrderSerializer, **REFUSED},
    examples=[
        shown("Asked for", examples.ORDER_CANCELLING),
        error_example("It has ended", 422, "NOT_CANCELLABLE", examples.NOT_CANCELLABLE),
        CONFLICT,
    ],
)
class Cancellation(Act):
    """Ask the cancel of an opening order: what is filled stays. Exits cannot be cancelled. A repeat changes nothing."""

    @extend_schema(operation_id="order_cancel", parameters=[KEY_PARAMETER])
    @once_per_key
    def post(self, request: Request, slug: str, order_id: int) -> Response:
        order = _order_or_404(portfolio_or_404(request.user, slug), order_id)
        self.asked(request, NothingSerializer)
        with domain_errors():
            cancelled = cancel_entry(order=order, now=timezone.now(), actor_name=request.user.get_username())
        return Response(OrderSerializer(cancelled).data)


@extend_schema(
    request=NothingSerializer,
    responses={201: OrderSerializer, 200: OrderSerializer, **REFUSED},
    examples=[
        shown("Two to be sold", examples.ORDER_CLOSING, "201", "200"),
        error_example("Nothing is open", 422, "NOT_CLOSABLE", examples.NOT_CLOSABLE),
        CONFLICT,
    ],
)
class Closing(Act):
    """Sell all that is open of a position now, as a marketable limit re-priced until it is sold.

    Its other live orders are cancelled first. 201 with the order, 200 with the one that closes it already.
    """

    @extend_schema(operation_id="position_close", parameters=[KEY_PARAMETER])
    @once_per_key
    def post(self, request: Request, slug: str, position_id: int) -> Response:
        position = position_or_404(portfolio_or_404(request.user, slug), position_id)
        self.asked(request, NothingSerializer)
        with domain_errors():
            order, created = _close(position, request)
        return Response(OrderSerializer(order).data, status=201 if created else 200)


def _close(position: Position, request: Request) -> tuple[Order, bool]:
    try:
        return close_position(position=position, now=timezone.now(), actor=request.user), True
    except NotClosable:
        closing = _live_close(position)
        if closing is None:
            raise
        return closing, False


def _live_close(position: Position) -> Order | None:
    closes = position.orders.live().filter(intent__in=WHOLE_POSITION, parent__isnull=True)
    return closes.select_related("contract").first()


def _order_or_404(portfolio: Portfolio, order_id: int) -> Order:
    order = portfolio.orders.filter(pk=order_id, parent__isnull=True).first()
    if order is None:
        raise Http404("There is no such order, or it is not yours.")
    return order


urlpatterns = [
    path("portfolios/<slug:slug>/entries/", Entries.as_view(), name="api-entries"),
    path("portfolios/<slug:slug>/entries/<int:decision_id>/confirm/", Confirmation.as_view(), name="api-entry-confirm"),
    path("portfolios/<slug:slug>/orders/<int:order_id>/cancel/", Cancellation.as_view(), name="api-order-cancel"),
    path("portfolios/<slug:slug>/positions/<int:position_id>/close/", Closing.as_view(), name="api-position-close"),
]
