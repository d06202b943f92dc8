"""The recorded feed: rows that are in the database already.

Portfolios read those rows at or before their own market now (`positions.market_selectors`), from any start and at any
speed of their clock, so this feed has nothing to write; it says what an interval of the recording holds.
"""

from dataclasses import dataclass
from datetime import datetime

from positions.market.feeds.base import Batch, PriceTick, QuoteTick, VolatilityTick
from positions.models import OptionQuote, UnderlyingBar, VixReading
from positions.models.history import ReadingKind


@dataclass(frozen=True, slots=True)
class RecordedFeed:
    """What is stored under a source: an import, or what was pushed or simulated earlier."""

    source: str

    def between(self, after: datetime, until: datetime) -> Batch:
        quotes = OptionQuote.objects.filter(source=self.source, quoted_at__gt=after, quoted_at__lte=until)
        bars = UnderlyingBar.objects.filter(source=self.source, bar_at__gt=after, bar_at__lte=until)
        levels = VixReading.objects.filter(
            source=self.source, kind=ReadingKind.LIVE, read_at__gt=after, read_at__lte=until
        )
        return Batch(
            quotes=[
                QuoteTick(*row)
                for row in quotes.order_by("quoted_at", "contract__occ_symbol").values_list(
                    "contract__occ_symbol", "bid", "bid_size", "ask", "ask_size", "quoted_at"
                )
            ],
            prices=[
                PriceTick(*row)
                for row in bars.order_by("bar_at", "instrument__symbol").values_list(
                    "instrument__symbol", "close", "bar_at"
                )
            ],
            volatility=[
                VolatilityTick(*row)
                for row in levels.order_by("read_at", "index").values_list("index", "close", "read_at")
            ],
        )
