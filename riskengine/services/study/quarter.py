"""A simulated quarter: a paper portfolio that lives through many sessions of a made-up market in a minute or two.

    each session:  open -> signals -> entries -> orders -> checks (stops, tiers, forced close) -> close -> settlement

The services are those of every day; `now` is the market's time. Nothing is written into positions, orders or fills
by hand. A session is one transaction: whoever ends the command keeps whole sessions, and it goes on from there.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.core.exceptions import PermissionDenied
from django.db import transaction

from positions.market.calendar import Session, new_york_date
from positions.market.feeds.world import World
from positions.market_selectors import exchange_calendar
from positions.models import CashKind, CheckScope, MarketClock, Mode, Portfolio, Position
from positions.services.portfolio import move_cash
from positions.services.settlement import settle_expired
from positions.services.stepped_market import SteppedMarket
from positions.services.working import work_orders
from riskengine.models import (
    Breaker,
    BreakerEvent,
    BreakerEventKind,
    BreakerState,
    Pulse,
    Reading,
    Signal,
    SourceKind,
)
from riskengine.services.decide.closing import NotClosable, close_position
from riskengine.services.decide.plan import exit_plan
from riskengine.services.review.day import run_days
from riskengine.services.review.making import run_reviews
from riskengine.services.signals.choosing import OPEN_STATES, run_signals
from riskengine.services.signals.receiving import receive
from riskengine.services.study.quarter_account import (
    AFTER_CLOSE,
    BEFORE_OPEN,
    DEPOSITED,
    STANDS_AFTER,
    create,
    existing,
    refuse_another_length,
)
from riskengine.services.study.quarter_paths import Followed
from riskengine.services.study.quarter_plan import DEPOSIT, RHYTHMS, Plan, Said
from riskengine.services.study.quarter_span import (
    QuarterRefused,
    Request,
    by_nobody_else,
    sessions_of,
    wait_for_other_sessions,
)
from riskengine.services.watch.alerts import raise_alerts, resolve
from riskengine.services.watch.breakers_seen import breaker_alerts
from riskengine.services.watch.clearing import NotClearable, clear_breaker
from riskengine.services.watch.marking import keep_days, keep_marks
from riskengine.services.watch.monitoring import run_check

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
RUNS_WITHIN = timedelta(seconds=90)  # the clocks of a product that runs were seen so lately
NEXT_QUOTE = timedelta(seconds=5)  # a stop is looked at again with the quote after the one that broke it
CLOSELY = timedelta(minutes=10)  # after the open and after an entry every minute is looked at
PERSON_LOOKS = timedelta(minutes=15)  # after the open
PAUSE = 2  # sessions before the simulated person lets a tripped breaker go
LAST_CALL = timedelta(minutes=30)  # before the end of the last session everything is closed
GO_ON = "Simulated: looked at after two sessions without a bet, and let go on."

Act = tuple[datetime, Callable[[datetime], None]]


@dataclass(frozen=True, slots=True)
class Lived:
    """A session that is over: its number from 1, its day, trades closed and account value so far (USD, open positions
    at what they cost)."""

    number: int
    day: date
    closed: int
    cash: Decimal


def simulate(request: Request, *, wall: Callable[[], datetime], tell: Callable[[Lived], None]) -> Portfolio:
    """Live through a quarter, or through what is left of one that was interrupted. `wall` says what time it is where
    the others are. Raises QuarterRefused."""
    _refuse_beside_others(wall())
    sessions = sessions_of(request, new_york_date(wall()))
    with by_nobody_else(request.slug):
        return _simulate(request, sessions, wall, tell)


def _simulate(
    request: Request, sessions: Sequence[Session], wall: Callable[[], datetime], tell: Callable[[Lived], None]
) -> Portfolio:
    plan = Plan(request.seed, request.system, request.sessions)
    calendar = exchange_calendar()
    following = calendar.next(sessions[-1].day)
    portfolio = existing(request)
    if portfolio is None:
        portfolio = create(request, sessions[0])
    else:
        refuse_another_length(portfolio, plan, sessions, following)
    world = World(sessions[0].day, request.seed)
    lived_to = portfolio.clock.market_started_at
    for number, session in enumerate(sessions):
        if lived_to >= session.closes_at:
            continue
        with transaction.atomic():
            wait_for_other_sessions()
            market = SteppedMarket(world, calendar, session, portfolio.quote_source)
            _Session(portfolio, session, market, plan, number).run()
            _tell_in_app(portfolio, session)
            keep_days(now=session.closes_at, portfolio_ids=[portfolio.pk])
            run_days(now=session.closes_at + AFTER_CLOSE, portfolio_ids=[portfolio.pk], send=False)
            _look_as_others_do(portfolio, wall())
        portfolio.refresh_from_db()
        tell(Lived(number + 1, session.day, portfolio.positions.filter(status="closed").count(), portfolio.cash))
    _stand_still(portfolio, following, wall())
    return portfolio


@transaction.atomic
def _stand_still(portfolio: Portfolio, following: Session, now: datetime) -> None:
    """On the evening of the session after its last, on which nothing happened: its reviews are due by then."""
    at = following.closes_at + STANDS_AFTER
    if portfolio.clock.market_started_at == at:
        return
    MarketClock.objects.filter(portfolio=portfolio).update(market_started_at=at, wall_started_at=at)
    portfolio.clock.refresh_from_db()
    _look_as_others_do(portfolio, now)
    keep_days(now=at, portfolio_ids=[portfolio.pk])
    run_days(now=at, portfolio_ids=[portfolio.pk], send=False)
    run_reviews(now=at, portfolio_ids=[portfolio.pk], reminders=False)


def _refuse_beside_others(now: datetime) -> None:
    """A session is one transaction, and holds rows that the checks of a running product write for all accounts at once:
    a demo may wait a second for it, a real account must not."""
    if not Pulse.objects.filter(at__gte=now - RUNS_WITHIN).exists():
        return
    real = Portfolio.objects.filter(is_demo=False).exclude(mode=Mode.OFF).order_by("pk").first()
    if real is not None:
        raise QuarterRefused(
            f"The product is running and watches {real.name}: a simulation would hold up its checks for seconds. End "
            "./run first."
        )


def _tell_in_app(portfolio: Portfolio, session: Session) -> None:
    """What its breakers did stands among the alerts as over: nobody is called for a made-up loss."""
    events = BreakerEvent.objects.filter(
        portfolio=portfolio,
        kind__in=(BreakerEventKind.ALERT, BreakerEventKind.TRIPPED),
        recorded_at__gte=session.opens_at - BEFORE_OPEN,
    )
    now = session.closes_at + AFTER_CLOSE
    alerts = [replace(each, in_app_only=True) for each in breaker_alerts(list(events.values_list("pk", flat=True)))]
    raise_alerts(alerts, now=now)
    resolve([each.key for each in alerts], now=now)


def _look_as_others_do(portfolio: Portfolio, now: datetime) -> None:
    """A check in wall time, at the market's standing clock: a product that runs beside this finds nothing stale."""
    run_check(now=now, scope="risk", portfolio_ids=[portfolio.pk], exclusive=False, alerts=False, keep=True)


class _Session:
    """One session, event by event."""

    def __init__(self, portfolio: Portfolio, session: Session, market: SteppedMarket, plan: Plan, number: int) -> None:
        self._portfolio, self._session, self._market = portfolio, session, market
        self._plan, self._number, self._every = plan, number, RHYTHMS[plan.system].every
        self._source = portfolio.signal_sources.get(kind=SourceKind.DEMO)
        self._said = plan.signals(session, number)
        self._ids = [portfolio.pk]
        self._events: list[datetime] = []
        self._contracts = set(portfolio.positions.held().values_list("contract__occ_symbol", flat=True))
        self._held = bool(self._contracts)
        self._awaited = self._working = False
        self._closely_until = session.opens_at + CLOSELY
        self._acts = self._planned_acts()
        self._followed = Followed(portfolio, session, market)

    def _planned_acts(self) -> list[Act]:
        """What a person does, and when, in order."""
        acts: list[Act] = [(self._session.opens_at + PERSON_LOOKS, self._let_go_on)]
        deposit_at = self._plan.deposit(self._session, self._number)
        if deposit_at is not None:
            acts.append((deposit_at, self._deposit))
        if self._plan.ends(self._number):
            acts.append((self._session.closes_at - LAST_CALL, self._close_all))
        return acts

    def run(self) -> None:
        opens_at, closes_at = self._session.opens_at, self._session.closes_at
        self._set_clock(opens_at - BEFORE_OPEN, speed=1)
        # Before the reading goes: what a review of a week says of its last day rests on it.
        run_reviews(now=opens_at - BEFORE_OPEN, portfolio_ids=self._ids, reminders=False)
        # What was said in wall time between the sessions is later than all of this one, which could not renew it. The
        # exit check's heartbeat stays: a running product writes it every second, and would wait for this session.
        self._portfolio.heartbeats.filter(scope=CheckScope.RISK).delete()
        Reading.objects.filter(portfolio=self._portfolio).delete()
        minutes = round((closes_at - opens_at) / MINUTE)
        self._push(opens_at + k * MINUTE for k in range(minutes + 1))
        self._push(each.at for each in self._said)
        self._push(at for at, _ in self._acts)
        last = None
        while self._events:
            at = heapq.heappop(self._events)
            if at != last and self._matters(at):
                self._step(at)
                if at >= closes_at:
                    settle_expired(portfolio=self._portfolio, at=at, now=at)
            elif at != last:
                self._followed.look(at)
            last = at
        self._set_clock(closes_at + AFTER_CLOSE, speed=0)

    def _set_clock(self, at: datetime, *, speed: int) -> None:
        """Its market time is wall time while it is lived through; to everybody else it stands at its last session's
        end."""
        MarketClock.objects.filter(portfolio=self._portfolio).update(
            market_started_at=at, wall_started_at=at, speed=speed
        )
        self._portfolio.clock.refresh_from_db()

    # ---- Events ----

    def _push(self, times: Iterable[datetime]) -> None:
        for at in times:
            heapq.heappush(self._events, at)

    def _push_next(self, next_at: Mapping[int, datetime], now: datetime) -> None:
        at = next_at.get(self._portfolio.pk)
        if at is not None and self._session.opens_at <= at <= self._session.closes_at + AFTER_CLOSE:
            self._push([at if at > now else now + SECOND])

    def _matters(self, at: datetime) -> bool:
        opens_at, closes_at = self._session.opens_at, self._session.closes_at
        if at in (opens_at, closes_at) or self._working or self._awaited or self._is_due(at):
            return True
        if not self._held:
            return False
        on_minute, minutes = at.second == 0, round((at - opens_at) / MINUTE)
        return not on_minute or at <= self._closely_until or minutes % self._every == 0

    def _is_due(self, at: datetime) -> bool:
        return bool((self._said and self._said[0].at <= at) or (self._acts and self._acts[0][0] <= at))

    def _step(self, at: datetime) -> None:
        """The market speaks, the orders are worked, everything is judged, and then a person or a signal may act."""
        while self._said and self._said[0].at <= at:
            self._receive(self._said.pop(0), at)
        self._market.tell(at, self._contracts | self._followed.contracts)
        if self._working:
            self._work(at)
        placed = self._check(at)
        while self._acts and self._acts[0][0] <= at:
            self._acts.pop(0)[1](at)
            placed = True
        if self._awaited:
            placed |= self._hear(at)
        if placed:
            self._work(at)

    def _work(self, at: datetime) -> None:
        worked = work_orders(now=at, plan=exit_plan, portfolio_ids=self._ids)
        if worked.errors:
            raise QuarterRefused(f"The orders could not be worked at {at}: {worked.errors}.")
        self._working = bool(worked.changed or worked.next_at) or self._portfolio.orders.live().exists()
        if worked.changed:
            self._followed.refresh()
        if worked.changed and not self._held:
            self._held, self._closely_until = True, at + CLOSELY
        self._push_next(worked.next_at, at)

    def _check(self, at: datetime) -> bool:
        """Judge everything; whether orders were placed."""
        checked = run_check(now=at, scope="risk", portfolio_ids=self._ids, exclusive=False, alerts=False, keep=True)
        if checked.errors:
            raise QuarterRefused(f"What is held could not be judged at {at}: {checked.errors}.")
        self._held = checked.positions > 0
        if self._held or self._followed.contracts:
            keep_marks(now=at, portfolio_ids=self._ids)
        self._push_next(checked.next_deadlines, at)
        if self._held and Position.objects.held().filter(portfolio=self._portfolio, stop_breaches__gt=0).exists():
            self._push_next({self._portfolio.pk: at + NEXT_QUOTE}, at)
        return checked.orders > 0

    # ---- Who acts ----

    def _receive(self, said: Said, at: datetime) -> None:
        self._contracts |= set(self._market.list_chain(said.draft.symbol, at))
        receive(self._source, [said.draft], now=at)
        self._awaited = True

    def _hear(self, at: datetime) -> bool:
        """See what becomes of the signals; whether one was entered. What was not bought need not be quoted."""
        ran = run_signals(now=at, portfolio_ids=self._ids)
        self._awaited = Signal.objects.filter(portfolio=self._portfolio, state__in=OPEN_STATES).exists()
        bought = {each.decision.contract.occ_symbol for each in ran.decided if each.decision.approved}
        held = self._portfolio.positions.held().values_list("contract__occ_symbol", flat=True)
        live = self._portfolio.orders.live().values_list("contract__occ_symbol", flat=True)
        self._contracts = bought | set(held) | set(live)
        return bool(ran.decided)

    def _let_go_on(self, at: datetime) -> None:
        """The owner clears what has stood for some sessions, where the owner may: without that nothing more happens."""
        tripped = Breaker.objects.filter(portfolio=self._portfolio, state=BreakerState.TRIPPED).order_by("id")
        for breaker in tripped:
            if _sessions_since(breaker, at) < PAUSE:
                continue
            try:
                with transaction.atomic():
                    clear_breaker(breaker=breaker, actor=self._portfolio.owner, reason=GO_ON, now=at)
            except (NotClearable, PermissionDenied):
                continue

    def _deposit(self, at: datetime) -> None:
        move_cash(portfolio=self._portfolio, kind=CashKind.DEPOSIT, amount=DEPOSIT, market_at=at, note=DEPOSITED)

    def _close_all(self, at: datetime) -> None:
        for position in self._portfolio.positions.held().order_by("id"):
            try:
                close_position(position=position, now=at, actor=self._portfolio.owner)
            except NotClosable:
                continue  # it is being sold already


def _sessions_since(breaker: Breaker, at: datetime) -> int:
    return exchange_calendar().sessions_after(breaker.session_on, new_york_date(at))
