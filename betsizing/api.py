"""The /api/v1/ router. Each app brings its own endpoints; the one error shape stands in `betsizing.errors`."""

from typing import Any

from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.views import APIView


class NoSuchAddress(APIView):
    """Any other address below /api/v1/: a 404 in the API's own shape, not a page."""

    authentication_classes = ()
    permission_classes = ()
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise NotFound("There is nothing at this address. /api/v1/docs/ names what there is.")


urlpatterns = [
    path("schema/", SpectacularAPIView.as_view(), name="api-schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="api-schema"), name="api-docs"),
    path("", include("positions.api")),
    path("", include("positions.api_fundamentals")),
    path("", include("positions.api_providers")),
    path("", include("riskengine.api")),
    re_path("", NoSuchAddress.as_view()),
]
