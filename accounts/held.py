"""Which way a limit is loosened, and what is said of one that is held while its breaker is tripped (A-03)."""

from decimal import Decimal

from accounts.parameter import Parameter, Unit
from accounts.wording import Value

# Most limits are loosened by raising them. These by lowering: how long one waits, or over how long one counts.
LOOSER_WHEN_LOWERED = frozenset({"losing_streak_pause_minutes", "opening_intents_window_seconds", "vix_clear_minutes"})


def loosens(parameter: Parameter, old: Value, new: Value) -> bool:
    """Whether the change from `old` to `new` is one that waits until the breaker has cleared. A choice has no looser
    side, so it stays as it is; a switch is loosened by turning it off."""
    if parameter.unit is Unit.CHOICE:
        return new != old
    if parameter.unit is Unit.YES_NO or parameter.name in LOOSER_WHEN_LOWERED:
        return Decimal(new) < Decimal(old)
    return Decimal(new) > Decimal(old)


def may_be(parameter: Parameter) -> str:
    """What can be done with it while it is held: "it can be lowered, but not raised"."""
    if parameter.unit is Unit.CHOICE:
        return "it stays as it is"
    if parameter.unit is Unit.YES_NO:
        return "it cannot be turned off"
    if parameter.name in LOOSER_WHEN_LOWERED:
        return "it can be raised, but not lowered"
    return "it can be lowered, but not raised"
