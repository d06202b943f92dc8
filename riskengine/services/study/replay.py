"""Replay: the services of every day on recorded time, in a database of its own.

    the day's rows are imported -> a portfolio is opened whose market time is the time of the events -> at each event
    the orders are worked, entries decided, exits judged -> what the rows say at the end is the report

Events are the bars' times, the entries, the steps of working orders, what a check says it waits for, and the minutes of
the session while something is held. Nothing reads a clock or makes a random number: same input, same bytes.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.defaults import LADDERS, PARAMETERS, SYSTEMS
from accounts.models import RiskProfile, System, User
from accounts.selectors import ladders_of, latest_revision, numbers_of
from accounts.services import revise_profile
from betsizing.scratch import scratch_database
from positions.market.calendar import OutsideCalendar, Session
from positions.models import ClockKind, ExchangeSession, Mode, Portfolio
from positions.services.portfolio import ClockSetting, create_portfolio
from positions.services.settlement import settle_expired
from positions.services.working import work_orders
from riskengine.loading.limits import ConfigError, ladder_steps, limits_of, parameter_value
from riskengine.loading.recorded_day import ledger_of, quotes_of_day
from riskengine.models import Signal, SignalSource
from riskengine.services.decide.entries import authorise_entries
from riskengine.services.decide.plan import exit_plan
from riskengine.services.decide.request import EntryRequest
from riskengine.services.signals.choosing import OPEN_STATES, run_signals
from riskengine.services.signals.receiving import Draft, SignalsRefused, receive
from riskengine.services.study import report
from riskengine.services.study.entries import BadEntries, Entry, read_entries
from riskengine.services.study.equity import equity_by_minute, worth_at_close
from riskengine.services.study.foundation import OWNER, SEEDED_AT, foundation
from riskengine.services.study.recording import SOURCE, BadRecording, Files, Recording, list_contracts, read_day
from riskengine.services.study.signals import read_record, read_signals, source_of, store_record
from riskengine.services.watch.monitoring import run_check

PORTFOLIOS = SYSTEMS  # the demo's portfolios carry the names of their systems
ACTOR = "replay"
BEFORE_OPEN = timedelta(minutes=30)
AFTER_CLOSE = timedelta(minutes=10)  # what a working order still does once the session has ended
MINUTE = timedelta(minutes=1)
AGAIN = timedelta(seconds=1)  # a step that is due at once after everything was done is looked at a second later
MOST_CASH = Decimal(10) ** 12


class ReplayRefused(Exception):
    """Nothing was replayed. The message is one line for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to be replayed: entries, or signals that pick their contracts themselves, or both. `record` are closed
    trades from before the day. `parameters` by name as JSON gives them, ladders as rows; `cash` None is the account
    size of the system. `with_positions`: the report says of each position what it came to, besides."""

    files: Files
    entries: Any = None
    signals: Path | None = None
    record: Path | None = None
    day: date
    portfolio: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    gates: bool = True
    cash: Decimal | None = None
    with_positions: bool = False


@dataclass(frozen=True, slots=True)
class Watcher:
    """Who is told how it goes: a sentence now and then, and the market time after each event."""

    say: Callable[[str], None]
    reached: Callable[[Session, datetime], None]


def replay(request: Request, watcher: Watcher) -> dict[str, Any]:
    """The report of a replayed day. Raises ReplayRefused, or ScratchRefused when no database can be made for it."""
    if request.portfolio not in PORTFOLIOS:
        raise ReplayRefused(f"There is no portfolio {request.portfolio!r} to replay. Known: {', '.join(PORTFOLIOS)}.")
    try:
        if request.entries is None and request.signals is None:
            raise ReplayRefused("There is nothing to replay: give entries, signals or both.")
        if request.signals is not None and not request.gates:
            raise ReplayRefused("Signals enter past every gate: no gate is waived for them.")
        entries = read_entries(request.entries, request.day) if request.entries is not None else []
        drafts = read_signals(request.signals, request.day) if request.signals is not None else []
        with _database(watcher):
            return _replayed(request, entries, drafts, watcher)
    except (BadEntries, BadRecording, OutsideCalendar) as problem:
        raise ReplayRefused(str(problem)) from problem


def _database(watcher: Watcher) -> AbstractContextManager[str]:
    told = "Making the database that replays are cloned from, once for this version; some seconds."
    return scratch_database(foundation(), when_filling=lambda: watcher.say(told))


def _replayed(
    request: Request, entries: list[Entry], drafts: list[tuple[datetime, Draft]], watcher: Watcher
) -> dict[str, Any]:
    session = _session(request.day)
    with transaction.atomic():
        contracts = list_contracts(entries)
        recording = read_day(request.files, request.day, contracts, {draft.symbol for _, draft in drafts})
        profile = _profile(request)
        portfolio = _portfolio(request, profile, session)
        if request.record is not None:
            store_record(portfolio, read_record(request.record, session.opens_at), session.opens_at)
        source = source_of(portfolio, session.opens_at - BEFORE_OPEN) if drafts else None
    for note in recording.notes:
        watcher.say(note)
    opening = portfolio.cash
    _Day(portfolio, session, recording, entries, request, watcher, source, drafts).run()
    portfolio.refresh_from_db()
    revision = latest_revision(profile)
    ledger = ledger_of(portfolio)
    quotes = quotes_of_day(ledger.holdings.keys(), source=SOURCE)
    limits = limits_of(numbers_of(revision), ladders_of(revision))
    curve = equity_by_minute(session, ledger, quotes, limits)
    built = report.build(portfolio, recording, curve, opening)
    if request.with_positions:
        built["positions"] = report.positions(portfolio, worth_at_close(session, quotes, limits))
    return built | {"signals": report.signals(portfolio)} if drafts else built


def _session(day: date) -> Session:
    row = ExchangeSession.objects.filter(exchange="XNYS", session_on=day)
    found = row.values_list("session_on", "open_at", "close_at", "is_early").first()
    if found is None:
        raise ReplayRefused(f"There is no session of the exchange on {day:%A} {day}: the calendar knows none.")
    return Session(*found)


def read_parameters(given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Numbers and ladders by name. Raises ReplayRefused for what no profile could carry."""
    numbers, ladders = {}, {}
    try:
        for name, value in given.items():
            if name in PARAMETERS:
                numbers[name] = parameter_value(PARAMETERS[name], value)
            elif name in LADDERS:
                ladders[name] = ladder_steps(name, value)
            else:
                raise ReplayRefused(f"{name} is no parameter: `manage.py evaluate --list` names them all.")
    except ConfigError as problem:
        raise ReplayRefused(str(problem)) from problem
    return numbers, ladders


def _profile(request: Request) -> RiskProfile:
    """The system's profile, with the given numbers put in force as its next revision."""
    profile = RiskProfile.objects.get(slug=request.portfolio)
    if not request.parameters:
        return profile
    numbers, ladders = read_parameters(request.parameters)
    try:
        revise_profile(
            profile=profile,
            based_on=latest_revision(profile).number,
            numbers=numbers,
            ladders=ladders,
            reason="Numbers of this replay.",
            author=None,
            now=SEEDED_AT,
        )
    except ValidationError as problem:
        if getattr(problem, "code", None) != "no_change":
            raise ReplayRefused(" ".join(problem.messages)) from problem
    return profile


def _portfolio(request: Request, profile: RiskProfile, session: Session) -> Portfolio:
    """A portfolio whose wall time and market time are one: what is `now` for the services is the event's time."""
    starts_at = session.opens_at - BEFORE_OPEN
    cash = latest_revision(profile).account_size if request.cash is None else request.cash
    if not 0 < cash < MOST_CASH:
        raise ReplayRefused(f"The cash to start with is {cash}: give an amount above 0, in USD.")
    return create_portfolio(
        owner=User.objects.get(username=OWNER),
        slug=request.portfolio,
        name=System(request.portfolio).label,
        system=request.portfolio,
        profile=profile,
        cash=cash,
        mode=Mode.PAPER,
        now=starts_at,
        clock=ClockSetting(kind=str(ClockKind.RECORDED), market_started_at=starts_at, label=f"Replay of {request.day}"),
        quote_source=SOURCE,
    )


class _Day:
    """One session, event by event."""

    def __init__(
        self,
        portfolio: Portfolio,
        session: Session,
        recording: Recording,
        entries: list[Entry],
        request: Request,
        watcher: Watcher,
        source: SignalSource | None,
        drafts: list[tuple[datetime, Draft]],
    ) -> None:
        self._source, self._drafts = source, deque(drafts)
        self._awaited = False  # signals that are not over
        self._portfolio, self._session, self._recording = portfolio, session, recording
        self._entries, self._request, self._watcher = entries, request, watcher
        self._ids = [portfolio.pk]
        self._events: list[datetime] = []
        self._next_entry = 0
        self._held = self._working = False
        self._told: dict[str, datetime] = {}

    def run(self) -> None:
        """From the first bar or entry to the settlement of what expired, and until no order works any more."""
        opens_at, closes_at = self._session.opens_at, self._session.closes_at
        minutes = range(round((closes_at - opens_at) / MINUTE) + 1)
        self._plan(at for at in self._recording.times if opens_at <= at <= closes_at)
        self._plan(opens_at + k * MINUTE for k in minutes)
        self._plan(entry.at for entry in self._entries)
        self._plan(said_at for said_at, _ in self._drafts)
        last, settled = None, False
        while self._events:
            at = heapq.heappop(self._events)
            if at == last:
                continue
            last = at
            if at >= closes_at and not settled:
                self._step(at)
                settle_expired(portfolio=self._portfolio, at=at, now=at)
                settled = True
            elif self._is_due(at) or self._held or self._working:
                self._step(at)
            self._watcher.reached(self._session, at)
        for error, at in self._told.items():
            self._watcher.say(f"{report.clock(at)}: {error}")

    def _plan(self, times: Iterable[datetime]) -> None:
        for at in times:
            heapq.heappush(self._events, at)

    def _plan_next(self, next_at: Mapping[int, datetime], now: datetime) -> None:
        at = next_at.get(self._portfolio.pk)
        if at is not None:
            at = at if at > now else now + AGAIN
            if at <= self._session.closes_at + AFTER_CLOSE:
                self._plan([at])

    def _is_due(self, at: datetime) -> bool:
        return self._has_entry(at) or self._awaited or bool(self._drafts and self._drafts[0][0] <= at)

    def _has_entry(self, at: datetime) -> bool:
        return self._next_entry < len(self._entries) and self._entries[self._next_entry].at <= at

    def _step(self, at: datetime) -> None:
        """One event. The check comes before the entries: their gate wants a heartbeat of now."""
        if self._working:
            self._work(at)
        placed = self._check(at)
        if self._has_entry(at):
            self._enter(at)
            placed = True
        if self._drafts or self._awaited:
            placed |= self._hear(at)
        if placed:
            self._work(at)

    def _work(self, at: datetime) -> None:
        worked = work_orders(now=at, plan=exit_plan, portfolio_ids=self._ids)
        if worked.errors:
            raise ReplayRefused(f"The orders could not be worked at {report.clock(at)}: {worked.errors}.")
        # A sale that already asks for the least waits for a bid, with no step to come.
        self._working = bool(worked.changed or worked.next_at) or self._portfolio.orders.live().exists()
        self._held |= worked.changed
        self._plan_next(worked.next_at, at)

    def _check(self, at: datetime) -> bool:
        """Judge the exits of everything; whether orders were placed."""
        checked = run_check(now=at, scope="risk", portfolio_ids=self._ids, exclusive=False, alerts=False)
        for error in checked.errors.values():
            self._told.setdefault(error, at)  # the stored stop stands, and the next check tries again
        self._held = checked.positions > 0
        self._plan_next(checked.next_deadlines, at)
        return checked.orders > 0

    def _enter(self, at: datetime) -> None:
        """Decide on all entries that are due."""
        due: list[Entry] = []
        while self._has_entry(at):
            due.append(self._entries[self._next_entry])
            self._next_entry += 1
        authorise_entries(
            portfolio=self._portfolio,
            asked=[(self._request_of(entry), f"line-{entry.line}") for entry in due],
            now=at,
            actor=None,
            actor_name=ACTOR,
        )

    def _hear(self, at: datetime) -> bool:
        """Take the signals that are due, and see what becomes of all that are not over; whether one was entered."""
        while self._source is not None and self._drafts and self._drafts[0][0] <= at:
            try:
                receive(self._source, [self._drafts.popleft()[1]], now=at)
            except SignalsRefused as refused:
                raise ReplayRefused(f"A signal at {report.clock(at)} was refused: {refused}") from refused
        ran = run_signals(now=at, portfolio_ids=self._ids)
        self._awaited = Signal.objects.filter(portfolio=self._portfolio, state__in=OPEN_STATES).exists()
        return bool(ran.decided)

    def _request_of(self, entry: Entry) -> EntryRequest:
        return EntryRequest(
            contract=self._recording.contracts[entry.symbol],
            confidence=entry.confidence,
            contracts=entry.contracts,
            waive_gates=not self._request.gates,
        )
