"""Sources and signals in front of the bets of `tests.riskengine.market`."""

from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.test import Client

from accounts.models import User
from positions.market.calendar import new_york_instant
from positions.models import ClockKind
from positions.services.portfolio import ClockSetting
from riskengine.models import Handling, Signal, SignalSource, SourceKind
from riskengine.services.signals.choosing import run_signals
from riskengine.services.signals.receiving import Draft, receive
from tests import factories
from tests.riskengine import market
from tests.riskengine.entering import checked
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


def beside(bet: Bet) -> Bet:
    """Another account in front of the same contract."""
    clock = ClockSetting(
        kind=ClockKind.RECORDED,
        market_started_at=new_york_instant(market.MONDAY, market.STARTS),
        market_ends_at=new_york_instant(market.MONDAY, time(23)),
        label="the same market",
    )
    profile = factories.profile(now=market.WALL)
    made = factories.portfolio(
        of=profile, clock=clock, quote_source=market.SOURCE, now=market.WALL, cash=Decimal(60_000)
    )
    return checked(Bet(made, bet.contract, bet.at))


def run(bet: Bet, minutes: float = 0) -> dict[str, int]:
    return run_signals(now=bet.wall(bet.at + timedelta(minutes=minutes))).states


def told(signal: Signal) -> tuple[str, str]:
    signal.refresh_from_db()
    return signal.state, signal.dropped_code


def states(signal: Signal) -> list[str]:
    return list(signal.events.order_by("id").values_list("state", flat=True))


def signed_in(username: str = "owner") -> Client:
    client = Client()
    client.force_login(User.objects.get(username=username))
    return client
