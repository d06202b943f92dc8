"""What is asked at each kind of review. A review keeps the questions as it asked them; these are for the next ones.

`beside` names the part of the snapshot whose numbers stand beside a question.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from riskengine.models import ReviewKind


@dataclass(frozen=True, slots=True)
class Question:
    code: str
    text: str
    beside: str


_WEEKLY = (
    Question("followed", "Did every bet follow its decision: size, price, stop?", "decisions"),
    Question("refused", "What was refused, and was that right?", "refusals"),
    Question("exits", "Which exits were late, partial or forced, and what did that cost?", "exits"),
    Question("luck", "Can the record be told from luck? With how many trades, and which interval?", "record"),
    Question("unanswered", "Which alerts and tripped breakers did nobody answer in time, and why?", "guards"),
)
_MONTHLY = (
    Question("parameters", "Which parameters bound or refused, and are they still the right ones?", "refusals"),
    Question("costs", "What did spread, slippage and fees take of the premium? Is it what you assumed?", "costs"),
    Question("tiers", "Which ways out earned money and which lost it?", "exits"),
    Question(
        "confidence", "Did higher confidence win more? Does any source of signals no longer earn its place?", "signals"
    ),
    Question(
        "concentration", "How far was this one bet: by underlying, by correlation, by share of the account?", "exposure"
    ),
)
_QUARTERLY = (
    Question(
        "sizes", "Does the case for bets of this size still hold, with this record against its intervals?", "record"
    ),
    Question(
        "drawdown", "How did the worst drawdown compare with what was projected, and with what you can bear?", "equity"
    ),
    Question("limits", "Did the breakers act where they should? Were any cleared too soon?", "guards"),
    Question("changes", "Did the parameters changed in this quarter do what they were changed for?", "revisions"),
    Question("mode", "Should this account go a step forward, stay, or step back?", "account"),
)
QUESTIONS: Mapping[str, tuple[Question, ...]] = {
    str(ReviewKind.WEEKLY): _WEEKLY,
    str(ReviewKind.MONTHLY): _MONTHLY,
    str(ReviewKind.QUARTERLY): _QUARTERLY,
}


def questions_of(kind: str) -> list[dict[str, Any]]:
    """As a review keeps them."""
    return [asdict(each) for each in QUESTIONS[kind]]
