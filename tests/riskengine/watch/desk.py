"""One portfolio under watch: a test moves the market and looks at what a check orders.

0DTE: the SPXW 3,700 call that expires on the day, 10 contracts bought at 40.00 half an hour before, stop 30.00.
7DTE: the AAPL 130 call of the next Monday, 40 contracts at 5.00, stop 4.00. Times are New York's; quotes are recorded
unless the desk is live.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from positions.market.calendar import new_york_instant
from positions.models import (
    ExchangeSession,
    MarketClock,
    OptionContract,
    OptionQuote,
    Order,
    OrderStatus,
    Portfolio,
    Position,
    PositionEvent,
    Regime,
)
from positions.services.portfolio import change_state
from riskengine.services.watch.monitoring import CheckResult, run_check
from tests import factories
from tests.riskengine import market
from tests.riskengine.market import Bet

LADDERS = {
    Regime.MORNING: (("0.05", 3300), ("0.10", 6600), ("0.15", 10_000)),
    Regime.MIDDAY: (("0.03", 3300), ("0.07", 6600), ("0.12", 10_000)),
    Regime.LATE: (("0.05", 10_000),),
    Regime.SEVEN_DAY: (("0.20", 2500), ("0.35", 5000), ("0.50", 7500)),
}


def clock_time(text: str) -> time:
    return time.fromisoformat(text)


def session(day: date, opens: str = "09:30", closes: str = "16:00") -> None:
    """A session that the test calendar does not have, or other hours of one that it has."""
    ExchangeSession.objects.update_or_create(
        exchange="XNYS",
        session_on=day,
        defaults={
            "open_at": new_york_instant(day, clock_time(opens)),
            "close_at": new_york_instant(day, clock_time(closes)),
            "is_early": closes != "16:00",
            "source": "test",
        },
    )


@dataclass(slots=True)
class Desk:
    bet: Bet
    day: date
    live: bool = False

    @property
    def portfolio(self) -> Portfolio:
        return self.bet.portfolio

    @property
    def contract(self) -> OptionContract:
        return self.bet.contract

    def at(self, text: str, day: date | None = None) -> datetime:
        return new_york_instant(day or self.day, clock_time(text))

    def quote(
        self, at: str | datetime, bid: str | None, ask: str | None, *, contract: OptionContract | None = None
    ) -> None:
        """What is known from then on."""
        known = self.at(at) if isinstance(at, str) else at
        market.quote(contract or self.contract, known, bid=bid, ask=ask, volume=None, interest=None)

    def confirm(self, at: str) -> None:
        """The feed says that its last quote still holds."""
        last = OptionQuote.objects.filter(contract=self.contract).latest("quoted_at")
        OptionQuote.objects.filter(pk=last.pk).update(confirmed_at=self.at(at))

    def check(self, at: str | datetime, scope: str = "exit", **given: Any) -> CheckResult:
        when = self.at(at) if isinstance(at, str) else at
        now = when if self.live else self.bet.wall(when)
        return run_check(now=now, scope=scope, **{"exclusive": False, **given})

    def state(self, to: str, **given: Any) -> None:
        change_state(
            portfolio=self.portfolio, to_state=to, cause="test", reason="A test.", market_at=self.bet.at, **given
        )

    def hold(self, contracts: int = 10, entry: str = "40.00", **changes: Any) -> Position:
        """A position with the slices of its regime."""
        regime = changes.setdefault("regime", Regime.MORNING)
        price = Decimal(entry)
        share = Decimal("0.80") if regime == Regime.SEVEN_DAY else Decimal("0.75")
        stops = {"initial_stop": price * share, "current_stop": price * share}
        contract = changes.pop("contract", self.contract)
        position = self.bet.hold(contract, contracts, entry, **{**stops, **changes})
        arm(position)
        return position

    @property
    def orders(self) -> list[Order]:
        return list(Order.objects.filter(side="sell", parent=None).order_by("id"))

    def sold(self) -> list[tuple[str, int]]:
        """The orders so far: what for, and how many contracts."""
        return [(order.intent, order.quantity) for order in self.orders]

    def finish(self, status: str = OrderStatus.CANCELLED) -> None:
        """Every order is over, without a fill; its slices are armed again."""
        Order.objects.live().update(status=status, finished_at=self.bet.at)
        for position in Position.objects.all():
            position.slices.filter(state="pending").update(state="armed", contracts_pending=0)

    def events(self, kind: str) -> list[PositionEvent]:
        return list(PositionEvent.objects.filter(kind=kind).order_by("id"))


def arm(position: Position) -> None:
    for number, (threshold, share) in enumerate(LADDERS[Regime(position.regime)], 1):
        factories.exit_slice(position, number, threshold=Decimal(threshold), cumulative_share_ten_thousandths=share)


def zero(day: date = market.MONDAY, **changes: Any) -> Desk:
    """Smart-0DTE on a day, with a sound quote of 40.00 x 40.40 at 10:42:00."""
    market.import_sessions()
    bet = market.zero_dte(day, bid="40.00", ask="40.40", **changes)
    return Desk(bet, day)


def rich(**changes: Any) -> Desk:
    """Smart-0DTE on an account so large that no loss of a test comes near a circuit breaker."""
    desk = zero(cash=Decimal(100_000_000), **changes)
    desk.bet.revise(account_size="1000000000")
    return desk


def seven(day: date = market.MONDAY, **changes: Any) -> Desk:
    """Mag7-7DTE on a day, with a sound quote of 5.00 x 5.05 at 10:42:00."""
    market.import_sessions()
    bet = market.seven_dte(day, bid="5.00", ask="5.05", **changes)
    return Desk(bet, day)


def hold_seven(desk: Desk, contracts: int = 40, entry: str = "5.00", **changes: Any) -> Position:
    return desk.hold(contracts, entry, regime=Regime.SEVEN_DAY, **changes)


def go_live(desk: Desk) -> Desk:
    """The same market, on wall time."""
    MarketClock.objects.filter(portfolio=desk.portfolio).update(
        kind="live", market_started_at=None, wall_started_at=None, market_ends_at=None, speed=1
    )
    desk.live = True
    return desk


def runs_on(desk: Desk) -> None:
    """The recording does not end with its day."""
    MarketClock.objects.filter(portfolio=desk.portfolio).update(market_ends_at=None)


def seconds_after(at: datetime, seconds: float) -> datetime:
    return at + timedelta(seconds=seconds)


def fresh(position: Position) -> Position:
    return Position.objects.get(pk=position.pk)
