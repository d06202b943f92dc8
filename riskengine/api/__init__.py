"""Deciding over the API: sizing, entries, and the records of what was decided, ordered and held;
the guards, their alerts, and replays."""

from riskengine.api import alerts, entries, guards, holding, journal, nights, records, replays, sizing

urlpatterns = [
    *sizing.urlpatterns,
    *entries.urlpatterns,
    *holding.urlpatterns,
    *journal.urlpatterns,
    *records.urlpatterns,
    *guards.urlpatterns,
    *nights.urlpatterns,
    *alerts.urlpatterns,
    *replays.urlpatterns,
]
