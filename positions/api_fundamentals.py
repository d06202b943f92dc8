"""Fundamentals over the API: read as they are on record, and pushed by a program that knows newer ones."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.urls import path
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import generics, permissions, serializers
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import TokenScope
from accounts.models import Scope
from betsizing.errors import ErrorsSerializer
from betsizing.parsers import ShallowJSONParser
from betsizing.repeats import CONFLICT, KEY_PARAMETER, once_per_key
from positions.api import Row
from positions.market.calendar import new_york_date
from positions.market.providers.base import FundamentalRow
from positions.models import Fundamental, Instrument
from positions.services.provided import store_fundamentals
from positions.services.push import is_reserved

MOST_ROWS = 500
PERCENT = {"max_digits": 9, "decimal_places": 4, "required": False, "allow_null": True}
RATIO = {"max_digits": 12, "decimal_places": 4, "required": False, "allow_null": True}
INPUTS = ("earnings_surprise_percent", "analyst_buy_percent", "analyst_sell_percent", "pe_ratio", "sector_pe_ratio")
MILLION = 1_000_000


class FundamentalSerializer(serializers.ModelSerializer):
    symbol = serializers.CharField(source="instrument.symbol", read_only=True)

    class Meta:
        model = Fundamental
        fields = ("symbol", "as_of_on", *INPUTS, "source", "is_illustrative")


class FundamentalRowSerializer(Row):
    symbol = serializers.CharField(max_length=12)
    as_of_on = serializers.DateField(help_text="New York date from which this is known.")
    earnings_surprise_percent = serializers.DecimalField(
        **PERCENT, min_value=-10_000, max_value=10_000, help_text="12.5 means 12.5%."
    )
    analyst_buy_percent = serializers.DecimalField(**PERCENT, min_value=0, max_value=100)
    analyst_sell_percent = serializers.DecimalField(**PERCENT, min_value=0, max_value=100)
    pe_ratio = serializers.DecimalField(**RATIO, min_value=-MILLION, max_value=MILLION)
    sector_pe_ratio = serializers.DecimalField(**RATIO, min_value=-MILLION, max_value=MILLION)

    def validate_symbol(self, symbol: str) -> str:
        if not Instrument.objects.filter(symbol=symbol.upper()).exists():
            raise serializers.ValidationError(f"{symbol.upper()} is no instrument on record.", code="unknown_symbol")
        return symbol.upper()

    def validate_as_of_on(self, day: date) -> date:
        today = new_york_date(timezone.now())
        if day > today:
            raise serializers.ValidationError(f"{day} has not come: it is {today}.", code="in_the_future")
        return day

    def validate(self, row: dict[str, Any]) -> dict[str, Any]:
        if all(row.get(name) is None for name in INPUTS):
            raise serializers.ValidationError("No input is given.", code="empty_row")
        buy, sell = row.get("analyst_buy_percent") or 0, row.get("analyst_sell_percent") or 0
        if buy + sell > 100:
            message = f"Buy and sell ratings are over 100% together: {buy} and {sell}."
            raise serializers.ValidationError(message, code="ratings_over_100")
        return row


class FundamentalsSerializer(Row):
    source = serializers.CharField(max_length=100, help_text="Who says so: stored with each row.")
    rows = FundamentalRowSerializer(many=True, min_length=1, max_length=MOST_ROWS)

    def validate_source(self, source: str) -> str:
        if is_reserved(source):
            message = f"“{source}” is a recording or a simulation, which nobody pushes into. Choose another name."
            raise serializers.ValidationError(message, code="reserved_source")
        return source

    def validate_rows(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        keys = [(row["symbol"], row["as_of_on"]) for row in rows]
        if len(set(keys)) != len(keys):
            raise serializers.ValidationError("A company is told twice for one date.", code="duplicate_row")
        return rows


class StoredSerializer(serializers.Serializer):
    new = serializers.IntegerField()
    changed = serializers.IntegerField(help_text="Rows of this source that said something else before.")
    known = serializers.IntegerField(help_text="Rows on record already; another source's stand as they are.")


class MayPushFundamentals(permissions.BasePermission):
    """They scale every weekly bet, so owning a portfolio is not enough."""

    message = "Pushing fundamentals needs the permission “Can add fundamental”."
    code = "not_permitted"

    def has_permission(self, request: Request, view: APIView) -> bool:
        if request.method in permissions.SAFE_METHODS:
            return True
        return bool(request.user and request.user.has_perm("positions.add_fundamental"))


class ByDate(PageNumberPagination):
    page_size = 100


class FundamentalFilter(filters.FilterSet):
    symbol = filters.CharFilter(field_name="instrument__symbol", lookup_expr="iexact")


SHOWN = {
    "symbol": "AAPL",
    "as_of_on": "2026-11-12",
    "earnings_surprise_percent": "4.2000",
    "analyst_buy_percent": "72.0000",
    "analyst_sell_percent": "6.0000",
    "pe_ratio": "31.5000",
    "sector_pe_ratio": "28.0000",
}


LISTED = OpenApiExample(
    "One company",
    value={**SHOWN, "source": "my-data", "is_illustrative": False},
    response_only=True,
    status_codes=["200"],
)


@extend_schema_view(get=extend_schema(examples=[LISTED]))
class FundamentalList(generics.ListAPIView):
    """Dated fundamentals of every company, the newest first. What is illustrative says so.

    A push stores rows as known from their date on: the newest at or before a day counts, whole, until it is too old.
    """

    queryset: QuerySet[Fundamental] = Fundamental.objects.select_related("instrument").order_by("-as_of_on", "-id")
    serializer_class = FundamentalSerializer
    filterset_class = FundamentalFilter
    pagination_class = ByDate
    permission_classes = [permissions.IsAuthenticated, TokenScope, MayPushFundamentals]
    parser_classes = [ShallowJSONParser]

    token_scope = Scope.FEED  # of a push; reading needs `read` as everywhere

    @extend_schema(
        request=FundamentalsSerializer,
        parameters=[KEY_PARAMETER],
        responses={200: StoredSerializer, **dict.fromkeys((400, 403, 409, 422), ErrorsSerializer)},
        examples=[
            OpenApiExample("One company", value={"source": "my-data", "rows": [SHOWN]}, request_only=True),
            OpenApiExample("Stored", value={"new": 1, "changed": 0, "known": 0}, response_only=True),
            CONFLICT,
        ],
    )
    @once_per_key
    def post(self, request: Request) -> Response:
        serializer = FundamentalsSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        given = serializer.validated_data
        with transaction.atomic():
            kept = store_fundamentals([_row(row) for row in given["rows"]], source=given["source"])
        return Response(StoredSerializer(kept).data)


def _row(given: Mapping[str, Any]) -> FundamentalRow:
    return FundamentalRow(given["symbol"], given["as_of_on"], **{name: given.get(name) for name in INPUTS})


urlpatterns = [path("fundamentals/", FundamentalList.as_view(), name="api-fundamentals")]
