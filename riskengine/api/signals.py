"""Signals over the API: send them, read what became of them, place one. Decimals are strings, times carry an offset."""

from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from django.urls import path
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    PolymorphicProxySerializer,
    extend_schema,
    extend_schema_field,
    extend_schema_view,
)
from rest_framework import generics, serializers
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Scope
from betsizing.errors import Busy, Unprocessable
from betsizing.parsers import ShallowJSONParser
from betsizing.repeats import KEY, key_of
from betsizing.schema import error_example
from positions.access import portfolio_or_404
from positions.api import AwareDateTimeField
from positions.models import Portfolio
from riskengine.api.entries import DONE, REFUSED, Act, PlacingSerializer, domain_errors
from riskengine.api.examples import deciding
from riskengine.api.examples import signalling as examples
from riskengine.api.paging import NOT_THERE, LatestFirst
from riskengine.api.records import AuthorisedSerializer, RefusalSerializer, shown
from riskengine.api.signal_fields import (
    LONGEST_DIRECTION,
    LONGEST_SYMBOL,
    SaidSerializer,
    draft_of,
    problems_by_field,
)
from riskengine.models import Signal, SignalEvent, SignalSource, SignalState, SourceKind
from riskengine.selectors import signal_for, signals_for
from riskengine.services.decide.entries import PortfolioBusy
from riskengine.services.decide.request import EntryRequest
from riskengine.services.signals.acting import SignalTaken, is_proven, place_signal
from riskengine.services.signals.receiving import MOST, SignalsRefused, receive

# ---- Shapes ----


class SendSignalSerializer(SaidSerializer):
    source = serializers.SlugField(max_length=50, help_text="The slug of an API source of this portfolio.")
    symbol = serializers.CharField(max_length=LONGEST_SYMBOL, help_text="Of the underlying: SPX, AAPL.")
    direction = serializers.CharField(max_length=LONGEST_DIRECTION, help_text="LONG_CALL or LONG_PUT.")
    as_of = AwareDateTimeField(required=False, help_text="When it was said. Left out: now, in the portfolio's market.")


class SignalSerializer(serializers.ModelSerializer):
    source = serializers.CharField(source="source.slug", read_only=True, help_text="Its slug.")
    symbol = serializers.CharField(source="underlying.symbol", read_only=True)
    contract = serializers.CharField(
        source="contract.occ_symbol",
        default=None,
        read_only=True,
        allow_null=True,
        help_text="The one it names, an OCC symbol. Null: picked from the listed chain.",
    )
    dropped = serializers.SerializerMethodField(help_text="Why it was dropped; null when it was not.")

    class Meta:
        model = Signal
        fields: tuple[str, ...] = (
            "id",
            "external_id",
            "source",
            "symbol",
            "direction",
            "confidence",
            "contract",
            "note",
            "as_of",
            "expires_at",
            "received_at",
            "state",
            "dropped",
            "decision",
        )
        read_only_fields = fields

    @extend_schema_field(RefusalSerializer(allow_null=True))
    def get_dropped(self, signal: Signal) -> dict[str, str] | None:
        if not signal.dropped_code:
            return None
        return {"code": signal.dropped_code, "sentence": signal.dropped_sentence}


class SignalEventSerializer(serializers.ModelSerializer):
    class Meta:
        model = SignalEvent
        fields = ("state", "happened_at", "actor_name", "detail")
        read_only_fields = fields


class SignalDetailSerializer(SignalSerializer):
    """With what it was made of, what the selection saw and everything that became of it, the oldest first."""

    portfolio = serializers.CharField(source="portfolio.slug", read_only=True, help_text="Its slug.")
    events = serializers.SerializerMethodField()

    class Meta(SignalSerializer.Meta):
        fields = (*SignalSerializer.Meta.fields, "portfolio", "components", "selection", "events")
        read_only_fields = fields

    @extend_schema_field(SignalEventSerializer(many=True))
    def get_events(self, signal: Signal) -> Any:
        return SignalEventSerializer(signal.events.order_by("id"), many=True).data


class ReceivedSerializer(serializers.Serializer):
    signals = SignalSerializer(many=True, help_text="In the order of the delivery.")
    created = serializers.ListField(
        child=serializers.BooleanField(), help_text="Whether this request made each; false: it is a repeat."
    )


class ProblemsFound(APIException):
    """Every signal of a delivery with what is wrong with it: 422."""

    status_code = 422

    def __init__(self, problems: dict[str, list[serializers.ErrorDetail]]) -> None:
        super().__init__(problems)


# ---- Sending and listing ----


class SignalFilter(filters.FilterSet):
    symbol = filters.CharFilter("underlying__symbol", label="Of the underlying.")
    source = filters.CharFilter("source__slug", label="The slug of a source.")
    state = filters.ChoiceFilter(choices=SignalState.choices)

    class Meta:
        model = Signal
        fields = ("state",)


@extend_schema_view(
    get=extend_schema(
        operation_id="signals_list",
        responses={200: SignalSerializer(many=True), **NOT_THERE},
        examples=[shown("Accepted", examples.SIGNAL), shown("Dropped", examples.SIGNAL_DROPPED)],
    )
)
class Signals(generics.ListAPIView):
    """The signals of a portfolio, the latest first. `state=new` for what nobody has looked at, `symbol=`, `source=`."""

    token_scope = Scope.SIGNALS
    serializer_class = SignalSerializer
    pagination_class = LatestFirst
    filterset_class = SignalFilter
    queryset = Signal.objects.none()
    parser_classes = [ShallowJSONParser]

    def get_queryset(self) -> QuerySet[Signal]:
        if getattr(self, "swagger_fake_view", False):
            return self.queryset
        portfolio = portfolio_or_404(self.request.user, self.kwargs["slug"])
        return signals_for(self.request.user).filter(portfolio=portfolio)

    @extend_schema(
        operation_id="signals_send",
        request=PolymorphicProxySerializer(
            component_name="SignalDelivery",
            serializers=[SendSignalSerializer, SendSignalSerializer(many=True)],
            resource_type_field_name=None,
            many=False,
        ),
        responses={201: ReceivedSerializer, 200: ReceivedSerializer, **REFUSED},
        examples=[
            OpenApiExample("One", value=examples.SENT, request_only=True),
            OpenApiExample("Two, both or none", value=[examples.SENT, examples.SENT_PUT], request_only=True),
            shown("Taken", examples.RECEIVED, "201"),
            shown("Sent before", examples.REPEATED, "200"),
            error_example("Of yesterday", 422, "SIGNAL_EXPIRED", examples.EXPIRED, "expires_at"),
            error_example("The second of several is short", 422, "SHORT_NOT_SUPPORTED", examples.SHORT, "1.direction"),
            error_example("The same number, another content", 422, "SIGNAL_CONFLICT", examples.CONFLICT, "id"),
        ],
    )
    def post(self, request: Request, slug: str) -> Response:
        """Send one signal, or a list of up to 500 of one source: all are taken or none.

        201 when one of them is new, 200 when all were sent before: your `id` makes a repeat of the same content
        harmless. Every problem of a delivery is told at once, with its field: `3.symbol` is the symbol of the fourth.
        A token needs the scope `signals`, which places nothing: what is done with the signals of a source is
        set by a risk manager. 409 means try again, nothing was done.
        """
        portfolio = portfolio_or_404(request.user, slug)
        several = isinstance(request.data, list)
        if several and not 1 <= len(request.data) <= MOST:
            message = f"A delivery has 1 to {MOST} signals, this one {len(request.data)}."
            raise Unprocessable("TOO_MANY", message)
        body = SendSignalSerializer(data=request.data, many=several)
        body.is_valid(raise_exception=True)
        asked = body.validated_data if several else [body.validated_data]
        drafts = [
            draft_of(each, symbol=each["symbol"], direction=each["direction"], as_of=each.get("as_of"))
            for each in asked
        ]
        try:
            received = receive(_source(portfolio, asked, several), drafts, now=timezone.now())
        except SignalsRefused as refused:
            raise ProblemsFound(problems_by_field(refused.problems, numbered=several)) from refused
        except PortfolioBusy as problem:
            raise Busy(str(problem)) from problem
        answer = ReceivedSerializer({"signals": received.signals, "created": received.created})
        return Response(answer.data, status=201 if any(received.created) else 200)


def _source(portfolio: Portfolio, asked: list[dict[str, Any]], several: bool) -> SignalSource:
    slug = asked[0]["source"]
    for place, each in enumerate(asked):
        if each["source"] != slug:
            message = "A delivery comes from one source. Send those of another by themselves."
            raise Unprocessable("SEVERAL_SOURCES", message, f"{place}.source")
    found = SignalSource.objects.filter(portfolio=portfolio, kind=SourceKind.API, slug=slug).first()
    if found is None:
        message = f"{portfolio.slug} has no API source {slug}. A risk manager makes one in the admin."
        raise Unprocessable("UNKNOWN_SOURCE", message, "0.source" if several else "source")
    return found


class SignalDetail(generics.GenericAPIView):
    """One signal: what it was made of, what the selection saw and what became of it. Someone else's reads as absent:
    404."""

    serializer_class = SignalDetailSerializer

    @extend_schema(
        operation_id="signal_retrieve",
        responses={200: SignalDetailSerializer, **NOT_THERE},
        examples=[shown("Accepted, and one entry made of it", examples.SIGNAL_DETAIL)],
    )
    def get(self, request: Request, signal_id: int) -> Response:
        return Response(SignalDetailSerializer(_signal_or_404(request, signal_id)).data)


def _signal_or_404(request: Request, signal_id: int) -> Signal:
    try:
        return signal_for(request.user, signal_id)
    except Signal.DoesNotExist:
        raise Http404("There is no such signal, or it is not yours.") from None


# ---- Placing ----


@extend_schema(
    request=PlacingSerializer,
    responses={**DONE, **REFUSED},
    parameters=[
        OpenApiParameter(
            KEY,
            str,
            OpenApiParameter.HEADER,
            description="Yours, up to 100 characters: a repeat under it gets the same decision and order. Without one, "
            "a second request is refused: a signal has one entry.",
        )
    ],
    examples=[
        OpenApiExample("Sized by the product", value={"contract": "SPXW  210104C03700000"}, request_only=True),
        shown("Placed (shortened)", deciding.ENTRY_PLACED, "201", "200"),
        shown("Refused by a gate (shortened)", deciding.ENTRY_REFUSED, "201", "200"),
        error_example("It has its entry", 422, "SIGNAL_TAKEN", examples.TAKEN),
        error_example("The key of another entry", 422, "IDEMPOTENCY_CONFLICT", deciding.KEY_CONFLICT),
    ],
)
class Placing(Act):
    """Enter a signal, once: judged like any entry, at the signal's own confidence. The contract is one of its
    underlying and direction; `selection.contract` names the one that was picked.

    The answer is the decision, as from entries/. A refused one leaves the signal as it is: it may be tried again while
    it lasts. Needs the scope `trade`.
    """

    @extend_schema(operation_id="signal_place")
    def post(self, request: Request, signal_id: int) -> Response:
        signal = _signal_or_404(request, signal_id)
        asked = self.asked(request, PlacingSerializer)
        key = key_of(request)
        entry = EntryRequest(confidence=signal.confidence, proven=is_proven(signal), **asked)
        try:
            with domain_errors():
                made = place_signal(
                    signal=signal, request=entry, now=timezone.now(), actor=request.user, idempotency_key=key
                )
        except SignalTaken as problem:
            raise Unprocessable("SIGNAL_TAKEN", str(problem)) from problem
        return Response(AuthorisedSerializer(made.decision).data, status=201 if made.created else 200)


urlpatterns = [
    path("portfolios/<slug:slug>/signals/", Signals.as_view(), name="api-signals"),
    path("signals/<int:signal_id>/", SignalDetail.as_view(), name="api-signal"),
    path("signals/<int:signal_id>/place/", Placing.as_view(), name="api-signal-place"),
]
