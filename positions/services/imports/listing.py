"""Underlyings and option contracts that a file speaks of: judged once each, and listed where they are missing.

Their facts come from `positions.market.contracts`. A symbol that is neither known there nor an instrument in the
database is unknown: its rows are rejected until a person adds the instrument.
"""

from datetime import date
from typing import NamedTuple

from positions.market.contracts import AMERICAN, EUROPEAN, UNDERLYINGS, ContractClass, contract_class
from positions.market.symbols import RIGHTS, option_symbol
from positions.models import Instrument, OptionContract
from positions.services.imports.cell import BadRow, day, number


class Underlyings:
    """Symbols of instruments: those stored, and those the product knows the facts of."""

    def __init__(self) -> None:
        self._stored: set[str] = set()
        self._seen: dict[str, str] = {}

    def read(self) -> None:
        self._stored = set(Instrument.objects.values_list("symbol", flat=True))

    def symbol(self, text: str) -> str:
        """The symbol in capitals. Raises BadRow when no such instrument is known."""
        if text not in self._seen:
            symbol = text.strip().upper()
            if symbol not in self._stored and symbol not in UNDERLYINGS:
                raise BadRow(f"unknown symbol: {text[:20]!r} is no instrument; add it first" if text else "no symbol")
            self._seen[text] = symbol
        return self._seen[text]

    def list_missing(self) -> None:
        """Store instruments the file speaks of that are not stored yet."""
        missing = sorted(set(self._seen.values()) - self._stored)
        Instrument.objects.bulk_create(
            [
                Instrument(symbol=symbol, name=UNDERLYINGS[symbol].name, kind=UNDERLYINGS[symbol].kind)
                for symbol in missing
            ],
            ignore_conflicts=True,
        )


class Listed(NamedTuple):
    number: int  # within this file
    occ_symbol: str
    expires_on: date


class _Contract(NamedTuple):
    listed: Listed
    underlying: str
    facts: ContractClass
    right: str
    strike: str


class OptionListing:
    """The contracts of an option file. Columns: underlying (the root), style, expiry, right, strike."""

    def __init__(self) -> None:
        self._underlyings = Underlyings()
        self._listed: dict[tuple[str, ...], Listed] = {}
        self._contracts: dict[str, _Contract] = {}

    def read(self) -> None:
        self._underlyings.read()

    def contract(self, root: str, style: str, expiry: str, right: str, strike: str) -> Listed:
        """The contract of a row. Raises BadRow with what cannot be true of it."""
        terms = (root, style, expiry, right, strike)
        listed = self._listed.get(terms)
        if listed is None:
            listed = self._listed[terms] = self._judge(*terms)
        return listed

    def list_missing(self) -> None:
        """Store instruments and contracts the file speaks of that are not stored yet."""
        self._underlyings.list_missing()
        symbols = {contract.underlying for contract in self._contracts.values()}
        ids = dict(Instrument.objects.filter(symbol__in=symbols).values_list("symbol", "id"))
        OptionContract.objects.bulk_create(
            [
                OptionContract(
                    occ_symbol=occ_symbol,
                    underlying_id=ids[contract.underlying],
                    root=contract.facts.root,
                    expiration_on=contract.listed.expires_on,
                    right=contract.right,
                    strike=contract.strike,
                    multiplier=contract.facts.multiplier,
                    settlement=contract.facts.settlement,
                    exercise_style=contract.facts.exercise_style,
                    tick_class=contract.facts.tick_class,
                    is_adjusted=contract.facts.is_adjusted,
                )
                for occ_symbol, contract in sorted(self._contracts.items())
            ],
            batch_size=1000,
            ignore_conflicts=True,
        )

    def _judge(self, root: str, style: str, expiry: str, right: str, strike: str) -> Listed:
        facts = contract_class(root.strip())
        underlying = self._underlyings.symbol(facts.underlying)
        self._check_style(facts, style)
        expires_on = day(expiry, "expiry")
        if right not in RIGHTS:
            raise BadRow(f"right is neither C nor P: {right[:20]!r}")
        number(strike, "strike", 0, 99_999)
        try:
            occ_symbol = option_symbol(facts.root, expires_on, right, strike)
        except ValueError as error:
            raise BadRow(str(error)) from None
        if occ_symbol not in self._contracts:  # "3800" and "3800.0" are one contract
            listed = Listed(len(self._contracts), occ_symbol, expires_on)
            self._contracts[occ_symbol] = _Contract(listed, underlying, facts, right, strike)
        return self._contracts[occ_symbol].listed

    @staticmethod
    def _check_style(facts: ContractClass, style: str) -> None:
        if style not in (AMERICAN, EUROPEAN):
            raise BadRow(f"style is neither american nor european: {style[:20]!r}")
        if style != facts.exercise_style:
            raise BadRow(f"style contradicts the class: {facts.root} options are {facts.exercise_style}, not {style}")
