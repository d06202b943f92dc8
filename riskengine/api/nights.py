"""What the nights can do over the API: the reports as they were made, the latest first (P-18)."""

from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from django.urls import path
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from positions.access import portfolio_or_404
from positions.models.fundamentals import EarningsTiming
from riskengine.api.examples import nights as examples
from riskengine.api.paging import NOT_THERE, LatestFirst
from riskengine.api.records import shown
from riskengine.models import NightReport
from riskengine.services.watch.night import reports

# ---- Shapes ----


def _usd(means: str) -> serializers.FloatField:
    return serializers.FloatField(allow_null=True, help_text=f"USD: {means} Null is not known.")


def _number(means: str) -> serializers.FloatField:
    return serializers.FloatField(allow_null=True, help_text=f"{means} Null is not known.")


def _table(child: serializers.Field, means: str) -> serializers.ListField:
    return serializers.ListField(child=serializers.ListField(child=child), help_text=means)


class EarningsSerializer(serializers.Serializer):
    on = serializers.DateField(allow_null=True, help_text="New York date. Null: none on record.")
    timing = serializers.ChoiceField(EarningsTiming.choices, allow_null=True)
    before_expiry = serializers.BooleanField(help_text="It moves the option before that expires.")
    tonight = serializers.BooleanField(help_text="It comes while nothing can be sold.")
    illustrative = serializers.BooleanField(help_text="The date is not real.")


class ExDividendSerializer(serializers.Serializer):
    on = serializers.DateField(help_text="New York date.")
    dividend = serializers.FloatField(help_text="USD a share.")
    before_expiry = serializers.BooleanField()
    concerns_exercise = serializers.BooleanField(help_text="A long American call, and the date is before it expires.")
    time_value = _number("USD a share.")
    exercise_pays = serializers.BooleanField(
        allow_null=True, help_text="The dividend exceeds the time value. Null is not known."
    )


class NightPositionSerializer(serializers.Serializer):
    position = serializers.IntegerField(help_text="An id of positions/.")
    label = serializers.CharField()
    underlying = serializers.CharField()
    right = serializers.ChoiceField([("C", "Call"), ("P", "Put")])
    strike = serializers.FloatField()
    expires_on = serializers.DateField()
    days = serializers.IntegerField(help_text="Calendar days to expiration.")
    contracts = serializers.IntegerField()
    multiplier = serializers.IntegerField(help_text="Shares a contract.")
    mark = _number("USD a share.")
    mark_age_seconds = _number("Of the quote, as of priced_at.")
    spot = _number("USD a share, or index points.")
    volatility = _number("Annual, implied by the mid.")
    marked = _usd("by the market's mark.")
    model_value = _usd("by the model, which P&L is counted from.")
    pnl = _table(serializers.FloatField(allow_null=True), "USD by the next open: volatility_moves x spot_moves.")
    waves = _table(serializers.IntegerField(), "How strongly a cell is coloured, 0 to 3.")
    worst_down = _usd("the worst of the −5% column.")
    worst_up = _usd("the worst of the +5% column.")
    theta_night = _usd("what the night alone costs.")
    physical = serializers.BooleanField(help_text="Exercise changes shares; false: it is settled in cash.")
    shares = serializers.IntegerField(help_text="On exercise.")
    notional = _usd("paid on exercise.")
    earnings = EarningsSerializer(allow_null=True, help_text="Null: it never reports.")
    ex_dividend = ExDividendSerializer(allow_null=True, help_text="Null: none on record.")
    unknown = serializers.ListField(child=serializers.CharField(), help_text="What is missing to price it.")


class NightBookSerializer(serializers.Serializer):
    pnl = _table(serializers.FloatField(allow_null=True), "USD by the next open: volatility_moves x spot_moves.")
    waves = _table(serializers.IntegerField(), "How strongly a cell is coloured, 0 to 3.")
    worst_down = _usd("the worst of the −5% column.")
    worst_up = _usd("the worst of the +5% column.")
    worst_loss = _usd("the loss in the worse of both; under 0 is a gain.")
    worst_share = _number("Of equity.")
    limit_share = serializers.FloatField(help_text="overnight_loss_limit.")
    limit = _usd("what it may lose.")
    over = serializers.BooleanField(help_text="An alert was raised.")
    theta_night = _usd("what the night alone costs.")
    notional = _usd("paid on exercise of all.")
    notional_multiple = _number("Notional in equities.")
    gap = _usd("if every option goes to zero.")
    gap_share = _number("Of equity.")
    gap_multiple = _number("In emergency limits.")


class ReductionSerializer(serializers.Serializer):
    position = serializers.IntegerField(help_text="An id of positions/.")
    label = serializers.CharField()
    sell = serializers.IntegerField(help_text="Contracts.")
    of = serializers.IntegerField(help_text="Contracts held.")
    loss_left = _usd("the worst of a 5% move once all that is proposed is sold.")


class NightContentsSerializer(serializers.Serializer):
    version = serializers.IntegerField()
    moment = serializers.CharField()
    at = serializers.DateTimeField(help_text="Market time, New York.")
    priced_at = serializers.DateTimeField(help_text="What the prices are of: at, or the last close.")
    report_at = serializers.DateTimeField()
    closes_on = serializers.DateField()
    closes_at = serializers.DateTimeField()
    opens_at = serializers.DateTimeField(allow_null=True, help_text="Null: no next session is known.")
    closed_seconds = _number("From the close to the open.")
    seconds_of_night = _number("From the prices to the open.")
    spot_moves = serializers.ListField(child=serializers.FloatField())
    volatility_moves = serializers.ListField(child=serializers.FloatField(), help_text="Of itself.")
    equity = _usd("at the start of the day.")
    positions = NightPositionSerializer(many=True)
    unknown = serializers.ListField(child=serializers.CharField(), help_text="Labels of what cannot be priced.")
    openings = serializers.IntegerField(help_text="Contracts still being bought, not counted.")
    book = NightBookSerializer()
    reduction = ReductionSerializer(many=True, allow_null=True, help_text="Null: not asked for, or not known.")


class NightSerializer(serializers.ModelSerializer):
    class Meta:
        model = NightReport
        fields: tuple[str, ...] = ("id", "session_on", "moment", "made_at", "equity", "worst_loss", "positions")
        read_only_fields = fields


class NightDetailSerializer(NightSerializer):
    contents = serializers.SerializerMethodField(help_text="As it was stored, and as the page shows it.")

    class Meta(NightSerializer.Meta):
        fields = (*NightSerializer.Meta.fields, "contents")
        read_only_fields = fields

    @extend_schema_field(NightContentsSerializer)
    def get_contents(self, report: NightReport) -> dict[str, Any]:
        return report.contents


# ---- Views ----


@extend_schema(
    responses={200: NightSerializer(many=True), **NOT_THERE}, examples=[shown("Above the limit", examples.SUMMARY)]
)
class Nights(generics.ListAPIView):
    """Reports of the night, the latest first: before the close, and before the next open. A worst loss of null is not
    known."""

    serializer_class = NightSerializer
    pagination_class = LatestFirst
    queryset = NightReport.objects.none()
    filterset_fields = ("moment", "session_on")

    def get_queryset(self) -> QuerySet[NightReport]:
        if getattr(self, "swagger_fake_view", False):  # the schema asks for the model without a portfolio
            return self.queryset
        return reports(portfolio_or_404(self.request.user, self.kwargs["slug"])).defer("contents")


class LatestNight(generics.GenericAPIView):
    """The latest report with all that it says. 404 before the first one."""

    serializer_class = NightDetailSerializer

    @extend_schema(
        operation_id="night_latest",
        responses={200: NightDetailSerializer, **NOT_THERE},
        examples=[shown("Above the limit", examples.REPORT)],
    )
    def get(self, request: Request, slug: str) -> Response:
        return _answer(reports(portfolio_or_404(request.user, slug)).first())


class NightDetail(generics.GenericAPIView):
    """One report with all that it says."""

    serializer_class = NightDetailSerializer

    @extend_schema(
        operation_id="night_retrieve",
        responses={200: NightDetailSerializer, **NOT_THERE},
        examples=[shown("Above the limit", examples.REPORT)],
    )
    def get(self, request: Request, slug: str, night_id: int) -> Response:
        return _answer(reports(portfolio_or_404(request.user, slug)).filter(pk=night_id).first())


def _answer(report: NightReport | None) -> Response:
    if report is None:
        raise Http404("There is no such report, or it is not yours.")
    return Response(NightDetailSerializer(report).data)


urlpatterns = [
    path("portfolios/<slug:slug>/nights/", Nights.as_view(), name="api-nights"),
    path("portfolios/<slug:slug>/nights/latest/", LatestNight.as_view(), name="api-night-latest"),
    path("portfolios/<slug:slug>/nights/<int:night_id>/", NightDetail.as_view(), name="api-night"),
]
