"""What the exchange lists under each option root: settlement, exercise, ticks, multiplier (SPEC section 9).

The words (`pm_cash`, `american`, `penny`, ...) are those stored with an `OptionContract`. A root that ends in a digit
is an adjusted contract (after a split, merger or special dividend): it may be closed, never opened. A root not listed
here is taken for an ordinary stock option: American, physical, 0.05 / 0.10.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from positions.market.ticks import ALL_PENNY, NICKEL_DIME, PENNY_NICKEL, TickTable

AM_CASH, PM_CASH, PM_PHYSICAL = "am_cash", "pm_cash", "pm_physical"
AMERICAN, EUROPEAN = "american", "european"
STANDARD_MULTIPLIER = 100

TICK_TABLES: Mapping[str, TickTable] = {
    "all_penny": ALL_PENNY,
    "penny": PENNY_NICKEL,
    "nickel_dime": NICKEL_DIME,
    "standard": NICKEL_DIME,
}


@dataclass(frozen=True, slots=True)
class Underlying:
    """A stock, fund or index that options are listed on. `kind` is stock, etf or index."""

    symbol: str
    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class ContractClass:
    """All options of one root. `index_sized`: one contract is worth hundreds of thousands of dollars of index."""

    root: str
    underlying: str
    settlement: str = PM_PHYSICAL
    exercise_style: str = AMERICAN
    tick_class: str = "standard"
    multiplier: int = STANDARD_MULTIPLIER
    is_adjusted: bool = False
    index_sized: bool = False

    @property
    def ticks(self) -> TickTable:
        return TICK_TABLES[self.tick_class]


MAG7: Mapping[str, str] = {
    "AAPL": "Apple",
    "AMZN": "Amazon",
    "GOOGL": "Alphabet, class A",
    "META": "Meta Platforms",
    "MSFT": "Microsoft",
    "NVDA": "NVIDIA",
    "TSLA": "Tesla",
}

UNDERLYINGS: Mapping[str, Underlying] = {
    underlying.symbol: underlying
    for underlying in (
        Underlying("SPX", "S&P 500 index", "index"),
        Underlying("XSP", "Mini-S&P 500 index", "index"),
        Underlying("SPY", "SPDR S&P 500 ETF", "etf"),
        Underlying("QQQ", "Invesco QQQ ETF", "etf"),
        Underlying("IWM", "iShares Russell 2000 ETF", "etf"),
        *(Underlying(symbol, name, "stock") for symbol, name in MAG7.items()),
        Underlying("GOOG", "Alphabet, class C", "stock"),
    )
}

CLASSES: Mapping[str, ContractClass] = {
    contract_class.root: contract_class
    for contract_class in (
        ContractClass("SPXW", "SPX", PM_CASH, EUROPEAN, "nickel_dime", index_sized=True),
        ContractClass("SPX", "SPX", AM_CASH, EUROPEAN, "nickel_dime", index_sized=True),
        ContractClass("XSP", "XSP", PM_CASH, EUROPEAN, "all_penny"),
        *(ContractClass(root, root, tick_class="all_penny") for root in ("SPY", "QQQ", "IWM")),
        *(ContractClass(root, root, tick_class="penny") for root in MAG7),
        ContractClass("GOOG", "GOOG"),  # the recorded weeklies of 2015 quote in 0.05 / 0.10: GOOG was no penny class
    )
}


def contract_class(root: str) -> ContractClass:
    """The facts of a root. "AAPL7" is AAPL adjusted; an unlisted root is an ordinary stock option of itself."""
    root = root.upper()
    if root in CLASSES:
        return CLASSES[root]
    plain = root.rstrip("0123456789")
    if plain != root:
        return replace(contract_class(plain), root=root, is_adjusted=True)
    return ContractClass(root, root)
