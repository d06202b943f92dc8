"""What stands between an account and its next mode: every item with its value, its limit and what to do (P-28).

`passed` None is not known, and holds the step up like a failure. `advice` items hold nothing up.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from accounts.bounds import problems_of_profile
from accounts.selectors import ladders_of, latest_revision, numbers_of
from positions.brokers import broker_of
from positions.market.clock import is_running, market_now
from positions.models import (
    Broker,
    ClockKind,
    DataProvider,
    EquitySnapshot,
    ExchangeSession,
    Mode,
    OptionQuote,
    Portfolio,
)
from positions.selectors import heartbeat_of
from riskengine.loading.watched import EXCHANGE
from riskengine.models import AlertTarget, Breaker, BreakerState
from riskengine.services.rollout import evidence
from riskengine.services.rollout.terms import TERMS, after

HEARD_SECONDS = 90
NAMED = 3  # of a list of faults


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that a step needs. `to_do` is for when it is not so."""

    code: str
    label: str
    value: str
    limit: str
    passed: bool | None
    to_do: str
    source: str
    advice: bool = False

    @property
    def holds_up(self) -> bool:
        return not self.advice and self.passed is not True


def checklist(portfolio: Portfolio, *, now: datetime) -> list[Item]:
    """What the next step forward needs, as it stands at wall time `now`. Empty at the last mode."""
    at = market_now(portfolio.clock, now)
    step = after(portfolio.mode)
    if step is None:
        return []
    items_of = {Mode.PAPER: _to_paper, Mode.LIVE_MANUAL: _to_live_manual, Mode.LIVE: _to_live}[Mode(step)]
    return items_of(portfolio, at, now)


def as_data(items: list[Item]) -> list[dict[str, Any]]:
    return [{**asdict(each), "holds_up": each.holds_up} for each in items]


# ---- Items ----


def _to_paper(portfolio: Portfolio, at: datetime, now: datetime) -> list[Item]:
    snapshot = EquitySnapshot.objects.filter(portfolio=portfolio, taken_at__lte=at).order_by("-session_on").first()
    return [
        _parameters(portfolio),
        Item(
            "CLOCK",
            "Market time moves",
            f"{at:%Y-%m-%d %H:%M} UTC, {portfolio.clock.get_kind_display().lower()}",
            "moving",
            is_running(portfolio.clock, now),
            "Start the recording or the made-up market anew: nothing is due while its time stands still.",
            "A-01",
        ),
        _heartbeat(portfolio, now),
        _quotes(portfolio, at),
        Item(
            "SNAPSHOT",
            "Equity at the start of a day is known",
            f"${snapshot.equity_start_of_day:,.0f} on {snapshot.session_on}" if snapshot else "none",
            "known",
            snapshot is not None,
            "Let the product run through the start of a session.",
            "B-11",
        ),
        _books(portfolio, at),
        _alert_target(portfolio),
    ]


def _to_live_manual(portfolio: Portfolio, at: datetime, now: datetime) -> list[Item]:
    since = evidence.soaks_since(portfolio)
    trades = evidence.closed_since(portfolio, since)
    return [
        _sessions(portfolio, since, at, TERMS.paper_sessions, "P-28"),
        Item(
            "TRADES",
            "Closed trades since then",
            str(trades),
            f"at least {TERMS.paper_trades}",
            trades >= TERMS.paper_trades,
            f"{max(TERMS.paper_trades - trades, 0)} more, opened on paper since {since:%Y-%m-%d}.",
            "P-28",
        ),
        *_sound(portfolio, since, at, now),
        Item(
            "EXTRA_TICKS",
            "Paper fills pay extra ticks",
            f"{portfolio.paper_extra_ticks}",
            f"at least {TERMS.paper_extra_ticks}",
            portfolio.paper_extra_ticks >= TERMS.paper_extra_ticks,
            "Step back to off, set the account's extra ticks to 1 in the admin, and begin anew: a fill at the touch is "
            "kinder than life.",
            "P-28",
        ),
        _nothing_open(portfolio),
        _broker(portfolio),
    ]


def _to_live(portfolio: Portfolio, at: datetime, now: datetime) -> list[Item]:
    since = evidence.soaks_since(portfolio)
    slipped = evidence.slippage(portfolio, since, TERMS.slippage_trades)
    multiple = None if slipped is None else slipped.multiple
    return [
        _sessions(portfolio, since, at, TERMS.live_manual_sessions, "ours: two weeks of confirmed entries"),
        *_sound(portfolio, since, at, now),
        Item(
            "SLIPPAGE",
            f"Cost against the mid, last {TERMS.slippage_trades} trades",
            "not known" if multiple is None else f"{multiple:.1f} times what is modelled",
            f"at most {TERMS.slippage_multiple:g} times",
            None if multiple is None else multiple <= TERMS.slippage_multiple,
            f"Wait for {TERMS.slippage_trades} closed trades whose mids are known, or trade what is quoted closer.",
            "P-27",
        ),
        _answered(portfolio, since, at),
        _broker(portfolio),
    ]


def _sound(portfolio: Portfolio, since: datetime, at: datetime, now: datetime) -> list[Item]:
    """What every step to real money needs of the software, and that its market is the real one: orders of a recorded or
    made-up market would reach a broker, and twenty of its sessions pass in a day."""
    silent = evidence.unexplained(portfolio, since)
    tripped = Breaker.objects.filter(portfolio=portfolio, state=BreakerState.TRIPPED).count()
    triggers = evidence.triggers_lately(portfolio, TERMS.trigger_sessions)
    return [
        Item(
            "LIVE_MARKET",
            "Its market is the real one",
            portfolio.clock.get_kind_display().lower(),
            "live",
            portfolio.clock.kind == ClockKind.LIVE,
            "What is tried in a recorded or made-up market stays there: open an account on the live clock.",
            "P-27",
        ),
        _books(portfolio, since),
        Item(
            "EXPLAINED",
            "Refusals without an explanation",
            _listed(silent),
            "none",
            not silent,
            "A refusal that nobody can explain is a fault of the program: report it.",
            "P-28",
        ),
        _unwatched(portfolio, since, at),
        Item(
            "TRIGGERS",
            f"Triggers in the last {TERMS.trigger_sessions} sessions",
            str(triggers),
            "none",
            triggers == 0,
            "Find out why; the sessions count from the last one.",
            "P-27, P-28",
        ),
        Item(
            "BREAKERS",
            "Tripped circuit breakers",
            str(tripped),
            "none",
            tripped == 0,
            "Clear them, or wait until they clear by themselves.",
            "P-08",
        ),
        _heartbeat(portfolio, now),
        _alert_target(portfolio),
    ]


def _sessions(portfolio: Portfolio, since: datetime, at: datetime, needed: int, source: str) -> Item:
    """They count from the last step or trigger. A new revision does not begin them anew, but how many were under the
    one in force is said: whoever signs decides whether that is enough."""
    revision = latest_revision(portfolio.profile)
    in_force = market_now(portfolio.clock, revision.in_force_from)
    # A clock that was set, stood or ran ahead cannot be read backwards: the first decision under it says more.
    first = (
        portfolio.decisions.filter(revision=revision).order_by("decided_at").values_list("decided_at", flat=True)[:1]
    )
    in_force = max(since, min([in_force, *first]))
    found, under = evidence.sessions_over(portfolio, since, at, in_force)
    return Item(
        "SESSIONS",
        f"Sessions in mode {portfolio.mode} since {since:%Y-%m-%d}",
        f"{found}, of which {under} under revision {revision.number}",
        f"at least {needed}",
        found >= needed,
        f"{max(needed - found, 0)} more without a trigger.",
        source,
    )


def _parameters(portfolio: Portfolio) -> Item:
    revision = latest_revision(portfolio.profile)
    problems = problems_of_profile(numbers_of(revision), ladders_of(revision))
    told = [f"{name}: {' '.join(each)}" for name, each in problems.items()]
    return Item(
        "PARAMETERS",
        "Parameters within their bounds",
        f"revision {revision.number} of {portfolio.profile.name}{': ' if told else ''}{_listed(told) if told else ''}",
        "all of them",
        not told,
        "Save the parameters anew in the admin, within their bounds.",
        "P-24",
    )


def _quotes(portfolio: Portfolio, at: datetime) -> Item:
    """In a session something was quoted just now; out of it, since the last one began. What a made-up market and a
    provider tell begins with the account: nobody is asked for one that is off."""
    source, minutes = portfolio.quote_source, int(TERMS.quotes_within.total_seconds() // 60)
    session = ExchangeSession.objects.filter(exchange=EXCHANGE, open_at__lte=at).order_by("-open_at").first()
    is_open = session is not None and at < session.close_at
    begins = portfolio.clock.kind == ClockKind.SIMULATED
    begins = begins or DataProvider.objects.filter(name=source, enabled=True).exists()
    latest = None
    if session is not None:
        earliest = max(session.open_at, at - TERMS.quotes_within) if is_open else session.open_at
        known = OptionQuote.objects.filter(source=source, confirmed_at__lte=at, confirmed_at__gte=earliest)
        known = known.filter(quoted_at__lte=at, quoted_at__gte=session.open_at)
        latest = known.order_by("-quoted_at").values_list("confirmed_at", flat=True).first()
    told = f"“{source}” at {latest:%Y-%m-%d %H:%M} UTC" if latest else f"none of “{source}”"
    return Item(
        "QUOTES",
        "Quotes come in",
        f"“{source}” begins with the account" if begins and latest is None else told,
        f"within {minutes} minutes" if is_open else "since the last session began",
        latest is not None or begins,
        "Connect a provider, push quotes, or choose another quote source.",
        "A-05",
    )


def _nothing_open(portfolio: Portfolio) -> Item:
    held, orders = portfolio.positions.held().count(), portfolio.orders.live().count()
    return Item(
        "FLAT",
        "Paper bets and orders that are open",
        f"{held} bets, {orders} orders",
        "none",
        held == 0 and orders == 0,
        "Close them: no broker holds what was bought on paper, and its exits could not be sold there.",
        "A-08",
    )


def _answered(portfolio: Portfolio, since: datetime, at: datetime) -> Item:
    asked, answered, waiting = evidence.proposals(portfolio, since, at)
    return Item(
        "CONFIRMED",
        "Entries that wait for a person",
        f"{waiting} of {asked}; {answered} were answered, {asked - answered - waiting} ran out",
        "none waits",
        waiting == 0,
        "Confirm them, or let them run out.",
        "P-27",
    )


def _books(portfolio: Portfolio, since: datetime) -> Item:
    broken = evidence.broken_books(portfolio, since)
    return Item(
        "BOOKS",
        "Books that do not add up",
        _listed(broken),
        "none",
        not broken,
        "Reconcile with the broker and report it: quantity, average price, P&L and cash must agree.",
        "A-08",
    )


def _unwatched(portfolio: Portfolio, since: datetime, at: datetime) -> Item:
    found = evidence.gaps(portfolio, since, at, TERMS.heartbeat_gap)
    longest = max((gap.minutes for gap in found or ()), default=0.0)
    limit = TERMS.heartbeat_gap.total_seconds() / 60.0
    return Item(
        "WATCHED",
        "Gaps between checks in a session",
        "not judged: this market is recorded or made up"
        if found is None
        else f"{len(found)}, the longest {longest:.0f} min",
        f"none above {limit:.0f} min",
        None if found is None else not found,
        "Let the product run through every session.",
        "P-27",
        advice=found is None,
    )


def _heartbeat(portfolio: Portfolio, now: datetime) -> Item:
    beat = heartbeat_of(portfolio)
    age = None if beat is None else (now - beat.finished_at).total_seconds()
    return Item(
        "HEARTBEAT",
        "The risk check runs",
        "never" if age is None else f"{abs(age):,.0f} s ago",
        f"at most {HEARD_SECONDS} s",
        age is not None and abs(age) <= HEARD_SECONDS,
        "Start the product with ./run, and look at its log.",
        "A-10",
    )


def _alert_target(portfolio: Portfolio) -> Item:
    told = AlertTarget.objects.filter(enabled=True, portfolio__isnull=True) | AlertTarget.objects.filter(
        enabled=True, portfolio=portfolio
    )
    found = told.count()
    return Item(
        "ALERTS",
        "Somebody is told when the product cannot help itself",
        f"{found} targets",
        "at least one",
        found > 0,
        "Name an e-mail address or a service under alert targets in the admin.",
        "A-10",
        advice=portfolio.mode == Mode.OFF,
    )


def _broker(portfolio: Portfolio) -> Item:
    paper = portfolio.broker == Broker.PAPER
    try:
        broker_of(portfolio)
        reachable = not paper
    except LookupError:
        reachable = False
    return Item(
        "BROKER",
        "A connection to a broker",
        "the built-in paper broker" if paper else portfolio.get_broker_display(),
        "a real one that can be reached",
        reachable,
        f"No connection to a broker is installed for {portfolio.name}: without one it stays on paper.",
        "P-27",
    )


def _listed(faults: list[str]) -> str:
    if not faults:
        return "none"
    more = f" and {len(faults) - NAMED} more" if len(faults) > NAMED else ""
    return f"{len(faults)}: {' '.join(faults[:NAMED])}{more}"
