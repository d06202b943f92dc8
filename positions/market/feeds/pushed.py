"""The pushed feed: what a program sends over the API, judged whole before a row of it is stored.

A crossed or one-sided quote is a fact of the market and passes; whether it may be traded on is a rule elsewhere. What
is refused cannot be true: an expired contract, a time that has not come, a size without a price, one contract told
twice at the same moment.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from positions.market.calendar import new_york_date
from positions.market.feeds.base import Batch, QuoteTick
from positions.market.symbols import OptionSymbol

MAX_ROWS = 2_000  # of all kinds together, one push
CLOCK_AHEAD = timedelta(seconds=1)  # how far the sender's clock may be ahead of ours


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a row: which list, which row (from 0), which field, a code and a sentence."""

    rows: str
    place: int
    field: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class PushedFeed:
    """One push. `contracts` are the parsed symbols of its quotes, in their order."""

    source: str
    batch: Batch
    contracts: Sequence[OptionSymbol]

    def between(self, after: datetime, until: datetime) -> Batch:
        return self.batch.within(after, until)

    def problems(
        self, *, now: datetime, known_contracts: set[OptionSymbol], known_symbols: set[str]
    ) -> Iterable[Problem]:
        """Everything that cannot be true, `now` being wall time: what is pushed is live. Empty: all of it is stored."""
        latest = now + CLOCK_AHEAD
        seen: set[Hashable] = set()

        def moment(rows: str, place: int, key: Hashable, at: datetime) -> Iterable[Problem]:
            if at > latest:
                yield Problem(
                    rows,
                    place,
                    "at",
                    "in_the_future",
                    f"{at:%Y-%m-%d %H:%M:%S%z} has not come: it is {now:%H:%M:%S%z}.",
                )
            if (rows, key, at) in seen:
                yield Problem(rows, place, "at", "duplicate_row", f"{key} is told twice at this moment.")
            seen.add((rows, key, at))

        for place, (quote, symbol) in enumerate(zip(self.batch.quotes, self.contracts, strict=True)):
            yield from moment("quotes", place, quote.contract, quote.at)
            yield from _quote_problems(place, quote, symbol, known_contracts)
        for place, price in enumerate(self.batch.prices):
            yield from moment("underlyings", place, price.symbol, price.at)
            if price.symbol not in known_symbols:
                yield Problem(
                    "underlyings", place, "symbol", "unknown_symbol", f"{price.symbol} is no instrument on record."
                )
        for place, level in enumerate(self.batch.volatility):
            yield from moment("vix", place, level.index, level.at)


def _quote_problems(
    place: int, quote: QuoteTick, symbol: OptionSymbol, known_contracts: set[OptionSymbol]
) -> Iterable[Problem]:
    if symbol not in known_contracts:
        message = f"{symbol} is not among the contracts on record, and its class is not known. Import it first."
        yield Problem("quotes", place, "contract", "unknown_contract", message)
    if symbol.expires_on < new_york_date(quote.at):
        yield Problem("quotes", place, "contract", "expired", f"{symbol} expired before this quote.")
    for name, price, size in (("bid", quote.bid, quote.bid_size), ("ask", quote.ask, quote.ask_size)):
        if price is None and size:
            message = f"The {name} is missing but its size is {size}: leave both out, or give both."
            yield Problem("quotes", place, f"{name}_size", "size_without_price", message)
