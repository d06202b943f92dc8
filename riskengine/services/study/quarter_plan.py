"""What happens in a simulated quarter besides the market: who says what and when, and when cash comes in.

Drawn from the seed alone, by session: the same however often and in whatever parts the quarter is lived through. The
signals know nothing of the market, so what comes of them is luck and costs, and a good page says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from accounts.defaults import MAG7_7DTE, SMART_0DTE
from positions.market.calendar import Session
from positions.market.feeds.world import MARKET, STOCKS, draw_one
from riskengine.services.signals.receiving import Draft

NOTE = "Made up: drawn from a seed, with no knowledge of the market."
DEPOSIT = Decimal(20_000)
LOWEST, HIGHEST = 0.65, 0.95  # confidence of those that may be traded
UNSURE_EVERY, EARLY_EVERY = 9, 13  # sessions: one signal that is not sure enough, one in the first minutes
EARLY = timedelta(minutes=2)  # after the open, when nothing may be entered yet


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When a system's signals come: minutes after the open of each slot (first, last), and how often one comes; and
    every how many minutes what is held is looked at."""

    slots: tuple[tuple[int, int], ...]
    shares: tuple[float, ...]
    names: tuple[str, ...]
    every: int


RHYTHMS: Mapping[str, Rhythm] = {
    MAG7_7DTE: Rhythm(((40, 300),), (0.75,), STOCKS, 3),
    SMART_0DTE: Rhythm(((8, 50), (60, 150)), (0.90, 0.60), (MARKET,), 1),
}


@dataclass(frozen=True, slots=True)
class Said:
    """A signal and when it is sent, market time."""

    at: datetime
    draft: Draft


@dataclass(frozen=True, slots=True)
class Plan:
    """A quarter: its seed, its system, and how many sessions it has."""

    seed: int
    system: str
    sessions: int

    def signals(self, session: Session, number: int) -> list[Said]:
        """What is said in its session of that number (from 0), in order."""
        rhythm = RHYTHMS[self.system]
        minutes = session.minutes_to_close(session.opens_at)
        said = []
        for slot, ((first, last), share) in enumerate(zip(rhythm.slots, rhythm.shares, strict=True)):
            if self._draw("comes", number, slot) < share:
                after = first + (min(last, minutes - 90) - first) * self._draw("minute", number, slot)
                at = session.opens_at + timedelta(minutes=int(after))
                said.append(self._said(at, session, number, slot, LOWEST, HIGHEST))
        if number % UNSURE_EVERY == UNSURE_EVERY - 1:
            said.append(self._said(session.opens_at + timedelta(minutes=100), session, number, 8, 0.50, LOWEST - 0.01))
        if number % EARLY_EVERY == EARLY_EVERY - 1:
            said.append(self._said(session.opens_at + EARLY, session, number, 9, LOWEST, HIGHEST))
        return sorted(said, key=lambda each: (each.at, each.draft.external_id))

    def deposit(self, session: Session, number: int) -> datetime | None:
        """When cash is paid in: at noon in the middle of it."""
        is_middle = self.sessions > 2 and number == self.sessions // 2
        return session.opens_at + timedelta(minutes=150) if is_middle else None

    def ends(self, number: int) -> bool:
        return number == self.sessions - 1

    def _said(self, at: datetime, session: Session, number: int, slot: int, low: float, high: float) -> Said:
        names = RHYTHMS[self.system].names
        confidence = low + (high - low) * self._draw("confidence", number, slot)
        draft = Draft(
            external_id=f"{session.day} {slot}",
            symbol=names[int(self._draw("name", number, slot) * len(names))],
            direction="LONG_CALL" if self._draw("direction", number, slot) < 0.5 else "LONG_PUT",
            confidence=Decimal(f"{confidence:.2f}"),
            as_of=at,
            note=NOTE,
        )
        return Said(at, draft)

    def _draw(self, what: str, number: int, slot: int) -> float:
        return draw_one(self.seed, f"signal {what}", number * 10 + slot)
