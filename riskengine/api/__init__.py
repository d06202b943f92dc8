"""Deciding over the API: sizing, entries, and the records of what was decided, ordered and held;
the guards, their alerts, signals and their record, and replays."""

from riskengine.api import (
    alerts,
    companies,
    comparisons,
    confidence,
    entries,
    guards,
    holding,
    journal,
    nights,
    performance,
    records,
    replays,
    reviews,
    rollout,
    signals,
    sizing,
    studies,
    webhook,
)

urlpatterns = [
    *sizing.urlpatterns,
    *entries.urlpatterns,
    *holding.urlpatterns,
    *journal.urlpatterns,
    *records.urlpatterns,
    *guards.urlpatterns,
    *nights.urlpatterns,
    *performance.urlpatterns,
    *studies.urlpatterns,
    *alerts.urlpatterns,
    *replays.urlpatterns,
    *reviews.urlpatterns,
    *rollout.urlpatterns,
    *comparisons.urlpatterns,
    *signals.urlpatterns,
    *webhook.urlpatterns,
    *confidence.urlpatterns,
    *companies.urlpatterns,
]
