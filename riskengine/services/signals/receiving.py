"""Signals at the door: all of a delivery or none, each once however often it is sent.

What cannot be true or is over already is refused by name. What is taken is new until the selection looks at it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.db import transaction

from positions.market.clock import market_now
from positions.market.symbols import parse
from positions.models import Direction, Instrument, OptionContract
from riskengine.loading.revisions import terms_in_force
from riskengine.models import Signal, SignalEvent, SignalSource, SignalState, SourceKind
from riskengine.services.signals.locking import locked_source

MOST = 500  # signals in one delivery
CLOCK_AHEAD = timedelta(seconds=1)  # how far the sender's clock may be ahead of ours
LONGEST = timedelta(days=7)
MOST_COMPONENTS = 20
LAST = datetime(9999, 1, 1, tzinfo=UTC)
SIX_PLACES = Decimal("0.000001")
SHORTS = ("sell", "short", "sell_short", "short_call", "short_put")
CALLS = {str(Direction.LONG_CALL): "C", str(Direction.LONG_PUT): "P"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A signal as it is sent. Times aware; `as_of` empty is now, `expires_at` empty the profile's lifetime after it.

    `contract` is an OCC symbol, empty: the product picks one. `components` are what the confidence is made of, plain
    data as the source gives them (name, value and what else it says), shown and never computed with.
    """

    external_id: str
    symbol: str
    direction: str
    confidence: Decimal
    as_of: datetime | None = None
    expires_at: datetime | None = None
    contract: str = ""
    components: Sequence[Any] = field(default=())
    note: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a signal of a delivery: which (from 0), which field, a code and a sentence."""

    place: int
    field: str
    code: str
    message: str


class SignalsRefused(Exception):
    """Nothing of the delivery was taken."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(problems[0].message if problems else "The signals were refused.")
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Received:
    """The signals in the order of the delivery, and whether this call made each."""

    signals: Sequence[Signal]
    created: Sequence[bool]


@transaction.atomic
def receive(source: SignalSource, drafts: Sequence[Draft], *, now: datetime) -> Received:
    """Take a delivery, whole, at wall time `now`. Raises SignalsRefused with every problem.

    A signal that the source has sent before is answered with the stored one; under the same number another content is
    refused. Two deliveries of one source wait for each other; PortfolioBusy after 2 s.
    """
    locked = locked_source(source.pk)
    portfolio = locked.portfolio
    at = market_now(portfolio.clock, now)
    lifetime = timedelta(minutes=float(terms_in_force(portfolio.profile_id).limits.signal_lifetime_minutes))
    known = {each.external_id: each for each in locked.signals.filter(external_id__in=[d.external_id for d in drafts])}
    instruments = {each.symbol: each for each in Instrument.objects.filter(symbol__in={d.symbol for d in drafts})}
    contracts = _contracts(drafts)
    problems: list[Problem] = []
    if not locked.enabled:
        problems.append(Problem(0, "source", "SOURCE_DISABLED", f"{locked.name} is switched off: ask a risk manager."))
    if not 1 <= len(drafts) <= MOST:
        problems.append(
            Problem(0, "signals", "TOO_MANY", f"A delivery has 1 to {MOST} signals, this one {len(drafts)}.")
        )
    signals = []
    for place, draft in enumerate(drafts):
        signal = _signal(locked, draft, instruments, contracts, at, now, lifetime)
        before = known.get(draft.external_id)
        if before is None:
            problems += _problems(place, draft, signal, at)
            problems += _late(place, signal, at - lifetime) if locked.kind == SourceKind.WEBHOOK else []
            known[draft.external_id] = signal
        elif not _same(before, signal, draft):
            said = f"The signal {draft.external_id!r} was sent before and said something else."
            problems.append(Problem(place, "id", "SIGNAL_CONFLICT", said))
        signals.append(before or signal)
    if problems:
        raise SignalsRefused(problems)
    created = [each.pk is None for each in signals]
    new = [each for each, is_new in zip(signals, created, strict=True) if is_new]
    Signal.objects.bulk_create(new)
    SignalEvent.objects.bulk_create(
        SignalEvent(signal=each, state=SignalState.NEW, happened_at=at, actor_name=locked.name) for each in new
    )
    return Received(signals, created)


def _contracts(drafts: Iterable[Draft]) -> dict[str, OptionContract | None]:
    """By what was sent; None for a text that is no contract on record."""
    symbols = {}
    for draft in drafts:
        if draft.contract:
            try:
                symbols[draft.contract] = str(parse(draft.contract))
            except ValueError:
                symbols[draft.contract] = ""
    found = {each.occ_symbol: each for each in OptionContract.objects.filter(occ_symbol__in=symbols.values())}
    return {given: found.get(occ) for given, occ in symbols.items()}


def _signal(
    source: SignalSource,
    draft: Draft,
    instruments: dict[str, Instrument],
    contracts: dict[str, OptionContract | None],
    at: datetime,
    now: datetime,
    lifetime: timedelta,
) -> Signal:
    said_at = draft.as_of or at
    sound = draft.confidence.is_finite() and 0 <= draft.confidence <= 1  # 1e400 cannot be rounded to 6 places
    return Signal(
        source=source,
        portfolio=source.portfolio,
        external_id=draft.external_id,
        underlying=instruments.get(draft.symbol),
        contract=contracts.get(draft.contract) if draft.contract else None,
        direction=draft.direction,
        confidence=draft.confidence.quantize(SIX_PLACES, ROUND_HALF_UP) if sound else draft.confidence,
        components=list(draft.components),
        note=draft.note,
        as_of=said_at,
        expires_at=draft.expires_at or _after(said_at, lifetime),
        received_at=now,
        state=SignalState.NEW,
    )


def _after(at: datetime, lifetime: timedelta) -> datetime:
    """The end of a lifetime; of the last days of the calendar, which are refused for what they are, the last."""
    return at + lifetime if at < LAST else at


def _problems(place: int, draft: Draft, signal: Signal, at: datetime) -> list[Problem]:
    contract = signal.contract
    said: list[tuple[bool, str, str, str]] = [
        (not draft.external_id.strip() or len(draft.external_id) > 100, "id", "NO_ID",
         "Give each signal a number of its own, of 1 to 100 characters: it is how a repeat is known."),
        (signal.underlying_id is None, "symbol", "UNKNOWN_SYMBOL", f"{draft.symbol[:20]} is no instrument on record."),
        (draft.direction not in CALLS, "direction", "SHORT_NOT_SUPPORTED", _no_direction(draft.direction)),
        (not (draft.confidence.is_finite() and 0 <= draft.confidence <= 1), "confidence", "INVALID_INPUT",
         f"Confidence is {draft.confidence}: it must be from 0 to 1."),
        (signal.as_of > at + CLOCK_AHEAD, "as_of", "IN_THE_FUTURE",
         f"It was said at {signal.as_of:%Y-%m-%d %H:%M:%S%z}; the portfolio's market has {at:%Y-%m-%d %H:%M:%S%z}."),
        (signal.expires_at <= signal.as_of, "expires_at", "ENDS_BEFORE_IT_BEGINS", "It ends before it was said."),
        (signal.expires_at <= at, "expires_at", "SIGNAL_EXPIRED",
         f"It was good until {signal.expires_at:%Y-%m-%d %H:%M:%S%z}; it is {at:%H:%M:%S%z}. It came too late."),
        (signal.expires_at - signal.as_of > LONGEST, "expires_at", "TOO_LONG", "A signal is good for 7 days at most."),
        (bool(draft.contract) and contract is None, "contract", "UNKNOWN_CONTRACT",
         f"{draft.contract[:24]} is not among the contracts on record."),
        (len(draft.components) > MOST_COMPONENTS, "components", "TOO_MANY", f"At most {MOST_COMPONENTS} components."),
        (len(draft.note) > 500, "note", "TOO_LONG", "A note has at most 500 characters."),
    ]  # fmt: skip
    if contract is not None:
        wrong = contract.underlying_id != signal.underlying_id or contract.right != CALLS.get(draft.direction)
        message = f"{contract.occ_symbol} is not a {draft.direction} of {draft.symbol}."
        said.append((wrong, "contract", "CONTRACT_CONTRADICTS", message))
    return [Problem(place, name, code, message) for is_wrong, name, code, message in said if is_wrong]


def _late(place: int, signal: Signal, oldest: datetime) -> list[Problem]:
    """A message that was caught on its way must not be of use later, whatever end it gives itself."""
    if signal.as_of > oldest:
        return []
    said = f"It was said at {signal.as_of:%Y-%m-%d %H:%M:%S%z}, longer ago than a signal is good. It came too late."
    return [Problem(place, "as_of", "SIGNAL_EXPIRED", said)]


def _no_direction(said: str) -> str:
    if said.strip().lower() in SHORTS:
        return f"“{said[:20]}” is refused: nothing is sold short here. A long put (LONG_PUT) is the bet that it falls."
    return f"The direction is {said[:20]!r}: LONG_CALL or LONG_PUT, and nothing else is traded."


def _same(stored: Signal, sent: Signal, draft: Draft) -> bool:
    """Whether a repeat says what was stored. Times that were left open then are left open now."""
    if stored.pk is None:
        return False  # twice within one delivery
    return (
        stored.underlying_id == sent.underlying_id
        and stored.direction == sent.direction
        and stored.confidence == sent.confidence
        and stored.contract_id == sent.contract_id
        and bool(draft.contract) == (stored.contract_id is not None)
        and (draft.as_of is None or stored.as_of == sent.as_of)
        and (draft.expires_at is None or stored.expires_at == sent.expires_at)
    )
