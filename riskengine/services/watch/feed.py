"""The alerts on the desk: what stands, and what has ended within the hour. Plain data; one statement."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from accounts.models import User
from riskengine.models import Alert
from riskengine.selectors import alerts_for
from riskengine.services.decide.inputs import ny

SHOWN = 20
ENDED_WITHIN = timedelta(hours=1)


def alert_feed(user: User, *, now: datetime) -> list[dict[str, Any]]:
    """The newest first."""
    rows = alerts_for(user).filter(Q(resolved_at__isnull=True) | Q(resolved_at__gt=now - ENDED_WITHIN))
    return [_row(alert, now) for alert in rows[:SHOWN]]


def _row(alert: Alert, now: datetime) -> dict[str, Any]:
    portfolio = alert.portfolio
    return {
        "id": alert.pk,
        "key": f"alert-{alert.pk}-{alert.level}",
        "severity": alert.severity,
        "title": alert.title,
        "happened": alert.happened,
        "to_do": alert.to_do,
        "slug": None if portfolio is None else portfolio.slug,
        "portfolio": "Installation" if portfolio is None else portfolio.name,
        "position_id": alert.position_id,
        "raised_at": ny(alert.raised_at),
        "age_seconds": max((now - alert.raised_at).total_seconds(), 0.0),
        "told": alert.level + 1,
        "ended_at": None if alert.resolved_at is None else ny(alert.resolved_at),
        "acknowledged_at": None if alert.acknowledged_at is None else ny(alert.acknowledged_at),
        "acknowledged_by": None if alert.acknowledged_by is None else alert.acknowledged_by.get_username(),
        "answerable": alert.acknowledged_at is None and alert.resolved_at is None,
    }
