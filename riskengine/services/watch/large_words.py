"""What is said of a large position: what happened, the number, the limit, and what to do (P-23)."""

from dataclasses import dataclass
from typing import Any

from riskengine.calculators import large, wording
from riskengine.models import Severity
from riskengine.services.watch.alerts import NewAlert

CODES = {
    "loss": "LARGE_LOSS",
    "stop": "LARGE_NEAR_STOP",
    "spread": "LARGE_WIDE_SPREAD",
    "close": "LARGE_CLOSE_NEAR",
    "notional": "LARGE_NOTIONAL",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """One condition of one position as plain values: USD, a share unless said otherwise."""

    portfolio_id: int
    position: int
    contracts: int
    entry: float
    bid: float
    ask: float
    stop: float
    value: float
    stage: int
    equity: float
    notional: float
    at: Any


def key(name: str, position: int) -> str:
    return f"large_{name}:{position}"


def alert(name: str, facts: Facts) -> NewAlert:
    title, happened, limit, unit, to_do, severity = _SAID[name](facts)
    finite = abs(facts.value) < 1e12
    return NewAlert(
        code=CODES[name],
        key=key(name, facts.position),
        severity=severity,
        title=title,
        happened=f"{happened} It is a large position: at least {large.LARGE_BETS:g} minimum bets.",
        to_do=to_do,
        portfolio_id=facts.portfolio_id,
        position_id=facts.position,
        value=round(facts.value, 6) if finite else None,
        limit=limit,
        unit=unit,
        market_at=facts.at,
        stage=facts.stage - 1,
    )


Said = tuple[str, str, float, str, str, Any]


def _loss(f: Facts) -> Said:
    limit = large.LOSSES[f.stage - 1]
    last = f.stage == len(large.LOSSES)
    return (
        f"A large position has lost {limit:.0%} of its premium",
        (
            f"{_position(f)} bought at {wording.price(f.entry)} is bid "
            f"{wording.price(f.bid)}: {f.value:.2%} of the premium is gone; the limit is {limit:.0%}."
        ),
        limit,
        "fraction",
        f"Decide whether you still want it. Its stop stands at {_stop(f)}; closing it now is a button on its page.",
        Severity.CRITICAL if last else Severity.WARNING,
    )


def _near_stop(f: Facts) -> Said:
    return (
        "A large position is near its stop",
        (
            f"{_position(f)} is bid {wording.price(f.bid)}, {f.value:.0%} of the way "
            f"from {wording.price(f.entry)} to its stop at {_stop(f)}; the limit is {large.STOP_WAY:.0%}."
        ),
        large.STOP_WAY,
        "fraction",
        "The stop sells all of it by itself. A stop can be jumped over: close it now if that would be too much.",
        Severity.WARNING,
    )


def _spread(f: Facts) -> Said:
    return (
        "A large position has a wide spread",
        (
            f"{_position(f)} is quoted {wording.price(f.bid)} × {wording.price(f.ask)}: "
            f"a spread of {f.value:.1%} of the mid; the limit is {large.MAX_SPREAD:.0%}."
        ),
        large.MAX_SPREAD,
        "fraction",
        "Selling it costs more than usual. Do not add to it; sell it in parts or patiently if you want out.",
        Severity.WARNING,
    )


def _close(f: Facts) -> Said:
    limit = large.MINUTES_LEFT[f.stage - 1]
    return (
        f"A large position expires in {limit:.0f} minutes",
        (
            f"{f.value:.0f} minutes are left to the close of the day on which position {f.position} "
            f"({f.contracts:,} contracts) expires; the limit is {limit:.0f}."
        ),
        limit,
        "minutes",
        "It is sold by itself shortly before the close. Sell it earlier if the market is thin.",
        Severity.WARNING,
    )


def _notional(f: Facts) -> Said:
    times = f"{f.value:.1f} times" if abs(f.value) < 1e12 else "more than any multiple of"
    return (
        f"A large position stands for more than {large.MOST_EQUITIES:.0f} times the equity",
        (
            f"{_position(f)} stands for shares worth {wording.usd(f.notional)}, {times} "
            f"the equity of {wording.usd(f.equity)}; the limit is {large.MOST_EQUITIES:.0f} times."
        ),
        large.MOST_EQUITIES,
        "equities",
        (
            f"At most it moves like that many shares: {wording.usd(f.notional / 100)} for 1% in the underlying. Hold "
            "no more than you can bear to lose; what settles in shares must be sold before it expires."
        ),
        Severity.WARNING,
    )


def _position(f: Facts) -> str:
    return f"Position {f.position} ({f.contracts:,} contracts)"


def _stop(f: Facts) -> str:
    return wording.price(f.stop) if f.stop == f.stop else "no price: it has none"


_SAID = {"loss": _loss, "stop": _near_stop, "spread": _spread, "close": _close, "notional": _notional}
