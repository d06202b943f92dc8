"""What every provider of market data has in common: what it is asked, what it answers, how it fails.

An adapter turns a provider's answer into candidates: our field names, the provider's values as they came. `judge` makes
rows of them, or says why not. Prices are USD a share (index points), percents are percents (12.5 means 12.5%).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Protocol

QUOTES, CLOSES, FUNDAMENTALS, EARNINGS, SPLITS = "quotes", "closes", "fundamentals", "earnings", "splits"
KINDS_OF_DATA = (QUOTES, CLOSES, FUNDAMENTALS, EARNINGS, SPLITS)

TIMEOUT = "PROVIDER_TIMEOUT"
REFUSED = "PROVIDER_REFUSED"
UNAVAILABLE = "PROVIDER_UNAVAILABLE"
RATE_LIMITED = "PROVIDER_RATE_LIMITED"
GARBAGE = "PROVIDER_GARBAGE"
ADDRESS_REFUSED = "PROVIDER_ADDRESS_REFUSED"
NOT_CONFIGURED = "PROVIDER_NOT_CONFIGURED"
SOURCE_RESERVED = "SOURCE_RESERVED"
FAILED = "PROVIDER_FAILED"

# Fields of a candidate: what a row must have, and what it may have.
QUOTE_FIELDS = (("contract", "at"), ("bid", "bid_size", "ask", "ask_size"))
PRICE_FIELDS = (("symbol", "price", "at"), ())
LEVEL_FIELDS = (("index", "level", "at"), ())
CLOSE_FIELDS = (("symbol", "session_on", "close", "adjusted_close"), ("open", "high", "low", "volume"))
INPUTS = ("earnings_surprise_percent", "analyst_buy_percent", "analyst_sell_percent", "pe_ratio", "sector_pe_ratio")
FUNDAMENTAL_FIELDS = (("symbol", "as_of_on"), INPUTS)
EARNINGS_FIELDS = (("symbol", "reports_on"), ("timing",))
SPLIT_FIELDS = (("symbol", "effective_on", "new_shares", "old_shares"), ())
SHAPES = {
    QUOTES: (QUOTE_FIELDS, PRICE_FIELDS, LEVEL_FIELDS),
    CLOSES: (CLOSE_FIELDS,),
    FUNDAMENTALS: (FUNDAMENTAL_FIELDS,),
    EARNINGS: (EARNINGS_FIELDS,),
    SPLITS: (SPLIT_FIELDS,),
}

Candidate = Mapping[str, object]


class ProviderError(Exception):
    """Why nothing came: a code and a sentence. `retry_after` where the provider said when to ask again, seconds."""

    def __init__(self, code: str, sentence: str, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Asked:
    """What a provider is asked. `contracts` are 21-character OCC symbols; `first` to `last` are New York dates, both
    included."""

    what: str
    symbols: tuple[str, ...]
    contracts: tuple[str, ...]
    first: date
    last: date


class Provider(Protocol):
    """One provider, for one question. Neither method touches the database: `fetch` runs in a thread of its own."""

    def fetch(self, asked: Asked) -> Sequence[Candidate]:
        """What it says, as it came. ProviderError when nothing came."""
        ...

    def hang_up(self) -> None:
        """Close every connection and let nothing more be asked: called from outside when the time is over."""
        ...


# ---- Rows that were judged ----


@dataclass(frozen=True, slots=True)
class CloseRow:
    """One session of an underlying. `adjusted_close` is adjusted for splits and dividends, the rest is as it traded."""

    symbol: str
    session_on: date
    close: Decimal
    adjusted_close: Decimal
    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    volume: int | None = None


@dataclass(frozen=True, slots=True)
class FundamentalRow:
    """Inputs of the fundamental score, known from `as_of_on`. None is a missing input."""

    symbol: str
    as_of_on: date
    earnings_surprise_percent: Decimal | None = None
    analyst_buy_percent: Decimal | None = None
    analyst_sell_percent: Decimal | None = None
    pe_ratio: Decimal | None = None
    sector_pe_ratio: Decimal | None = None


@dataclass(frozen=True, slots=True)
class EarningsRow:
    """The date on which a company reports. `timing`: before_open, after_close, unknown."""

    symbol: str
    reports_on: date
    timing: str


@dataclass(frozen=True, slots=True)
class SplitRow:
    """`new_shares` for `old_shares`, from the open of `effective_on`."""

    symbol: str
    effective_on: date
    new_shares: int
    old_shares: int
