"""The market time of a recording: set it to a moment of the recorded day, or start it again when it has run out."""

from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction

from positions.market.calendar import new_york, new_york_date
from positions.market.clock import market_now
from positions.market_selectors import calendar_around
from positions.models import ClockKind, EquitySnapshot, MarketClock, Portfolio
from positions.services.portfolio import lock_portfolio


@transaction.atomic
def set_market_time(*, portfolio: Portfolio, to: datetime, now: datetime) -> MarketClock:
    """Let a recorded market go on from `to`, an instant of its recorded day. `now` is wall time.

    Refused while the portfolio holds a position, has a live order or has ever decided anything: another market time
    would rewrite what they mean. Raises ValidationError with a sentence.
    """
    locked = lock_portfolio(portfolio.pk)
    clock = MarketClock.objects.get(portfolio=locked)
    if clock.kind != ClockKind.RECORDED or clock.market_ends_at is None:
        raise ValidationError("Only a recorded market has a time that can be set; this portfolio's is not recorded.")
    if locked.positions.exists() or locked.orders.exists() or locked.decisions.exists():
        raise ValidationError("This portfolio has traded in its recording, so its market time only moves forward.")
    session = calendar_around(clock.market_ends_at).session(new_york_date(clock.market_ends_at))
    if session is None:
        raise ValidationError("The recording's last day is no trading session, so no time of it can be chosen.")
    if not session.opens_at <= to < session.closes_at:
        opens, closes = new_york(session.opens_at), new_york(session.closes_at)
        raise ValidationError(
            f"The recording is of {session.day}, from {opens:%H:%M} to before {closes:%H:%M} New York. "
            "Choose a time in it."
        )
    MarketClock.objects.filter(pk=clock.pk).update(market_started_at=to, wall_started_at=now)
    EquitySnapshot.objects.get_or_create(
        portfolio=locked,
        session_on=session.day,
        defaults={"equity_start_of_day": locked.cash, "cash_start_of_day": locked.cash, "taken_at": session.opens_at},
    )
    clock.refresh_from_db()
    return clock


def restart_ended(*, at: dict[str, datetime], now: datetime) -> list[Portfolio]:
    """Start recordings again that have run out and were only looked at: `at` gives the market time by portfolio slug.

    A newcomer who comes back tomorrow finds a market that moves. What runs, is paused or has traded is left as it is.
    """
    restarted = []
    for portfolio in Portfolio.objects.filter(slug__in=at, is_demo=True).select_related("clock").order_by("pk"):
        if market_now(portfolio.clock, now) != portfolio.clock.market_ends_at:
            continue
        try:
            set_market_time(portfolio=portfolio, to=at[portfolio.slug], now=now)
        except ValidationError:
            continue
        restarted.append(portfolio)
    return restarted
