"""Signals of the demo's own: made up and labelled, so that a newcomer sees signals, entries, slices and stops at work.

Each is placed once, through the same door as any entry and past the same gates, when its market time has come. One
whose time has gone by (the product was not running) is left out: a signal is about a moment. Only in demo portfolios on
paper.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from accounts.defaults import MAG7_7DTE, SMART_0DTE
from positions.market.calendar import new_york_date, new_york_instant
from positions.market.clock import market_now
from positions.market.feeds.world import World
from positions.market_selectors import option_chain, underlying_prices
from positions.models import Instrument, Mode, OptionContract, Portfolio, State
from positions.selectors import heartbeat_of
from positions.services.demo import start_markets
from riskengine.models import Handling, Signal, SignalSource, SourceKind
from riskengine.services.decide.entries import Authorised, PortfolioBusy
from riskengine.services.signals.choosing import enter_signal
from riskengine.services.signals.receiving import Draft, receive

ACTOR = "demo signal (made up)"
HEARD = timedelta(seconds=60)  # a heartbeat this young lets an entry through


@dataclass(frozen=True, slots=True)
class Script:
    """Buy a contract in a stretch of the market's day, New York. `contract` is an OCC symbol; or the option of
    `underlying` nearest to the money that expires in `days`."""

    name: str
    starts: time
    ends: time
    confidence: Decimal
    right: str
    underlying: str
    strike: Decimal | None = None
    days: int = 0
    pace: str = "fast"


CONFIDENCE = Decimal("0.66")

SIGNALS: Mapping[str, tuple[Script, ...]] = {
    SMART_0DTE: (
        Script("0949", time(9, 49, 4), time(9, 50, 45), CONFIDENCE, "P", "SPX", Decimal(3800)),
        Script("1016", time(10, 16, 4), time(10, 16, 44), CONFIDENCE, "C", "SPX", Decimal(3700)),
        Script("1125", time(11, 25, 4), time(11, 25, 44), CONFIDENCE, "C", "SPX", Decimal(3700)),
        Script("1153", time(11, 53, 4), time(11, 53, 44), CONFIDENCE, "P", "SPX", Decimal(3700)),
        Script("1209", time(12, 9, 4), time(12, 9, 44), CONFIDENCE, "P", "SPX", Decimal(3700)),
    ),
    MAG7_7DTE: (
        Script("1000", time(10, 0, 2), time(10, 0, 32), CONFIDENCE, "C", "TSLA", days=7),
        Script("1006", time(10, 6), time(10, 20), CONFIDENCE, "C", "AAPL", days=7),
        Script("1130", time(11, 30), time(12), CONFIDENCE, "P", "META", days=7),
        Script("1400", time(14), time(14, 30), CONFIDENCE, "C", "MSFT", days=7),
    ),
}


@dataclass(frozen=True, slots=True)
class Placed:
    """What was decided, and whether something is due that waits for a finished check."""

    decided: tuple[Authorised, ...] = ()
    waits_for_check: bool = False


def run_demo(*, now: datetime) -> Placed:
    """Let the demo's markets begin, and place what is due in them at wall time `now`, each signal at most once.

    Waits for a finished check (a refusal for want of one would use the signal up) and for a busy portfolio.
    """
    start_markets(now=now)
    demos = Portfolio.objects.filter(is_demo=True, mode=Mode.PAPER, state=State.ACTIVE, slug__in=SIGNALS)
    decided: list[Authorised] = []
    waits = False
    for portfolio in demos.select_related("clock", "profile").order_by("pk"):
        at = market_now(portfolio.clock, now)
        source_of(portfolio, SourceKind.GENERATOR, now)  # what is built in is there to be seen
        day = _first_day(portfolio)
        due = {_key(day, signal): signal for signal in SIGNALS[portfolio.slug] if _is_due(signal, day, at)}
        if not due:
            continue
        sent = Signal.objects.filter(portfolio=portfolio, source__kind=SourceKind.DEMO, external_id__in=due)
        missing = sorted(set(due) - set(sent.values_list("external_id", flat=True)))
        if missing and not _is_heard(portfolio, now):
            waits = True
            continue
        source = source_of(portfolio, SourceKind.DEMO, now)
        found = [_place(source, due[key], key, day, at=at, now=now) for key in missing]
        decided += [each for each in found if each is not None]
    return Placed(tuple(decided), waits)


def _first_day(portfolio: Portfolio) -> date:
    """The day the signals are about: a made-up market's first, a recording's own."""
    world = World.of(portfolio.quote_source)
    return world.first_day if world else new_york_date(portfolio.clock.market_started_at)


def _is_due(signal: Script, day: date, at: datetime) -> bool:
    return new_york_instant(day, signal.starts) <= at < new_york_instant(day, signal.ends)


def _is_heard(portfolio: Portfolio, now: datetime) -> bool:
    heartbeat = heartbeat_of(portfolio)
    return heartbeat is not None and now - heartbeat.finished_at <= HEARD


def _key(day: date, signal: Script) -> str:
    return f"demo signal {day} {signal.name}"


def source_of(portfolio: Portfolio, kind: Any, now: datetime) -> SignalSource:
    """The demo's own source of a kind, made at its first use. The made-up signals enter by themselves; what is built in
    is shown, and a person decides."""
    made_up = kind == SourceKind.DEMO
    found, _ = SignalSource.objects.get_or_create(
        slug=f"{'made-up' if made_up else 'built-in'}-{portfolio.pk}",
        defaults={
            "portfolio": portfolio,
            "name": ACTOR if made_up else "built-in generator",
            "kind": kind,
            "handling": Handling.ENTER if made_up else Handling.SHOW,
            "created_at": now,
        },
    )
    return found


def _place(
    source: SignalSource, script: Script, key: str, day: date, *, at: datetime, now: datetime
) -> Authorised | None:
    contract = _contract(source.portfolio, script, at)
    if contract is None:
        return None
    draft = Draft(
        external_id=key,
        symbol=script.underlying,
        direction="LONG_CALL" if script.right == "C" else "LONG_PUT",
        confidence=script.confidence,
        as_of=at,
        expires_at=new_york_instant(day, script.ends),
        contract=contract.occ_symbol,
        note="Made up for the demo.",
    )
    try:
        (signal,) = receive(source, [draft], now=now).signals
        return enter_signal(signal, contract, proven=True, now=now, pace=script.pace, actor_name=ACTOR)
    except PortfolioBusy:
        return None  # it is sent again, or is new and entered with all that are


def _contract(portfolio: Portfolio, script: Script, at: datetime) -> OptionContract | None:
    """The contract a signal is about, as far as it is quoted by now: of equally near strikes the lower one."""
    expires_on = new_york_date(at) + timedelta(days=script.days)
    chain = option_chain(script.underlying, expires_on, source=portfolio.quote_source, now=at)
    strike = script.strike or _price(script.underlying, portfolio.quote_source, at)
    listed = [row for row in chain if row.right == script.right]
    if not listed or strike is None:
        return None
    nearest = min(listed, key=lambda row: (abs(row.strike - strike), row.strike, row.occ_symbol))
    return OptionContract.objects.get(pk=nearest.contract_id)


def _price(symbol: str, source: str, at: datetime) -> Decimal | None:
    instrument = Instrument.objects.get(symbol=symbol)
    found = underlying_prices([instrument.pk], source=source, now=at).get(instrument.pk)
    return found.price if found else None
