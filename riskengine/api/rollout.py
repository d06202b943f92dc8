"""From off to paper to live over the API: the checklist of the next step, and signing one (P-27, P-28)."""

from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.urls import path
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Scope
from betsizing.errors import Busy, ErrorsSerializer, Unprocessable
from betsizing.parsers import ShallowJSONParser
from betsizing.repeats import CONFLICT, KEY_PARAMETER, once_per_key
from betsizing.schema import error_example
from positions.access import portfolio_or_404
from positions.models import Mode
from riskengine.api.examples import rolling as examples
from riskengine.api.field import StrictSerializer
from riskengine.api.paging import NOT_THERE
from riskengine.services.decide.entries import PortfolioBusy
from riskengine.services.rollout.shown import rollout_of
from riskengine.services.rollout.stepping import NotSteppable, step

REFUSED = dict.fromkeys((400, 403, 404, 409, 422), ErrorsSerializer)


class RolloutItemSerializer(serializers.Serializer):
    code = serializers.CharField()
    label = serializers.CharField()
    value = serializers.CharField(help_text="As it is.")
    limit = serializers.CharField(help_text="What it needs to be.")
    passed = serializers.BooleanField(allow_null=True, help_text="Null: not known, which holds the step up.")
    to_do = serializers.CharField()
    source = serializers.CharField()
    advice = serializers.BooleanField(help_text="Holds nothing up.")
    holds_up = serializers.BooleanField()


class RolloutStepSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    at = serializers.DateTimeField(help_text="Wall time, New York.")
    kind = serializers.CharField(help_text="forward, back or automatic.")
    to = serializers.CharField()
    by = serializers.CharField()
    reason = serializers.CharField()
    items = RolloutItemSerializer(many=True, help_text="The checklist as it was judged then.")

    def get_fields(self) -> dict[str, serializers.Field]:
        return super().get_fields() | {"from": serializers.CharField()}


class RolloutTriggerSerializer(serializers.Serializer):
    at = serializers.DateTimeField(help_text="Market time, New York.")
    what = serializers.CharField()
    sentence = serializers.CharField()
    mode = serializers.CharField()
    value = serializers.FloatField()
    limit = serializers.FloatField()


class RolloutSerializer(serializers.Serializer):
    portfolio = serializers.CharField()
    as_of = serializers.DateTimeField(help_text="Market time, New York.")
    mode = serializers.ChoiceField(Mode.choices)
    next = serializers.CharField(allow_null=True, help_text="The mode one step forward; null: this is the last.")
    counts_since = serializers.DateTimeField(help_text="From when sessions and trades count.")
    ready = serializers.BooleanField()
    lacking = serializers.ListField(child=serializers.CharField())
    items = RolloutItemSerializer(many=True)
    steps = RolloutStepSerializer(many=True, help_text="The latest first.")
    triggers = RolloutTriggerSerializer(many=True, help_text="The latest first.")


class SignSerializer(StrictSerializer):
    from_mode = serializers.ChoiceField(Mode.choices, help_text="The mode that you saw: another one by now is refused.")
    to_mode = serializers.ChoiceField(Mode.choices, help_text="One step forward, or any number back.")
    name = serializers.CharField(max_length=200, help_text="The portfolio's name, to sign.")
    reason = serializers.CharField(max_length=1000, help_text="Kept with your name.")


class Rollout(APIView):
    """Where an account stands between off and live, and what the next step needs."""

    @extend_schema(
        operation_id="rollout_retrieve",
        responses={200: RolloutSerializer, **NOT_THERE},
        examples=[OpenApiExample("Not yet", value=examples.ROLLOUT, response_only=True, status_codes=["200"])],
    )
    def get(self, request: Request, slug: str) -> Response:
        portfolio = portfolio_or_404(request.user, slug)
        return Response(RolloutSerializer(rollout_of(portfolio, request.user, now=timezone.now())).data)


class Stepping(APIView):
    """Sign a step: forward one at a time past its checklist, back at any time. Staff who may sign steps."""

    token_scope = Scope.RISK
    parser_classes = [ShallowJSONParser]

    @extend_schema(
        operation_id="rollout_step",
        request=SignSerializer,
        parameters=[KEY_PARAMETER],
        responses={201: RolloutStepSerializer, **REFUSED},
        examples=[
            OpenApiExample("Back to off", value=examples.ASKED, request_only=True),
            OpenApiExample("Signed", value=examples.STEP, response_only=True, status_codes=["201"]),
            error_example("Not yet", 422, "CHECKLIST", examples.LACKING, ""),
            CONFLICT,
        ],
    )
    @once_per_key
    def post(self, request: Request, slug: str) -> Response:
        portfolio = portfolio_or_404(request.user, slug)
        body = SignSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        now = timezone.now()
        try:
            made = step(portfolio=portfolio, actor=request.user, now=now, **body.validated_data)
        except PermissionDenied as problem:
            raise exceptions.PermissionDenied(str(problem)) from problem
        except PortfolioBusy as problem:
            raise Busy(str(problem)) from problem
        except NotSteppable as problem:
            raise Unprocessable(problem.code, str(problem)) from problem
        except ValidationError as problem:
            field, sentences = next(iter(problem.message_dict.items()))
            raise Unprocessable("NOT_SIGNED", " ".join(sentences), field) from problem
        steps: list[dict[str, Any]] = rollout_of(portfolio, request.user, now=now)["steps"]
        return Response(RolloutStepSerializer(next(each for each in steps if each["id"] == made.pk)).data, status=201)


urlpatterns = [
    path("portfolios/<slug:slug>/rollout/", Rollout.as_view(), name="api-rollout"),
    path("portfolios/<slug:slug>/rollout/step/", Stepping.as_view(), name="api-rollout-step"),
]
