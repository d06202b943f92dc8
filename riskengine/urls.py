"""Pages of the product."""

from django.urls import path

from riskengine import views

urlpatterns = [
    path("", views.home, name="home"),
    path("portfolios/<slug:slug>/size/", views.size, name="size"),
    path("portfolios/<slug:slug>/clock/", views.set_clock, name="set-clock"),
    path("portfolios/<slug:slug>/size/answer/", views.size_answer, name="size-answer"),
    path("portfolios/<slug:slug>/size/chain/", views.size_chain, name="size-chain"),
]
