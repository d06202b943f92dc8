"""A second opinion on a replay's report, from the quotes' CSV alone.

It shares no code with the product: standard library, exact decimals, one position at a time. It reads what was bought
from the report's fills, walks the recorded bars of that contract by the rules of SPEC section 6 (P-09, P-10, A-03,
A-05, A-17, A-19, B-34, B-38) and says when each slice and the stop had to come. By hand:

    python -m tests.riskengine.study.checker report.json quotes.csv.gz smart-0dte
"""

import csv
import gzip
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
BAR = timedelta(minutes=1)
BLIND = timedelta(seconds=10)
FEE = Decimal("0.65")
HALF_DAYS = {date(2015, 12, 24), date(2020, 12, 24), date(2026, 11, 27)}
LADDERS = {
    "morning": [("0.05", 3300), ("0.10", 6600), ("0.15", 10_000)],
    "midday": [("0.03", 3300), ("0.07", 6600), ("0.12", 10_000)],
    "late": [("0.05", 10_000)],
    "seven_day": [("0.20", 2500), ("0.35", 5000), ("0.50", 7500)],
}
PENNY = {"AAPL", "AMZN", "GOOGL", "META", "MSFT", "NVDA", "TSLA"}
ALL_PENNY = {"SPY", "QQQ", "IWM", "XSP"}
URGENT = {"stop", "forced_close", "emergency", "flatten"}


@dataclass(frozen=True)
class Quote:
    """What became known at `at`; None is a missing side."""

    at: datetime
    bid: Decimal | None
    ask: Decimal | None

    def usable(self, tick: Decimal) -> bool:
        """A-05: two sides, not crossed or locked, spread at most 10% of the mid or 3 ticks."""
        bid, ask = self.bid, self.ask
        if not bid or not ask or ask <= bid:
            return False
        return ask - bid <= (ask + bid) / 2 / 10 or ask - bid <= 3 * tick


@dataclass
class Bet:
    """One position as the report's fills tell it."""

    contract: str
    ready_at: datetime  # when the entry was over: slices wait for it
    bought: list[tuple[datetime, int, Decimal]] = field(default_factory=list)
    sold: list[tuple[datetime, int, Decimal]] = field(default_factory=list)

    @property
    def quantity(self) -> int:
        return sum(count for _, count, _ in self.bought)

    @property
    def entry(self) -> Decimal:
        return sum(count * price for _, count, price in self.bought) / self.quantity

    @property
    def entered_at(self) -> datetime:
        return self.bought[0][0]

    @property
    def expires_on(self) -> date:
        return date.fromisoformat(f"20{self.contract[6:8]}-{self.contract[8:10]}-{self.contract[10:12]}")

    @property
    def root(self) -> str:
        return self.contract[:6].strip()

    def tick(self, price: Decimal) -> Decimal:
        if self.root in ALL_PENNY:
            return Decimal("0.01")
        low, high = ("0.01", "0.05") if self.root in PENNY else ("0.05", "0.10")
        return Decimal(low if price < 3 else high)


@dataclass
class Expected:
    """When the rules say that something happens: the first crossing of each slice, the stop and why."""

    slices: dict[int, datetime] = field(default_factory=dict)
    stop_at: datetime | None = None
    stop_price: Decimal = Decimal(0)
    why: str = ""


def read_quotes(path: Path, contract: str, day: date) -> list[Quote]:
    """The contract's bars of that day, in order; of a doubled bar the first, and none that cannot be read. A bar
    stamped 09:35 is known at 09:36."""
    root, strike = contract[:6].strip().lower(), Decimal(contract[13:]) / 1000
    expiry = f"20{contract[6:8]}-{contract[8:10]}-{contract[10:12]}"
    opener = gzip.open if path.suffix == ".gz" else open
    found: dict[datetime, Quote] = {}
    with opener(path, "rt", newline="") as file:
        for row in csv.DictReader(file):
            if not row["ts"].startswith(day.isoformat()) or row["right"] != contract[12] or row["expiry"] != expiry:
                continue
            if row["underlying"].lower() != root or Decimal(row["strike"] or 0) != strike:
                continue
            try:
                known = datetime.fromisoformat(row["ts"]).replace(tzinfo=NEW_YORK) + BAR
                bid, ask = (Decimal(row[side]) if row[side] else None for side in ("bid", "ask"))
            except (ValueError, InvalidOperation):
                continue
            if all(side is None or side >= 0 for side in (bid, ask)):
                found.setdefault(known, Quote(known, bid, ask))
    return [found[at] for at in sorted(found)]


def bets_of(report: dict[str, Any]) -> list[Bet]:
    """Positions in the order they were opened; the same contract again after it was sold is another one."""
    open_bets: dict[str, Bet] = {}
    openings = [row for row in report["orders"] if row["intent"] == "open" and row["filled"]]
    found = []
    for fill in report["fills"]:
        contract, at = fill["contract"], datetime.fromisoformat(fill["at"])
        row = (at, fill["contracts"], Decimal(str(fill["price"])))
        bet = open_bets.get(contract)
        if bet is None:
            order = next(row for row in openings if row["contract"] == contract)
            openings.remove(order)
            bet = open_bets[contract] = Bet(contract, ready_at=datetime.fromisoformat(order["finished_at"]))
            found.append(bet)
        (bet.bought if fill["side"] == "buy" else bet.sold).append(row)
        if sum(count for _, count, _ in bet.sold) == bet.quantity:
            del open_bets[contract]
    return found


def close_of(day: date) -> datetime:
    return datetime.combine(day, time(13) if day in HALF_DAYS else time(16), tzinfo=NEW_YORK)


def factor(bet: Bet, system: str, at: datetime, day: date) -> Decimal:
    """What the thresholds are multiplied by: time and age of a 0DTE bet, days to expiration of a weekly one."""
    if system == "smart-0dte":
        left, age = close_of(day) - at, at - bet.entered_at
        hours = timedelta(hours=1)
        by_time = "0.5" if left < hours else "0.7" if left < 2 * hours else "0.8" if left < 3 * hours else "1"
        return Decimal(by_time) * (Decimal("0.9") if age > 3 * hours else 1)
    days = (bet.expires_on - day).days
    steps = ((1, "0.4"), (2, "0.6"), (3, "0.75"), (5, "0.9"))
    return Decimal(next((value for most, value in steps if days <= most), "1"))


def ladder(bet: Bet, system: str) -> list[tuple[Decimal, int]]:
    hour = bet.entered_at.astimezone(NEW_YORK).hour
    name = "seven_day" if system != "smart-0dte" else "morning" if hour < 11 else "midday" if hour < 14 else "late"
    return [(Decimal(threshold), share) for threshold, share in LADDERS[name]]


def initial_stop(bet: Bet, system: str, equity: Decimal) -> Decimal:
    """25% of the premium (P-09), or min(20%, 10% of V / value) (P-10), rounded up to the tick."""
    share = Decimal("0.25")
    if system != "smart-0dte":
        share = min(Decimal("0.20"), equity / 10 / (bet.entry * bet.quantity * 100))
    exact = bet.entry * (1 - share)
    tick = bet.tick(exact)
    return (exact / tick).to_integral_value(ROUND_CEILING) * tick


def planned(quantity: int, shares: Iterable[int]) -> list[int]:
    """Contracts closed by the end of each slice (B-34): half up, one kept while the plan is unfinished."""
    found = []
    for share in shares:
        count = (quantity * share * 2 + 10_000) // 20_000
        found.append(quantity if share == 10_000 else min(count, quantity - 1) if quantity >= 2 else count)
    return found


def expected(bet: Bet, quotes: list[Quote], system: str, day: date, equity: Decimal, until: datetime) -> Expected:
    """Walk the bars from the first fill on, to `until`: when the position was closed as a whole."""
    steps, found = ladder(bet, system), Expected()
    counts = planned(bet.quantity, (share for _, share in steps))
    initial = stop = initial_stop(bet, system, equity)
    high, breaches, usable_at = bet.entry, 0, bet.entered_at
    for at, quote in _looks(quotes, bet.entered_at, until):
        fresh = at - quote.at <= BAR
        usable = fresh and quote.usable(bet.tick(quote.bid or Decimal(0)))
        if usable:
            usable_at = at
        if usable and at == quote.at:
            bid = quote.bid or Decimal(0)
            high = max(high, bid)
            if system != "smart-0dte":
                stop = max(stop, _locked(bet.entry, high, initial))
            breaches = breaches + 1 if bid <= stop else 0
            if breaches >= 2 or bid <= stop * Decimal("0.9"):
                return _stopped(found, at, stop, "confirmed")
            if at >= bet.ready_at:
                _cross(found, bet, at, bid, factor(bet, system, at, day), steps, counts)
        elif not usable and _blind(quote, fresh, at - usable_at, stop):
            return _stopped(found, at, stop, "blind")
    return found


def _looks(quotes: list[Quote], start: datetime, until: datetime) -> Iterator[tuple[datetime, Quote]]:
    """Each bar when it becomes known and ten seconds on, and the same of its end where the next one is missing."""
    for index, quote in enumerate(quotes):
        following = quotes[index + 1].at if index + 1 < len(quotes) else until
        for later in (timedelta(0), BLIND, BAR + timedelta(seconds=1), BAR + BLIND + timedelta(seconds=1)):
            if start <= quote.at + later < min(following, until):
                yield quote.at + later, quote


def _locked(entry: Decimal, high: Decimal, initial: Decimal) -> Decimal:
    gain = high - entry
    share = Decimal("0.5") if gain > entry * Decimal("0.30") else Decimal("0.25")
    return entry + share * gain if gain > entry * Decimal("0.15") else initial


def _blind(quote: Quote, fresh: bool, blind_for: timedelta, stop: Decimal) -> bool:
    """A-05: a fresh ask at or under the stop at once; after 10 s a mid at or under it, a missing bid being worth 0."""
    if fresh and quote.ask and quote.ask <= stop:
        return True
    if quote.ask:
        worth = quote.bid if quote.bid is not None else Decimal(0) if fresh else None
        mid = None if worth is None else (worth + quote.ask) / 2
    else:
        mid = quote.bid
    return blind_for >= BLIND and mid is not None and mid <= stop


def _stopped(found: Expected, at: datetime, stop: Decimal, why: str) -> Expected:
    found.stop_at, found.stop_price, found.why = at, stop, why
    return found


def _cross(
    found: Expected,
    bet: Bet,
    at: datetime,
    bid: Decimal,
    by: Decimal,
    steps: list[tuple[Decimal, int]],
    counts: list[int],
) -> None:
    """Note the first time each slice is crossed; B-38: a profit after the fees of the round trip."""
    taken = max((counts[number - 1] for number in found.slices), default=0)
    for number, (threshold, _) in enumerate(steps, start=1):
        pays = (bid - bet.entry) * 100 > 2 * FEE
        if (
            number not in found.slices
            and counts[number - 1] > taken
            and pays
            and bid >= bet.entry * (1 + threshold * by)
        ):
            found.slices[number] = at


# ---- The report against it ----


def problems(report: dict[str, Any], quotes: Path, system: str) -> list[str]:
    """Everything in which the report and the recording part, in sentences; none means they agree."""
    day = datetime.fromisoformat(report["equity"][0]["at"]).date()
    found = _cash_problems(report)
    for bet in bets_of(report):
        found += _bet_problems(report, bet, read_quotes(quotes, bet.contract, day), system, day)
    return found


def _cash_problems(report: dict[str, Any]) -> list[str]:
    """cash = start + sells - buys - fees, after every minute and at the end."""
    moves = [
        (
            datetime.fromisoformat(fill["at"]),
            (1 if fill["side"] == "sell" else -1) * fill["contracts"] * 100 * Decimal(str(fill["price"]))
            - Decimal(str(fill["fee"])),
        )
        for fill in report["fills"]
    ]
    start = Decimal(str(report["end"]["start"]))
    found = []
    for row in report["equity"]:
        at = datetime.fromisoformat(row["at"])
        cash = start + sum(amount for moved, amount in moves if moved <= at)
        if cash != Decimal(str(row["cash"])):
            found.append(f"cash at {row['at']}: {row['cash']}, the fills say {cash}")
    fees = sum(Decimal(str(fill["fee"])) for fill in report["fills"])
    if fees != Decimal(str(report["end"]["fees"])):
        found.append(f"fees {report['end']['fees']}, the fills say {fees}")
    if report["equity"][-1]["equity"] != report["end"]["equity"]:
        found.append("the last minute's equity is not that of the end")
    return found[:5]


def _bet_problems(report: dict[str, Any], bet: Bet, quotes: list[Quote], system: str, day: date) -> list[str]:
    name, closes = bet.contract, close_of(day)
    equity = Decimal(str(report["end"]["start"]))
    sold_out = sum(count for _, count, _ in bet.sold) == bet.quantity
    ended_at = bet.sold[-1][0] if sold_out else closes

    def its(rows: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
        mine = [row for row in rows if row["contract"] == name]
        return [row for row in mine if bet.entered_at <= datetime.fromisoformat(row[key]) <= ended_at]

    orders = [row for row in its(report["orders"], "at") if row["side"] == "sell"]
    forced = closes - timedelta(minutes=15) if bet.expires_on == day else closes
    targets = [datetime.fromisoformat(row["at"]) for row in orders if row["intent"] == "target"]
    done = [datetime.fromisoformat(row["at"]) for row in orders if row["intent"] in URGENT]
    # What was sold at an instant was judged at it; what is closed by force at one is judged no more.
    until = min([forced, *([bet.sold[-1][0] + timedelta(microseconds=1)] if sold_out else [])])
    rules = expected(bet, quotes, system, day, equity, until)
    found = []
    stops = [datetime.fromisoformat(row["at"]) for row in its(report["stops"], "at")]
    if rules.stop_at and not any(rules.stop_at <= at <= rules.stop_at + BAR for at in stops) and not targets:
        found.append(f"{name}: the stop {rules.stop_price} is reached at {rules.stop_at} ({rules.why}), not {stops}")
    if stops and not rules.stop_at:
        found.append(f"{name}: a stop at {stops}, and the quotes reach none")
    if bet.expires_on == day and not sold_out:
        found.append(f"{name}: it expires and was not sold before the close")
    if bet.sold and bet.sold[-1][0] >= closes:
        found.append(f"{name}: sold at {bet.sold[-1][0]}, after the close")
    if bet.expires_on == day and not rules.stop_at and forced not in done and until == forced:
        found.append(f"{name}: it was to be closed at {forced}, its orders are of {done}")
    first: dict[int, dict[str, Any]] = {}
    for row in its(report["slices"], "triggered_at"):
        first.setdefault(row["tier"], row)
    return found + _slice_problems(bet, first, rules, quotes, done)


def _slice_problems(
    bet: Bet, first: dict[int, dict[str, Any]], rules: Expected, quotes: list[Quote], done: list[datetime]
) -> list[str]:
    found = []
    for tier in sorted(rules.slices.keys() | first.keys()):
        wanted, row = rules.slices.get(tier), first.get(tier)
        if row is None:
            if not done or wanted < min(done):
                found.append(f"{bet.contract}: slice {tier} is crossed at {wanted} and was never triggered")
        elif wanted is None:
            found.append(f"{bet.contract}: slice {tier} was triggered at {row['triggered_at']}, nothing crosses it")
        else:
            at = datetime.fromisoformat(row["triggered_at"])
            if not wanted <= at <= wanted + BAR:
                found.append(f"{bet.contract}: slice {tier} is crossed at {wanted} and was triggered at {at}")
            seen = max((quote for quote in quotes if quote.at <= at), key=lambda quote: quote.at)
            if not seen.usable(bet.tick(seen.bid or Decimal(0))):
                found.append(f"{bet.contract}: slice {tier} was triggered at {at} on an unusable quote")
            if seen.bid is None or float(seen.bid) != row["trigger_bid"]:
                found.append(f"{bet.contract}: slice {tier} says bid {row['trigger_bid']}, the recording {seen.bid}")
    return found


def main() -> None:
    report, quotes, system = sys.argv[1:4]
    found = problems(json.loads(Path(report).read_text()), Path(quotes), system)
    print("\n".join(found) or "The report agrees with the recording.")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
