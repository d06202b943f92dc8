"""Portfolios over the API: what a person or program may see of its own accounts. And market data in: the push."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.urls import path
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import generics, permissions, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import TokenScope
from accounts.models import Scope
from accounts.models.constraint import PRICE_LIMIT
from betsizing.errors import ErrorsSerializer
from betsizing.parsers import ShallowJSONParser
from betsizing.repeats import CONFLICT, KEY_PARAMETER, once_per_key
from positions.access import portfolio_or_404
from positions.market.feeds.base import Batch, PriceTick, QuoteTick, VolatilityTick
from positions.market.feeds.pushed import MAX_ROWS, Problem, PushedFeed
from positions.market.symbols import OptionSymbol, parse
from positions.models import Portfolio
from positions.models.history import VixIndex
from positions.selectors import portfolios_for
from positions.services.push import PushRefused, is_reserved, push

SHOWN = OpenApiExample(
    "A paper account in a recorded market",
    value={
        "slug": "smart-0dte",
        "name": "Smart-0DTE",
        "system": "smart-0dte",
        "mode": "paper",
        "state": "ACTIVE",
        "profile": "Smart-0DTE",
        "clock": "recorded market of 2021-01-04",
        "is_demo": True,
        "cash": "46677.30",
        "settled_cash": "46677.30",
    },
    response_only=True,
)


class PortfolioSerializer(serializers.ModelSerializer):
    profile = serializers.CharField(source="profile.name", read_only=True)
    clock = serializers.CharField(source="clock.label", read_only=True, help_text="Which market time it lives in.")

    class Meta:
        model = Portfolio
        fields = ("slug", "name", "system", "mode", "state", "profile", "clock", "is_demo", "cash", "settled_cash")


@extend_schema(examples=[SHOWN])
class Portfolios(generics.ListAPIView):
    """Your portfolios, by slug."""

    serializer_class = PortfolioSerializer
    pagination_class = None  # a person has a handful

    def get_queryset(self) -> QuerySet[Portfolio]:
        return portfolios_for(self.request.user)


class PortfolioDetail(generics.GenericAPIView):
    """One portfolio. Someone else's reads as absent: 404."""

    serializer_class = PortfolioSerializer

    @extend_schema(operation_id="portfolio_retrieve", examples=[SHOWN])
    def get(self, request: Request, slug: str) -> Response:
        return Response(self.get_serializer(portfolio_or_404(request.user, slug)).data)


# ---- Market data in ----

MAX_CONTRACTS = 2_147_483_647  # what the column holds
PLACES = {"max_digits": 12, "decimal_places": 4}


class AwareDateTimeField(serializers.DateTimeField):
    """A time with its offset. One without is refused, not guessed: an hour off makes a quote of the future."""

    default_error_messages = {"unaware": "Give the time with its offset, for example 2026-03-02T15:30:00.250Z."}

    def enforce_timezone(self, value: datetime) -> datetime:
        if value.tzinfo is None:
            self.fail("unaware")
        return super().enforce_timezone(value)


class Row(serializers.Serializer):
    """A field that is not known is refused: a misspelt one would be silently missing."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = sorted(map(str, set(data) - set(self.fields))) if isinstance(data, Mapping) else []
        if unknown:
            message = f"Not a field here: {', '.join(self.fields)}."
            raise serializers.ValidationError({unknown[0][:40]: [serializers.ErrorDetail(message, "unknown_field")]})
        return super().to_internal_value(data)


class QuoteRowSerializer(Row):
    contract = serializers.CharField(max_length=40, help_text="OCC symbol, 21-character or compact.")
    bid = serializers.DecimalField(
        **PLACES, min_value=0, max_value=PRICE_LIMIT, allow_null=True, required=False, help_text="USD a share."
    )
    bid_size = serializers.IntegerField(min_value=0, max_value=MAX_CONTRACTS, default=0, help_text="Contracts.")
    ask = serializers.DecimalField(
        **PLACES, min_value=0, max_value=PRICE_LIMIT, allow_null=True, required=False, help_text="USD a share."
    )
    ask_size = serializers.IntegerField(min_value=0, max_value=MAX_CONTRACTS, default=0, help_text="Contracts.")
    at = AwareDateTimeField(help_text="From when the market said so.")

    def validate_contract(self, text: str) -> OptionSymbol:
        try:
            return parse(text)
        except ValueError as problem:
            raise serializers.ValidationError(str(problem), code="not_an_occ_symbol") from problem


class PriceRowSerializer(Row):
    symbol = serializers.CharField(max_length=12)
    price = serializers.DecimalField(**PLACES, min_value=0, max_value=PRICE_LIMIT, help_text="USD a share.")
    at = AwareDateTimeField()


class LevelRowSerializer(Row):
    index = serializers.ChoiceField(choices=VixIndex.choices, default=str(VixIndex.VIX))
    level = serializers.DecimalField(max_digits=9, decimal_places=4, min_value=0, max_value=1000, help_text="Points.")
    at = AwareDateTimeField()


class PushSerializer(Row):
    source = serializers.CharField(max_length=40, help_text="The feed's name: portfolios that read it are live.")
    quotes = QuoteRowSerializer(many=True, default=list, max_length=MAX_ROWS)
    underlyings = PriceRowSerializer(many=True, default=list, max_length=MAX_ROWS)
    vix = LevelRowSerializer(many=True, default=list, max_length=MAX_ROWS)

    def validate_source(self, source: str) -> str:
        if is_reserved(source):
            message = f"“{source}” is a recording or a simulation, which nobody pushes into. Choose another name."
            raise serializers.ValidationError(message, code="reserved_source")
        return source

    def validate(self, rows: dict[str, Any]) -> dict[str, Any]:
        count = sum(len(rows[name]) for name in ("quotes", "underlyings", "vix"))
        if not 1 <= count <= MAX_ROWS:
            message = f"One push carries 1 to {MAX_ROWS:,} rows of all kinds together; this one has {count:,}."
            raise serializers.ValidationError(message, code="row_count")
        return rows


class PushedSerializer(serializers.Serializer):
    quotes = serializers.IntegerField(help_text="New quotes.")
    confirmed = serializers.IntegerField(help_text="Quotes that said what was known, and confirmed it.")
    late = serializers.IntegerField(help_text="Rows not newer than the feed's last word, of any kind: not stored.")
    prices = serializers.IntegerField(help_text="New underlying prices.")
    volatility = serializers.IntegerField(help_text="New volatility readings.")


class MayPush(permissions.BasePermission):
    """What is pushed moves every portfolio that reads the source, so owning a portfolio is not enough."""

    message = "Pushing market data needs the permission “Can add option quote”."
    code = "not_permitted"

    def has_permission(self, request: Request, view: APIView) -> bool:
        return bool(request.user and request.user.has_perm("positions.add_optionquote"))


@extend_schema(
    request=PushSerializer,
    parameters=[KEY_PARAMETER],
    responses={200: PushedSerializer, **dict.fromkeys((400, 403, 409, 422), ErrorsSerializer)},
    examples=[
        OpenApiExample(
            "One contract, its underlying and the VIX",
            value={
                "source": "my-feed",
                "quotes": [
                    {
                        "contract": "SPXW260302C06900000",
                        "bid": "12.40",
                        "bid_size": 20,
                        "ask": "12.60",
                        "ask_size": 15,
                        "at": "2026-03-02T15:30:00.250Z",
                    }
                ],
                "underlyings": [{"symbol": "SPX", "price": "6895.10", "at": "2026-03-02T15:30:00Z"}],
                "vix": [{"level": "17.85", "at": "2026-03-02T15:30:00Z"}],
            },
            request_only=True,
        ),
        OpenApiExample(
            "Stored",
            value={"quotes": 1, "confirmed": 0, "late": 0, "prices": 1, "volatility": 1},
            response_only=True,
        ),
        CONFLICT,
    ],
)
class Quotes(APIView):
    """Push option quotes, underlying prices and volatility readings of a live feed: all rows or none.

    At most 2,000 rows. Times carry an offset and are not in the future. Crossed and one-sided quotes are stored as the
    facts they are. A row that says what is known confirms it; one that is not newer than the feed's last word for its
    contract is counted as late and changes nothing. Contracts of known classes are listed as they come.
    """

    token_scope = Scope.FEED
    permission_classes = [permissions.IsAuthenticated, TokenScope, MayPush]
    parser_classes = [ShallowJSONParser]

    @once_per_key
    def post(self, request: Request) -> Response:
        serializer = PushSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        try:
            stored = push(_feed(serializer.validated_data), now=timezone.now())
        except PushRefused as refused:
            raise serializers.ValidationError(_errors(refused.problems)) from refused
        return Response(PushedSerializer(stored).data)


def _feed(rows: Mapping[str, Any]) -> PushedFeed:
    contracts = [row["contract"] for row in rows["quotes"]]
    batch = Batch(
        quotes=[
            QuoteTick(str(row["contract"]), row.get("bid"), row["bid_size"], row.get("ask"), row["ask_size"], row["at"])
            for row in rows["quotes"]
        ],
        prices=[PriceTick(row["symbol"].upper(), row["price"], row["at"]) for row in rows["underlyings"]],
        volatility=[VolatilityTick(row["index"], row["level"], row["at"]) for row in rows["vix"]],
    )
    return PushedFeed(rows["source"], batch, contracts)


def _errors(problems: Iterable[Problem]) -> dict[str, list[serializers.ErrorDetail]]:
    """By the path of the field, as nested rows are named: quotes.3.at."""
    errors: dict[str, list[serializers.ErrorDetail]] = {}
    for each in problems:
        errors.setdefault(f"{each.rows}.{each.place}.{each.field}", []).append(
            serializers.ErrorDetail(each.message, each.code)
        )
    return errors


urlpatterns = [
    path("portfolios/", Portfolios.as_view(), name="api-portfolios"),
    path("quotes/", Quotes.as_view(), name="api-quotes"),
    path("portfolios/<slug:slug>/", PortfolioDetail.as_view(), name="api-portfolio"),
]
