"""What is known of the companies, and how the underlyings move together, over the API."""

from typing import Any

from django.urls import path
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from betsizing.errors import ErrorsSerializer, Unprocessable
from betsizing.schema import error_example
from positions.access import portfolio_or_404
from positions.market.calendar import OutsideCalendar
from riskengine.services.watch.companies import companies_of
from riskengine.services.watch.correlations import correlations_of

COMPANIES: dict[str, Any] = {
    "portfolio": "mag7-7dte",
    "as_of": "2026-11-25T10:05:00-05:00",
    "mode": "absolute",
    "max_age_days": 100,
    "refuses_earnings": True,
    "refuses_ex_dividend": False,
    "companies": [
        {
            "symbol": "META",
            "name": "Meta Platforms, Inc.",
            "score_call": 0.7,
            "score_put": 0.3,
            "factors": [
                {
                    "factor": "earnings", "label": "Earnings surprise", "inputs": {"earnings_surprise": 11.0},
                    "points": 0.2,
                }
            ],
            "as_of": "2026-11-11",
            "age_days": 14,
            "stale": False,
            "source": "illustrative",
            "illustrative": True,
            "next_earnings": {
                "on": "2027-01-09", "days": 45, "timing": "not known", "source": "illustrative", "illustrative": True,
            },
            "next_ex_dividend": None,
        }
    ],
    "events": [],
}  # fmt: skip
TOGETHER: dict[str, Any] = {
    "heat": {
        "names": ["AAPL", "MSFT"],
        "rows": [
            {
                "name": "AAPL",
                "cells": [
                    {
                        "other": "MSFT", "rho": 0.71, "sample": 60, "same": False, "high": False, "wave": 3,
                        "negative": False,
                    }
                ],
            }
        ],
        "as_of": "2020-12-31",
        "high": 0.8,
        "closes_of": [],
    },
    "method": "pearson",
    "method_words": "Pearson: every session counts alike",
    "decay": None,
    "window": 60,
    "min_common": 40,
    "missing": [],
    "pairs": 1,
    "high_pairs": [],
    "bets_if_equal": 1.2,
    "runs": [{"as_of": "2020-12-31", "method": "Pearson", "pairs": 21, "missing": 0}],
}  # fmt: skip
NO_CALENDAR = error_example(
    "No session table reaches so far",
    422,
    "SESSION_CLOSED",
    "The exchange calendar does not reach what 2028-01-03 needs: it knows the sessions from 2010-01-04 to 2027-12-31 "
    "(the last known session). Import a longer table: manage.py import_sessions FILE.",
)


@extend_schema(
    responses={200: OpenApiTypes.OBJECT, 404: ErrorsSerializer},
    examples=[OpenApiExample("One company (shortened)", value=COMPANIES, response_only=True)],
)
class Companies(APIView):
    """Fundamental score factor by factor, for calls and puts, with age and source; earnings, ex-dividend dates and
    blackouts ahead. Figures that are illustrative say so."""

    def get(self, request: Request, slug: str) -> Response:
        return Response(companies_of(portfolio_or_404(request.user, slug), now=timezone.now()))


@extend_schema(
    responses={200: OpenApiTypes.OBJECT, 404: ErrorsSerializer, 422: ErrorsSerializer},
    examples=[OpenApiExample("One pair", value=TOGETHER, response_only=True), NO_CALENDAR],
)
class Correlation(APIView):
    """The correlation matrix of what the portfolio could buy or holds, by its profile's method, with the sample of each
    pair; what cannot be measured is null and named."""

    def get(self, request: Request, slug: str) -> Response:
        try:
            return Response(correlations_of(portfolio_or_404(request.user, slug), now=timezone.now()))
        except OutsideCalendar as problem:
            raise Unprocessable("SESSION_CLOSED", str(problem)) from problem


urlpatterns = [
    path("portfolios/<slug:slug>/companies/", Companies.as_view(), name="api-companies"),
    path("portfolios/<slug:slug>/correlation/", Correlation.as_view(), name="api-correlation"),
]
