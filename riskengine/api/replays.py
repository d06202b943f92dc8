"""Replays over the API: ask for one, see how far it is, cancel it, fetch its report. Decimals are strings."""

import json
from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.urls import path
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Scope, System
from betsizing.errors import ErrorsSerializer, Unprocessable
from betsizing.parsers import ShallowJSONParser
from betsizing.repeats import CONFLICT, KEY_PARAMETER, once_per_key
from riskengine.api.entries import NothingSerializer
from riskengine.api.examples import replays as examples
from riskengine.api.field import StrictBooleanField, StrictDecimalField, StrictIntegerField, StrictSerializer
from riskengine.api.paging import NOT_THERE, LatestFirst
from riskengine.models import Replay, ReplayState
from riskengine.selectors import replay_for, replays_for
from riskengine.services.decide.request import MOST_CONTRACTS
from riskengine.services.study.asking import (
    KEPT,
    LARGEST_ENTRIES,
    LARGEST_PARAMETERS,
    MOST_UNFINISHED,
    Asked,
    NotReplayable,
    cancel_replay,
    request_replay,
)
from riskengine.services.study.entries import MOST_ENTRIES
from riskengine.services.study.period import entries_text
from riskengine.services.study.recordings import KNOWN_DAYS

REFUSED = dict.fromkeys((400, 403, 404, 409, 422), ErrorsSerializer)


class EntryRowSerializer(StrictSerializer):
    """One row; ROW describes it."""

    at = serializers.CharField(max_length=40, help_text="New York time on that day: 09:40, or with date or offset.")
    contract = serializers.CharField(max_length=40, help_text="OCC symbol, 21-character or compact.")
    side = serializers.CharField(
        max_length=20, required=False, allow_blank=True, help_text="buy, LONG_CALL, LONG_PUT or nothing."
    )
    confidence = StrictDecimalField(min_value=0, max_value=1, help_text="0 to 1.")
    contracts = StrictIntegerField(
        min_value=1,
        max_value=MOST_CONTRACTS,
        required=False,
        allow_null=True,
        help_text="Left out: sized by the rules.",
    )


ROW = {
    "type": "object",
    "required": ["at", "contract", "confidence"],
    "additionalProperties": False,
    "properties": {
        "at": {"type": "string", "maxLength": 40, "description": "New York time: 09:40, or with date or offset."},
        "contract": {"type": "string", "maxLength": 40, "description": "OCC symbol, 21-character or compact."},
        "side": {"type": "string", "maxLength": 20, "description": "buy, LONG_CALL, LONG_PUT or nothing."},
        "confidence": {"type": "string", "format": "decimal", "description": "0 to 1."},
        "contracts": {"type": "integer", "nullable": True, "description": "Left out: sized by the rules."},
    },
}


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string", "maxLength": LARGEST_ENTRIES, "minLength": 1},
            {
                "type": "array",
                "minItems": 1,
                "maxItems": MOST_ENTRIES,
            },
        ],
        "description": "Rows, or the text of a CSV file `at,contract,side,confidence,contracts`.",
    }
)
class EntriesField(serializers.Field):
    """The text of a CSV file, or its rows."""

    default_error_messages = {
        "invalid": "Give rows, or the text of a CSV file.",
        "row_count": f"Give 1 to {MOST_ENTRIES:,} rows; these are {{count:,}}.",
    }

    def to_internal_value(self, data: Any) -> str:
        if isinstance(data, list):
            if not 1 <= len(data) <= MOST_ENTRIES:
                self.fail("row_count", count=len(data))
            return entries_text(EntryRowSerializer(many=True).run_validation(data))
        if not isinstance(data, str):
            self.fail("invalid")
        text = serializers.CharField(max_length=LARGEST_ENTRIES, trim_whitespace=False)
        return text.run_validation(data)

    def to_representation(self, value: str) -> str:
        return value


@extend_schema_field(OpenApiTypes.OBJECT)
class ParametersField(serializers.Field):
    """An object: numbers and ladders by name. What they may be the profile says."""

    default_error_messages = {"invalid": "Give an object: parameters and ladders by name."}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("invalid")
        return data

    def to_representation(self, value: str) -> Any:
        return json.loads(value)


class ReplayRequestSerializer(StrictSerializer):
    date = serializers.DateField(help_text=f"A recorded day: {KNOWN_DAYS}.")
    portfolio = serializers.ChoiceField(choices=System.choices, help_text="Whose rules.")
    entries = EntriesField(
        required=False, help_text="Rows, or the text of a CSV file `at,contract,side,confidence,contracts`."
    )
    signals = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=LARGEST_ENTRIES,
        trim_whitespace=False,
        help_text="The text of a CSV file `as_of,symbol,direction,confidence`: signals that pick their contracts.",
    )
    parameters = ParametersField(
        default=dict,
        help_text=f"Other numbers and ladders by name, as in `manage.py replay --parameters`; at most "
        f"{LARGEST_PARAMETERS:,} characters.",
    )
    gates = StrictBooleanField(default=True, help_text="False: no gate refuses an entry.")
    cash = StrictDecimalField(
        required=False, allow_null=True, help_text="USD to start with. Left out: the account size of the system."
    )

    def validate_cash(self, cash: Any) -> Any:
        if cash is not None and cash != round(cash, 2):
            raise serializers.ValidationError("Give dollars with at most two decimals.", code="max_decimal_places")
        return cash


class FailureSerializer(serializers.Serializer):
    code = serializers.CharField(help_text="NOT_REPLAYED, TIME_LIMIT, PROCESS_DIED or PROGRAM_FAULT.")
    sentence = serializers.CharField(help_text="What happened, and what to do.")


class ReplaySerializer(serializers.ModelSerializer):
    date = serializers.DateField(source="day", read_only=True)
    parameters = ParametersField(read_only=True)
    comparison = serializers.IntegerField(
        source="comparison_id", read_only=True, allow_null=True, help_text="Whose replay it is; null: asked for alone."
    )
    requested_by = serializers.CharField(source="requested_by.username", read_only=True)
    reached = serializers.DateTimeField(source="reached_at", read_only=True, allow_null=True, help_text="Market time.")
    share = serializers.FloatField(read_only=True, min_value=0, max_value=1, help_text="Of the day, 0 to 1.")
    error = serializers.SerializerMethodField(help_text="Null unless it failed.")

    class Meta:
        model = Replay
        fields = (
            "id",
            "state",
            "date",
            "portfolio",
            "parameters",
            "gates",
            "cash",
            "comparison",
            "requested_by",
            "requested_at",
            "started_at",
            "attempts",
            "reached",
            "share",
            "cancel_requested_at",
            "finished_at",
            "error",
        )
        read_only_fields = fields

    @extend_schema_field(FailureSerializer(allow_null=True))
    def get_error(self, replay: Replay) -> dict[str, str] | None:
        return {"code": replay.error_code, "sentence": replay.error} if replay.error_code else None


class ReplayFilter(filters.FilterSet):
    state = filters.ChoiceFilter(choices=ReplayState.choices)
    portfolio = filters.ChoiceFilter(choices=System.choices)
    date = filters.DateFilter(field_name="day", label="A recorded day.")

    class Meta:
        model = Replay
        fields = ("state", "portfolio", "date")


class Replays(generics.ListAPIView):
    """Replays of recorded days: a day through the same services as every day, in a database of its own."""

    token_scope = Scope.TRADE
    parser_classes = [ShallowJSONParser]
    serializer_class = ReplaySerializer
    pagination_class = LatestFirst
    filterset_class = ReplayFilter
    queryset = Replay.objects.none()

    def get_queryset(self) -> QuerySet[Replay]:
        return replays_for(self.request.user)

    @extend_schema(
        operation_id="replay_list",
        responses={200: ReplaySerializer(many=True)},
        examples=[OpenApiExample("One that runs", value=examples.REPLAY_RUNNING, response_only=True)],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Your replays, the latest first; staff see everybody's."""
        return super().get(request, *args, **kwargs)

    @extend_schema(
        operation_id="replay_create",
        description="Ask for a recorded day to be replayed, as `manage.py replay` does it: the same report, byte for "
        "byte.\n\nAnswered 202 at once; it runs in a process of its own, one at a time and the oldest first, and its "
        f"state tells how it goes. At most {MOST_UNFINISHED} of yours may be queued or running (422 TOO_MANY_REPLAYS), "
        f"and the latest {KEPT} are kept. What cannot be replayed is refused at once, with its lines (422 BAD_ENTRIES, "
        "BAD_SIGNALS, BAD_PARAMETERS, NOTHING_TO_REPLAY, NO_RECORDING).",
        request=ReplayRequestSerializer,
        parameters=[KEY_PARAMETER],
        responses={202: ReplaySerializer, **REFUSED},
        examples=[
            OpenApiExample("Three contracts, another stop, no gates", value=examples.REPLAY_ROWS, request_only=True),
            OpenApiExample("A CSV, sized by the rules", value=examples.REPLAY_CSV, request_only=True),
            OpenApiExample("Queued", value=examples.REPLAY_QUEUED, response_only=True, status_codes=["202"]),
            OpenApiExample("Too many", value=examples.TOO_MANY_REPLAYS, response_only=True, status_codes=["422"]),
        ],
    )
    @once_per_key
    def post(self, request: Request) -> Response:
        body = ReplayRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = dict(body.validated_data)
        try:
            asked = Asked(day=given.pop("date"), **given)
            replay = request_replay(user=request.user, asked=asked, now=timezone.now())
        except NotReplayable as problem:
            raise Unprocessable(problem.code, str(problem), problem.field) from problem
        return Response(ReplaySerializer(replay).data, status=202)


class ReplayDetail(generics.GenericAPIView):
    """How far a replay is. While it runs `reached` and `share` say where in the day, renewed each second."""

    serializer_class = ReplaySerializer

    @extend_schema(
        operation_id="replay_retrieve",
        responses={200: ReplaySerializer, **NOT_THERE},
        examples=[
            OpenApiExample("One that runs", value=examples.REPLAY_RUNNING, response_only=True, status_codes=["200"])
        ],
    )
    def get(self, request: Request, replay_id: int) -> Response:
        return Response(ReplaySerializer(replay_or_404(request, replay_id)).data)


class ReplayReport(APIView):
    """The report of a replay that is done: the bytes that `manage.py replay` writes for the same input.

    One that is not done has none: 422 REPLAY_NOT_DONE.
    """

    @extend_schema(
        operation_id="replay_report",
        responses={200: OpenApiTypes.OBJECT, **dict.fromkeys((404, 422), ErrorsSerializer)},
        examples=[
            OpenApiExample(
                "Its end, of ten parts",
                value={
                    "end": {"start": 60000.0, "cash": 61234.05, "equity": 61234.05, "realised": 1234.05, "fees": 3.9}
                },
                response_only=True,
                status_codes=["200"],
            ),
            OpenApiExample("Not done", value=examples.REPLAY_NOT_DONE, response_only=True, status_codes=["422"]),
        ],
    )
    def get(self, request: Request, replay_id: int) -> HttpResponse:
        replay = replay_or_404(request, replay_id)
        if replay.report is None:
            raise Unprocessable("REPLAY_NOT_DONE", _not_done(replay))
        return HttpResponse(replay.report, content_type="application/json")


class Cancelling(APIView):
    """Cancel a replay. A queued one is cancelled at once; one that runs ends within a second or two, and then its state
    says so. A repeat, and one that has ended, change nothing and are answered the same."""

    token_scope = Scope.TRADE
    parser_classes = [ShallowJSONParser]

    @extend_schema(
        operation_id="replay_cancel",
        request=NothingSerializer,
        parameters=[KEY_PARAMETER],
        responses={200: ReplaySerializer, **REFUSED},
        examples=[
            OpenApiExample("Cancelled", value=examples.REPLAY_CANCELLED, response_only=True),
            CONFLICT,
        ],
    )
    @once_per_key
    def post(self, request: Request, replay_id: int) -> Response:
        body = NothingSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        replay = cancel_replay(replay=replay_or_404(request, replay_id), now=timezone.now())
        return Response(ReplaySerializer(replay).data)


def replay_or_404(request: Request, replay_id: int) -> Replay:
    try:
        return replay_for(request.user, replay_id)
    except Replay.DoesNotExist:
        raise Http404("There is no such replay, or it is not yours.") from None


def _not_done(replay: Replay) -> str:
    if replay.state == ReplayState.FAILED:
        return f"Replay {replay.pk} failed and has no report: {replay.error}"
    if replay.state == ReplayState.CANCELLED:
        return f"Replay {replay.pk} was cancelled and has no report. Ask for it again."
    so_far = f", {replay.share:.0%} of the day are done" if replay.state == ReplayState.RUNNING else ""
    return f"Replay {replay.pk} is {replay.state}{so_far}: it has no report yet. Ask again when its state is done."


urlpatterns = [
    path("replays/", Replays.as_view(), name="api-replays"),
    path("replays/<int:replay_id>/", ReplayDetail.as_view(), name="api-replay"),
    path("replays/<int:replay_id>/report/", ReplayReport.as_view(), name="api-replay-report"),
    path("replays/<int:replay_id>/cancel/", Cancelling.as_view(), name="api-replay-cancel"),
]
