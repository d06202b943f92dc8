"""What an account's record comes to over the API: its days, its closed trades and their lots. Money USD, rates and
shares fractions; null is not known."""

from datetime import datetime
from typing import Any

from django.urls import path
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from betsizing.errors import ErrorsSerializer
from positions.access import portfolio_or_404
from positions.market.calendar import new_york_date
from positions.market.clock import market_now
from positions.models import Portfolio
from positions.selectors import portfolios_for
from riskengine.api.examples import performing as examples
from riskengine.api.field import StrictDecimalField, StrictSerializer, counts, number, numbers, shape
from riskengine.api.records import shown
from riskengine.services.study.performance import PERIODS, performance, period
from riskengine.services.study.tax_lots import tax_lots

WRONG = dict.fromkeys((400, 404), ErrorsSerializer)

# ---- Questions ----


class PeriodSerializer(StrictSerializer):
    period = serializers.ChoiceField(PERIODS, required=False, help_text="Of the calendar, to today. Left out: all.")
    since = serializers.DateField(required=False, help_text="New York date; goes before the period.")
    until = serializers.DateField(required=False, help_text="New York date, included.")


class AskedSerializer(PeriodSerializer):
    tier = StrictDecimalField(
        min_value=-1, max_value=1, required=False, help_text="Where the tier begins; −1: without a confidence."
    )
    underlying = serializers.CharField(max_length=16, required=False, help_text="Its symbol.")
    bucket = StrictDecimalField(
        min_value=-1, max_value=1, required=False, help_text="Where the step of 0.05 of confidence begins."
    )


def _asked(request: Request, portfolio: Portfolio, serializer: type[PeriodSerializer], now: datetime) -> dict[str, Any]:
    given = serializer(data={name: value for name, value in request.query_params.items() if value})
    given.is_valid(raise_exception=True)
    asked = dict(given.validated_data)
    since, until = period(asked.pop("period", "all"), new_york_date(market_now(portfolio.clock, now)))
    for name in ("tier", "bucket"):
        if name in asked:
            asked[name] = float(asked[name])
    return {"since": since, "until": until} | asked


# ---- Answers ----


GroupSerializer = shape(
    "RecordRates",
    "Closed trades and what they came to, after fees; gains per dollar paid.",
    **counts("n rated wins"),
    **numbers("win_rate low high expectancy expectancy_low expectancy_high average_win average_loss payoff"),
    **numbers("profit_factor gained lost best worst pnl fees cost"),
    verdict=serializers.ChoiceField(
        ["luck", "above", "below", "few", "one", "none"],
        help_text="Where the 95% interval of the expectancy lies: around nothing, above, below; few: on one side of "
        "nothing, by 30 trades or fewer, which establish nothing; or one trade, or none.",
    ),
)
SummarySerializer = type(
    "RecordSummary",
    (GroupSerializer,),
    {"closed_in_all": serializers.IntegerField(help_text="Of the account, whatever is asked for.")},
)
RowSerializer = type(
    "RecordGroup",
    (GroupSerializer,),
    {"key": serializers.JSONField(help_text="What it is asked for by."), "label": serializers.CharField()},
)
DaySerializer = shape(
    "RecordDay",
    "From the start of one session to the start of the next, marked to the market.",
    day=serializers.DateField(),
    **{
        "return": number("Profit over the day's start and what was paid in before its close."),
        "worst_drawdown": number("Deepest within the day, by five-minute readings."),
    },
    **numbers("start end deposits profit index drawdown lowest"),
)
EquitySerializer = shape(
    "RecordEquity",
    "The account from day to day. The last day may still run.",
    days=DaySerializer(many=True),
    runs=serializers.BooleanField(),
    **counts("sessions watched_sessions"),
    **numbers("start end deposits profit drawdown max_drawdown worst_drawdown"),
)
ReturnsSerializer = shape(
    "RecordReturns",
    "Figures of the daily returns, those a year on 252 sessions.",
    enough=serializers.BooleanField(help_text="So many sessions that a figure a year means something."),
    **counts("n needed days_up days_moved"),
    **numbers("total_return annual_return volatility max_drawdown sharpe sortino calmar win_rate profit_factor"),
    **numbers("var_95 cvar_95 daily_volatility win_rate_low win_rate_high"),
    **numbers("mean_return mean_return_low mean_return_high"),
)
CostsSerializer = shape(
    "RecordCosts",
    "Fees, and slippage against the mid that was decided on.",
    **counts("entry_trades exit_trades known_trades"),
    **numbers("premium fees fees_share entry_slippage entry_share exit_slippage exit_share all share_of_premium"),
    **numbers("gross share_of_gross"),
)
PartSerializer = shape(
    "RecordPart", "One source of profit.", part=serializers.CharField(), usd=serializers.FloatField()
)
WhySerializer = shape(
    "RecordUnknown", "Trades that cannot be told.", reason=serializers.CharField(), trades=serializers.IntegerField()
)
AttributionSerializer = shape(
    "RecordAttribution",
    "What the profit of those trades came from of which it can be told; the parts add up to it.",
    parts=PartSerializer(many=True),
    unknown=WhySerializer(many=True),
    **counts("trades of"),
    pnl=serializers.FloatField(),
)
ExcursionsSerializer = shape(
    "RecordExcursions",
    "Lowest and highest bid while held, by the minute, and price of a sale, per dollar paid; means.",
    trades=serializers.IntegerField(),
    **numbers("mae mae_worst mfe mfe_best given_back"),
)
TradeSerializer = shape(
    "RecordTrade",
    "One closed trade.",
    **counts("position contracts"),
    **{
        name: serializers.CharField(allow_blank=True)
        for name in ("contract", "underlying", "right", "entered_at", "closed_at", "closed_by", "attribution_unknown")
    },
    **numbers("confidence entry_price cost proceeds fees pnl gain share_of_equity multiple_of_minimum"),
    **numbers("entry_slippage exit_slippage slipped mae mfe delta gamma theta vega spread unexplained"),
)
KeptSerializer = shape(
    "RecordKept",
    "Days that were written down when they were over, against the books of now.",
    days=serializers.IntegerField(),
    missing=serializers.ListField(child=serializers.DateField()),
    differs=serializers.ListField(child=serializers.DateField()),
)
BySerializer = shape(
    "RecordBy",
    "Groups of the closed trades; `portfolio` and `system` are of all accounts of the reader in the period.",
    **{
        name: RowSerializer(many=True)
        for name in ("tier", "underlying", "confidence", "month", "cause", "regime", "portfolio", "system")
    },
)
PerformanceSerializer = shape(
    "Performance",
    "The record of an account.",
    portfolio=serializers.CharField(help_text="Its slug."),
    name=serializers.CharField(),
    system=serializers.CharField(),
    as_of=serializers.CharField(help_text="Market time, New York with offset."),
    today=serializers.DateField(),
    filters=serializers.DictField(child=serializers.JSONField(allow_null=True), help_text="As they were understood."),
    choices=serializers.DictField(child=serializers.ListField(), help_text="What its trades can be chosen by."),
    equity=EquitySerializer(),
    returns=ReturnsSerializer(),
    trades=SummarySerializer(),
    costs=CostsSerializer(),
    excursions=ExcursionsSerializer(),
    attribution=AttributionSerializer(),
    exposure=serializers.DictField(
        child=serializers.DictField(), help_text="Now, on average, of all that was traded, and how it correlates."
    ),
    kept=KeptSerializer(),
    by=BySerializer(),
    list=TradeSerializer(many=True, help_text="The latest first."),
)


def _money() -> serializers.DecimalField:
    return serializers.DecimalField(max_digits=18, decimal_places=2, help_text="USD, to the cent.")


SumsSerializer = shape("LotSums", "Of all lots.", cost=_money(), proceeds=_money(), fees=_money(), gain=_money())
LotSerializer = shape(
    "Lot",
    "Contracts of one purchase that one sale, or a settlement, ended.",
    **counts("position contracts held_days"),
    **{name: serializers.CharField() for name in ("contract", "opened_at", "closed_at", "closed_by")},
    cost=_money(),
    proceeds=_money(),
    fees=_money(),
    gain=_money(),
)
YearSerializer = shape(
    "LotYear",
    "Lots by the year they were closed in.",
    **counts("year lots"),
    cost=_money(),
    proceeds=_money(),
    fees=_money(),
    gain=_money(),
)
LotsSerializer = shape(
    "Lots",
    "Every sale with the purchase it ended, first in first out, the latest first.",
    portfolio=serializers.CharField(),
    as_of=serializers.CharField(help_text="Market time, New York with offset."),
    since=serializers.DateField(allow_null=True),
    until=serializers.DateField(allow_null=True),
    lots=LotSerializer(many=True),
    sums=SumsSerializer(),
    by_year=YearSerializer(many=True),
    not_matched=serializers.ListField(
        child=serializers.IntegerField(), help_text="Positions of which more was sold than bought: left out."
    ),
)

# ---- Endpoints ----


class Performance(APIView):
    """What an account's record comes to: its days marked to the market, its closed trades with intervals, costs, what
    profit came from, and the same by tier, underlying, confidence, month and cause. A win rate is never without its
    expectancy and both intervals."""

    @extend_schema(
        operation_id="performance_retrieve",
        parameters=[AskedSerializer],
        responses={200: PerformanceSerializer, **WRONG},
        examples=[shown("Two trades (shortened)", examples.PERFORMANCE)],
    )
    def get(self, request: Request, slug: str) -> Response:
        now = timezone.now()
        portfolio = portfolio_or_404(request.user, slug)
        beside = [each for each in portfolios_for(request.user) if each.pk != portfolio.pk]
        asked = _asked(request, portfolio, AskedSerializer, now)
        return Response(performance(portfolio, now=now, beside=beside, **asked))


class Lots(APIView):
    """Every sale with the purchase it ended, first in first out, fees shared out to the cent: for accounts and taxes.
    What settled at its expiration is in it."""

    @extend_schema(
        operation_id="lots_retrieve",
        parameters=[PeriodSerializer],
        responses={200: LotsSerializer, **WRONG},
        examples=[shown("One sale", examples.LOTS)],
    )
    def get(self, request: Request, slug: str) -> Response:
        now = timezone.now()
        portfolio = portfolio_or_404(request.user, slug)
        found = tax_lots(portfolio, now=now, **_asked(request, portfolio, PeriodSerializer, now))
        return Response(LotsSerializer(found).data)


urlpatterns = [
    path("portfolios/<slug:slug>/performance/", Performance.as_view(), name="api-performance"),
    path("portfolios/<slug:slug>/lots/", Lots.as_view(), name="api-lots"),
]
