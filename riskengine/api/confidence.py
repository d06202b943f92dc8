"""Whether confidence came true, over the API, and the review that lets a tier scale again. Rates are fractions."""

from django.core.exceptions import PermissionDenied, ValidationError
from django.urls import path
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Scope
from betsizing.errors import Unprocessable
from betsizing.repeats import CONFLICT, KEY_PARAMETER, once_per_key
from betsizing.schema import error_example
from positions.access import portfolio_or_404
from positions.market.calendar import OutsideCalendar
from riskengine.api.entries import REFUSED, Act
from riskengine.api.examples import signalling as examples
from riskengine.api.field import StrictDecimalField
from riskengine.api.guards import ReasonSerializer
from riskengine.api.paging import NOT_THERE
from riskengine.api.records import shown
from riskengine.models import TierReview
from riskengine.services.signals.acting import review_tier
from riskengine.services.signals.record import confidence_record


def _figure(help_text: str = "") -> serializers.FloatField:
    return serializers.FloatField(allow_null=True, help_text=help_text)


class RatesSerializer(serializers.Serializer):
    """Closed trades and what they earned. Null where there is nothing to average."""

    trades = serializers.IntegerField(help_text="Closed.")
    wins = serializers.IntegerField(help_text="Above their cost after fees.")
    win_rate = _figure()
    low = _figure("Lower end of the win rate's 95% interval (Wilson).")
    high = _figure("Upper end.")
    expectancy = _figure("Mean gain after fees per dollar paid.")
    expectancy_low = _figure("Lower end of its 95% interval (Student).")
    expectancy_high = _figure("Upper end.")


class SinceReviewSerializer(serializers.Serializer):
    trades = serializers.IntegerField()
    wins = serializers.IntegerField()
    high = _figure("Upper end of the win rate's 95% interval: under the break-even the tier waits for a review.")
    break_even = _figure()


class ReviewedSerializer(serializers.Serializer):
    at = serializers.CharField(help_text="Market time, New York with offset.")
    by = serializers.CharField()
    reason = serializers.CharField()


class TierSerializer(serializers.Serializer):
    begins = serializers.FloatField(help_text="Raw confidence from which the tier begins.")
    ends = serializers.FloatField()
    factor = _figure("By which the tier scales the minimum bet.")
    trades = serializers.IntegerField()
    wins = serializers.IntegerField()
    win_rate = _figure()
    low = _figure("Lower end of the 95% interval (Wilson).")
    high = _figure("Upper end.")
    break_even = _figure("Win rate at which its average gain and average loss even out.")
    mean_confidence = _figure("Of its trades, raw.")
    average_gain = _figure("Of the winners, per dollar paid.")
    average_loss = _figure("Of the others, per dollar paid, a positive number.")
    expectancy = _figure("Mean gain after fees per dollar paid.")
    since_review = SinceReviewSerializer(help_text="What counts for or against it now: all trades until a review.")
    waits_for_review = serializers.BooleanField(help_text="Surely under its break-even: it scales at 1.0.")
    review = ReviewedSerializer(allow_null=True, help_text="The last one; null: never.")


class PointSerializer(serializers.Serializer):
    raw = serializers.FloatField()
    calibrated = serializers.FloatField(help_text="What the closed trades make of it.")
    scales_with = serializers.FloatField(help_text="What a bet is scaled with now; the gate reads the raw one.")


class SignalsByStateSerializer(serializers.Serializer):
    new = serializers.IntegerField()
    accepted = serializers.IntegerField()
    dropped = serializers.IntegerField()
    expired = serializers.IntegerField()
    traded = serializers.IntegerField()


class SourceSerializer(RatesSerializer):
    slug = serializers.CharField()
    name = serializers.CharField()
    kind = serializers.CharField(help_text="api, webhook, csv, generator or demo.")
    kind_label = serializers.CharField()
    handling = serializers.CharField(help_text="show: a person places. enter: it enters by itself.")
    enabled = serializers.BooleanField()
    total = serializers.IntegerField(help_text="Signals received.")
    signals = SignalsByStateSerializer()
    bets_the_minimum = serializers.BooleanField(help_text="Built in, and without a record of its own yet.")


class ConfidenceSerializer(serializers.Serializer):
    portfolio = serializers.CharField(help_text="Its slug.")
    name = serializers.CharField()
    as_of = serializers.CharField(help_text="Market time, New York with offset.")
    trades = serializers.IntegerField(help_text="Closed trades with a confidence.")
    trades_needed = serializers.IntegerField(help_text="From so many on calibration lowers, and tiers are judged.")
    trades_missing = serializers.IntegerField()
    scaling = serializers.CharField(help_text="As the profile says: calibrated or raw.")
    calibrates = serializers.BooleanField(help_text="Whether calibration lowers what scales, now.")
    weight = _figure("Of the record against the raw confidence, 0 to 1.")
    record = RatesSerializer()
    mean_confidence = _figure("Of all trades, raw.")
    brier = _figure("Mean squared error of the confidence; under `brier_of_base` it says something.")
    brier_of_base = _figure("The same of saying the win rate every time.")
    tiers = TierSerializer(many=True, help_text="The lowest first.")
    waiting_for_review = serializers.ListField(child=serializers.FloatField(), help_text="Where those tiers begin.")
    calibration = PointSerializer(many=True)
    zero_edge_win_rate = _figure("How often an option without any edge would win here; null: still being computed.")
    zero_edge_expectancy = _figure("What a dollar bet then gains after costs.")
    zero_edge_basis = serializers.CharField(allow_null=True, help_text="How that was found.")
    sources = SourceSerializer(many=True)


class ReviewSerializer(ReasonSerializer):
    tier = StrictDecimalField(min_value=0, max_value=1, help_text="Where the tier begins, for example 0.7.")


class TierReviewSerializer(serializers.ModelSerializer):
    class Meta:
        model = TierReview
        fields = ("id", "tier", "reviewed_at", "reviewed_by_name", "reason", "trades", "wins")
        read_only_fields = fields


class Confidence(APIView):
    """Whether confidence came true: by tier with its interval, break-even and expectancy, as a curve, and by source of
    signals. A win rate is never without its expectancy: small targets win most of the time and may lose money."""

    @extend_schema(
        operation_id="confidence_retrieve",
        responses={200: ConfidenceSerializer, **NOT_THERE},
        examples=[shown("A tier that waits (shortened)", examples.CONFIDENCE)],
    )
    def get(self, request: Request, slug: str) -> Response:
        portfolio = portfolio_or_404(request.user, slug)
        return Response(ConfidenceSerializer(confidence_record(portfolio, now=timezone.now())).data)


class Review(Act):
    """Let a tier scale again that is surely under its break-even, with a reason. For staff who may. What it closed
    before counts no longer against it."""

    token_scope = Scope.RISK

    @extend_schema(
        operation_id="confidence_review",
        request=ReviewSerializer,
        parameters=[KEY_PARAMETER],
        responses={201: TierReviewSerializer, **REFUSED},
        examples=[
            OpenApiExample("Looked at", value=examples.REVIEW_ASKED, request_only=True),
            shown("It scales again", examples.REVIEW, "201"),
            error_example("It scales already", 422, "NOTHING_TO_REVIEW", examples.NOTHING_TO_REVIEW, "tier"),
            CONFLICT,
        ],
    )
    @once_per_key
    def post(self, request: Request, slug: str) -> Response:
        portfolio = portfolio_or_404(request.user, slug)
        asked = self.asked(request, ReviewSerializer)
        try:
            review = review_tier(portfolio=portfolio, actor=request.user, now=timezone.now(), **asked)
        except PermissionDenied as problem:
            raise exceptions.PermissionDenied(str(problem)) from problem
        except ValidationError as problem:
            raise Unprocessable("NOTHING_TO_REVIEW", " ".join(problem.messages), "tier") from problem
        except OutsideCalendar as problem:
            raise Unprocessable("SESSION_CLOSED", str(problem)) from problem
        return Response(TierReviewSerializer(review).data, status=201)


urlpatterns = [
    path("portfolios/<slug:slug>/confidence/", Confidence.as_view(), name="api-confidence"),
    path("portfolios/<slug:slug>/confidence/review/", Review.as_view(), name="api-confidence-review"),
]
