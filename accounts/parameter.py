"""What a risk parameter and a ladder are: name, unit, bounds, default, meaning, source. Imports no Django."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

SMART_0DTE = "smart-0dte"
MAG7_7DTE = "mag7-7dte"
SYSTEMS = (SMART_0DTE, MAG7_7DTE)

# What parameters are about, by name, in the order in which they are shown.
GROUPS: Mapping[str, str] = {
    "sizing": "How big: the account and its bets",
    "factors": "What scales a bet",
    "fundamentals": "Fundamental score",
    "correlation": "Correlation",
    "signals": "Signals: which contract, and for how long",
    "entry": "Whether: entry gates",
    "liquidity": "Liquidity and cost of entry",
    "exits": "When out: stops and targets",
    "overnight": "While the exchange is closed",
    "breakers": "When to stop: circuit breakers",
}


class Unit(StrEnum):
    """What a number counts; also how it is shown."""

    USD = "USD"
    FRACTION = "fraction"
    MULTIPLE = "multiple"
    COUNT = "count"
    SECONDS = "seconds"
    MINUTES = "minutes"
    HOURS = "hours"
    DAYS = "days"
    SESSIONS = "sessions"
    TICKS = "ticks"
    VIX_POINTS = "VIX points"
    PERCENT = "percent"
    SCORE = "score points"
    SHARES_PER_DOLLAR = "SPY shares per dollar of basis"
    USD_PER_CONTRACT = "USD per contract"
    USD_PER_SHARE = "USD per share"
    YES_NO = "yes/no"
    CHOICE = "choice"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One number of a risk profile. `minimum` and `maximum` are inclusive; None for choices and switches."""

    name: str
    label: str
    group: str
    unit: Unit
    values: tuple[Decimal | bool | str, Decimal | bool | str]
    minimum: Decimal | None
    maximum: Decimal | None
    choices: tuple[str, ...]
    source: str
    help: str

    def default(self, system: str) -> Decimal | bool | str:
        return self.values[SYSTEMS.index(system)]


@dataclass(frozen=True, slots=True)
class Step:
    """From `threshold` (itself included or only above it) the ladder says `value`."""

    threshold: Decimal
    value: Decimal
    inclusive: bool = True


@dataclass(frozen=True, slots=True)
class Ladder:
    """A table of steps. `cumulative` ladders share out a position (values are shares); the others look a value up."""

    name: str
    label: str
    group: str
    threshold_unit: Unit
    value_unit: Unit
    cumulative: bool
    steps: tuple[Step, ...]
    source: str
    help: str
