"""A made-up market with two portfolios that bet in it without pause, in a process of its own beside a running `up`.

`busy` has limits so wide that it goes on for hours, `guarded` breaker limits so narrow that it is halted within
minutes. Every price, bet and error is drawn from the seed. A bet whose answer was lost is asked for again under its
key, as a program would. Run as `python -m tests.crash.trading SEED`, or with `--flatten` to sell everything.
"""

import argparse
import os
import random
import sys
import time as clock
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "betsizing.settings")
import django

django.setup()

from django.db import DatabaseError, InterfaceError, connection  # noqa: E402 (after setup)

from accounts.selectors import latest_revision  # noqa: E402
from accounts.services import revise_profile  # noqa: E402
from positions.market.calendar import new_york_instant  # noqa: E402
from positions.market.clock import market_now  # noqa: E402
from positions.models import MarketClock, OptionContract, OptionQuote, Portfolio  # noqa: E402
from positions.services.portfolio import ClockSetting  # noqa: E402
from riskengine.models import SignalSource  # noqa: E402
from riskengine.services.decide.entries import PortfolioBusy, authorise_entry  # noqa: E402
from riskengine.services.decide.request import EntryRequest  # noqa: E402
from riskengine.services.signals.receiving import Draft, receive  # noqa: E402
from riskengine.services.watch.kill import Verb, kill  # noqa: E402
from tests import factories  # noqa: E402
from tests.crash.invariants import BUSY, GUARDED  # noqa: E402
from tests.riskengine import market  # noqa: E402

SPEED = Decimal(4)
DAY = date(2021, 1, 5)  # not the day of the demo's recording, whose prices of SPX are others
STARTS = new_york_instant(DAY, time(10, 30))
STRIKES = ("3690", "3695", "3700", "3705", "3710")
TICK = 0.4  # seconds of wall time between quotes
SIZE = 400
LIMITS: dict[str, dict[str, str]] = {
    BUSY: {
        "account_size": "300000",
        "confirm_entries_loss": "0.97",
        "max_daily_loss": "0.98",
        "emergency_halt_loss": "0.99",
        "drawdown_5_session": "0.99",
        "drawdown_20_session": "1",
    },
    GUARDED: {"confirm_entries_loss": "0.003", "max_daily_loss": "0.006", "emergency_halt_loss": "0.02"},
}
WIDE = {
    "max_opening_intents": 1000,
    "max_total_positions": 20,
    "max_positions_per_symbol": 20,
    "max_portfolio_delta": "10",
    "max_portfolio_gamma": "10",
    "correlation_adjustment_factor": "0",
    "losing_streak": 100,
    "max_stopouts_per_underlying": 100,
    "max_rejected_orders": 1000,
    "reentry_cooldown_minutes": "0",
}


def prepare() -> None:
    """The market as it opens, and both portfolios; once."""
    if Portfolio.objects.filter(slug=GUARDED).exists():
        return
    contracts = [market.spxw(strike, expires=DAY) for strike in STRIKES]
    known = STARTS - timedelta(minutes=1)
    for contract in contracts:
        market.quote(contract, known, bid="44.00", ask="44.40", size=SIZE, volume=1_000_000, interest=1_000_000)
    market.vix(DAY, opened="18.00")
    market.vix(market.session_before(DAY), opened="17.00", closed="17.50")
    bars(known)
    cash = {BUSY: Decimal(50_000_000), GUARDED: Decimal(60_000)}
    for slug, numbers in LIMITS.items():
        now = datetime.now(UTC)
        setting = ClockSetting(kind="recorded", market_started_at=STARTS, speed=SPEED, label="made up for a test")
        of = factories.portfolio(
            slug=slug, name=slug, cash=cash[slug], clock=setting, quote_source=market.SOURCE, now=now
        )
        chosen = {name: Decimal(value) if isinstance(value, str) else value for name, value in (WIDE | numbers).items()}
        based_on = latest_revision(of.profile).number
        revise_profile(
            profile=of.profile, based_on=based_on, numbers=chosen, ladders={}, reason="A test.", author=None, now=now
        )


def bars(at: datetime) -> None:
    for symbol in ("SPX", "SPY"):
        market.bar(symbol, at)


def source_of(portfolio: Portfolio) -> SignalSource:
    found, _ = SignalSource.objects.get_or_create(
        slug=f"signals-of-{portfolio.slug}",
        defaults={
            "portfolio": portfolio,
            "name": "crash test",
            "kind": "api",
            "handling": "enter",
            "created_at": datetime.now(UTC),
        },
    )
    return found


class Trader:
    """Prices wander around what they were and jump now and then: slices are reached, stops are hit."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        chain = OptionContract.objects.filter(root="SPXW", expiration_on=DAY, strike__in=STRIKES, right="C")
        self.contracts = list(chain.order_by("pk"))
        self.prices = {each.pk: 44.0 for each in self.contracts}
        self.asked: tuple[str, str, Any] | None = None
        self.bets = 0
        self.bar_at = datetime.min.replace(tzinfo=UTC)

    def tick(self) -> None:
        at = market_now(MarketClock.objects.get(portfolio__slug=BUSY), datetime.now(UTC))
        rows = []
        for each in self.contracts:
            move = self.dice.gauss(0, 0.002)
            if self.dice.random() < 0.03:
                move = self.dice.choice((-0.22, -0.08, 0.06, 0.06, 0.11, 0.17))
            pull = 0.01 * (44.0 - self.prices[each.pk]) / 44.0
            self.prices[each.pk] = max(5.0, self.prices[each.pk] * (1 + move + pull))
            bid = Decimal(round(self.prices[each.pk] * 10)) / 10
            rows.append(
                OptionQuote(
                    contract=each,
                    source=market.SOURCE,
                    quoted_at=at,
                    changed_at=at,
                    confirmed_at=at,
                    bid=bid,
                    bid_size=SIZE,
                    ask=bid + Decimal("0.3"),
                    ask_size=SIZE,
                )
            )
        OptionQuote.objects.bulk_create(rows)
        if at - self.bar_at > timedelta(seconds=20):
            bars(at)
            self.bar_at = at

    def bet(self) -> None:
        """One entry, or the one before again when its answer was lost."""
        if self.asked is None:
            self.bets += 1
            slug = self.dice.choice((BUSY, BUSY, GUARDED))
            self.asked = slug, f"crash {os.getpid()} {self.bets}", self.dice.choice(self.contracts)
        slug, key, contract = self.asked
        portfolio = Portfolio.objects.select_related("profile", "clock").get(slug=slug)
        if self.bets % 4 == 0:  # as a signal, which the product enters by itself
            with suppress(PortfolioBusy):
                said = Draft(
                    external_id=key,
                    symbol="SPX",
                    direction="LONG_CALL",
                    confidence=Decimal("0.70"),
                    contract=contract.occ_symbol,
                )
                receive(source_of(portfolio), [said], now=datetime.now(UTC))
                self.asked = None
            return
        with suppress(PortfolioBusy):
            authorise_entry(
                portfolio=portfolio,
                request=EntryRequest(contract, Decimal("0.70"), pace="fast"),
                now=datetime.now(UTC),
                actor=None,
                actor_name="crash test",
                idempotency_key=key,
            )
            self.asked = None


def trade(seed: int) -> None:
    """Until it is killed."""
    trader: Trader | None = None
    ticks = 0
    while True:
        clock.sleep(TICK)
        try:
            if trader is None:
                prepare()
                trader = Trader(seed)
            trader.tick()
            ticks += 1
            if ticks % 4 == 0:
                trader.bet()
        except (DatabaseError, InterfaceError) as lost:
            print(f"trading: {lost!s:.200}", file=sys.stderr, flush=True)
            connection.close()


def flatten() -> None:
    chosen = Portfolio.objects.filter(slug__in=(BUSY, GUARDED)).select_related("clock")
    done = kill(
        portfolios=chosen,
        verbs=[Verb.STOP_ENTRIES, Verb.CANCEL_OPENINGS, Verb.FLATTEN],
        reason="The crash test is over.",
        now=datetime.now(UTC),
        actor=None,
        actor_name="crash test",
        confirmed=True,
    )
    failed = [each.error for each in done if each.error]
    if failed:
        sys.exit(" ".join(failed))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seed", type=int, nargs="?", default=0)
    parser.add_argument("--flatten", action="store_true")
    options = parser.parse_args()
    if options.flatten:
        flatten()
    else:
        trade(options.seed)
