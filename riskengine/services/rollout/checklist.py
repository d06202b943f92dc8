"""What stands between an account and its next mode: every item with its value, its limit and what to do (P-28).

`passed` None is not known, and holds the step up like a failure. `advice` items hold nothing up.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from positions.brokers import broker_of
from positions.market.clock import market_now
from positions.models import Broker, EquitySnapshot, Mode, OptionQuote, Portfolio
from positions.selectors import heartbeat_of
from riskengine.models import AlertTarget, Breaker, BreakerState, RolloutTrigger
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
    quoted = OptionQuote.objects.filter(source=portfolio.quote_source, quoted_at__lte=at)
    latest = quoted.order_by("-quoted_at").values_list("quoted_at", flat=True).first()
    snapshot = EquitySnapshot.objects.filter(portfolio=portfolio, taken_at__lte=at).order_by("-session_on").first()
    return [
        _heartbeat(portfolio, now),
        Item(
            "QUOTES",
            "Quotes come in",
            f"the last of “{portfolio.quote_source}” at {latest:%Y-%m-%d %H:%M} UTC" if latest else "none",
            "at least one",
            latest is not None,
            "Connect a provider, push quotes, or choose another quote source.",
            "A-05",
        ),
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
        _sessions(portfolio, since, TERMS.paper_sessions, "P-28"),
        Item(
            "TRADES",
            "Closed trades since then",
            str(trades),
            f"at least {TERMS.paper_trades}",
            trades >= TERMS.paper_trades,
            f"{TERMS.paper_trades - trades} more, opened on paper since {since:%Y-%m-%d}.",
            "P-28",
        ),
        *_sound(portfolio, since, at, now),
        Item(
            "EXTRA_TICKS",
            "Paper fills pay extra ticks",
            f"{portfolio.paper_extra_ticks}",
            f"at least {TERMS.paper_extra_ticks}",
            portfolio.paper_extra_ticks >= TERMS.paper_extra_ticks,
            "Set the account's paper slippage to 1 tick: a fill at the touch is kinder than life.",
            "P-28",
        ),
        _broker(portfolio),
    ]


def _to_live(portfolio: Portfolio, at: datetime, now: datetime) -> list[Item]:
    since = evidence.soaks_since(portfolio)
    slipped = evidence.slippage(portfolio, since, TERMS.slippage_trades)
    multiple = None if slipped is None else slipped.multiple
    return [
        _sessions(portfolio, since, TERMS.live_manual_sessions, "two weeks of confirmed entries"),
        *_sound(portfolio, since, at, now),
        Item(
            "SLIPPAGE",
            f"Cost against the mid, last {TERMS.slippage_trades} trades",
            "not known" if multiple is None else f"{multiple:.1f} times half the spread",
            f"at most {TERMS.slippage_multiple:g} times",
            None if multiple is None else multiple <= TERMS.slippage_multiple,
            f"Wait for {TERMS.slippage_trades} closed trades whose mids are known, or trade what is quoted closer.",
            "P-27",
        ),
        _broker(portfolio),
    ]


def _sound(portfolio: Portfolio, since: datetime, at: datetime, now: datetime) -> list[Item]:
    """What every step to real money needs of the software."""
    silent = evidence.unexplained(portfolio, since)
    tripped = Breaker.objects.filter(portfolio=portfolio, state=BreakerState.TRIPPED).count()
    triggers = RolloutTrigger.objects.filter(portfolio=portfolio, happened_at__gte=since).count()
    return [
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
            "Triggers since then",
            str(triggers),
            "none",
            triggers == 0,
            "Find out why; the sessions count from the last one.",
            "P-27",
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


def _sessions(portfolio: Portfolio, since: datetime, needed: int, source: str) -> Item:
    found = evidence.sessions_over(portfolio, since)
    return Item(
        "SESSIONS",
        f"Sessions in mode {portfolio.mode} since {since:%Y-%m-%d}",
        str(found),
        f"at least {needed}",
        found >= needed,
        f"{max(needed - found, 0)} more without a trigger.",
        source,
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
        "This installation has no connection to a broker: without one an account stays on paper.",
        "P-27",
    )


def _listed(faults: list[str]) -> str:
    if not faults:
        return "none"
    more = f" and {len(faults) - NAMED} more" if len(faults) > NAMED else ""
    return f"{len(faults)}: {' '.join(faults[:NAMED])}{more}"
