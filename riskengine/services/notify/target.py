"""What a target's address must be, and what of it is shown once it is saved."""

from typing import Any

from riskengine.models import TargetKind
from riskengine.services.notify import mail, service, webhook

CHECKS = {TargetKind.EMAIL: mail.check, TargetKind.WEBHOOK: webhook.check, TargetKind.APPRISE: service.check}


def check(kind: Any, address: str) -> None:
    """TargetRefused, with a sentence, unless alerts could be sent there as things stand."""
    CHECKS[TargetKind(kind)](address)


def shown(kind: Any, address: str) -> str:
    """Enough to recognise it by: of a secret address only where it leads to."""
    if kind == TargetKind.EMAIL:
        return address
    if kind == TargetKind.WEBHOOK:
        return f"https://{webhook.host_of(address)}/…"
    return f"{address.partition('://')[0]}://…"
