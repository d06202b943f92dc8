"""Option files: quotes by the bar, trades by the bar, open interest by the day. New York times, bars by their START.

A bar that starts at 09:35 is known when it ends, at 09:36: that is the time stored. Crossed, locked and one-sided
quotes are facts of the market and are kept; an empty price is a missing side.
"""

from collections.abc import Hashable, Sequence
from datetime import date

from django.db.backends.utils import CursorWrapper

from positions.models import OpenInterest, OptionContract, OptionQuote, OptionTradeBar
from positions.services.imports import cell
from positions.services.imports.cell import BadRow
from positions.services.imports.listing import Listed, OptionListing
from positions.services.imports.staging import Merge, Merged, quoted_table

_CONTRACT_COLUMNS = ("ts", "underlying", "style", "expiry", "right", "strike")


class _OptionKind:
    """What the three kinds share: the contract and time of a row."""

    optional = ("dte",)
    aliases: dict[str, str] = {}

    def __init__(self, bar_minutes: int = 1) -> None:
        self._bar_minutes = bar_minutes
        self._listing = OptionListing()

    def prepare(self, cursor: CursorWrapper) -> None:
        self._listing.read()

    def _contract(self, terms: Sequence[str], on: date, dte: str) -> Listed:
        """`terms`: underlying, style, expiry, right, strike; `on`: the row's New York date; `dte` as the file says."""
        listed = self._listing.contract(*terms)
        days = (listed.expires_on - on).days
        if days < 0:
            raise BadRow(f"expiry {listed.expires_on} is before the row's date {on}")
        if dte and dte != str(days):
            raise BadRow(f"dte says {dte[:20]}, expiry and ts say {days}")
        return listed

    def _merge(
        self, cursor: CursorWrapper, source: str, model: type, time_column: str, values: dict[str, str]
    ) -> Merged:
        self._listing.list_missing()
        merge = Merge(
            table=quoted_table(model),
            select={"contract_id": "c.id", "source": "%(source)s", time_column: "s.known"} | values,
            key=("contract_id", "source", time_column),
            compared=[column for column, staged in values.items() if staged != "s.known"],
            joins=f"JOIN {quoted_table(OptionContract)} c ON c.occ_symbol = s.occ_symbol",
        )
        return merge.run(cursor, {"source": source})


class Quotes(_OptionKind):
    """Closing bid and ask of each bar, with displayed sizes in contracts."""

    name = "quotes"
    required = (*_CONTRACT_COLUMNS, "bid", "bid_size", "ask", "ask_size")
    staged = (
        "occ_symbol text, known timestamptz, bid numeric(12, 4), bid_size integer, ask numeric(12, 4), ask_size integer"
    )

    def judge(self, cells: Sequence[str]) -> tuple[Hashable, Sequence[str | None]]:
        ts, *terms, bid, bid_size, ask, ask_size, dte = cells
        known, on = cell.bar_end(ts, "ts", self._bar_minutes)
        listed = self._contract(terms, on, dte)
        return (listed.number, known), (
            listed.occ_symbol,
            known,
            *self._side(bid, bid_size, "bid"),
            *self._side(ask, ask_size, "ask"),
        )

    @staticmethod
    def _side(price: str, size: str, name: str) -> tuple[str | None, str]:
        contracts = cell.count(size, f"{name}_size") if size else "0"
        if price:
            return cell.price(price, name), contracts
        if contracts != "0":
            raise BadRow(f"{name} is missing but {name}_size is {size}")
        return None, "0"

    def merge(self, cursor: CursorWrapper, source: str) -> Merged:
        sides = {column: f"s.{column}" for column in ("bid", "bid_size", "ask", "ask_size")}
        known = {"changed_at": "s.known", "confirmed_at": "s.known"}
        return self._merge(cursor, source, OptionQuote, "quoted_at", sides | known)


class Trades(_OptionKind):
    """Open, high, low, close and volume of each bar with trades. Volume in contracts."""

    name = "trade bars"
    required = (*_CONTRACT_COLUMNS, "open", "high", "low", "close", "volume")
    staged = (
        "occ_symbol text, known timestamptz, open numeric(12, 4), high numeric(12, 4), low numeric(12, 4), "
        "close numeric(12, 4), volume integer"
    )

    def judge(self, cells: Sequence[str]) -> tuple[Hashable, Sequence[str | None]]:
        ts, *terms, opened, high, low, close, volume, dte = cells
        known, on = cell.bar_end(ts, "ts", self._bar_minutes)
        listed = self._contract(terms, on, dte)
        prices = cell.bar_prices(opened, high, low, close)
        return (listed.number, known), (listed.occ_symbol, known, *prices, cell.count(volume, "volume"))

    def merge(self, cursor: CursorWrapper, source: str) -> Merged:
        columns = ("open", "high", "low", "close", "volume")
        return self._merge(cursor, source, OptionTradeBar, "bar_at", {column: f"s.{column}" for column in columns})


class OpenInterests(_OptionKind):
    """Contracts outstanding, published before the open of the row's date."""

    name = "open interest rows"
    required = (*_CONTRACT_COLUMNS, "open_interest")
    staged = "occ_symbol text, known date, contracts integer"

    def judge(self, cells: Sequence[str]) -> tuple[Hashable, Sequence[str | None]]:
        ts, *terms, open_interest, dte = cells
        _, on = cell.bar_end(ts, "ts", self._bar_minutes)
        listed = self._contract(terms, on, dte)
        contracts = cell.count(open_interest, "open_interest")
        return (listed.number, on), (listed.occ_symbol, on.isoformat(), contracts)

    def merge(self, cursor: CursorWrapper, source: str) -> Merged:
        return self._merge(cursor, source, OpenInterest, "as_of_on", {"contracts": "s.contracts"})
