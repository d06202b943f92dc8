"""What the guards remember: circuit breakers and what happened to them."""

from riskengine.models.breaker import Breaker, BreakerCode, BreakerEvent, BreakerEventKind, BreakerState

__all__ = ["Breaker", "BreakerCode", "BreakerEvent", "BreakerEventKind", "BreakerState"]
