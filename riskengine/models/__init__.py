"""What the guards remember: breakers and alerts with what happened to them, and what each portfolio is exposed to."""

from riskengine.models.alert import (
    Alert,
    AlertDelivery,
    AlertEvent,
    AlertEventKind,
    AlertTarget,
    DeliveryState,
    Pulse,
    Severity,
    TargetKind,
)
from riskengine.models.breaker import Breaker, BreakerCode, BreakerEvent, BreakerEventKind, BreakerState
from riskengine.models.reading import Reading, ReadingState

__all__ = [
    "Alert",
    "AlertDelivery",
    "AlertEvent",
    "AlertEventKind",
    "AlertTarget",
    "Breaker",
    "BreakerCode",
    "BreakerEvent",
    "BreakerEventKind",
    "BreakerState",
    "DeliveryState",
    "Pulse",
    "Reading",
    "ReadingState",
    "Severity",
    "TargetKind",
]
