"""An account with a week behind it, Monday 4 to Friday 8 January 2021: bets, refusals, a breaker, an alert."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from positions.market.calendar import new_york_instant
from positions.models import ClockKind, EquitySnapshot, MarketClock, Portfolio, Position
from positions.services.portfolio import ClockSetting
from riskengine.models import Alert, Breaker, BreakerEvent, Review
from riskengine.services.review.deciding import decide
from riskengine.services.review.making import Made, run_reviews
from tests import factories
from tests.riskengine import market
from tests.riskengine.watch.desk import Desk, clock_time, runs_on, seven

MONDAY, FRIDAY = market.MONDAY, date(2021, 1, 8)
ANSWER = "As decided − nothing to add → next week."


def at(text: str, day: date = FRIDAY) -> datetime:
    return new_york_instant(day, clock_time(text))


def week(**changes: Any) -> Desk:
    """Mag7-7DTE over the week: $100,000, a bet that gained $2,000 and one that lost $1,000, and two refusals."""
    desk = seven(MONDAY, **changes)
    runs_on(desk)
    for day, start in [(4, "100000"), (5, "100000"), (6, "102000"), (7, "101000"), (8, "101000")]:
        on = date(2021, 1, day)
        money = {
            "equity_start_of_day": Decimal(start),
            "cash_start_of_day": Decimal(start),
            "taken_at": at("09:30", on),
        }
        EquitySnapshot.objects.update_or_create(portfolio=desk.portfolio, session_on=on, defaults=money)
    sold(desk, date(2021, 1, 5), "2000", "slice")
    sold(desk, date(2021, 1, 6), "-1000", "stop")
    for code in ("MAX_VIX", "MAX_VIX"):
        factories.refused(
            desk.portfolio,
            code,
            contract=desk.contract,
            decided_at=at("11:00", date(2021, 1, 6)),
            expires_at=at("11:00", date(2021, 1, 6)),
            refusal_sentence="VIX 41.20 is above the limit of 40.",
        )
    return desk


def sold(desk: Desk, day: date, pnl: str, cause: str, text: str = "14:00") -> Position:
    """40 contracts at 5.00 that were bought at 10:00 and are closed at 14:00 of a day, or at `text`."""
    position = desk.hold(40, "5.00", regime="seven_day", entry_at=at("10:00", day))
    Position.objects.filter(pk=position.pk).update(
        status="closed",
        version=2,
        quantity_open=0,
        closed_at=at(text, day),
        close_cause=cause,
        exit_proceeds=Decimal(20_000) + Decimal(pnl),
        realised_pnl=Decimal(pnl),
    )
    position.refresh_from_db()
    return position


def trouble(desk: Desk) -> None:
    """A breaker that tripped, and a warning that nobody answered."""
    breaker = Breaker.objects.create(
        portfolio=desk.portfolio, code="loss_l2", state="clear", session_on=date(2021, 1, 6)
    )
    BreakerEvent.objects.create(
        breaker=breaker,
        portfolio=desk.portfolio,
        code="loss_l2",
        kind="tripped",
        happened_at=at("14:00", date(2021, 1, 6)),
        recorded_at=market.WALL,
        actor_name="risk check",
        reason="The day's loss is $6,100; the limit is $6,000. Wait for the next session.",
    )
    Alert.objects.create(
        portfolio=desk.portfolio,
        code="EXIT_WAITING",
        severity="warning",
        key="waiting",
        title="An exit waits",
        happened="Nobody bids.",
        to_do="Look at it.",
        market_at=at("14:01", date(2021, 1, 6)),
        raised_at=market.WALL,
        last_seen_at=market.WALL,
        staged_at=market.WALL,
        resolved_at=market.WALL,
    )


def neighbour(desk: Desk) -> Portfolio:
    """Another account in the same recording that decided something on Monday."""
    clock = ClockSetting(
        kind=ClockKind.RECORDED, market_started_at=new_york_instant(MONDAY, market.STARTS), label="the same recording"
    )
    other = factories.portfolio(of=desk.portfolio.profile, clock=clock, quote_source=market.SOURCE, now=market.WALL)
    factories.refused(other, contract=desk.contract, decided_at=at("11:00", MONDAY), expires_at=at("11:00", MONDAY))
    return other


def look(desk: Desk, text: str = "17:00", day: date = FRIDAY) -> Made:
    return run_reviews(now=desk.bet.wall(at(text, day)))


def reviewed(desk: Desk) -> Review:
    """The weekly review, made on Friday at 17:00."""
    look(desk)
    return Review.objects.get(portfolio=desk.portfolio, kind="weekly")


def answers(review: Review, text: str = ANSWER) -> dict[str, str]:
    return {each["code"]: text for each in review.questions}


def decided(review: Review, decision: str = "keep", **given: Any) -> Review:
    asked = {"answers": answers(review), "reason": "Nothing speaks for a change.", "actor": review.portfolio.owner}
    return decide(review=review, decision=decision, **{"now": review.created_at, **asked, **given})


def set_clock(desk: Desk, **changes: Any) -> None:
    MarketClock.objects.filter(portfolio=desk.portfolio).update(**changes)
