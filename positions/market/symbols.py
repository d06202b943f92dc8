"""OCC option symbols: root padded to 6, expiration YYMMDD, C or P, strike in thousandths of a dollar as 8 digits.

"SPXW  210104C03800000" is the 3,800 call on SPXW that expired on 2021-01-04. Feeds and people also write it without
the padding ("SPXW210104C03800000"); both are read, the 21-character form is written.
Source: OCC, Options Symbology Initiative (2010).
"""

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation

CALL, PUT = "C", "P"
RIGHTS = (CALL, PUT)

_ROOT = re.compile(r"[A-Z][A-Z0-9]{0,5}")
_TAIL = re.compile(r"([0-9]{6})([CP])([0-9]{8})")
_TAIL_LENGTH = 15
_EXAMPLE = '"SPXW  210104C03800000"'
_MAX_STRIKE = Decimal("99999.999")


@dataclass(frozen=True, slots=True, order=True)
class OptionSymbol:
    """One listed option. `strike` in USD (index options: index points), at most three decimals."""

    root: str
    expires_on: date
    right: str
    strike: Decimal

    def __post_init__(self) -> None:
        if not _ROOT.fullmatch(self.root):
            raise ValueError(f"The root {self.root!r} must be a letter and up to 5 more letters or digits.")
        if not 2000 <= self.expires_on.year <= 2099:
            raise ValueError(f"The expiration {self.expires_on} must lie in 2000 to 2099: the symbol has two digits.")
        if self.right not in RIGHTS:
            raise ValueError(f"The right {self.right!r} must be C (call) or P (put).")
        if not (self.strike.is_finite() and 0 < self.strike <= _MAX_STRIKE):
            raise ValueError(f"The strike {self.strike} must be above 0 and at most {_MAX_STRIKE}.")
        if self.strike * 1000 != int(self.strike * 1000):
            raise ValueError(f"The strike {self.strike} must have at most three decimals.")

    def __str__(self) -> str:
        return f"{self.root:<6}{self.expires_on:%y%m%d}{self.right}{int(self.strike * 1000):08d}"

    @property
    def compact(self) -> str:
        """Without the padding: "SPXW210104C03800000"."""
        return str(self).replace(" ", "")


def parse(text: str) -> OptionSymbol:
    """Read an OCC symbol, padded or compact, in either case. Anything else is a ValueError with a sentence."""
    symbol = text.strip().upper()
    root, tail = symbol[:-_TAIL_LENGTH].rstrip(), _TAIL.fullmatch(symbol[-_TAIL_LENGTH:])
    if tail is None or not _ROOT.fullmatch(root):
        raise ValueError(
            f"{text!r} is not an OCC option symbol. Expected a root of 1 to 6 letters or digits, the expiration as "
            f"YYMMDD, C or P, and the strike in thousandths as 8 digits, for example {_EXAMPLE}."
        )
    day, right, thousandths = tail.groups()
    try:
        expires_on = date(2000 + int(day[:2]), int(day[2:4]), int(day[4:]))
    except ValueError:
        raise ValueError(f"{text!r}: {day} is not a date (YYMMDD).") from None
    return OptionSymbol(root, expires_on, right, Decimal(thousandths) / 1000)


def option_symbol(root: str, expires_on: date, right: str, strike: Decimal | str) -> str:
    """The 21-character symbol of a contract."""
    try:
        amount = Decimal(strike)
    except InvalidOperation:
        raise ValueError(f"The strike {strike!r} is not a number.") from None
    return str(OptionSymbol(root.upper(), expires_on, right, amount))
