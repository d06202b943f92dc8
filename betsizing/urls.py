"""Every address. Pages of the product are riskengine's; the API has one router in api.py."""

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import views
from django.urls import include, path
from django.views.generic import RedirectView

from betsizing.health import healthz, readyz

urlpatterns = [
    path("favicon.ico", RedirectView.as_view(url=f"{settings.STATIC_URL}betsizing/icon.svg")),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("accounts/sign-in/", views.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("accounts/sign-out/", views.LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
    path("api/v1/", include("betsizing.api")),
    path("", include("riskengine.urls")),
]
