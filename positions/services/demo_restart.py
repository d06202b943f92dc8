"""The demo of a product that was stopped: its markets go on where they stood, or both accounts begin anew.

Records are never deleted: an account that begins anew keeps its old self under another name, switched off.
"""

from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Max

from positions.market.clock import market_now
from positions.market.feeds.world import World
from positions.models import ClockKind, MarketClock, Mode, Portfolio, PortfolioModeChange
from positions.services.demo import DEMO_LOCK, SPEEDS, DemoRefused, create_portfolios
from positions.services.portfolio import SYSTEM_NAME, lock_portfolio
from positions.services.simulated import forget, resume_simulated

UNWATCHED = timedelta(minutes=1)  # wall time without a check from which on nothing was running
REASON = "The demo was started again: this account keeps its records and trades no more."


def resume_demo(*, now: datetime) -> list[Portfolio]:
    """Let the demo's markets go on from where they were last watched. `now` is wall time.

    Called before anything looks at them after a start: otherwise an open bet would find that its market had run on
    for hours without anybody at its stop.
    """
    resumed = resume_simulated(now=now)
    recordings = Portfolio.objects.filter(is_demo=True, clock__kind=ClockKind.RECORDED, clock__speed__gt=0)
    watched = recordings.annotate(
        watched_at=Max("heartbeats__market_at"), watched_until=Max("heartbeats__finished_at")
    ).exclude(watched_until__isnull=True)
    for portfolio in watched.select_related("clock").order_by("pk"):
        if now - portfolio.watched_until <= UNWATCHED or portfolio.watched_at == portfolio.clock.market_ends_at:
            continue
        _set(portfolio, portfolio.watched_at, now)
        resumed.append(portfolio)
    return resumed


@transaction.atomic
def restart_demo(*, now: datetime) -> tuple[Portfolio, Portfolio]:
    """Begin the demo anew at wall time `now`: fresh accounts, both markets at their start, under the profiles they had.

    The old accounts stay, renamed and switched off. Raises DemoRefused while one of them holds a position or has a
    live order, or where there is no demo.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [DEMO_LOCK])
    demos = list(Portfolio.objects.filter(is_demo=True, slug__in=SPEEDS).order_by("pk"))
    by_slug = {each.slug: lock_portfolio(each.pk) for each in demos}
    if len(by_slug) != len(SPEEDS):
        raise DemoRefused("There is no demo here to start again.")
    for portfolio in by_slug.values():
        if portfolio.positions.held().exists() or portfolio.orders.live().exists():
            raise DemoRefused(
                f"{portfolio.name} holds a position or has a live order. Close it first, or let it close."
            )
    for portfolio in by_slug.values():
        _retire(portfolio, now)
    zero, seven = (by_slug[slug] for slug in sorted(SPEEDS, reverse=True))
    return create_portfolios(owner=zero.owner, profiles=(zero.profile, seven.profile), now=now)


def _retire(portfolio: Portfolio, now: datetime) -> None:
    """Rename, switch off, stop its clock; what its made-up market said can be drawn again."""
    run = 1 + Portfolio.objects.filter(slug__startswith=f"{portfolio.slug}-run-").count()
    _set(portfolio, market_now(portfolio.clock, now), now, speed=0)
    world = World.of(portfolio.quote_source)
    if world is not None:
        forget(world)
    if portfolio.mode != Mode.OFF:
        PortfolioModeChange.objects.create(
            portfolio=portfolio,
            from_mode=portfolio.mode,
            to_mode=Mode.OFF,
            changed_at=now,
            actor_name=SYSTEM_NAME,
            reason=REASON,
        )
    Portfolio.objects.filter(pk=portfolio.pk).update(
        slug=f"{portfolio.slug}-run-{run}", name=f"{portfolio.name}, run {run}", mode=Mode.OFF
    )


def _set(portfolio: Portfolio, at: datetime, now: datetime, **changes: int) -> None:
    """The market time of a portfolio, from this wall time on."""
    MarketClock.objects.filter(portfolio=portfolio).update(market_started_at=at, wall_started_at=now, **changes)
