"""Portfolios over the API: what a person or program may see of its own accounts."""

from django.db.models import QuerySet
from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from positions.access import portfolio_or_404
from positions.models import Portfolio
from positions.selectors import portfolios_for


class PortfolioSerializer(serializers.ModelSerializer):
    profile = serializers.CharField(source="profile.name", read_only=True)
    clock = serializers.CharField(source="clock.label", read_only=True, help_text="Which market time it lives in.")

    class Meta:
        model = Portfolio
        fields = ("slug", "name", "system", "mode", "state", "profile", "clock", "is_demo", "cash", "settled_cash")


class Portfolios(generics.ListAPIView):
    """Your portfolios, by slug."""

    serializer_class = PortfolioSerializer
    pagination_class = None  # a person has a handful

    def get_queryset(self) -> QuerySet[Portfolio]:
        return portfolios_for(self.request.user)


class PortfolioDetail(generics.GenericAPIView):
    """One portfolio. Someone else's reads as absent: 404."""

    serializer_class = PortfolioSerializer

    @extend_schema(operation_id="portfolio_retrieve")
    def get(self, request: Request, slug: str) -> Response:
        return Response(self.get_serializer(portfolio_or_404(request.user, slug)).data)


urlpatterns = [
    path("portfolios/", Portfolios.as_view(), name="api-portfolios"),
    path("portfolios/<slug:slug>/", PortfolioDetail.as_view(), name="api-portfolio"),
]
