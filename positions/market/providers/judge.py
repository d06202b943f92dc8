"""What a provider says, judged row by row: what cannot be true is left out, with its reason, and counted.

A crossed or one-sided quote is a fact of the market and passes, as in `feeds.pushed`: whether it may be traded on is a
rule elsewhere. What is refused cannot be true, or was not asked for.
"""

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

from positions.market.calendar import new_york_date
from positions.market.feeds.base import Batch, PriceTick, QuoteTick, VolatilityTick
from positions.market.feeds.pushed import CLOCK_AHEAD
from positions.market.providers import value as read
from positions.market.providers.base import (
    INPUTS,
    Asked,
    Candidate,
    CloseRow,
    EarningsRow,
    FundamentalRow,
    SplitRow,
)
from positions.market.providers.value import BadValue
from positions.market.symbols import parse

INDICES = ("VIX", "VIX1D")
TIMINGS = ("before_open", "after_close", "unknown")
MOST_PRICE = Decimal(1_000_000)
MOST_LEVEL = Decimal(1000)
MOST_SIZE = 2_147_483_647
MOST_VOLUME = 10**15
MOST_RATIO = 100  # new shares for one old, and the other way round
FUNDAMENTAL_BOUNDS = ((-10_000, 10_000), (0, 100), (0, 100), (-1_000_000, 1_000_000), (-1_000_000, 1_000_000))
MOST_RATINGS = Decimal("100.001")  # percent, buy and sell together: what rounding leaves

Row = TypeVar("Row")


@dataclass(slots=True)
class Judged(Generic[Row]):
    """The rows that may be stored, and how many were left out for which reason."""

    rows: list[Row] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)


def judge(
    candidates: Iterable[Candidate], row_of: Callable[[Candidate], Row], key_of: Callable[[Row], Hashable]
) -> Judged[Row]:
    """The rows of the candidates. Of rows with one key the first stays where all say the same; where they differ nobody
    knows which is true, and all are left out."""
    judged: Judged[Row] = Judged()
    by_key: dict[Hashable, list[Row]] = {}
    for candidate in candidates:
        try:
            row = row_of(candidate)
        except BadValue as bad:
            judged.reasons[str(bad)] += 1
            continue
        by_key.setdefault(key_of(row), []).append(row)
    for rows in by_key.values():
        if all(row == rows[0] for row in rows):
            judged.rows.append(rows[0])
            repeated = len(rows) - 1
        else:
            repeated = len(rows)
        if repeated:
            judged.reasons["told twice"] += repeated
    return judged


# ---- Quotes ----


def judge_quotes(
    candidates: Iterable[Candidate], asked: Asked, *, chain_of: Collection[str] = (), now: datetime
) -> tuple[Batch, Counter[str]]:
    """The batch of an answer, and how many rows were left out of it for which reason. `chain_of`: roots of which every
    contract was asked for. `now` is wall time when the answer was there."""
    contracts, roots, symbols = set(asked.contracts), set(chain_of), set(asked.symbols)

    def tick_of(candidate: Candidate) -> QuoteTick | PriceTick | VolatilityTick:
        at = _moment(candidate, now)
        if "contract" in candidate:
            return _quote(candidate, contracts, roots, at)
        if "index" in candidate:
            index = read.word(candidate, "index", INDICES)
            return VolatilityTick(index, read.number(candidate, "level", over=Decimal(0), most=MOST_LEVEL), at)
        return PriceTick(_symbol(candidate, symbols), _price(candidate, "price"), at)

    judged = judge(candidates, tick_of, _key_of_tick)
    batch = Batch(
        quotes=[tick for tick in judged.rows if isinstance(tick, QuoteTick)],
        prices=[tick for tick in judged.rows if isinstance(tick, PriceTick)],
        volatility=[tick for tick in judged.rows if isinstance(tick, VolatilityTick)],
    )
    return batch, judged.reasons


def _key_of_tick(tick: QuoteTick | PriceTick | VolatilityTick) -> Hashable:
    if isinstance(tick, QuoteTick):
        return tick.contract, tick.at
    return (tick.symbol if isinstance(tick, PriceTick) else tick.index), tick.at


def _moment(candidate: Candidate, now: datetime) -> datetime:
    at = read.instant(candidate, "at")
    if at > now + CLOCK_AHEAD:
        raise BadValue("at has not come yet")
    return at


def _quote(candidate: Candidate, contracts: Collection[str], roots: Collection[str], at: datetime) -> QuoteTick:
    told = read.text(candidate, "contract")
    try:
        symbol = parse(told)
    except ValueError as problem:
        raise BadValue("contract is no OCC symbol") from problem
    if str(symbol) not in contracts and symbol.root not in roots:
        raise BadValue("contract was not asked for")
    if symbol.expires_on < new_york_date(at):
        raise BadValue("contract had expired")
    bid, bid_size = _side(candidate, "bid")
    ask, ask_size = _side(candidate, "ask")
    return QuoteTick(str(symbol), bid, bid_size, ask, ask_size, at)


def _side(candidate: Candidate, name: str) -> tuple[Decimal | None, int]:
    """Price and size of one side. A bid of 0 is one that nobody makes; an offer at 0 cannot be."""
    size = read.optional_count(candidate, f"{name}_size", most=MOST_SIZE) or 0
    if candidate.get(name) is None:
        if size:
            raise BadValue(f"{name} is missing and its size is not")
        return None, 0
    if name == "bid":
        return read.number(candidate, name, least=Decimal(0), most=MOST_PRICE).quantize(read.FOUR_PLACES), size
    return _price(candidate, name), size


# ---- Closes ----


def judge_closes(
    candidates: Iterable[Candidate],
    asked: Asked,
    *,
    sessions: Collection[date],
    splits: Mapping[str, Sequence[SplitRow]],
) -> Judged[CloseRow]:
    """`sessions` are those within the asked range that are over; `splits` the known ones by symbol."""
    symbols, days = set(asked.symbols), set(sessions)
    judged = judge(
        candidates, lambda each: _close(each, symbols, days, asked), lambda row: (row.symbol, row.session_on)
    )
    unadjusted = {
        symbol for symbol, known in splits.items() if any(_ignores(judged.rows, symbol, split) for split in known)
    }
    kept = [row for row in judged.rows if row.symbol not in unadjusted]
    if len(kept) < len(judged.rows):
        judged.reasons["adjusted_close is not adjusted for a known split"] += len(judged.rows) - len(kept)
    judged.rows = kept
    return judged


def _close(candidate: Candidate, symbols: Collection[str], sessions: Collection[date], asked: Asked) -> CloseRow:
    symbol = _symbol(candidate, symbols)
    on = read.day(candidate, "session_on")
    if not asked.first <= on <= asked.last:
        raise BadValue("session_on was not asked for" if on < asked.first else "session_on is not over yet")
    if on not in sessions:
        raise BadValue("session_on is no session of the exchange")
    close = _price(candidate, "close")
    adjusted = read.number(candidate, "adjusted_close", over=Decimal(0), most=MOST_PRICE).quantize(read.SIX_PLACES)
    if adjusted == 0:
        raise BadValue("adjusted_close is zero")
    opened, high, low = (
        None if candidate.get(name) is None else _price(candidate, name) for name in ("open", "high", "low")
    )
    if high is not None and low is not None and not low <= close <= high:
        raise BadValue("close is not between low and high")
    volume = read.optional_count(candidate, "volume", most=MOST_VOLUME)
    return CloseRow(symbol, on, close, adjusted, opened, high, low, volume)


def _ignores(rows: Iterable[CloseRow], symbol: str, split: SplitRow) -> bool:
    """Whether the adjusted closes jump over a split by its ratio: a provider that has not adjusted them yet would show
    a loss that nobody had, and the correlations would be those of the jump."""
    own = sorted((row for row in rows if row.symbol == symbol), key=lambda row: row.session_on)
    before = [row for row in own if row.session_on < split.effective_on]
    after = [row for row in own if row.session_on >= split.effective_on]
    if not before or not after or split.new_shares == split.old_shares:
        return False
    moved = after[0].adjusted_close / before[-1].adjusted_close
    jump = Decimal(split.old_shares) / split.new_shares
    return abs(moved.ln() - jump.ln()) < abs(moved.ln())


# ---- Companies ----


def judge_fundamentals(candidates: Iterable[Candidate], asked: Asked) -> Judged[FundamentalRow]:
    symbols = set(asked.symbols)

    def row_of(candidate: Candidate) -> FundamentalRow:
        symbol, on = _symbol(candidate, symbols), read.day(candidate, "as_of_on")
        if on > asked.last:
            raise BadValue("as_of_on has not come yet")
        inputs = [
            None
            if candidate.get(name) is None
            else read.number(candidate, name, least=Decimal(low), most=Decimal(high)).quantize(read.FOUR_PLACES)
            for name, (low, high) in zip(INPUTS, FUNDAMENTAL_BOUNDS, strict=True)
        ]
        if all(each is None for each in inputs):
            raise BadValue("no input is given")
        row = FundamentalRow(symbol, on, *inputs)
        if (row.analyst_buy_percent or 0) + (row.analyst_sell_percent or 0) > MOST_RATINGS:
            raise BadValue("buy and sell ratings are over 100% together")
        return row

    return judge(candidates, row_of, lambda row: (row.symbol, row.as_of_on))


def judge_earnings(candidates: Iterable[Candidate], asked: Asked) -> Judged[EarningsRow]:
    """A time of day that is not told is not known: the gate then takes the whole date."""
    symbols = set(asked.symbols)

    def row_of(candidate: Candidate) -> EarningsRow:
        symbol, on = _symbol(candidate, symbols), _asked_day(candidate, "reports_on", asked)
        told = candidate.get("timing")
        return EarningsRow(symbol, on, "unknown" if told is None else read.word(candidate, "timing", TIMINGS))

    return judge(candidates, row_of, lambda row: (row.symbol, row.reports_on))


def judge_splits(candidates: Iterable[Candidate], asked: Asked) -> Judged[SplitRow]:
    symbols = set(asked.symbols)

    def row_of(candidate: Candidate) -> SplitRow:
        symbol, on = _symbol(candidate, symbols), _asked_day(candidate, "effective_on", asked)
        new, old = (read.count(candidate, name, most=10_000) for name in ("new_shares", "old_shares"))
        if not (new and old) or new == old or not Decimal(1) / MOST_RATIO <= Decimal(new) / old <= MOST_RATIO:
            raise BadValue("the ratio is no split")
        return SplitRow(symbol, on, new, old)

    return judge(candidates, row_of, lambda row: (row.symbol, row.effective_on))


def _asked_day(candidate: Mapping[str, Any], name: str, asked: Asked) -> date:
    on = read.day(candidate, name)
    if not asked.first <= on <= asked.last:
        raise BadValue(f"{name} was not asked for")
    if on.weekday() >= 5:
        raise BadValue(f"{name} is a weekend day")
    return on


def _symbol(candidate: Candidate, symbols: Collection[str]) -> str:
    symbol = read.text(candidate, "symbol").upper()
    if symbol not in symbols:
        raise BadValue("symbol was not asked for")
    return symbol


def _price(candidate: Candidate, name: str) -> Decimal:
    price = read.number(candidate, name, over=Decimal(0), most=MOST_PRICE).quantize(read.FOUR_PLACES)
    if price == 0:
        raise BadValue(f"{name} is zero")
    return price
