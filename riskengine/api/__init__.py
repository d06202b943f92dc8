"""Deciding over the API: sizing, entries, and the records of what was decided, ordered and held."""

from riskengine.api import alerts, entries, guards, records, sizing

urlpatterns = [
    *sizing.urlpatterns,
    *entries.urlpatterns,
    *records.urlpatterns,
    *guards.urlpatterns,
    *alerts.urlpatterns,
]
