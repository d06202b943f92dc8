"""The /api/v1/ router. Each app brings its own endpoints; the one error shape stands in `betsizing.errors`."""

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

urlpatterns = [
    path("schema/", SpectacularAPIView.as_view(), name="api-schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="api-schema"), name="api-docs"),
    path("", include("positions.api")),
    path("", include("riskengine.api")),
]
