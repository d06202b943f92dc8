"""A recorded minute in which every gate is healthy, one portfolio and one contract a system; a test spoils one thing.

Smart-0DTE: $60,000, the SPXW 3,700 call that expires today at 44.00 x 44.40. Mag7-7DTE: $100,000, the AAPL 130 call of
the 11th at 4.95 x 5.00. Both at 10:42:07 New York on 2021-01-04, on quotes that became known at 10:42:00.
"""

import csv
import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from django.db import connection, transaction

from accounts.defaults import MAG7_7DTE, PARAMETERS, SMART_0DTE
from accounts.models import User
from accounts.selectors import latest_revision
from accounts.services import revise_profile
from positions import recorded
from positions.market.calendar import new_york_date, new_york_instant
from positions.models import (
    ClockKind,
    DailyClose,
    Decision,
    EarningsDate,
    ExerciseStyle,
    InstrumentKind,
    OpenInterest,
    OptionContract,
    OptionQuote,
    OptionTradeBar,
    Order,
    Portfolio,
    Position,
    Settlement,
    TickClass,
    UnderlyingBar,
    VixReading,
)
from positions.services.portfolio import ClockSetting
from riskengine.services.decide.request import SizeRequest
from riskengine.services.decide.sizing import preview_size
from tests import factories

MONDAY = factories.SESSION
HALF_DAY = date(2020, 12, 24)
SEVENTH_DAY = date(2021, 1, 11)
MORNING = time(10, 42, 7)
SOURCE = "test recording"
WALL = datetime(2026, 3, 2, 12, tzinfo=UTC)  # wall time at which the recordings were started
STARTS = time(8)  # the market time then
SPX, SPY, AAPL = Decimal("3720"), Decimal("372"), Decimal("130")
PRICES = {"SPX": SPX, "SPY": SPY, "AAPL": AAPL}


@dataclass(slots=True)
class Bet:
    """A portfolio, the contract it looks at, and the market time at which it looks."""

    portfolio: Portfolio
    contract: OptionContract
    at: datetime

    def wall(self, at: datetime | None = None) -> datetime:
        """The wall time at which the recording has come to a market time."""
        return WALL + ((at or self.at) - new_york_instant(new_york_date(self.at), STARTS))

    def preview(
        self,
        confidence: str = "0.70",
        *,
        at: datetime | None = None,
        contract: OptionContract | None = None,
        **odds: Decimal,
    ) -> dict[str, Any]:
        """The service's answer, asked where nothing could be written, and sound as JSON."""
        portfolio = Portfolio.objects.select_related("profile", "clock").get(pk=self.portfolio.pk)
        request = SizeRequest(contract or self.contract, Decimal(confidence), **odds)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
            answer = preview_size(portfolio=portfolio, request=request, now=self.wall(at))
        json.dumps(answer, allow_nan=False)
        return answer

    def quote(self, contract: OptionContract | None = None, **changes: Any) -> None:
        """Change the last quote of a contract."""
        OptionQuote.objects.filter(contract=contract or self.contract).update(**changes)

    def revise(self, **numbers: Any) -> None:
        """Put other parameters in force; numbers may be text."""
        profile = self.portfolio.profile
        exact = {
            name: Decimal(value) if isinstance(value, str) and not PARAMETERS[name].choices else value
            for name, value in numbers.items()
        }
        revise_profile(
            profile=profile,
            based_on=latest_revision(profile).number,
            numbers=exact,
            ladders={},
            reason="A test.",
            author=None,
            now=WALL,
        )

    def hold(self, contract: OptionContract, contracts: int, entry: str, **changes: Any) -> Position:
        """An open position, paid for out of the portfolio's cash."""
        price = Decimal(entry)
        cost = contracts * price * contract.multiplier
        Portfolio.objects.filter(pk=self.portfolio.pk).update(
            cash=self._cash() - cost, settled_cash=self._cash() - cost
        )
        given = {
            "decision": decision(self, contract, contracts),
            "quantity_opened": contracts,
            "quantity_open": contracts,
            "average_entry_price": price,
            "entry_cost": cost,
            "initial_stop": price / 2,
            "current_stop": price / 2,
            "high_water": price,
            "entry_at": self.at - timedelta(minutes=30),
        }
        return factories.position(self.portfolio, **given | changes)

    def order(self, contract: OptionContract, contracts: int, worst: str, **changes: Any) -> Order:
        """A working opening order."""
        price = Decimal(worst)
        given = {"quantity": contracts, "limit_price": price, "worst_price": price, "created_at": self.at}
        return factories.opening_order(decision(self, contract, contracts), **given | changes)

    def _cash(self) -> Decimal:
        return Portfolio.objects.values_list("cash", flat=True).get(pk=self.portfolio.pk)


def decision(bet: Bet, contract: OptionContract, contracts: int) -> Decision:
    """An approved opening, too long ago to count as a recent intent, and none of a burst."""
    decided = bet.at - timedelta(minutes=30 + bet.portfolio.decisions.count())
    given = {"contracts": contracts, "limit_price": Decimal("1000000")}
    return factories.decision(bet.portfolio, contract=contract, decided_at=decided, expires_at=decided, **given)


# ---- The two healthy bets ----


def zero_dte(day: date = MONDAY, at: time = MORNING, *, owner: User | None = None, **changes: Any) -> Bet:
    """Smart-0DTE in front of the SPXW 3,700 call of the day."""
    given = {"contract": spxw("3700", expires=day), "bid": "44.00", "ask": "44.40", "cash": Decimal(60_000)}
    return _bet(SMART_0DTE, day, at, owner=owner, **given | changes)


def seven_dte(day: date = MONDAY, at: time = MORNING, *, owner: User | None = None, **changes: Any) -> Bet:
    """Mag7-7DTE in front of the AAPL 130 call of the next Monday."""
    given = {"contract": stock("AAPL"), "bid": "4.95", "ask": "5.00", "cash": Decimal(100_000)}
    return _bet(MAG7_7DTE, day, at, owner=owner, **given | changes)


def _bet(system: str, day: date, at: time, *, contract: OptionContract, bid: str, ask: str, **changes: Any) -> Bet:
    now = new_york_instant(day, at)
    known_at = now.replace(second=0, microsecond=0)
    import_sessions()
    vix(day, opened="18.00")
    vix(session_before(day), opened="17.00", closed="17.50")
    for symbol in ("SPX", "SPY", contract.underlying.symbol):
        bar(symbol, known_at)
    if system == MAG7_7DTE:
        EarningsDate.objects.create(
            instrument=contract.underlying, reports_on=day + timedelta(days=60), timing="after_close", source="test"
        )
    quote(contract, known_at, bid=bid, ask=ask)
    clock = ClockSetting(
        kind=ClockKind.RECORDED,
        market_started_at=new_york_instant(day, STARTS),
        market_ends_at=new_york_instant(day, time(23)),
        label=f"recorded market of {day}",
    )
    given = {"of": factories.profile(system, now=WALL), "clock": clock, "quote_source": SOURCE, "now": WALL}
    return Bet(factories.portfolio(**given | changes), contract, now)


# ---- Rows ----


@cache
def sessions() -> tuple[tuple[date, datetime, datetime, bool], ...]:
    """The recorded exchange sessions of half a year."""
    with gzip.open(recorded.SESSIONS, "rt", newline="") as file:
        rows = [row for row in csv.DictReader(file) if "2020-09" <= row["session"] < "2021-03"]
    return tuple(
        (
            date.fromisoformat(row["session"]),
            datetime.fromisoformat(row["open_utc"]),
            datetime.fromisoformat(row["close_utc"]),
            row["early"] == "True",
        )
        for row in rows
    )


def session_before(day: date) -> date:
    return max(row[0] for row in sessions() if row[0] < day)


def import_sessions() -> None:
    """In one statement: thousands of tests begin with it."""
    days, opens, closes, early = (list(column) for column in zip(*sessions(), strict=True))
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO positions_exchangesession (exchange, session_on, open_at, close_at, is_early, source)
            SELECT 'XNYS', s.*, '' FROM unnest(%s::date[], %s::timestamptz[], %s::timestamptz[], %s::bool[]) AS s
            WHERE NOT EXISTS (SELECT FROM positions_exchangesession)
            """,
            [days, opens, closes, early],
        )


def spxw(strike: str = "3700", right: str = "C", expires: date = MONDAY, **changes: Any) -> OptionContract:
    return factories.contract("SPXW", strike, right, expires, **changes)


def stock(
    symbol: str, strike: str = "130", right: str = "C", expires: date = SEVENTH_DAY, **changes: Any
) -> OptionContract:
    """An American stock option in pennies and nickels."""
    given = {
        "underlying": factories.instrument(symbol, InstrumentKind.STOCK),
        "settlement": Settlement.PM_PHYSICAL,
        "exercise_style": ExerciseStyle.AMERICAN,
        "tick_class": TickClass.PENNY,
    }
    return factories.contract(symbol, strike, right, expires, **given | changes)


def quote(
    of: OptionContract,
    known_at: datetime,
    *,
    bid: str | None,
    ask: str | None,
    size: int = 10,
    volume: int | None = 10_000,
    interest: int | None = 10_000,
    source: str = SOURCE,
) -> None:
    """A quote of a contract with today's trades and open interest."""
    OptionQuote.objects.create(
        contract=of,
        source=source,
        quoted_at=known_at,
        changed_at=known_at,
        confirmed_at=known_at,
        bid=bid,
        bid_size=size,
        ask=ask,
        ask_size=size,
    )
    if volume is not None:
        prices = dict.fromkeys(("open", "high", "low", "close"), ask or "1")
        OptionTradeBar.objects.create(contract=of, source=source, bar_at=known_at, volume=volume, **prices)
    if interest is not None:
        OpenInterest.objects.create(contract=of, source=source, as_of_on=new_york_date(known_at), contracts=interest)


def bar(symbol: str, known_at: datetime, price: Decimal | None = None, source: str = SOURCE) -> None:
    kind = {"SPX": InstrumentKind.INDEX, "SPY": InstrumentKind.ETF}.get(symbol, InstrumentKind.STOCK)
    prices = dict.fromkeys(("open", "high", "low", "close"), price or PRICES.get(symbol, AAPL))
    of = factories.instrument(symbol, kind)
    if not UnderlyingBar.objects.filter(instrument=of, source=source, bar_at=known_at).exists():
        UnderlyingBar.objects.create(instrument=of, source=source, bar_at=known_at, **prices)


def vix(day: date, *, opened: str, closed: str = "99.00") -> None:
    levels = {"open": Decimal(opened), "close": Decimal(closed), "source": SOURCE}
    if not VixReading.objects.filter(index="VIX", kind="daily", session_on=day).update(**levels):
        VixReading.objects.create(index="VIX", kind="daily", session_on=day, **levels)


def closes(symbol: str, moves: Callable[[int], float], *, before: date = MONDAY, sessions_back: int = 61) -> None:
    """Daily closes up to the session before, moving by `moves`: percent by the number of the session."""
    of = factories.instrument(symbol, InstrumentKind.STOCK)
    price, rows = 100.0, []
    for number, (day, *_) in enumerate([row for row in sessions() if row[0] < before][-sessions_back:]):
        price *= 1 + moves(number) / 100
        close = Decimal(f"{price:.6f}")
        rows.append(
            DailyClose(instrument=of, session_on=day, close=f"{price:.4f}", adjusted_close=close, source=SOURCE)
        )
    DailyClose.objects.bulk_create(rows)
