"""The referee of other ladders on kept prices: the rules of every day minute by minute, one bet at a time, in exact
fractions (SPEC section 6, A-03, A-05, A-17, A-19, P-28).

It shares nothing with the calculators or their loading: rows in, what the bet comes to out. One look confirms a stop.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

from tests.oracle_exits import dte_factor, dynamic_stop, half_up, time_factor

NEW_YORK = ZoneInfo("America/New_York")
MINUTES_TO_CLOSE, BLIND_SECONDS, FEW_TICKS = 15, 10, 3
WIDEST, FEE = Fraction("0.10"), Fraction("0.65")


@dataclass(frozen=True)
class Minute:
    at: datetime
    bid: Fraction | None
    ask: Fraction | None


@dataclass(frozen=True)
class Hours:
    day: date
    opens_at: datetime
    closes_at: datetime


@dataclass
class Bet:
    entry: Fraction
    quantity: int
    stop: Fraction
    entered_at: datetime
    expires: date
    seven_day: bool
    ladder: Sequence[tuple[Fraction, Fraction]]
    ticks: tuple[Fraction, Fraction]  # under $3 and from there
    left: int = field(init=False)
    received: Fraction = field(default=Fraction(0), init=False)
    initial: Fraction = field(init=False)

    def __post_init__(self) -> None:
        self.left, self.high, self.initial = self.quantity, self.entry, self.stop
        self.thresholds = [threshold for threshold, _ in self.ladder]
        self.sold = [0] * len(self.ladder)
        self.over = [False] * len(self.ladder)

    def tick(self, bid: Fraction | None) -> Fraction:
        return self.ticks[0] if bid is not None and bid < 3 else self.ticks[1]

    def usable(self, look: Minute) -> bool:
        bid, ask = look.bid, look.ask
        if bid is None or ask is None or bid <= 0 or ask <= bid:
            return False
        return ask - bid <= WIDEST * (bid + ask) / 2 or ask - bid <= FEW_TICKS * self.tick(bid)

    def sell(self, contracts: int, bid: Fraction) -> None:
        tick = self.tick(bid)
        self.received += contracts * max(bid - tick, tick)
        self.left -= contracts

    def planned(self, tier: int) -> int:
        share = sum((each for _, each in self.ladder[: tier + 1]), Fraction(0))
        if share >= 1:
            return self.quantity
        return min(half_up(self.quantity * share), self.quantity - 1 if self.quantity >= 2 else self.quantity)

    def judge(self, bid: Fraction, factor: Fraction, target: Fraction | None) -> None:
        """Slices and the runner of one usable look."""
        gain, sells = bid - self.entry, 0
        for tier, threshold in enumerate(self.thresholds):
            if self.over[tier] or gain < self.entry * threshold or gain <= 2 * FEE / 100:
                continue
            owed = max(min(self.planned(tier) - sum(self.sold), self.left - sells), 0)
            self.over[tier], self.sold[tier] = True, owed
            sells += owed
        if target is not None and bid >= target:
            armed = [self.planned(tier) - sum(self.sold) for tier, over in enumerate(self.over) if not over]
            sells += max(self.left - sells - max([0, *armed]), 0)
        self.sell(sells, bid)


def gain_of(bet: Bet, minutes: Sequence[Minute], sessions: Sequence[Hours]) -> Fraction | None:
    """Per dollar paid, after fees; None where the prices end before everything is sold."""
    known = bet.entered_at  # the last usable look
    due = False
    for look in minutes:
        hours = next((each for each in sessions if each.opens_at <= look.at < each.closes_at), None)
        if hours is None or look.at < bet.entered_at:
            continue
        bid, usable = look.bid, bet.usable(look)
        days = (bet.expires - look.at.astimezone(NEW_YORK).date()).days
        to_close = (hours.closes_at - look.at).total_seconds()
        target = None
        if usable:
            assert bid is not None
            known, bet.high = look.at, max(bet.high, bid)
            if bet.seven_day:
                said = dynamic_stop(bet.entry, bid, bet.high, bet.initial, bet.stop)
                assert not isinstance(said, str)
                bet.stop = max(bet.stop, Fraction(half_up(said.stop * 10_000), 10_000))
                target = said.take_profit
            stopped = bid <= bet.stop
        else:
            stopped = _blind(bet, look, _open_seconds(known, look.at, sessions))
        due = due or stopped or (days == 0 and to_close <= 60 * MINUTES_TO_CLOSE)
        if due:
            if bid:
                bet.sell(bet.left, bid)
                break
            continue
        if bet.seven_day:
            factor = dte_factor(days)
        else:
            factor = time_factor(int(to_close), int((look.at - bet.entered_at).total_seconds()))
        assert not isinstance(factor, str)
        bet.thresholds = [min(t, b * factor) for t, (b, _) in zip(bet.thresholds, bet.ladder, strict=True)]
        if usable and bet.left:
            assert bid is not None
            bet.judge(bid, factor, target)
    if bet.left:
        return None
    paid = bet.entry * bet.quantity * 100
    return (bet.received * 100 - 2 * FEE * bet.quantity) / paid - 1


def _blind(bet: Bet, look: Minute, seconds: float) -> bool:
    """A-05: at once under a fresh ask at or under it; after ten seconds where the mid is, no bid being worth 0."""
    if look.ask and look.ask <= bet.stop:
        return True
    if seconds < BLIND_SECONDS:
        return False
    mid = ((look.bid or Fraction(0)) + look.ask) / 2 if look.ask else look.bid
    return mid is not None and mid <= bet.stop


def _open_seconds(first: datetime, last: datetime, sessions: Sequence[Hours]) -> float:
    """Seconds of sessions between them: no night counts."""
    parts = ((min(last, each.closes_at) - max(first, each.opens_at)).total_seconds() for each in sessions)
    return sum(part for part in parts if part > 0)
