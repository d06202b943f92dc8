from accounts.models.risk_profile import LadderName, LadderStep, LimitHold, RiskProfile, RiskProfileRevision, System
from accounts.models.user import ApiToken, IdempotentRequest, Scope, User

__all__ = [
    "ApiToken",
    "IdempotentRequest",
    "LadderName",
    "LadderStep",
    "LimitHold",
    "RiskProfile",
    "RiskProfileRevision",
    "Scope",
    "System",
    "User",
]
