"""Underlying files: minute bars, daily closes, fundamentals. Prices in USD a share (index points)."""

from collections.abc import Hashable, Sequence

from django.db.backends.utils import CursorWrapper

from positions.models import DailyClose, Fundamental, UnderlyingBar
from positions.services.imports import cell
from positions.services.imports.cell import BadRow
from positions.services.imports.of_underlying import INSTRUMENT_JOIN, OfUnderlying
from positions.services.imports.staging import Merge, Merged, quoted_table


class Bars(OfUnderlying):
    """Bars of an underlying, stamped with their START in New York time, unadjusted for splits. Known at their end."""

    name = "underlying bars"
    required = ("ts", "symbol", "open", "high", "low", "close", "volume")
    staged = (
        "symbol text, known timestamptz, open numeric(12, 4), high numeric(12, 4), low numeric(12, 4), "
        "close numeric(12, 4), volume bigint"
    )

    def __init__(self, bar_minutes: int = 1) -> None:
        super().__init__()
        self._bar_minutes = bar_minutes

    def judge(self, cells: Sequence[str]) -> tuple[Hashable, Sequence[str | None]]:
        ts, symbol, opened, high, low, close, volume = cells
        symbol = self._underlyings.symbol(symbol)
        known, _ = cell.bar_end(ts, "ts", self._bar_minutes)
        prices = cell.bar_prices(opened, high, low, close)
        return (symbol, known), (symbol, known, *prices, cell.count(volume, "volume", cell.MAX_VOLUME))

    def merge(self, cursor: CursorWrapper, source: str) -> Merged:
        values = {column: f"s.{column}" for column in ("open", "high", "low", "close", "volume")}
        merge = Merge(
            table=quoted_table(UnderlyingBar),
            select={"instrument_id": "i.id", "source": "%(source)s", "bar_at": "s.known"} | values,
            key=("instrument_id", "source", "bar_at"),
            compared=list(values),
            joins=INSTRUMENT_JOIN,
        )
        return self._merge(cursor, source, merge)


class Closes(OfUnderlying):
    """One session of an underlying a row; `adj_close` is adjusted for splits and dividends, the rest for splits as
    the source has it."""

    name = "daily closes"
    required = ("date", "symbol", "close", "adj_close")
    optional = ("open", "high", "low", "volume")
    aliases = {"adjusted_close": "adj_close", "session": "date"}
    staged = (
        "symbol text, session_on date, close numeric(12, 4), adjusted_close numeric(14, 6), open numeric(12, 4), "
        "high numeric(12, 4), low numeric(12, 4), volume bigint"
    )

    def judge(self, cells: Sequence[str]) -> tuple[Hashable, Sequence[str | None]]:
        day, symbol, close, adjusted, opened, high, low, volume = cells
        symbol = self._underlyings.symbol(symbol)
        on = cell.weekday(day, "date")
        cell.positive_price(close, "close", 4)
        cell.positive_price(adjusted, "adj_close", 6)
        values = [
            cell.optional_number(text, name, 0, cell.MAX_PRICE)
            for text, name in ((opened, "open"), (high, "high"), (low, "low"))
        ]
        if high and low:
            cell.low_not_above_high(low, high)
            cell.between_low_and_high(close, "close", low, high)
        shares = cell.count(volume, "volume", cell.MAX_VOLUME) if volume else None
        return (symbol, on), (symbol, on.isoformat(), close, adjusted, *values, shares)

    def merge(self, cursor: CursorWrapper, source: str) -> Merged:
        values = ("close", "adjusted_close", "open", "high", "low", "volume")
        merge = Merge(
            table=quoted_table(DailyClose),
            select={"instrument_id": "i.id", "session_on": "s.session_on"}
            | {column: f"s.{column}" for column in values}
            | {"source": "%(source)s"},
            key=("instrument_id", "session_on"),
            compared=values,
            joins=INSTRUMENT_JOIN,
        )
        return self._merge(cursor, source, merge)


class Fundamentals(OfUnderlying):
    """Inputs of the fundamental score, known from `as_of` on. Percents are percents (12.5 means 12.5%); an empty cell
    is a missing input. `is_illustrative`: the figures are made up for a demonstration, and every page says so."""

    name = "fundamentals"
    required = ("symbol", "as_of")
    optional = (
        "earnings_surprise_percent", "analyst_buy_percent", "analyst_sell_percent", "pe_ratio", "sector_pe_ratio",
    )  # fmt: skip
    aliases = {
        "instrument": "symbol",
        "date": "as_of",
        "earnings_surprise_pct": "earnings_surprise_percent",
        "analyst_rating_buy": "analyst_buy_percent",
        "analyst_rating_sell": "analyst_sell_percent",
        "sector_avg_pe": "sector_pe_ratio",
    }
    staged = (
        "symbol text, as_of_on date, earnings_surprise_percent numeric(9, 4), analyst_buy_percent numeric(7, 4), "
        "analyst_sell_percent numeric(7, 4), pe_ratio numeric(12, 4), sector_pe_ratio numeric(12, 4)"
    )
    bounds = ((-10_000, 10_000), (0, 100), (0, 100), (-1_000_000, 1_000_000), (-1_000_000, 1_000_000))

    def __init__(self, *, is_illustrative: bool = False) -> None:
        super().__init__()
        self._is_illustrative = is_illustrative

    def judge(self, cells: Sequence[str]) -> tuple[Hashable, Sequence[str | None]]:
        symbol, as_of, *inputs = cells
        symbol = self._underlyings.symbol(symbol)
        on = cell.day(as_of, "as_of")
        if not any(inputs):
            raise BadRow("no input is given")
        values = [
            cell.optional_number(text, name, low, high)
            for text, name, (low, high) in zip(inputs, self.optional, self.bounds, strict=True)
        ]
        buy, sell = values[1], values[2]
        if buy and sell and float(buy) + float(sell) > 100.001:
            raise BadRow(f"buy and sell ratings are over 100% together: {buy} and {sell}")
        return (symbol, on), (symbol, on.isoformat(), *values)

    def merge(self, cursor: CursorWrapper, source: str) -> Merged:
        values = {column: f"s.{column}" for column in self.optional}
        values["is_illustrative"] = "true" if self._is_illustrative else "false"
        merge = Merge(
            table=quoted_table(Fundamental),
            select={"instrument_id": "i.id", "as_of_on": "s.as_of_on"} | values | {"source": "%(source)s"},
            key=("instrument_id", "as_of_on"),
            compared=list(values),
            joins=INSTRUMENT_JOIN,
        )
        return self._merge(cursor, source, merge)
