"""The entries of a period of recorded days, one text a day: examples, what a person gives, what a portfolio decided.

Each day's text keeps the line numbers of the whole: the lines of the other days are blank in it.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from io import StringIO
from typing import Any

from positions.market.calendar import new_york, new_york_date, new_york_instant
from positions.models import DecisionIntent, Portfolio
from riskengine.services.study.entries import MOST_ENTRIES
from riskengine.services.study.recordings import RECORDED, RecordedDays

MOST_DAYS = 5
COLUMNS = ("at", "contract", "side", "confidence", "contracts")
MIDNIGHT = datetime.min.time()
# Contracts that are quoted on both sides on their day; times those of the demo's own signals. Made up, and no advice.
EXAMPLES: Mapping[date, tuple[tuple[str, str, str], ...]] = {
    date(2021, 1, 4): (
        ("09:49:04", "SPXW210104P03800000", "0.66"),
        ("10:16:04", "SPXW210104C03700000", "0.75"),
        ("11:53:04", "SPXW210104P03700000", "0.85"),
    ),
    date(2021, 1, 5): (("09:49:04", "SPXW210106C03700000", "0.66"), ("11:25:04", "SPXW210106P03700000", "0.75")),
    date(2021, 1, 6): (("09:49:04", "SPXW210106C03700000", "0.66"), ("11:25:04", "SPXW210106C03800000", "0.75")),
    date(2021, 1, 7): (("09:49:04", "SPXW210108C03800000", "0.66"), ("11:25:04", "SPXW210108P03800000", "0.75")),
    date(2023, 6, 26): (("09:49:04", "SPXW230630C04445000", "0.66"), ("11:25:04", "SPXW230630P04445000", "0.75")),
    date(2015, 12, 23): (("10:00:04", "GOOG151224C00747500", "0.66"), ("11:25:04", "GOOG151224P00750000", "0.75")),
    date(2015, 12, 24): (("09:50:04", "GOOG151231C00747500", "0.72"), ("10:15:04", "GOOG151231P00750000", "0.80")),
}
SIGNALS_EXAMPLE = "as_of,symbol,direction,confidence\n2015-12-24 09:45:04,GOOG,LONG_CALL,0.72\n"


class BadPeriod(Exception):
    """The period or its entries cannot be replayed. `field` says which of the two; the message is for a person."""

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Period:
    """Recorded days of one set, in order."""

    days: tuple[date, ...]

    @classmethod
    def of(cls, days: Iterable[date]) -> "Period":
        """Raises BadPeriod for days that are not recorded, of several recordings, too many, or none."""
        chosen = tuple(sorted(set(days)))
        if not 1 <= len(chosen) <= MOST_DAYS:
            raise BadPeriod(f"Choose 1 to {MOST_DAYS} recorded days; these are {len(chosen)}.", "days")
        unknown = [str(day) for day in chosen if day not in RECORDED]
        if unknown:
            known = ", ".join(str(day) for day in sorted(RECORDED))
            raise BadPeriod(f"Not recorded: {', '.join(unknown)}. These days are: {known}.", "days")
        sets: list[RecordedDays] = list({id(RECORDED[day]): RECORDED[day] for day in chosen}.values())
        if len(sets) > 1:
            names = " and ".join(each.options for each in sets)
            raise BadPeriod(f"These days are of different recordings ({names}): choose days of one.", "days")
        return cls(chosen)


def example_entries(days: Sequence[date]) -> str:
    """The example entries of these days as one file."""
    return entries_text(
        {"at": f"{day} {at}", "contract": contract, "side": "buy", "confidence": confidence}
        for day in days
        for at, contract, confidence in EXAMPLES[day]
    )


def decided_entries(portfolio: Portfolio, days: Sequence[date]) -> str:
    """What a portfolio was asked for on these days, approved or not. One that was sized is sized anew; one that named
    its contracts, or was confirmed at a size, asks for as many. A proposal counts once it is confirmed."""
    rows = []
    for day in days:
        begins = new_york_instant(day, MIDNIGHT)
        ends = new_york_instant(day + timedelta(days=1), MIDNIGHT)
        asked = portfolio.decisions.filter(
            intent=DecisionIntent.OPEN,
            decided_at__gte=begins,
            decided_at__lt=ends,
            inputs__request__propose__isnull=True,
        ).order_by("decided_at", "id")
        columns = ("decided_at", "contract__occ_symbol", "confidence", "inputs__request__contracts")
        rows += [
            {
                "at": f"{new_york(at):%Y-%m-%d %H:%M:%S}" + (f".{at.microsecond:06d}" if at.microsecond else ""),
                "contract": contract.replace(" ", ""),
                "side": "buy",
                "confidence": f"{confidence:f}",
                "contracts": contracts,
            }
            for at, contract, confidence, contracts in asked.values_list(*columns)[: MOST_ENTRIES + 1]
        ]
    if not rows:
        named = ", ".join(map(str, days))
        raise BadPeriod(f"{portfolio.name} was asked for no entry on {named}, market time.", "asked_by")
    return entries_text(rows)


def entries_text(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as the file that `manage.py replay` reads."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow(["" if row.get(name) is None else row[name] for name in COLUMNS])
    return text.getvalue()


def by_day(text: str, column: str, field: str, period: Period) -> dict[date, str]:
    """The text of each day, by the dates in `column`. A line that cannot be read stays with the first day, whose
    reading refuses it with its number. Raises BadPeriod for a line of another day, and a day without a line."""
    lines = list(StringIO(text, newline=""))
    reader = csv.reader(iter(lines), strict=True)
    first = period.days[0]
    belongs: dict[int, date] = {}
    has_rows = set()
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        place = next((k for k, name in enumerate(header) if name.removeprefix("\ufeff") == column), None)
        heads = last = reader.line_num
        for cells in reader:
            day = first
            if place is not None and place < len(cells):
                day = _day_of(cells[place].strip(), reader.line_num, period, field)
            belongs |= dict.fromkeys(range(last, reader.line_num), day)
            if cells:
                has_rows.add(day)
            last = reader.line_num
    except csv.Error as problem:
        raise BadPeriod(f"This is not valid CSV at line {reader.line_num}: {problem}.", field) from problem
    empty = [str(day) for day in period.days if day not in has_rows]
    if empty and has_rows:
        raise BadPeriod(f"There is no line of {', '.join(empty)}: leave a day out on which nothing is asked.", field)
    return {
        day: "".join(line if k < heads or belongs.get(k) == day else "\n" for k, line in enumerate(lines))
        for day in period.days
    }


def _day_of(text: str, line: int, period: Period, field: str) -> date:
    """The New York date that a time names; the only day of the period where it names none."""
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        if len(period.days) > 1 and ":" in text:
            message = f"line {line}: {text[:40]} has no date, and the period has {len(period.days)} days."
            raise BadPeriod(f"{message} Write {period.days[0]} {text[:8]}.", field) from None
        return period.days[0]
    day = given.date() if given.tzinfo is None else new_york_date(given)
    if day not in period.days:
        raise BadPeriod(f"line {line}: {text[:40]} is of {day}, which is not among the days chosen.", field)
    return day
