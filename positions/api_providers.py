"""Providers of market data over the API: who is asked for what, and what came of it last. Read only: they are
configured in the admin."""

from typing import Any

from django.urls import path
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from positions.models import DataProvider, ProviderRun, Supply
from positions.selectors import providers_with_last_runs

SHOWN = OpenApiExample(
    "Closes with a gap, and quotes that did not come",
    value={
        "name": "alpaca",
        "kind": "alpaca",
        "enabled": True,
        "supplies": [
            {
                "what": "closes",
                "interval_seconds": 3600,
                "next_at": "2026-03-02T22:20:00Z",
                "failures": 0,
                "last_run": {
                    "started_at": "2026-03-02T21:20:00Z",
                    "finished_at": "2026-03-02T21:20:01Z",
                    "outcome": "ok",
                    "new": 7,
                    "changed": 0,
                    "known": 622,
                    "rejected": 1,
                    "late": 0,
                    "reasons": {"adjusted_close is missing": 1},
                    "gaps": {"TSLA": ["2026-02-27"]},
                    "code": "",
                    "sentence": "",
                },
            },
            {
                "what": "quotes",
                "interval_seconds": 10,
                "next_at": "2026-03-02T15:30:40Z",
                "failures": 2,
                "last_run": {
                    "started_at": "2026-03-02T15:30:10Z",
                    "finished_at": "2026-03-02T15:30:20Z",
                    "outcome": "failed",
                    "new": 0,
                    "changed": 0,
                    "known": 0,
                    "rejected": 0,
                    "late": 0,
                    "reasons": {},
                    "gaps": {},
                    "code": "PROVIDER_TIMEOUT",
                    "sentence": (
                        "There was no whole answer within 10 s. What comes later is discarded, whatever it says."
                    ),
                },
            },
        ],
    },
    response_only=True,
)


class ProviderRunSerializer(serializers.ModelSerializer):
    reasons = serializers.DictField(
        child=serializers.IntegerField(), help_text="Rows that were left out, by what could not be true of them."
    )
    gaps = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()),
        help_text="What was asked for and not told: by symbol or contract the sessions, or nothing at all.",
    )

    class Meta:
        model = ProviderRun
        fields = (
            "started_at", "finished_at", "outcome", "new", "changed", "known", "rejected", "late", "reasons", "gaps",
            "code", "sentence",
        )  # fmt: skip


class SupplySerializer(serializers.ModelSerializer):
    last_run = serializers.SerializerMethodField(help_text="Null: not asked yet.")

    class Meta:
        model = Supply
        fields = ("what", "interval_seconds", "next_at", "failures", "last_run")
        extra_kwargs = {"next_at": {"help_text": "When it is asked next, wall time. Null: as soon as it can be."}}

    @extend_schema_field(ProviderRunSerializer(allow_null=True))
    def get_last_run(self, supply: Supply) -> Any:
        run = self.context["last_runs"].get((supply.provider_id, supply.what))
        return None if run is None else ProviderRunSerializer(run).data


class ProviderSerializer(serializers.ModelSerializer):
    supplies = SupplySerializer(many=True)

    class Meta:
        model = DataProvider
        fields = ("name", "kind", "enabled", "supplies")


class Providers(APIView):
    """Providers of market data, by name, each with what it is asked for and the last run of it. They hold no secrets;
    how they are reached is shown in the admin only."""

    @extend_schema(operation_id="providers_list", responses=ProviderSerializer(many=True), examples=[SHOWN])
    def get(self, request: Request) -> Response:
        providers, last_runs = providers_with_last_runs()
        return Response(ProviderSerializer(providers, many=True, context={"last_runs": last_runs}).data)


urlpatterns = [path("providers/", Providers.as_view(), name="api-providers")]
