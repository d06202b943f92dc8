"""What a feed says: ticks of option quotes, underlying prices and volatility indices, each known from a market time.

Prices are USD a share (index points), sizes contracts, levels points. A tick never says anything about a time before
its `at`, so what is stored from it can never look ahead.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import TypeVar


@dataclass(frozen=True, slots=True)
class QuoteTick:
    """Best bid and ask of a contract (21-character OCC symbol), as known from `at`; None is a missing side."""

    contract: str
    bid: Decimal | None
    bid_size: int
    ask: Decimal | None
    ask_size: int
    at: datetime


@dataclass(frozen=True, slots=True)
class PriceTick:
    """Price of an underlying."""

    symbol: str
    price: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class VolatilityTick:
    """Level of a volatility index: VIX or VIX1D."""

    index: str
    level: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class Batch:
    """What one call of a feed brought."""

    quotes: Sequence[QuoteTick] = field(default=())
    prices: Sequence[PriceTick] = field(default=())
    volatility: Sequence[VolatilityTick] = field(default=())

    def within(self, after: datetime, until: datetime) -> "Batch":
        """Its ticks after `after` and not after `until`, the oldest first."""
        return Batch(
            _within(self.quotes, after, until),
            _within(self.prices, after, until),
            _within(self.volatility, after, until),
        )


Tick = TypeVar("Tick", QuoteTick, PriceTick, VolatilityTick)


def _within(ticks: Sequence[Tick], after: datetime, until: datetime) -> list[Tick]:
    return sorted((tick for tick in ticks if after < tick.at <= until), key=attrgetter("at"))
