"""Comparisons over the API: one recorded period under two revisions, side by side. Decimals are strings."""

import json
from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from django.urls import path
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Scope
from betsizing.errors import ErrorsSerializer, Unprocessable
from betsizing.parsers import ShallowJSONParser
from betsizing.repeats import CONFLICT, KEY_PARAMETER, once_per_key
from positions.access import portfolio_or_404
from riskengine.api.entries import NothingSerializer
from riskengine.api.examples import comparisons as examples
from riskengine.api.field import StrictBooleanField, StrictDecimalField, StrictIntegerField, StrictSerializer
from riskengine.api.paging import NOT_THERE, LatestFirst
from riskengine.api.replays import EntriesField, FailureSerializer, ParametersField
from riskengine.models import AskedBy, Comparison, ReplayState
from riskengine.selectors import comparison_for, comparisons_for, replays_of
from riskengine.services.study.asking import LARGEST_ENTRIES, NotReplayable
from riskengine.services.study.comparing import compared, progress_of
from riskengine.services.study.comparisons import (
    MOST_UNFINISHED,
    ComparisonAsked,
    cancel_comparison,
    request_comparison,
)
from riskengine.services.study.period import MOST_DAYS
from riskengine.services.study.recordings import KNOWN_DAYS

REFUSED = dict.fromkeys((400, 403, 404, 409, 422), ErrorsSerializer)
HIGHEST_REVISION = 2**31 - 1


class ComparisonRequestSerializer(StrictSerializer):
    portfolio = serializers.CharField(max_length=50, help_text="Slug of the portfolio whose profile is compared.")
    days = serializers.ListField(
        child=serializers.DateField(),
        min_length=1,
        max_length=MOST_DAYS,
        help_text=f"Recorded days of one recording: {KNOWN_DAYS}.",
    )
    revision_a = StrictIntegerField(min_value=1, max_value=HIGHEST_REVISION, help_text="Number of revision A.")
    revision_b = StrictIntegerField(min_value=1, max_value=HIGHEST_REVISION, help_text="Number of revision B.")
    changes_a = ParametersField(default=dict, help_text="Numbers and ladders by name, on top of revision A.")
    changes_b = ParametersField(default=dict, help_text="Numbers and ladders by name, on top of revision B.")
    asked_by = serializers.ChoiceField(
        choices=AskedBy.choices, default=AskedBy.EXAMPLES, help_text="Where the entries come from."
    )
    entries = EntriesField(
        required=False,
        help_text="With `asked_by` entries: rows, or the text of a CSV file. Of several days each line has its date.",
    )
    signals = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=LARGEST_ENTRIES,
        trim_whitespace=False,
        help_text="With `asked_by` signals: the text of a CSV file `as_of,symbol,direction,confidence`.",
    )
    gates = StrictBooleanField(default=True, help_text="False: no gate refuses an entry.")
    cash = StrictDecimalField(
        required=False, allow_null=True, help_text="USD to start with. Left out: the account size of each revision."
    )

    def validate_cash(self, cash: Any) -> Any:
        if cash is not None and cash != round(cash, 2):
            raise serializers.ValidationError("Give dollars with at most two decimals.", code="max_decimal_places")
        return cash


class ComparedDaySerializer(serializers.Serializer):
    day = serializers.DateField()
    replay = serializers.IntegerField(help_text="Its number under /api/v1/replays/.")
    state = serializers.ChoiceField(choices=ReplayState.choices)
    share = serializers.FloatField(min_value=0, max_value=1, help_text="Of the day, 0 to 1.")
    reached = serializers.DateTimeField(allow_null=True, help_text="Market time.")
    error = FailureSerializer(allow_null=True)


class ComparedSideSerializer(serializers.Serializer):
    name = serializers.CharField()
    revision = serializers.IntegerField()
    changes = serializers.DictField(help_text="On top of the revision.")
    share = serializers.FloatField(min_value=0, max_value=1, help_text="Of all its days, 0 to 1.")
    days = ComparedDaySerializer(many=True)


class DifferenceSerializer(serializers.Serializer):
    name = serializers.CharField()
    label = serializers.CharField()
    unit = serializers.CharField()
    old = serializers.CharField(help_text="Under A, in words.")
    new = serializers.CharField(help_text="Under B, in words.")


class ComparisonSerializer(serializers.ModelSerializer):
    portfolio = serializers.CharField(source="portfolio.slug", read_only=True)
    requested_by = serializers.CharField(source="requested_by.username", read_only=True)
    state = serializers.SerializerMethodField()
    a = serializers.SerializerMethodField(help_text="Side A.")
    b = serializers.SerializerMethodField(help_text="Side B.")

    class Meta:
        model = Comparison
        fields: tuple[str, ...] = (
            "id",
            "portfolio",
            "state",
            "requested_by",
            "requested_at",
            "asked_by",
            "gates",
            "cash",
            "a",
            "b",
        )
        read_only_fields: tuple[str, ...] = fields

    @extend_schema_field(serializers.ChoiceField(choices=ReplayState.choices))
    def get_state(self, comparison: Comparison) -> str:
        return str(progress_of(comparison, comparison.replays.all())["state"])

    @extend_schema_field(ComparedSideSerializer)
    def get_a(self, comparison: Comparison) -> dict[str, Any]:
        return _side(comparison, "A", comparison.revision_a.number, comparison.changes_a)

    @extend_schema_field(ComparedSideSerializer)
    def get_b(self, comparison: Comparison) -> dict[str, Any]:
        return _side(comparison, "B", comparison.revision_b.number, comparison.changes_b)


def _side(comparison: Comparison, side: str, revision: int, changes: str) -> dict[str, Any]:
    progress = progress_of(comparison, comparison.replays.all())
    found = {
        "name": progress["names"][side],
        "revision": revision,
        "changes": json.loads(changes),
        "share": progress["sides"][side]["share"],
        "days": progress["sides"][side]["days"],
    }
    return dict(ComparedSideSerializer(found).data)


class ComparedSerializer(ComparisonSerializer):
    differences = serializers.SerializerMethodField(help_text="Parameters that A and B do not share.")
    result = serializers.SerializerMethodField(
        help_text="Null while no day is done on both sides. `sides`: what each came to; `difference`: B less A; "
        "`decisions` beside one another with `differs` and a sentence; `signals`, `events`, `equity` by the minute. "
        "USD, fractions, New York times."
    )

    class Meta(ComparisonSerializer.Meta):
        fields = (*ComparisonSerializer.Meta.fields, "differences", "result")
        read_only_fields = fields

    @extend_schema_field(DifferenceSerializer(many=True))
    def get_differences(self, comparison: Comparison) -> list[dict[str, Any]]:
        return list(self._compared(comparison)["differences"])

    @extend_schema_field({"type": "object", "nullable": True, "additionalProperties": {}})
    def get_result(self, comparison: Comparison) -> dict[str, Any] | None:
        return self._compared(comparison)["result"]

    def _compared(self, comparison: Comparison) -> dict[str, Any]:
        kept: dict[int, dict[str, Any]] = self.context.setdefault("compared", {})
        if comparison.pk not in kept:
            kept[comparison.pk] = compared(comparison, replays_of(comparison))
        return kept[comparison.pk]


class ComparisonFilter(filters.FilterSet):
    portfolio = filters.CharFilter(field_name="portfolio__slug", label="Slug of a portfolio.")

    class Meta:
        model = Comparison
        fields = ("portfolio",)


class Comparisons(generics.ListAPIView):
    """Comparisons of two revisions on recorded days."""

    token_scope = Scope.TRADE
    parser_classes = [ShallowJSONParser]
    serializer_class = ComparisonSerializer
    pagination_class = LatestFirst
    filterset_class = ComparisonFilter
    queryset = Comparison.objects.none()

    def get_queryset(self) -> QuerySet[Comparison]:
        return comparisons_for(self.request.user)

    @extend_schema(
        operation_id="comparison_list",
        responses={200: ComparisonSerializer(many=True)},
        examples=[OpenApiExample("One that runs", value=examples.RUNNING, response_only=True)],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Comparisons of the portfolios that you may see, the latest first, without their results."""
        return super().get(request, *args, **kwargs)

    @extend_schema(
        operation_id="comparison_create",
        description="Replay one recorded period under revision A and under revision B of a portfolio's profile.\n\n"
        "Answered 202 at once. Each day of each side is a replay of its own in the one queue of replays; a day begins "
        "with the equity that its side ended the day before with, and with nothing held: what is open at the end of a "
        f"day counts at its last usable bid and is not carried. At most {MOST_DAYS} days, and {MOST_UNFINISHED} "
        "unfinished comparisons of yours (422 TOO_MANY_COMPARISONS). What cannot be replayed is refused at once (422 "
        "NO_RECORDING, NO_SUCH_REVISION, BAD_ENTRIES, BAD_SIGNALS, BAD_PARAMETERS).",
        request=ComparisonRequestSerializer,
        parameters=[KEY_PARAMETER],
        responses={202: ComparisonSerializer, **REFUSED},
        examples=[
            OpenApiExample("Two revisions on the examples of a day", value=examples.ASKED, request_only=True),
            OpenApiExample("Another stop, entries given", value=examples.ASKED_CHANGED, request_only=True),
            OpenApiExample("Queued", value=examples.QUEUED, response_only=True, status_codes=["202"]),
            OpenApiExample("Too many", value=examples.TOO_MANY, response_only=True, status_codes=["422"]),
        ],
    )
    @once_per_key
    def post(self, request: Request) -> Response:
        body = ComparisonRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = dict(body.validated_data)
        portfolio = portfolio_or_404(request.user, given.pop("portfolio"))
        try:
            made = request_comparison(
                user=request.user, portfolio=portfolio, asked=ComparisonAsked(**given), now=timezone.now()
            )
        except NotReplayable as problem:
            raise Unprocessable(problem.code, str(problem), problem.field) from problem
        return Response(ComparisonSerializer(comparison_or_404(request, made.pk)).data, status=202)


class ComparisonDetail(APIView):
    """One comparison: how far it is, and what came of it. It is kept."""

    @extend_schema(
        operation_id="comparison_retrieve",
        responses={200: ComparedSerializer, **NOT_THERE},
        examples=[OpenApiExample("Done", value=examples.DONE, response_only=True, status_codes=["200"])],
    )
    def get(self, request: Request, comparison_id: int) -> Response:
        return Response(ComparedSerializer(comparison_or_404(request, comparison_id), context={}).data)


class Cancelling(APIView):
    """Cancel what of a comparison is not done. What waits is cancelled at once, what runs ends within a second or two.
    Days that are done on both sides keep their result. A repeat changes nothing."""

    token_scope = Scope.TRADE
    parser_classes = [ShallowJSONParser]

    @extend_schema(
        operation_id="comparison_cancel",
        request=NothingSerializer,
        parameters=[KEY_PARAMETER],
        responses={200: ComparisonSerializer, **REFUSED},
        examples=[OpenApiExample("Cancelled", value=examples.CANCELLED, response_only=True), CONFLICT],
    )
    @once_per_key
    def post(self, request: Request, comparison_id: int) -> Response:
        body = NothingSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        cancel_comparison(comparison=comparison_or_404(request, comparison_id), now=timezone.now())
        return Response(ComparisonSerializer(comparison_or_404(request, comparison_id)).data)


def comparison_or_404(request: Request, comparison_id: int) -> Comparison:
    try:
        return comparison_for(request.user, comparison_id)
    except Comparison.DoesNotExist:
        raise Http404("There is no such comparison, or it is not yours.") from None


urlpatterns = [
    path("comparisons/", Comparisons.as_view(), name="api-comparisons"),
    path("comparisons/<int:comparison_id>/", ComparisonDetail.as_view(), name="api-comparison"),
    path("comparisons/<int:comparison_id>/cancel/", Cancelling.as_view(), name="api-comparison-cancel"),
]
