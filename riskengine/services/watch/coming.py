"""What happens by itself next, by the portfolio's market clock.

A factor's change is found by asking the calculators just before and just after each moment at which one might speak; a
moment that changes nothing is not shown.
"""

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import Any

import numpy as np

from accounts.defaults import SMART_0DTE
from positions.market.calendar import OutsideCalendar, Session, new_york_date, new_york_instant
from riskengine.calculators import take_profit, wording
from riskengine.calculators.columns import Steps
from riskengine.loading.desk import Book, Held, closes_on_expiration, columns
from riskengine.loading.nights import Hours
from riskengine.services.decide.inputs import ny
from riskengine.services.watch.bets import factors
from riskengine.services.watch.words import short_label

MOMENT = timedelta(seconds=1)
DAYS_AHEAD = 3  # a factor that changes later than that is not "soon"
SHOWN = 4  # of the soonest, besides the closes of the session
CLOSES = "session closes"
FORCED_CLOSE = "forced close of what expires today"
OVERNIGHT_REPORT = "overnight report"
Coming = tuple[datetime, str]


def coming(book: Book) -> list[dict[str, Any]]:
    """Each with `at` (New York), `seconds` of market time until then, and `text`; the soonest first.

    The next few, and the closes of the session and its overnight report however many others come before them. Under a
    clock that stands nothing comes.
    """
    clock = book.portfolio.clock
    if clock.kind != "live" and (not clock.speed or (clock.market_ends_at and book.at >= clock.market_ends_at)):
        return []
    found = [*_sessions(book)]
    for held in columns(book):
        found += _factor_changes(book, held)
    due = sorted(each for each in set(found) if each[0] > book.at)
    return [
        {
            "at": ny(at),
            "seconds": (at - book.at).total_seconds(),
            "today": new_york_date(at) == new_york_date(book.at),
            "text": text,
            "portfolio": book.portfolio.name,
        }
        for number, (at, text) in enumerate(due)
        if number < SHOWN or text in (CLOSES, FORCED_CLOSE, OVERNIGHT_REPORT)
    ]


def _sessions(book: Book) -> Iterator[Coming]:
    session = book.session
    if session is not None and book.at < session.closes_at:
        yield from _session(book, session)
    elif book.calendar is not None:
        try:
            following = book.calendar.next_open(book.at)
        except OutsideCalendar:
            return
        yield following.opens_at, "session opens"


def _session(book: Book, session: Session) -> Iterator[Coming]:
    limits = book.limits
    yield session.opens_at, "session opens"
    yield session.opens_at + timedelta(minutes=float(limits.entry_delay_minutes)), "entries may begin"
    yield session.closes_at, CLOSES
    forced = session.forced_close_at(int(limits.forced_close_minutes))
    zero_dte = book.portfolio.system == SMART_0DTE
    if zero_dte or any(position.contract.expiration_on == session.day for position in book.positions):
        yield forced, FORCED_CLOSE
    if any(position.contract.expiration_on > session.day for position in book.positions):
        yield Hours(session, None).report_at(float(limits.overnight_report_minutes)), OVERNIGHT_REPORT
    if zero_dte:
        yield forced - timedelta(minutes=float(limits.last_entry_minutes)), "last entry"
        hours = ((take_profit.MIDDAY_HOUR, limits.take_profit_midday), (take_profit.LATE_HOUR, limits.take_profit_late))
        for hour, ladder in hours:
            at = new_york_instant(session.day, time(hour))
            if session.contains(at):
                name = take_profit.REGIMES[int(take_profit.regime(np.array([hour]))[0])]
                yield at, f"{name} ladder for new entries: {_ladder(ladder)}"


def _ladder(ladder: Steps) -> str:
    return ", ".join(wording.percent(float(threshold)) for threshold in ladder.thresholds[:, 0])


def _factor_changes(book: Book, held: Held) -> Iterator[Coming]:
    """When each position's tiers will move, and by which factor."""
    moments: dict[datetime, str] = {}
    for i, position in enumerate(held.positions):
        if held.seven_day[i]:
            for ahead in range(1, DAYS_AHEAD + 1):
                day = new_york_date(book.at) + timedelta(days=ahead)
                left = (position.contract.expiration_on - day).days
                moments[new_york_instant(day, time())] = f"{left} day{'' if left == 1 else 's'} to expiration"
        else:
            if closes_at := closes_on_expiration(book, position):
                for hours in _hours(held.limits.time_factor):
                    moments[closes_at - timedelta(hours=hours)] = f"{wording.plain(hours)} h to the close"
            for hours in _hours(held.limits.elapsed_factor):
                moments[position.entry_at + timedelta(hours=hours)] = f"{wording.plain(hours)} h held"
    for at, why in moments.items():
        if at <= book.at:
            continue
        before, after = (factors(held.as_of(book, moment)) for moment in (at - MOMENT, at + MOMENT))
        changes: dict[str, list[str]] = {}
        for i in np.flatnonzero((before != after) & np.isfinite(after)).tolist():
            changed = f"{wording.multiple(before[i])} → {wording.multiple(after[i])}"
            changes.setdefault(changed, []).append(short_label(held.positions[i].contract))
        for changed, names in changes.items():
            whose = names[0] if len(names) == 1 else f"{len(names)} bets"
            yield at, f"{why}: tiers of {whose} {changed}"


def _hours(ladder: Steps) -> list[float]:
    return [float(hours) for hours in ladder.thresholds[:, 0] if 0.0 < hours < np.inf]
