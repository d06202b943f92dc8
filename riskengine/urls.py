"""Pages of the product."""

from django.urls import path

from riskengine.views import acts, alerts, desk, guards, holding, night, profiles, records, risk, signals, ticket

urlpatterns = [
    path("", desk.home, name="home"),
    path("desk/", desk.page, name="desk"),
    path("desk/live/", desk.live, name="desk-live"),
    path("stop/", guards.stop, name="stop"),
    path("breakers/<int:breaker_id>/clear/", guards.clear, name="clear"),
    path("alerts/<int:alert_id>/acknowledge/", alerts.acknowledge, name="acknowledge"),
    path("decisions/", records.decisions, name="decisions"),
    path("decisions/<int:decision_id>/", records.decision, name="decision"),
    path("decisions/<int:decision_id>/confirm/", acts.confirm, name="confirm"),
    path("profiles/", profiles.index, name="profiles"),
    path("profiles/<slug:slug>/", profiles.page, name="profile"),
    path("positions/", records.positions, name="positions"),
    path("orders/", records.orders, name="orders"),
    path("orders/<int:order_id>/cancel/", acts.cancel, name="cancel"),
    path("portfolios/<slug:slug>/positions/<int:position_id>/", records.position, name="position"),
    path("portfolios/<slug:slug>/positions/<int:position_id>/path/", records.position_path, name="position-path"),
    path("portfolios/<slug:slug>/positions/<int:position_id>/close/", acts.close, name="close"),
    path("portfolios/<slug:slug>/positions/<int:position_id>/close-part/", holding.part, name="close-part"),
    path("portfolios/<slug:slug>/positions/<int:position_id>/tighten/", holding.tighten, name="tighten"),
    path("portfolios/<slug:slug>/positions/<int:position_id>/note/", holding.note, name="note"),
    path("portfolios/<slug:slug>/positions/<int:position_id>/tags/", holding.tags, name="tags"),
    path("portfolios/<slug:slug>/go-on/", guards.go_on, name="go-on"),
    path("signals/", signals.index, name="signals"),
    path("signals/<int:signal_id>/", signals.page, name="signal"),
    path("portfolios/<slug:slug>/confidence/", signals.confidence, name="confidence"),
    path("portfolios/<slug:slug>/confidence/review/", signals.review, name="review-tier"),
    path("portfolios/<slug:slug>/companies/", signals.companies, name="companies"),
    path("portfolios/<slug:slug>/correlation/", signals.correlation, name="correlation"),
    path("portfolios/<slug:slug>/risk/", risk.page, name="risk"),
    path("portfolios/<slug:slug>/night/", night.page, name="night"),
    path("portfolios/<slug:slug>/place/", acts.place, name="place"),
    path("portfolios/<slug:slug>/size/", ticket.size, name="size"),
    path("portfolios/<slug:slug>/clock/", ticket.set_clock, name="set-clock"),
    path("portfolios/<slug:slug>/size/answer/", ticket.size_answer, name="size-answer"),
    path("portfolios/<slug:slug>/size/chain/", ticket.size_chain, name="size-chain"),
]
