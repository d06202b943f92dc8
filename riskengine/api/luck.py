"""Whether a record is luck, and what odds of one's own come to, over the API. Fractions are fractions, money USD; null
is not known. Odds are worked out and nothing is kept."""

from typing import Any

from django.urls import path
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Scope
from betsizing.errors import ErrorsSerializer, Unprocessable
from betsizing.parsers import ShallowJSONParser
from betsizing.schema import error_example
from positions.access import portfolio_or_404
from riskengine.api.examples import luck as examples
from riskengine.api.field import (
    StrictDecimalField,
    StrictIntegerField,
    StrictSerializer,
    counts,
    number,
    numbers,
    shape,
)
from riskengine.api.paging import NOT_THERE
from riskengine.api.records import shown
from riskengine.services.study.odds import (
    LARGEST_PAYOFF,
    MOST_BETS,
    MOST_FRACTIONS,
    MOST_OUTCOMES,
    Asked,
    NotOdds,
    account_of,
    odds,
    two_outcomes,
)
from riskengine.services.study.projections import luck

TWO = ("win_probability", "gain", "loss")

# ---- Luck ----

PointSerializer = shape(
    "BandPoint", "After so many bets: multiples of the account.", **counts("after"), **numbers("p5 p25 p50 p75 p95")
)
FinalSerializer = shape("BandEnd", "After the last bet.", **numbers("p5 p25 p50 p75 p95"))
BandSerializer = shape(
    "Band",
    "Many accounts that made the same bets, with gains drawn from what is assumed.",
    key=serializers.CharField(help_text="no_edge, projected or own."),
    label=serializers.CharField(),
    basis=serializers.CharField(),
    missing=serializers.CharField(allow_null=True, help_text="Why there is none."),
    points=PointSerializer(many=True),
    standing=number("The share of them that this account stands above."),
    as_well=number("The share of them that do at least as well."),
    says=serializers.CharField(allow_null=True, help_text="Both in words; null without trades."),
    final=FinalSerializer(allow_null=True),
)
FollowedSerializer = shape(
    "FollowedBet",
    "The account after one of its own closed trades.",
    **counts("after"),
    multiple=number("Of the account at the start; deposits do not count."),
    closed_on=serializers.DateField(allow_null=True),
    position=serializers.IntegerField(allow_null=True, help_text="An id of positions/."),
)
MarkedSerializer = shape(
    "MarkedAccount",
    "The account as last read, with what is open.",
    multiple=number("Time-weighted, of the first session's start."),
    day=serializers.DateField(),
    runs=serializers.BooleanField(help_text="The day is not over."),
)
FigureSerializer = shape("FigureWithInterval", "95% interval, or nine of ten years.", **numbers("value low high"))
RangeSerializer = shape("ProjectedRange", "From low to high.", **numbers("low high"))
MeasureSerializer = shape(
    "Measure",
    "One figure: of the account, as projected, and without any edge.",
    key=serializers.CharField(),
    label=serializers.CharField(),
    n=serializers.IntegerField(help_text="How many it is of."),
    unit=serializers.CharField(help_text="trades or sessions."),
    reason=serializers.CharField(allow_null=True, help_text="Why the account's own is not known."),
    actual=FigureSerializer(),
    projected=RangeSerializer(),
    no_edge=FigureSerializer(),
)
PaceSerializer = shape(
    "Pace",
    "What a year is, where one without any edge is shown.",
    own=serializers.BooleanField(help_text="The account's own pace; else one minimum bet a session."),
    bets=serializers.IntegerField(),
    bet=number("Share of the account."),
)
ProjectionRowSerializer = shape(
    "ProjectionInForce",
    "What is projected of the system, with its source, and where it contradicts itself.",
    **counts("id"),
    source=serializers.CharField(),
    in_force_from=serializers.CharField(allow_null=True, help_text="Null: from the beginning."),
    author=serializers.CharField(),
    reason=serializers.CharField(),
    **{
        name: RangeSerializer()
        for name in (
            "annual_return", "max_drawdown", "sharpe", "win_rate", "average_win", "average_loss", "expectancy",
        )
    },
    bet=number("The minimum bet, which bets_a_year is of."),
    bets_a_year=serializers.IntegerField(allow_null=True, help_text="That its return takes; null: no number."),
    contradictions=serializers.ListField(child=serializers.CharField()),
)  # fmt: skip
NoEdgeSerializer = shape(
    "NoEdge",
    "What the exits in force come to on a fairly priced option. Gains per dollar paid.",
    **numbers("win_rate average_win average_loss expectancy win_rate_before_costs expectancy_before_costs"),
    basis=serializers.CharField(),
    paths=serializers.IntegerField(),
    source=serializers.CharField(),
    computed_at=serializers.CharField(help_text="Wall time, New York with offset."),
)
OwnSizeSerializer = shape(
    "OwnKellySize",
    "One size of the bet.",
    key=serializers.CharField(help_text="mean, smallest, largest or half_kelly."),
    label=serializers.CharField(),
    bet=number("Share of the account."),
    times_kelly=number(),
    growth=number("Mean logarithm of what a bet makes of the account; null: it can ruin."),
    median=number("Multiple after the bets."),
    falls=serializers.ListField(child=serializers.FloatField(), help_text="The chance of ever falling by each depth."),
)
OwnKellySerializer = shape(
    "OwnKelly",
    "Kelly of the account's own closed trades, as if they were all that can happen.",
    **counts("trades bets"),
    kelly=number(),
    unbounded=serializers.BooleanField(help_text="Nothing was lost yet: no bet is too large."),
    low=number("Lower end of the 95% interval, by resampling."),
    high=number("Upper end."),
    high_unbounded=serializers.BooleanField(),
    depths=serializers.ListField(child=serializers.FloatField()),
    sizes=OwnSizeSerializer(many=True),
)
LuckSerializer = shape(
    "Luck",
    "A record against its projection and against no edge at all.",
    portfolio=serializers.CharField(),
    name=serializers.CharField(),
    system=serializers.CharField(),
    as_of=serializers.CharField(help_text="Market time, New York with offset."),
    n=serializers.IntegerField(help_text="Closed trades."),
    followed=serializers.IntegerField(help_text="Of them with a known price and equity."),
    **counts("left_out"),
    **numbers("mean_bet smallest_bet largest_bet"),
    verdict=serializers.CharField(),
    needed=serializers.ListField(child=serializers.CharField(), help_text="How many trades tell an edge from nothing."),
    bands=BandSerializer(many=True),
    ahead=serializers.IntegerField(help_text="Without trades: so many minimum bets to come are shown."),
    actual=FollowedSerializer(many=True),
    now=MarkedSerializer(allow_null=True),
    table=MeasureSerializer(many=True),
    pace=PaceSerializer(),
    projection=ProjectionRowSerializer(allow_null=True),
    no_edge=NoEdgeSerializer(allow_null=True, help_text="Null: being computed."),
    kelly=OwnKellySerializer(allow_null=True, help_text="Null: it takes two closed trades."),
)


class Luck(APIView):
    """Whether an account's record can be told from luck: the account among accounts of chance, its figures beside what
    was projected and what no edge at all shows, and Kelly of its own trades with the interval."""

    @extend_schema(
        operation_id="projection_retrieve",
        responses={200: LuckSerializer, **NOT_THERE},
        examples=[shown("A quarter (shortened)", examples.LUCK)],
    )
    def get(self, request: Request, slug: str) -> Response:
        return Response(luck(portfolio_or_404(request.user, slug), now=timezone.now()))


# ---- Odds ----


class OutcomeSerializer(StrictSerializer):
    probability = StrictDecimalField(min_value=0, max_value=1)
    payoff = StrictDecimalField(min_value=-1, max_value=int(LARGEST_PAYOFF), help_text="Per dollar bet; -1: all lost.")


class OddsRequestSerializer(StrictSerializer):
    """Two outcomes by `win_probability`, `gain` and `loss`, or up to six as `outcomes`."""

    win_probability = StrictDecimalField(min_value=0, max_value=1, required=False, allow_null=True)
    gain = StrictDecimalField(
        min_value=0, max_value=int(LARGEST_PAYOFF), required=False, allow_null=True, help_text="Per dollar bet."
    )
    loss = StrictDecimalField(
        min_value=0, max_value=1, required=False, allow_null=True, help_text="Per dollar bet, a positive number."
    )
    outcomes = OutcomeSerializer(many=True, required=False, min_length=1, max_length=MOST_OUTCOMES)
    lost_whole = StrictDecimalField(min_value=0, max_value=1, default=0, help_text="Share of losses that are total.")
    fractions = serializers.ListField(
        child=StrictDecimalField(min_value=0, max_value=1),
        required=False,
        min_length=1,
        max_length=MOST_FRACTIONS,
        help_text="Shares of the account. Left out: the minimum and maximum bet of the portfolio.",
    )
    bets = StrictIntegerField(min_value=1, max_value=MOST_BETS, default=100)
    portfolio = serializers.SlugField(
        required=False, help_text="Whose bets, account and least account are meant where they are left out."
    )
    initial = StrictDecimalField(min_value=1, max_value=10**12, required=False, help_text="USD.")
    minimum = StrictDecimalField(
        min_value=1, max_value=10**12, required=False, help_text="USD: the account under which betting ends."
    )

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        told = [name for name in TWO if given.get(name) is not None]
        if "outcomes" in given and told:
            raise serializers.ValidationError(
                {"outcomes": "Give outcomes, or a chance with gain and loss, not both."}, "both"
            )
        if "outcomes" not in given and len(told) < len(TWO):
            raise serializers.ValidationError(
                {"win_probability": "Give win_probability, gain and loss, or outcomes."}, "required"
            )
        if "fractions" not in given and "portfolio" not in given:
            raise serializers.ValidationError({"fractions": "Give fractions, or a portfolio."}, "required")
        return given


SizeSerializer = shape(
    "OddsSize",
    "One size of the bet.",
    **numbers("fraction dollars times_kelly"),
    level=serializers.CharField(help_text='Against Kelly: "" up to it, amber over it, red over twice.'),
    says=serializers.CharField(),
    growth=number("Mean logarithm of what a bet makes of the account; null: it can ruin."),
    can_ruin=serializers.BooleanField(),
    **numbers("median p5 p95 ahead"),
    falls=serializers.ListField(child=serializers.FloatField(), help_text="The chance of ever falling by each depth."),
    under_minimum=number("The chance of ever standing at the least account or under it."),
)
OddsSerializer = shape(
    "Odds",
    "What odds come to. Multiples are of the account at the start.",
    outcomes=shape("OddsOutcome", "With total losses as one more.", **numbers("probability payoff"))(many=True),
    expectancy=number("Per dollar bet."),
    kelly=number("Full Kelly, a share of the account."),
    unbounded=serializers.BooleanField(help_text="Nothing is lost: no bet is too large."),
    **counts("bets paths"),
    error=number("Standard error of a chance, at most."),
    **numbers("initial minimum"),
    depths=serializers.ListField(child=serializers.FloatField()),
    sizes=SizeSerializer(many=True),
)


class Odds(APIView):
    """Kelly, growth and falls of odds of your own, at up to six sizes of the bet. Nothing is kept."""

    token_scope = Scope.READ
    parser_classes = [ShallowJSONParser]

    @extend_schema(
        operation_id="odds_compute",
        request=OddsRequestSerializer,
        responses={200: OddsSerializer, 400: ErrorsSerializer, 404: ErrorsSerializer, 422: ErrorsSerializer},
        examples=[
            OpenApiExample("One loss in 20 is total", value=examples.ODDS_ASKED, request_only=True),
            shown("Kelly falls from 50% to 3%", examples.ODDS),
            error_example("No odds", 422, "PROBABILITIES", examples.NO_ODDS, "outcomes"),
        ],
    )
    def post(self, request: Request) -> Response:
        serializer = OddsRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        try:
            return Response(odds(_asked(request, serializer.validated_data)))
        except NotOdds as problem:
            raise Unprocessable(problem.code, str(problem), problem.field) from problem


def _asked(request: Request, given: dict[str, Any]) -> Asked:
    outcomes = tuple((float(each["probability"]), float(each["payoff"])) for each in given.get("outcomes", ()))
    fractions = tuple(float(each) for each in given.get("fractions", ()))
    initial, minimum = (None if given.get(name) is None else float(given[name]) for name in ("initial", "minimum"))
    if "portfolio" in given:
        account = account_of(portfolio_or_404(request.user, given["portfolio"]), now=timezone.now())
        fractions = fractions or (account.smallest, account.largest)
        initial = account.initial if initial is None else initial
        minimum = account.minimum or None if minimum is None else minimum
    return Asked(
        outcomes=outcomes or two_outcomes(*(float(given[name]) for name in TWO)),
        fractions=fractions,
        bets=given["bets"],
        lost_whole=float(given["lost_whole"]),
        initial=initial,
        minimum=minimum,
    )


urlpatterns = [
    path("portfolios/<slug:slug>/projection/", Luck.as_view(), name="api-projection"),
    path("odds/", Odds.as_view(), name="api-odds"),
]
