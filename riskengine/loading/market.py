"""From market rows to columns. In this folder only Decimal becomes float64, and a missing value NaN."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal

import numpy as np

from positions.market.contracts import CLASSES, TICK_TABLES
from positions.market.ticks import TICK_CHANGES_AT, tick_columns
from positions.market_selectors import Closes, QuotedContract
from positions.models import Fundamental
from riskengine.calculators.columns import BoolColumn, FloatColumn, IntColumn
from riskengine.calculators.fundamentals import Fundamentals


def column(values: Sequence[Decimal | float | int | None]) -> FloatColumn:
    """Numbers as float64, None as NaN."""
    return np.array([np.nan if value is None else float(value) for value in values], np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Quotes:
    """Contracts with their last quotes, shape (n,); NaN where there is none.

    Prices USD per share, sizes, volume and interest in contracts, age in seconds of market time.
    """

    rows: tuple[QuotedContract, ...]
    bid: FloatColumn
    ask: FloatColumn
    ask_size: FloatColumn
    age_seconds: FloatColumn
    volume: FloatColumn
    open_interest: FloatColumn
    strike: FloatColumn
    multiplier: FloatColumn
    call: BoolColumn
    tick_under: FloatColumn
    tick_from_three: FloatColumn

    @property
    def mid(self) -> FloatColumn:
        return (self.bid + self.ask) / 2.0

    def tick(self, price: FloatColumn) -> FloatColumn:
        """The tick of each contract's class at a price, USD."""
        return np.where(price < float(TICK_CHANGES_AT), self.tick_under, self.tick_from_three)

    def take(self, places: IntColumn) -> "Quotes":
        """Some of them, in any order and as often as named."""
        columns = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "rows"}
        rows = tuple(self.rows[place] for place in places.tolist())
        return Quotes(rows=rows, **{name: column[places] for name, column in columns.items()})

    def index_sized(self) -> BoolColumn:
        return np.array([row.root in CLASSES and CLASSES[row.root].index_sized for row in self.rows], bool)


def quotes(rows: Sequence[QuotedContract], *, at: datetime) -> Quotes:
    """Columns in the order of the rows."""
    under, from_three = tick_columns([TICK_TABLES[row.tick_class] for row in rows])
    ages = [None if row.confirmed_at is None else (at - row.confirmed_at).total_seconds() for row in rows]
    return Quotes(
        rows=tuple(rows),
        bid=column([row.bid for row in rows]),
        ask=column([row.ask for row in rows]),
        ask_size=column([row.ask_size for row in rows]),
        age_seconds=column(ages),
        volume=column([row.volume_today for row in rows]),
        open_interest=column([row.open_interest for row in rows]),
        strike=column([row.strike for row in rows]),
        multiplier=column([row.multiplier for row in rows]),
        call=np.array([row.right == "C" for row in rows], bool),
        tick_under=under,
        tick_from_three=from_three,
    )


def close_matrix(closes: Mapping[int, Closes], instruments: Sequence[int], days: Sequence[date]) -> FloatColumn:
    """Adjusted closes, shape (instruments, days), NaN where a session of an instrument is missing."""
    prices = np.full((len(instruments), len(days)), np.nan)
    place = {day: k for k, day in enumerate(days)}
    for k, instrument in enumerate(instruments):
        found = closes.get(instrument)
        if found is not None:
            prices[k, [place[day] for day in found.days]] = column(found.adjusted_closes)
    return prices


def figures(found: Sequence[Fundamental | None], day: date, call: BoolColumn) -> Fundamentals:
    """The inputs of the fundamental score, a row for each of `found`, as old as they are on a New York date."""
    return Fundamentals(
        earnings_surprise=column([each and each.earnings_surprise_percent for each in found]),
        buy_ratings=column([each and each.analyst_buy_percent for each in found]),
        sell_ratings=column([each and each.analyst_sell_percent for each in found]),
        pe=column([each and each.pe_ratio for each in found]),
        sector_pe=column([each and each.sector_pe_ratio for each in found]),
        age_days=column([None if each is None else (day - each.as_of_on).days for each in found]),
        call=call,
    )
