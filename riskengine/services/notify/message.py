"""What is sent of an alert: the same words everywhere, and an id by which a receiver knows a repeat."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils.crypto import salted_hmac

from positions.market.calendar import new_york

DAY_REPORT = "DAY_REPORT"  # the one code whose text is a whole report (riskengine.services.review.day)


@dataclass(frozen=True, slots=True)
class Message:
    """One alert for one target at one level, as leased. Times are wall times but for `market_at`."""

    delivery_id: int
    attempts: int
    level: int
    target_id: int
    target_name: str
    kind: str
    address: str
    signing_secret: str
    enabled: bool
    alert_id: int
    code: str
    severity: str
    title: str
    happened: str
    value: Decimal | None
    limit: Decimal | None
    unit: str
    to_do: str
    market_at: datetime | None
    raised_at: datetime
    resolved_at: datetime | None
    acknowledged_at: datetime | None
    position_id: int | None
    portfolio: str | None
    portfolio_name: str | None
    is_demo: bool | None

    @property
    def id(self) -> str:
        """The same at every attempt, another for every alert, target and level, also of another installation."""
        what = f"{self.alert_id} {self.raised_at.isoformat()} {self.target_id} {self.level}"
        return salted_hmac("riskengine.alert", what, algorithm="sha256").hexdigest()[:32]

    @property
    def subject(self) -> str:
        if self.code == DAY_REPORT:
            return f"{'DEMO ' if self.is_demo else ''}{self.portfolio_name}: {self.title}"
        again = f" (told again, {self.level})" if self.level else ""
        return f"{self.severity.upper()}{again} {self._whose}: {self.title}"

    @property
    def _whose(self) -> str:
        if self.portfolio_name is None:
            return "betsizing"
        return f"{self.portfolio_name} (demo)" if self.is_demo else self.portfolio_name

    @property
    def text(self) -> str:
        if self.code == DAY_REPORT:
            return self.happened
        lines = [self.happened]
        if self.value is not None:
            limit = "" if self.limit is None else f"; the limit is {_number(self.limit)}"
            lines.append(f"Measured: {_number(self.value)}{limit} ({self.unit or 'no unit'}).")
        lines += ["", f"What to do: {self.to_do}", ""]
        if self.market_at is not None:
            lines.append(f"Market time: {new_york(self.market_at):%Y-%m-%d %H:%M:%S} New York.")
        lines.append(f"Raised: {self.raised_at:%Y-%m-%d %H:%M:%S} UTC, alert {self.alert_id}.")
        if self.resolved_at is not None:
            lines.append(f"It has ended meanwhile, at {self.resolved_at:%H:%M:%S} UTC.")
        if self.is_demo:
            lines.append("A demo portfolio: none of its money is real.")
        return "\n".join(lines)

    def document(self) -> dict[str, Any]:
        """The JSON body of a webhook; every field is there, null where it does not apply. Decimals are strings."""
        return {
            "id": self.id,
            "alert": self.alert_id,
            "level": self.level,
            "code": self.code,
            "severity": self.severity,
            "title": self.title,
            "happened": self.happened,
            "value": _text(self.value),
            "limit": _text(self.limit),
            "unit": self.unit,
            "to_do": self.to_do,
            "portfolio": self.portfolio,
            "is_demo": self.is_demo,
            "position": self.position_id,
            "market_at": _iso(self.market_at),
            "raised_at": _iso(self.raised_at),
            "acknowledged_at": _iso(self.acknowledged_at),
            "resolved_at": _iso(self.resolved_at),
            "text": f"{self.subject}\n{self.text}",
        }


def _number(number: Decimal) -> str:
    return f"{number.normalize():,f}"


def _text(number: Decimal | None) -> str | None:
    return None if number is None else f"{number.normalize():f}"


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
