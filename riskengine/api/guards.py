"""The guards over the API: circuit breakers and what happened to them, clearing one, and the kill switch."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import Http404
from django.urls import path
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import exceptions, generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Scope
from betsizing.errors import Busy, ErrorsSerializer, Unprocessable
from betsizing.parsers import ShallowJSONParser
from betsizing.repeats import CONFLICT, KEY_PARAMETER, once_per_key
from betsizing.schema import error_example
from positions.access import portfolio_or_404
from positions.models import Portfolio
from positions.selectors import portfolios_for
from riskengine.api.examples import guarding as examples
from riskengine.api.field import StrictBooleanField, StrictSerializer
from riskengine.api.paging import NOT_THERE, LatestFirst
from riskengine.models import Breaker, BreakerEvent, Reading
from riskengine.services.decide.entries import PortfolioBusy
from riskengine.services.watch.clearing import NotClearable, clear_breaker, reactivate
from riskengine.services.watch.kill import DEFAULT, FlattenUnconfirmed, Killed, Verb, kill

REFUSED = dict.fromkeys((400, 403, 404, 409, 422), ErrorsSerializer)
VERBS = (
    (Verb.STOP_ENTRIES.value, "nothing is opened; exits go on"),
    (Verb.CANCEL_OPENINGS.value, "what would still buy is taken back"),
    (Verb.FLATTEN.value, "everything is sold by the next exit check; needs confirm_flatten"),
)
LONGEST_REASON = 1_000


class BreakerSerializer(serializers.ModelSerializer):
    label = serializers.CharField(source="get_code_display", read_only=True)
    underlying = serializers.CharField(
        source="underlying.symbol", default=None, read_only=True, allow_null=True, help_text="Of stop-outs only."
    )

    class Meta:
        model = Breaker
        fields = (
            "id",
            "code",
            "label",
            "underlying",
            "state",
            "session_on",
            "tripped_at",
            "value",
            "limit",
            "clears_at",
            "cleared_at",
            "cleared_by_name",
            "cleared_reason",
        )
        read_only_fields = fields


class BreakerEventSerializer(serializers.ModelSerializer):
    class Meta:
        model = BreakerEvent
        fields = (
            "id",
            "breaker",
            "code",
            "kind",
            "happened_at",
            "recorded_at",
            "actor_name",
            "value",
            "limit",
            "reason",
            "trace",
        )
        read_only_fields = fields


class ReadingSerializer(serializers.ModelSerializer):
    class Meta:
        model = Reading
        exclude = ("id", "portfolio")


class ReasonSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=LONGEST_REASON, help_text="Kept with your name.")


class KillSerializer(ReasonSerializer):
    verbs = serializers.ListField(
        child=serializers.ChoiceField(choices=VERBS), default=[each.value for each in DEFAULT], allow_empty=False
    )
    confirm_flatten = StrictBooleanField(
        default=False, help_text="Must be true to flatten: every position is sold at what is bid."
    )


class KilledSerializer(serializers.Serializer):
    portfolio = serializers.CharField(source="portfolio.slug", help_text="Its slug.")
    state = serializers.CharField(help_text="The trading state now.")
    cancelled = serializers.IntegerField(help_text="Opening orders that are being cancelled.")
    error = serializers.CharField(allow_blank=True, help_text='Why nothing was done to it, "" when it was.')


class StateSerializer(serializers.Serializer):
    state = serializers.CharField(help_text="The trading state now.")


NOT_CLEARABLE = error_example("Not now", 422, "NOT_CLEARABLE", examples.NOT_CLEARABLE)


@contextmanager
def domain_errors() -> Iterator[None]:
    """What a service refuses to clear, in the API's error shape."""
    try:
        yield
    except NotClearable as problem:
        raise Unprocessable("NOT_CLEARABLE", str(problem)) from problem
    except PortfolioBusy as problem:
        raise Busy(str(problem)) from problem
    except PermissionDenied as problem:
        raise exceptions.PermissionDenied(str(problem)) from problem


class _Act(APIView):
    token_scope = Scope.RISK
    parser_classes = [ShallowJSONParser]

    def asked(self, request: Request, serializer: type[serializers.Serializer]) -> dict[str, Any]:
        body = serializer(data=request.data)
        body.is_valid(raise_exception=True)
        return body.validated_data


def _breakers(portfolio: Portfolio) -> QuerySet[Breaker]:
    return Breaker.objects.filter(portfolio=portfolio).select_related("underlying").order_by("id")


def _shown(name: str, value: dict[str, Any]) -> OpenApiExample:
    return OpenApiExample(name, value=value, response_only=True)


@extend_schema(
    responses={200: BreakerSerializer(many=True), **NOT_THERE}, examples=[_shown("Tripped", examples.BREAKER)]
)
class Breakers(generics.ListAPIView):
    """The circuit breakers of a portfolio that were ever counted: state, value and limit of the last trip."""

    serializer_class = BreakerSerializer
    pagination_class = None  # a dozen
    queryset = Breaker.objects.none()
    filterset_fields = ("state", "code")

    def get_queryset(self) -> QuerySet[Breaker]:
        if getattr(self, "swagger_fake_view", False):  # the schema asks for the model without a portfolio
            return self.queryset
        return _breakers(portfolio_or_404(self.request.user, self.kwargs["slug"]))


@extend_schema(
    responses={200: BreakerEventSerializer(many=True), **NOT_THERE},
    examples=[_shown("It tripped", examples.BREAKER_EVENT)],
)
class BreakerEvents(generics.ListAPIView):
    """Every warning, trip and clearing, the latest first: who or what, when, by which number."""

    serializer_class = BreakerEventSerializer
    pagination_class = LatestFirst
    queryset = BreakerEvent.objects.none()
    filterset_fields = ("code", "kind")

    def get_queryset(self) -> QuerySet[BreakerEvent]:
        if getattr(self, "swagger_fake_view", False):
            return self.queryset
        return BreakerEvent.objects.filter(portfolio=portfolio_or_404(self.request.user, self.kwargs["slug"]))


@extend_schema(
    responses={200: ReadingSerializer, **NOT_THERE},
    examples=[_shown("Known", examples.READING), _shown("Unknown: no entries", examples.READING_UNKNOWN)],
)
class Risk(generics.RetrieveAPIView):
    """What the last risk check found the portfolio to be worth and exposed to; null is not known. 404 before the first
    check. Money USD, delta and gamma in SPY share-equivalents, drawdowns as fractions of the peak."""

    serializer_class = ReadingSerializer
    queryset = Reading.objects.none()

    def get_object(self) -> Reading:
        reading = Reading.objects.filter(portfolio=portfolio_or_404(self.request.user, self.kwargs["slug"])).first()
        if reading is None:
            raise Http404("No risk check has read this portfolio yet.")
        return reading


@extend_schema(
    request=ReasonSerializer,
    responses={200: BreakerSerializer, **REFUSED},
    examples=[_shown("Cleared", examples.BREAKER_CLEARED), NOT_CLEARABLE, CONFLICT],
)
class Clearing(_Act):
    """Clear a tripped breaker, with a reason. For staff who may; refused while the day's loss is still at the limit."""

    @extend_schema(operation_id="breaker_clear", parameters=[KEY_PARAMETER])
    @once_per_key
    def post(self, request: Request, slug: str, breaker_id: int) -> Response:
        breaker = _breakers(portfolio_or_404(request.user, slug)).filter(pk=breaker_id).first()
        if breaker is None:
            raise Http404("There is no such breaker, or it is not yours.")
        asked = self.asked(request, ReasonSerializer)
        with domain_errors():
            clear_breaker(breaker=breaker, actor=request.user, reason=asked["reason"], now=timezone.now())
        breaker.refresh_from_db()
        return Response(BreakerSerializer(breaker).data)


@extend_schema(
    request=ReasonSerializer,
    responses={200: StateSerializer, **REFUSED},
    examples=[_shown("Active again", examples.STATE), NOT_CLEARABLE, CONFLICT],
)
class Reactivation(_Act):
    """Return a portfolio to ACTIVE that a person stopped. For staff who may; refused while a breaker holds it."""

    @extend_schema(operation_id="portfolio_reactivate", parameters=[KEY_PARAMETER])
    @once_per_key
    def post(self, request: Request, slug: str) -> Response:
        portfolio = portfolio_or_404(request.user, slug)
        asked = self.asked(request, ReasonSerializer)
        with domain_errors():
            reactivate(portfolio=portfolio, actor=request.user, reason=asked["reason"], now=timezone.now())
        portfolio.refresh_from_db()
        return Response(StateSerializer({"state": portfolio.state}).data)


KILL_EXAMPLES = [
    OpenApiExample("Stop entries and cancel openings", value={"reason": "The feed looks wrong."}, request_only=True),
    OpenApiExample(
        "Sell everything",
        value={"verbs": ["flatten"], "confirm_flatten": True, "reason": "I want out."},
        request_only=True,
    ),
    _shown("Stopped", examples.KILLED),
    error_example("Flatten asks again", 422, "FLATTEN_UNCONFIRMED", examples.FLATTEN_UNCONFIRMED, "confirm_flatten"),
    CONFLICT,
]


def _kill(asked: dict[str, Any], portfolios: list[Portfolio], request: Request) -> list[Killed]:
    try:
        return kill(
            portfolios=portfolios,
            verbs=asked["verbs"],
            reason=asked["reason"],
            now=timezone.now(),
            actor=request.user,
            confirmed=asked["confirm_flatten"],
        )
    except FlattenUnconfirmed as problem:
        raise Unprocessable("FLATTEN_UNCONFIRMED", str(problem), "confirm_flatten") from problem
    except PermissionDenied as problem:
        raise exceptions.PermissionDenied(str(problem)) from problem
    except ValidationError as problem:
        raise serializers.ValidationError({"reason": problem.messages}) from problem


@extend_schema(request=KillSerializer, responses={200: KilledSerializer, **REFUSED}, examples=KILL_EXAMPLES)
class Kill(_Act):
    """The kill switch of one portfolio. Entries are refused as soon as it answers; a repeat changes nothing."""

    @extend_schema(operation_id="portfolio_kill", parameters=[KEY_PARAMETER])
    @once_per_key
    def post(self, request: Request, slug: str) -> Response:
        portfolio = portfolio_or_404(request.user, slug)
        return Response(KilledSerializer(_kill(self.asked(request, KillSerializer), [portfolio], request)[0]).data)


@extend_schema(request=KillSerializer, responses={200: KilledSerializer(many=True), **REFUSED}, examples=KILL_EXAMPLES)
class KillAll(_Act):
    """The kill switch of every portfolio that you may see. One that fails is said in its row and stops no other."""

    @extend_schema(operation_id="kill_all", parameters=[KEY_PARAMETER])
    @once_per_key
    def post(self, request: Request) -> Response:
        asked = self.asked(request, KillSerializer)
        return Response(KilledSerializer(_kill(asked, list(portfolios_for(request.user)), request), many=True).data)


urlpatterns = [
    path("kill/", KillAll.as_view(), name="api-kill-all"),
    path("portfolios/<slug:slug>/kill/", Kill.as_view(), name="api-kill"),
    path("portfolios/<slug:slug>/reactivate/", Reactivation.as_view(), name="api-reactivate"),
    path("portfolios/<slug:slug>/risk/", Risk.as_view(), name="api-risk"),
    path("portfolios/<slug:slug>/breakers/", Breakers.as_view(), name="api-breakers"),
    path("portfolios/<slug:slug>/breakers/events/", BreakerEvents.as_view(), name="api-breaker-events"),
    path("portfolios/<slug:slug>/breakers/<int:breaker_id>/clear/", Clearing.as_view(), name="api-breaker-clear"),
]
