"""What take-profit tiers and the size of bets did, over the API. Money USD, gains and shares fractions; null is not
known. Putting a ladder in force is a person's act and is not here."""

from decimal import Decimal
from typing import Any

from django.urls import path
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.bounds import problems_of_ladder
from accounts.defaults import LADDERS, MAX_STEPS, Step
from betsizing.errors import ErrorsSerializer
from positions.access import portfolio_or_404
from riskengine.api.examples import studying as examples
from riskengine.api.field import StrictSerializer, counts, numbers, shape
from riskengine.api.paging import NOT_THERE
from riskengine.api.records import shown
from riskengine.services.study.ladder_study import suggestion, what_if
from riskengine.services.study.size_impact import size_impact
from riskengine.services.study.tier_record import REGIME_OF, ladders_of_system, tier_record

WRONG = dict.fromkeys((400, 404), ErrorsSerializer)
A_STEP = r"(\d{1,3}(?:\.\d{1,6})?):(\d{1,3}(?:\.\d{1,6})?)"


class TakeProfitAskedSerializer(StrictSerializer):
    ladder = serializers.ChoiceField(sorted(REGIME_OF), required=False, help_text="Left out: the system's first.")
    steps = serializers.RegexField(
        rf"\A{A_STEP}(?:,{A_STEP}){{0,{MAX_STEPS - 1}}}\Z",
        required=False,
        max_length=200,
        help_text="A ladder to try, threshold:share as fractions from the nearest: 0.05:0.33,0.10:0.67.",
    )
    suggest = serializers.BooleanField(required=False, help_text="Walk ladders around the present one forward.")


StepSerializer = shape("LadderStep", "One tier.", threshold=serializers.FloatField(), share=serializers.FloatField())
PresentStepSerializer = type("PresentLadderStep", (StepSerializer,), {"number": serializers.IntegerField()})
TierEffectSerializer = shape(
    "TierEffect",
    "What one tier took, and what the same contracts were worth at the position's final exit.",
    ladder=serializers.CharField(),
    label=serializers.CharField(),
    **counts("tier positions hits deferred compared"),
    **numbers("threshold_low threshold_high hit_rate hit_low hit_high gain gain_low gain_high taken compared_taken"),
    **numbers("held difference difference_low difference_high per_dollar per_dollar_low per_dollar_high"),
    sure=serializers.BooleanField(help_text="Whether the 95% interval of the difference lies on one side of nothing."),
    verdict=serializers.CharField(),
)
LadderEffectSerializer = shape(
    "LadderEffect",
    "One ladder of the system.",
    ladder=serializers.CharField(),
    label=serializers.CharField(),
    present=PresentStepSerializer(many=True, help_text="In force: what a new bet would copy."),
    tiers=TierEffectSerializer(many=True),
)
CameSerializer = shape(
    "WalkedLadder",
    "The same trades walked under one ladder.",
    steps=StepSerializer(many=True),
    **counts("n not_known wins"),
    **numbers("gain gain_low gain_high worst"),
)
PairedSerializer = shape(
    "PairedDifference",
    "Mean difference per dollar on the trades of which both are known.",
    n=serializers.IntegerField(),
    **numbers("mean mean_low mean_high"),
)
WhatIfSerializer = shape(
    "LadderWhatIf",
    "Another ladder on the prices that were kept.",
    ladder=serializers.CharField(),
    label=serializers.CharField(),
    **counts("trades with_path"),
    present=CameSerializer(),
    asked=CameSerializer(allow_null=True),
    none=CameSerializer(help_text="No tier: held to the stop, the target of seven-day trades or the forced close."),
    difference=PairedSerializer(allow_null=True, help_text="Asked less present."),
    against_holding=PairedSerializer(help_text="Present less no tier."),
    fidelity=PairedSerializer(help_text="Walked under the present ladder less what the trades really made."),
    verdict=serializers.CharField(allow_null=True),
    held_verdict=serializers.CharField(),
    known_until=serializers.CharField(allow_null=True, help_text="New York with offset."),
)
FoldSerializer = shape(
    "LadderFold",
    "A block of later trades and the ladder chosen before it.",
    **counts("learned tested"),
    first=serializers.CharField(),
    last=serializers.CharField(),
    steps=StepSerializer(many=True),
    is_present=serializers.BooleanField(),
)
StudySerializer = shape(
    "LadderStudy",
    "Chosen on earlier trades, judged on later ones.",
    tested=serializers.IntegerField(),
    folds=FoldSerializer(many=True),
    **numbers("chosen chosen_low chosen_high present present_low present_high difference difference_low"),
    **numbers("difference_high in_sample in_sample_low in_sample_high"),
    holds=serializers.BooleanField(help_text="The later trades' interval lies above nothing."),
    steps=StepSerializer(many=True, allow_null=True, help_text="Suggested; null: keep the present ladder."),
    verdict=serializers.CharField(),
)
SuggestionSerializer = shape(
    "LadderSuggestion",
    "Nothing is put in force by it.",
    ladder=serializers.CharField(),
    label=serializers.CharField(),
    **counts("trades whole needed tried"),
    refusal=serializers.CharField(allow_null=True),
    study=StudySerializer(allow_null=True),
)
TakeProfitSerializer = shape(
    "TakeProfitRecord",
    "Whether the tiers help.",
    portfolio=serializers.CharField(help_text="Its slug."),
    name=serializers.CharField(),
    as_of=serializers.CharField(help_text="Market time, New York with offset."),
    positions=serializers.IntegerField(help_text="Closed, with tiers."),
    ladders=LadderEffectSerializer(many=True),
    what_if=WhatIfSerializer(),
    suggestion=SuggestionSerializer(allow_null=True, help_text="Where it was asked for."),
)

ContributionSerializer = shape(
    "ScalingContribution",
    "P&L as it was less P&L at the minimum bet, with the 95% interval of the sum.",
    n=serializers.IntegerField(),
    **numbers("usd low high"),
    sure=serializers.BooleanField(),
)
WaySerializer = shape(
    "SizeWay",
    "The account at one way of sizing.",
    way=serializers.CharField(help_text="minimum, actual, half_kelly or hindsight."),
    label=serializers.CharField(),
    **numbers("final pnl max_drawdown volatility worst growth mean_bet"),
    ruined=serializers.BooleanField(),
)
SizePointSerializer = shape(
    "SizePoint",
    "After one trade.",
    **counts("number position"),
    closed_on=serializers.DateField(),
    **numbers("minimum actual half_kelly"),
    hindsight=serializers.FloatField(required=False, help_text="From 30 trades on."),
)
SizeTierSerializer = shape(
    "SizeTier",
    "What scaling did in one tier of confidence.",
    label=serializers.CharField(),
    n=serializers.IntegerField(),
    **numbers("begins multiple pnl minimum_pnl usd low high expectancy expectancy_low expectancy_high"),
    sure=serializers.BooleanField(),
)
SizeImpactSerializer = shape(
    "SizeImpact",
    "The same trades at the minimum bet, as they were, and at half Kelly.",
    portfolio=serializers.CharField(help_text="Its slug."),
    name=serializers.CharField(),
    as_of=serializers.CharField(help_text="Market time, New York with offset."),
    **counts("n left_out kelly_needs kelly_trades"),
    **numbers("start deposits"),
    scaling=ContributionSerializer(),
    verdict=serializers.CharField(),
    kelly_verdict=serializers.CharField(allow_null=True),
    tiers=SizeTierSerializer(many=True),
    ways=WaySerializer(many=True),
    curve=SizePointSerializer(many=True),
)


class TakeProfit(APIView):
    """How often each take-profit tier was reached, taken against held to the final exit, what another ladder would have
    made on the prices that were kept, and where asked a suggestion with its result on later trades."""

    @extend_schema(
        operation_id="take_profit_retrieve",
        parameters=[TakeProfitAskedSerializer],
        responses={200: TakeProfitSerializer, **WRONG},
        examples=[shown("A ladder asked about (shortened)", examples.TAKE_PROFIT)],
    )
    def get(self, request: Request, slug: str) -> Response:
        now = timezone.now()
        portfolio = portfolio_or_404(request.user, slug)
        asked = _asked(request)
        names = ladders_of_system(portfolio.system)
        ladder = asked.get("ladder", names[0])
        if ladder not in names:
            raise serializers.ValidationError({"ladder": [f"This account has {', '.join(names)}."]})
        answer = {
            **tier_record(portfolio, now=now),
            "what_if": what_if(portfolio, ladder, _steps(ladder, asked.get("steps")), now=now),
            "suggestion": suggestion(portfolio, ladder, now=now) if asked.get("suggest") else None,
        }
        return Response(TakeProfitSerializer(answer).data)


def _asked(request: Request) -> dict[str, Any]:
    given = TakeProfitAskedSerializer(data={name: value for name, value in request.query_params.items() if value})
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)


def _steps(ladder: str, text: str | None) -> tuple[Step, ...] | None:
    if not text:
        return None
    pairs = [pair.split(":") for pair in text.split(",")]
    steps = tuple(Step(Decimal(threshold), Decimal(share), True) for threshold, share in pairs)
    problems = problems_of_ladder(LADDERS[ladder], steps)
    if problems:
        raise serializers.ValidationError({"steps": problems})
    return steps


class Impact(APIView):
    """What the size of bets did: the same closed trades at the minimum bet, as they were, and at half Kelly from the
    trades before each."""

    @extend_schema(
        operation_id="size_impact_retrieve",
        responses={200: SizeImpactSerializer, **NOT_THERE},
        examples=[shown("Two trades", examples.SIZE_IMPACT)],
    )
    def get(self, request: Request, slug: str) -> Response:
        portfolio = portfolio_or_404(request.user, slug)
        return Response(SizeImpactSerializer(size_impact(portfolio, now=timezone.now())).data)


urlpatterns = [
    path("portfolios/<slug:slug>/take-profit/", TakeProfit.as_view(), name="api-take-profit"),
    path("portfolios/<slug:slug>/size-impact/", Impact.as_view(), name="api-size-impact"),
]
