"""Running made-up markets: each portfolio on a simulated clock gets the quotes of its market now.

What is written is what the feed last said up to that moment, so a step that comes late, twice or not at all changes
nothing about the steps after it. The market stands still while nothing runs it, and does not wait out its nights.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction

from positions.market.calendar import Calendar, OutsideCalendar, Session, new_york_date
from positions.market.clock import market_now
from positions.market.feeds.base import Batch
from positions.market.feeds.simulated import Activity, SimulatedFeed
from positions.market.feeds.world import MARKET, NAMES, World
from positions.market_selectors import calendar_around
from positions.models import (
    ClockKind,
    MarketClock,
    Mode,
    OpenInterest,
    OptionContract,
    OptionQuote,
    OptionTradeBar,
    Portfolio,
    UnderlyingBar,
    VixReading,
)
from positions.services.quotes import list_contracts, list_instruments, prune, store_batch

KEPT = timedelta(minutes=30)  # market time for which quotes are kept
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
EVENING = timedelta(minutes=10)  # after the close: time to settle what expired, before the night is left out
MORNING = timedelta(minutes=1)  # before the next open

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Published:
    """What a step wrote: portfolios served, quotes that are new or confirmed."""

    portfolios: int = 0
    quotes: int = 0


def publish_simulated(*, now: datetime) -> Published:
    """Step every portfolio on a simulated clock to its market now (`now` is wall time). One that cannot be stepped, for
    want of a calendar, is logged and stops no other."""
    served = quotes = 0
    for portfolio in _simulated():
        world = World.of(portfolio.quote_source)
        if world is None:
            continue
        try:
            at = market_now(portfolio.clock, now)
            calendar = calendar_around(at)
            with transaction.atomic():
                quotes += _publish(world, calendar, at)
                _leave_out_the_night(portfolio.clock, calendar, at, now)
        except (OutsideCalendar, ValueError) as problem:  # no session so near: the same remedy
            log.warning("%s stands still: %s", portfolio, problem)
            continue
        served += 1
    return Published(served, quotes)


def resume_simulated(*, now: datetime) -> list[Portfolio]:
    """Let made-up markets go on where they were when they were last run: while nothing runs them they stand still.

    Called before anything looks at them after a start. `now` is wall time.
    """
    resumed = []
    for portfolio in _simulated():
        last = _last_told(portfolio.quote_source)
        clock = portfolio.clock
        if last is None or clock.speed == 0 or market_now(clock, now) <= last + MINUTE:
            continue
        _go_on_from(clock, last + SECOND, now)
        resumed.append(portfolio)
    return resumed


def forget(world: World) -> None:
    """Delete all that a made-up market has said: it can be drawn again. Its contracts stay, decisions name them."""
    for model in (OptionQuote, OptionTradeBar, OpenInterest, UnderlyingBar, VixReading):
        model.objects.filter(source=world.source).delete()


def _simulated() -> Sequence[Portfolio]:
    """Those whose market is run: a portfolio that is switched off only keeps its records."""
    portfolios = Portfolio.objects.filter(clock__kind=ClockKind.SIMULATED).exclude(mode=Mode.OFF)
    return list(portfolios.select_related("clock").order_by("pk"))


def _publish(world: World, calendar: Calendar, at: datetime) -> int:
    session = calendar.on_or_before(new_york_date(at))
    until = min(at.replace(microsecond=0), session.closes_at)
    if until < session.opens_at or session.day < world.first_day:
        return 0
    last = _last_told(world.source)
    if last is not None and last >= until:
        return 0
    after = max(last or session.opens_at - SECOND, session.opens_at - SECOND)
    feed = SimulatedFeed(world, calendar)
    if last is None or last < session.opens_at:
        _open(feed, session)
    stored = store_batch(feed.latest(after, until), source=world.source)
    store_activity(feed.activity(after, until), world.source)
    if (after + SECOND).replace(second=0) != until.replace(second=0):
        prune(source=world.source, before=until - KEPT, today_from=session.opens_at)
    return stored.quotes + stored.confirmed


def _last_told(source: str) -> datetime | None:
    """The market time of the last step of a source."""
    bars = UnderlyingBar.objects.filter(instrument__symbol=MARKET, source=source).order_by("-bar_at")
    return bars.values_list("bar_at", flat=True).first()


def _open(feed: SimulatedFeed, session: Session) -> None:
    """What is known when a session opens: contracts, open interest, and the opening prices."""
    chain = feed.chain(session.day)
    list_instruments(NAMES)
    list_contracts([each.symbol for each in chain])
    opening = feed.between(session.opens_at - SECOND, session.opens_at)
    store_batch(Batch(prices=opening.prices, volatility=opening.volatility), source=feed.source)
    interest = feed.interest(session.day)
    ids = dict(OptionContract.objects.filter(occ_symbol__in=interest).values_list("occ_symbol", "id"))
    OpenInterest.objects.bulk_create(
        [
            OpenInterest(contract_id=ids[symbol], source=feed.source, as_of_on=session.day, contracts=contracts)
            for symbol, contracts in sorted(interest.items())
        ],
        ignore_conflicts=True,
    )


def store_activity(activity: Sequence[Activity], source: str) -> None:
    """What traded, as the bar in which it became known. Prices stand still within it: nothing here trades."""
    if not activity:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO positions_optiontradebar (contract_id, source, bar_at, open, high, low, close, volume)
            SELECT c.id, %(source)s, a.at, a.price, a.price, a.price, a.price, a.volume
            FROM unnest(%(contract)s::text[], %(volume)s::int[], %(price)s::numeric[], %(at)s::timestamptz[])
                AS a(occ_symbol, volume, price, at)
            JOIN positions_optioncontract c ON c.occ_symbol = a.occ_symbol
            WHERE a.volume > 0 ORDER BY c.id, a.at
            ON CONFLICT (contract_id, source, bar_at) DO NOTHING
            """,
            {
                "source": source,
                "contract": [each.contract for each in activity],
                "volume": [each.volume for each in activity],
                "price": [each.price for each in activity],
                "at": [each.at for each in activity],
            },
        )


def _leave_out_the_night(clock: MarketClock, calendar: Calendar, at: datetime, now: datetime) -> None:
    """From a while after the close to just before the next open: nobody waits through the night of a made-up market."""
    if clock.speed == 0 or clock.market_ends_at is not None:
        return
    closed_at = calendar.on_or_before(new_york_date(at)).closes_at
    wakes_at = calendar.next_open(at).opens_at - MORNING
    if closed_at + EVENING <= at < wakes_at:
        _go_on_from(clock, wakes_at, now)


def _go_on_from(clock: MarketClock, at: datetime, now: datetime) -> None:
    """Set the market time of a made-up market, from this wall time on."""
    MarketClock.objects.filter(pk=clock.pk).update(market_started_at=at, wall_started_at=now)
    clock.market_started_at, clock.wall_started_at = at, now
