"""The recorded day of a replay: of the files given, the rows of that date and of what the entries speak of.

Rows of other dates and contracts are counted and left out. Rows that cannot be read, or cannot be true, are rejected
with line number and reason, as in every import; so are those whose date or contract cannot be told.
"""

import re
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from django.db.backends.utils import CursorWrapper
from django.db.models import Q

from positions.market.contracts import contract_class
from positions.market.symbols import RIGHTS, OptionSymbol
from positions.models import OptionContract, OptionQuote, UnderlyingBar
from positions.services.imports import options, underlying
from positions.services.imports.cell import BadRow, Unwanted
from positions.services.imports.listing import OptionListing
from positions.services.imports.run import ImportReport, Kind, import_file
from positions.services.imports.source_file import UnusableFile
from positions.services.imports.staging import Merged
from riskengine.services.study.entries import BadEntries, Entry, symbols_of

SOURCE = "replay"
SPY_PRICES = ("SPY", "SPX")  # one of them says what a share of SPY costs

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_STRIKE = re.compile(r"[0-9]{1,8}(?:\.[0-9]{1,6})?")

Wants = Callable[[Sequence[str]], bool]


class BadRecording(Exception):
    """The files do not hold the day that was asked for. The message is one line for a person."""


@dataclass(frozen=True, slots=True)
class Files:
    """Where the recording is, and where its rejected rows go: `rejects` and what they are. `bar_minutes` is the length
    of a quote or trade bar."""

    quotes: Path
    underlying: Path
    rejects: Path
    trades: Path | None = None
    open_interest: Path | None = None
    bar_minutes: int = 1


@dataclass(frozen=True, slots=True)
class Recording:
    """The day as it was read. `times` are the instants at which a quote became known, ascending; `notes` what is
    missing, in sentences."""

    contracts: dict[OptionSymbol, OptionContract]
    times: list[datetime]
    reports: dict[str, ImportReport]
    notes: list[str]


def list_contracts(entries: Sequence[Entry]) -> dict[OptionSymbol, OptionContract]:
    """The contracts of the entries, listed whether they are quoted or not. Raises BadEntries for one that cannot be."""
    listing = OptionListing()
    listing.read()
    for entry in entries:
        symbol = entry.symbol
        facts = contract_class(symbol.root)
        try:
            listing.contract(
                symbol.root, facts.exercise_style, symbol.expires_on.isoformat(), symbol.right, str(symbol.strike)
            )
        except BadRow as problem:
            raise BadEntries(f"line {entry.line}: {symbol.compact}: {problem}. Nothing was replayed.") from problem
    listing.list_missing()
    wanted = {str(symbol): symbol for symbol in symbols_of(entries)}
    rows = OptionContract.objects.select_related("underlying").filter(occ_symbol__in=wanted).order_by("occ_symbol")
    return {wanted[row.occ_symbol]: row for row in rows}


def read_day(
    files: Files, day: date, contracts: dict[OptionSymbol, OptionContract], chains: Collection[str] = ()
) -> Recording:
    """Import the day: these contracts, and whatever is listed of the underlyings in `chains`. Raises BadRecording when
    a file cannot be used or the quotes have nothing of that date."""
    reports: dict[str, ImportReport] = {}
    of_contracts = _OptionRows(day, contracts, chains)
    underlyings = {row.underlying.symbol for row in contracts.values()} | set(chains)
    kinds: list[tuple[str, Kind, Path | None, Wants]] = [
        ("quotes", options.Quotes(files.bar_minutes), files.quotes, of_contracts),
        ("underlying", underlying.Bars(), files.underlying, _BarRows(day, underlyings | set(SPY_PRICES))),
        ("trades", options.Trades(files.bar_minutes), files.trades, _OptionRows(day, contracts, chains)),
        (
            "open_interest",
            options.OpenInterests(files.bar_minutes),
            files.open_interest,
            _OptionRows(day, contracts, chains),
        ),
    ]
    for what, kind, path, wants in kinds:
        if path is None:
            continue
        rejects = files.rejects.with_name(f"{files.rejects.name}.{what}.rejects.csv")
        try:
            reports[what] = import_file(_Only(kind, wants), path, source=SOURCE, rejects_path=rejects)
        except UnusableFile as problem:
            raise BadRecording(str(problem)) from problem
    if not of_contracts.has_day:
        raise BadRecording(f"{files.quotes.name} has no quotes on {day}.")
    times = OptionQuote.objects.order_by("quoted_at").values_list("quoted_at", flat=True).distinct()
    return Recording(contracts, list(times), reports, _notes(files, day, contracts, underlyings))


def _notes(files: Files, day: date, contracts: dict[OptionSymbol, OptionContract], underlyings: set[str]) -> list[str]:
    quoted = set(OptionQuote.objects.order_by().values_list("contract_id", flat=True).distinct())
    barred = set(UnderlyingBar.objects.filter(_known(underlyings)).values_list("instrument__symbol", flat=True))
    notes = [
        f"{symbol.compact} has no quotes on {day}: its entries are refused."
        for symbol, row in contracts.items()
        if row.pk not in quoted
    ]
    notes += [
        f"{files.underlying.name} has no bars of {symbol} on {day}: Greeks are unknown, and what "
        "is held past the close has no official price."
        for symbol in sorted(underlyings - barred)
    ]
    return notes


def _known(underlyings: Iterable[str]) -> Q:
    return Q(instrument__symbol__in=sorted(underlyings))


class _Only:
    """A kind of file of which some rows are asked for."""

    def __init__(self, kind: Kind, wants: Wants) -> None:
        self._kind, self._wants = kind, wants
        self.name, self.required, self.optional = kind.name, kind.required, kind.optional
        self.aliases, self.staged = kind.aliases, kind.staged

    def prepare(self, cursor: CursorWrapper) -> None:
        self._kind.prepare(cursor)

    def judge(self, cells: Sequence[str]) -> tuple[Hashable, Sequence[str | None]]:
        if not self._wants(cells):
            raise Unwanted
        return self._kind.judge(cells)

    def merge(self, cursor: CursorWrapper, source: str) -> Merged:
        return self._kind.merge(cursor, source)


class _Rows:
    """Whether a row is of the day. One whose date cannot be told is asked for, so that the import rejects it."""

    def __init__(self, day: date) -> None:
        self._day = day.isoformat()
        self.has_day = False

    def of_day(self, ts: str) -> bool:
        if ts[:10] == self._day:
            self.has_day = True
            return True
        return not _DAY.fullmatch(ts[:10])


class _OptionRows(_Rows):
    """The rows of some contracts on a day. Cells: ts, root, style, expiry, right, strike, ..."""

    def __init__(self, day: date, symbols: Iterable[OptionSymbol], chains: Collection[str]) -> None:
        super().__init__(day)
        self._chains = chains
        self._terms = {(s.root, s.expires_on.isoformat(), s.right, s.strike) for s in symbols}
        self._seen: dict[tuple[str, ...], bool] = {}

    def __call__(self, cells: Sequence[str]) -> bool:
        if not self.of_day(cells[0]):
            return False
        terms = (cells[1], *cells[3:6])
        wanted = self._seen.get(terms)
        if wanted is None:
            wanted = self._seen[terms] = self._wanted(*terms)
        return wanted

    def _wanted(self, root: str, expiry: str, right: str, strike: str) -> bool:
        if not (root.strip() and _DAY.fullmatch(expiry) and right in RIGHTS and _STRIKE.fullmatch(strike)):
            return True
        if self._chains and contract_class(root.strip()).underlying in self._chains:
            return True
        return (root.strip().upper(), expiry, right, Decimal(strike)) in self._terms


class _BarRows(_Rows):
    """The rows of some underlyings on a day. Cells: ts, symbol, ..."""

    def __init__(self, day: date, symbols: set[str]) -> None:
        super().__init__(day)
        self._symbols = symbols

    def __call__(self, cells: Sequence[str]) -> bool:
        symbol = cells[1].strip().upper()
        return self.of_day(cells[0]) and (not symbol or symbol in self._symbols)
