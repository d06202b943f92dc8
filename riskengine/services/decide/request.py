"""What is asked: a size, or an entry."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from positions.brokers.ladder import PRESETS
from positions.models import OptionContract

SIX_PLACES = Decimal("0.000001")
MOST_CONTRACTS = 1_000_000


@dataclass(frozen=True, slots=True)
class SizeRequest:
    """What is asked. `win_probability` and `payoff` (gain per dollar lost) are the user's own odds, for Kelly. Not
    `proven`: the source of the confidence has too few closed trades of its own, and bets the minimum."""

    contract: OptionContract
    confidence: Decimal
    win_probability: Decimal | None = None
    payoff: Decimal | None = None
    proven: bool = True


@dataclass(frozen=True, slots=True)
class EntryRequest:
    """What is asked. `contracts` empty: the size is computed; else that many or nothing. `propose`: decide and place
    nothing; an approved one waits for its confirmation. `confirmed`: a person has seen this entry. `waive_gates`
    (replays of recorded days only) judges and stores every gate and lets none refuse. `proven` as above."""

    contract: OptionContract
    confidence: Decimal
    contracts: int | None = None
    pace: str = "normal"
    confirmed: bool = False
    waive_gates: bool = False
    propose: bool = False
    proven: bool = True

    def __post_init__(self) -> None:
        if not (self.confidence.is_finite() and 0 <= self.confidence <= 1):
            raise ValueError(f"Confidence is {self.confidence}: it must be from 0 to 1.")
        if self.contracts is not None and not 1 <= self.contracts <= MOST_CONTRACTS:
            raise ValueError(f"{self.contracts} contracts are asked for: 1 to {MOST_CONTRACTS:,}, or leave it open.")
        if self.pace not in PRESETS:
            raise ValueError(f"An opening is worked at pace normal, fast or patient, not {self.pace}.")
        if self.propose and (self.confirmed or self.waive_gates):
            raise ValueError("What is proposed is not confirmed yet, and no gate is waived for it.")

    def stored(self) -> dict[str, Any]:
        """As plain data: what a repeat under the same key must equal."""
        asked: dict[str, Any] = {
            "contract": self.contract.occ_symbol,
            "confidence": str(self.confidence.quantize(SIX_PLACES, ROUND_HALF_UP)),
            "contracts": self.contracts,
            "pace": self.pace,
            "confirmed": self.confirmed,
            "waive_gates": self.waive_gates,
        }
        asked |= {"propose": True} if self.propose else {}
        return asked if self.proven else asked | {"proven": False}
