"""Sources and signals in front of the bets of `tests.riskengine.market`."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from riskengine.models import Handling, Signal, SignalSource, SourceKind
from riskengine.services.signals.receiving import Draft, receive
from tests import factories
from tests.riskengine.market import Bet


def source(bet: Bet, kind: Any = SourceKind.API, handling: Any = Handling.ENTER, **changes: Any) -> SignalSource:
    number = SignalSource.objects.count() + 1
    given = {"slug": f"source-{number}", "name": f"Source {number}", "created_at": factories.NOW}
    return SignalSource.objects.create(portfolio=bet.portfolio, kind=kind, handling=handling, **given | changes)


def draft(bet: Bet, confidence: str = "0.70", **changes: Any) -> Draft:
    """A signal that names the bet's contract, said at the moment the bet looks at."""
    right = {"C": "LONG_CALL", "P": "LONG_PUT"}[bet.contract.right]
    given = {
        "external_id": f"signal {Signal.objects.count() + 1}",
        "symbol": bet.contract.underlying.symbol,
        "direction": right,
        "confidence": Decimal(confidence),
        "as_of": bet.at,
        "contract": bet.contract.occ_symbol,
    }
    return Draft(**given | changes)


def send(
    bet: Bet, confidence: str = "0.70", *, of: SignalSource | None = None, at: datetime | None = None, **changes: Any
) -> Signal:
    """A signal, received."""
    (signal,) = receive(of or source(bet), [draft(bet, confidence, **changes)], now=bet.wall(at)).signals
    return signal
