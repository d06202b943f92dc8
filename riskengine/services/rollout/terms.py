"""What a step needs and what takes one back, in one place."""

from dataclasses import dataclass
from datetime import timedelta

from positions.models import Mode

STEPS = (Mode.OFF, Mode.PAPER, Mode.LIVE_MANUAL, Mode.LIVE)


@dataclass(frozen=True, slots=True)
class Terms:
    """Counts and limits with their source."""

    paper_sessions: int = 20  # P-28
    paper_trades: int = 30  # P-28
    live_manual_sessions: int = 10  # ours: two weeks in which a person confirms each entry
    paper_extra_ticks: int = 1  # P-28: entry at ask + 1 tick, exit at bid - 1 tick
    trigger_sessions: int = 20  # P-28's sessions: none of them had a trigger
    quotes_within: timedelta = timedelta(minutes=5)  # ours: while the exchange is open, something is quoted
    heartbeat_gap: timedelta = timedelta(minutes=5)  # P-27
    slippage_multiple: float = 2.0  # P-27
    slippage_trades: int = 10  # P-27
    breaker_trips: int = 2  # P-27: daily loss limits (L2) ...
    breaker_sessions: int = 5  # ... in so many sessions


TERMS = Terms()


def after(mode: str) -> str | None:
    """The next mode forward; None after the last."""
    place = STEPS.index(Mode(mode))
    return str(STEPS[place + 1]) if place + 1 < len(STEPS) else None


def before(mode: str) -> str | None:
    """The mode one step back; None before the first."""
    place = STEPS.index(Mode(mode))
    return str(STEPS[place - 1]) if place else None


def is_forward(from_mode: str, to_mode: str) -> bool:
    return STEPS.index(Mode(to_mode)) > STEPS.index(Mode(from_mode))
