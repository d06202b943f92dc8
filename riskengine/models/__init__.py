"""What the guards remember: circuit breakers and alerts, and what happened to them."""

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
    "Severity",
    "TargetKind",
]
