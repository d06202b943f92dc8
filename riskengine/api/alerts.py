"""Alerts over the API: what stands, what was, and that a person has seen it. Decimals are strings."""

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
from betsizing.errors import ErrorsSerializer
from betsizing.parsers import ShallowJSONParser
from betsizing.repeats import CONFLICT, KEY_PARAMETER, once_per_key
from riskengine.api.entries import NothingSerializer
from riskengine.api.examples import guarding as examples
from riskengine.api.paging import NOT_THERE, LatestFirst
from riskengine.models import Alert, AlertEvent, Severity
from riskengine.selectors import alert_for, alerts_for
from riskengine.services.watch.alerts import acknowledge


class AlertSerializer(serializers.ModelSerializer):
    portfolio = serializers.CharField(
        source="portfolio.slug", default=None, read_only=True, allow_null=True, help_text="Null: the installation."
    )
    acknowledged_by = serializers.CharField(
        source="acknowledged_by.username", default=None, read_only=True, allow_null=True
    )

    class Meta:
        model = Alert
        fields: tuple[str, ...] = (
            "id",
            "portfolio",
            "position",
            "code",
            "severity",
            "title",
            "happened",
            "value",
            "limit",
            "unit",
            "to_do",
            "market_at",
            "raised_at",
            "last_seen_at",
            "times_seen",
            "stage",
            "level",
            "escalated_at",
            "acknowledged_at",
            "acknowledged_by",
            "resolved_at",
        )
        read_only_fields = fields


class AlertEventSerializer(serializers.ModelSerializer):
    class Meta:
        model = AlertEvent
        fields = ("kind", "level", "happened_at", "actor_name", "detail")
        read_only_fields = fields


class AlertDetailSerializer(AlertSerializer):
    """With everything that became of it, the oldest first."""

    events = serializers.SerializerMethodField()

    class Meta(AlertSerializer.Meta):
        fields = (*AlertSerializer.Meta.fields, "events")
        read_only_fields = fields

    @extend_schema_field(AlertEventSerializer(many=True))
    def get_events(self, alert: Alert) -> list[dict[str, Any]]:
        return AlertEventSerializer(alert.events.order_by("id"), many=True).data


class AlertFilter(filters.FilterSet):
    severity = filters.ChoiceFilter(choices=Severity.choices)
    portfolio = filters.CharFilter(field_name="portfolio__slug", label="Slug of a portfolio.")
    position = filters.NumberFilter(field_name="position_id", label="Id of a position.")
    open = filters.BooleanFilter(field_name="resolved_at", lookup_expr="isnull", label="True: its condition lasts.")
    acknowledged = filters.BooleanFilter(
        field_name="acknowledged_at", lookup_expr="isnull", exclude=True, label="True: a person has seen it."
    )

    class Meta:
        model = Alert
        fields = ("code", "severity", "portfolio", "position", "open", "acknowledged")


@extend_schema(
    responses={200: AlertSerializer(many=True)},
    examples=[OpenApiExample("Five minutes before the close", value=examples.ALERT, response_only=True)],
)
class Alerts(generics.ListAPIView):
    """Alerts of your portfolios, the latest first; staff also see those of the installation. `open=true` for what
    stands."""

    serializer_class = AlertSerializer
    pagination_class = LatestFirst
    filterset_class = AlertFilter
    queryset = Alert.objects.none()

    def get_queryset(self) -> QuerySet[Alert]:
        return alerts_for(self.request.user)


class AlertDetail(generics.GenericAPIView):
    """One alert with everything that became of it. Someone else's reads as absent: 404."""

    serializer_class = AlertDetailSerializer

    @extend_schema(
        operation_id="alert_retrieve",
        responses={200: AlertDetailSerializer, **NOT_THERE},
        examples=[OpenApiExample("Five minutes before the close", value=examples.ALERT_DETAIL, response_only=True)],
    )
    def get(self, request: Request, alert_id: int) -> Response:
        return Response(AlertDetailSerializer(alert_or_404(request, alert_id)).data)


class Acknowledge(APIView):
    """Say that a person has seen it: it is not told again at this stage. A repeat, and an alert that has ended, change
    nothing and are answered the same."""

    token_scope = Scope.TRADE
    parser_classes = [ShallowJSONParser]

    @extend_schema(
        operation_id="alert_acknowledge",
        request=NothingSerializer,
        parameters=[KEY_PARAMETER],
        responses={200: AlertDetailSerializer, **dict.fromkeys((400, 403, 404, 409, 422), ErrorsSerializer)},
        examples=[OpenApiExample("Acknowledged", value=examples.ALERT_ACKNOWLEDGED, response_only=True), CONFLICT],
    )
    @once_per_key
    def post(self, request: Request, alert_id: int) -> Response:
        body = NothingSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        alert = alert_or_404(request, alert_id)
        acknowledge(alert=alert, actor=request.user, now=timezone.now())
        return Response(AlertDetailSerializer(alert_or_404(request, alert_id)).data)


def alert_or_404(request: Request, alert_id: int) -> Alert:
    try:
        return alert_for(request.user, alert_id)
    except Alert.DoesNotExist:
        raise Http404("There is no such alert, or it is not yours.") from None


urlpatterns = [
    path("alerts/", Alerts.as_view(), name="api-alerts"),
    path("alerts/<int:alert_id>/", AlertDetail.as_view(), name="api-alert"),
    path("alerts/<int:alert_id>/acknowledge/", Acknowledge.as_view(), name="api-alert-acknowledge"),
]
