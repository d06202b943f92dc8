"""What is asked of a sizing."""

from dataclasses import dataclass
from decimal import Decimal

from positions.models import OptionContract


@dataclass(frozen=True, slots=True)
class SizeRequest:
    """What is asked. `win_probability` and `payoff` (gain per dollar lost) are the user's own odds, for Kelly."""

    contract: OptionContract
    confidence: Decimal
    win_probability: Decimal | None = None
    payoff: Decimal | None = None
