"""What riskengine remembers: breakers and alerts with what happened to them, each portfolio's exposure, and replays."""

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
from riskengine.models.reading import Reading, ReadingPoint, ReadingState
from riskengine.models.replay import Replay, ReplayState

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
    "ReadingPoint",
    "ReadingState",
    "Replay",
    "ReplayState",
    "Severity",
    "TargetKind",
]
