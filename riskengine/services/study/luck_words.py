"""What a record can be told to be, in words: luck or not, never proven, always with its number of trades."""

from dataclasses import dataclass

from riskengine.services.wording import percent

FEW = 30  # W14: so many trades establish nothing
COMPUTED = "is being computed"
UNLIKELY = 0.05  # of accounts without an edge


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """`low` and `high` are of the expectancy's 95% interval; `as_well` is the share of accounts without any edge that
    do at least as well over as many bets of the same sizes. None: not known, and `waits` says why."""

    trades: int
    expectancy: float | None
    low: float | None
    high: float | None
    as_well: float | None
    waits: str = COMPUTED


def verdict(record: Record) -> str:
    """The first sentences of the page."""
    n = record.trades
    if n == 0:
        return "No closed trade yet: there is nothing to tell from luck."
    if n == 1:
        return "One trade says nothing: a coin flip ends in a gain or a loss as well."
    if record.low is None or record.high is None or record.expectancy is None:
        return f"{n:,} trades, and what they gained per dollar is not known."
    interval = f"the 95% interval of what a dollar bet gains runs from {_signed(record.low)} to {_signed(record.high)}"
    if record.high < 0.0 and n <= FEW and (record.as_well is None or record.as_well <= 1.0 - UNLIKELY):
        return f"{_trades(n)} are too few to tell this record from luck: {interval}. {_beaten(record)}".strip()
    if record.high < 0.0:
        return f"{_trades(n)} speak against an edge: {interval}. {_beaten(record)}{_few(n)}".strip()
    if record.low > 0.0 and record.as_well is not None and record.as_well < UNLIKELY and n <= FEW:
        return (
            f"{_trades(n)} are too few to tell this record from luck: an account without any edge does at least as "
            f"well in {share(record.as_well)} of cases, and {interval}.{_few(n)}"
        )
    if record.low > 0.0 and record.as_well is not None and record.as_well < UNLIKELY:
        return (
            f"{_trades(n)} are hard to explain by luck alone: an account without any edge does at least as well in "
            f"{share(record.as_well)} of cases, and {interval}. They say nothing of trades to come."
        )
    if record.as_well is None:
        rest = f"How often an account without any edge does as well {record.waits}."
        if record.low > 0.0 and n <= FEW:
            return f"{_trades(n)} are too few to tell this record from luck: {interval}. {rest}"
        if record.low > 0.0:
            return f"{_trades(n)} gained more than chance around nothing explains: {interval}. {rest}"
        return f"{_trades(n)} cannot tell this record from luck: {interval}. {rest}"
    return (
        f"{_trades(n)} cannot tell this record from luck: an account without any edge does at least as well in "
        f"{share(record.as_well)} of cases, and {interval}."
    )


def _beaten(record: Record) -> str:
    if record.as_well is None:
        return ""
    return f"An account without any edge does at least as well in {share(record.as_well)} of cases."


def on_one_side(n: int) -> str:
    """What an interval of `n` trades says that lies on one side of nothing."""
    return f"does not include 0{still_few(n)}"


def still_few(n: int) -> str:
    """What is added to a finding of so few trades."""
    return f", and {FEW} trades or fewer still cannot tell that from luck" if n <= FEW else ""


def _few(n: int) -> str:
    return f" {FEW} trades or fewer cannot establish an edge." if n <= FEW else ""


def needed(edge: str, trades: int | None, spread: str, have: int) -> str:
    """How many trades tell an edge from nothing; `edge` and `spread` say whose."""
    if trades is None:
        return f"No number of trades tells {edge} from nothing: it is not above nothing."
    more = "" if have >= trades else f"; this account has closed {have:,}"
    return (
        f"To tell {edge} from nothing takes about {trades:,} trades at {spread}: its 95% interval then lies above "
        f"nothing in four of five such records{more}."
    )


def _trades(n: int) -> str:
    return f"{n:,} trades"


def share(of_paths: float) -> str:
    """A share of simulated paths, which never says that something cannot happen."""
    if of_paths < 0.001:
        return "fewer than 0.1%"
    if of_paths > 0.999:
        return "more than 99.9%"
    return percent(of_paths, 1 if of_paths < 0.1 or of_paths > 0.99 else 0)


def _signed(value: float) -> str:
    return f"+{percent(value)}" if value > 0 else percent(value)
