"""What riskengine remembers: signals, breakers and alerts with what happened to them, each portfolio's exposure,
reports of the night and of the day, reviews, replays, and what its record is judged by."""

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
from riskengine.models.comparison import AskedBy, Comparison
from riskengine.models.night import NightMoment, NightReport
from riskengine.models.performance import DailyPerformance, PositionMark
from riskengine.models.projection import Projection, ZeroEdgeRun
from riskengine.models.reading import Reading, ReadingPoint, ReadingState
from riskengine.models.replay import Replay, ReplaySide, ReplayState
from riskengine.models.review import (
    DayReport,
    Review,
    ReviewAnswer,
    ReviewComment,
    ReviewDecision,
    ReviewKind,
    ReviewState,
)
from riskengine.models.rollout import (
    RolloutStep,
    RolloutTrigger,
    Shadow,
    ShadowDecision,
    StepKind,
    TriggerCode,
)
from riskengine.models.signal import (
    Handling,
    PriorTrade,
    Signal,
    SignalEvent,
    SignalSource,
    SignalState,
    SourceKind,
    TierReview,
)

__all__ = [
    "Alert",
    "AlertDelivery",
    "AlertEvent",
    "AlertEventKind",
    "AlertTarget",
    "AskedBy",
    "Breaker",
    "BreakerCode",
    "BreakerEvent",
    "BreakerEventKind",
    "BreakerState",
    "Comparison",
    "DailyPerformance",
    "DayReport",
    "DeliveryState",
    "Handling",
    "NightMoment",
    "NightReport",
    "PositionMark",
    "PriorTrade",
    "Projection",
    "Pulse",
    "Reading",
    "ReadingPoint",
    "ReadingState",
    "Replay",
    "ReplaySide",
    "ReplayState",
    "Review",
    "ReviewAnswer",
    "ReviewComment",
    "ReviewDecision",
    "ReviewKind",
    "ReviewState",
    "RolloutStep",
    "RolloutTrigger",
    "Severity",
    "Shadow",
    "ShadowDecision",
    "Signal",
    "SignalEvent",
    "SignalSource",
    "SignalState",
    "SourceKind",
    "StepKind",
    "TargetKind",
    "TierReview",
    "TriggerCode",
    "ZeroEdgeRun",
]
