"""The recorded days that come with the product, by date: which files hold their options."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from positions import recorded
from riskengine.services.study.recording import Files


@dataclass(frozen=True, slots=True)
class RecordedDays:
    """Days whose options stand in one set of files. `options` says which ones, for a person."""

    options: str
    days: tuple[date, ...]
    quotes: Path
    trades: Path
    open_interest: Path


_SETS = (
    RecordedDays(
        "SPX and SPXW",
        (date(2021, 1, 4), date(2021, 1, 5), date(2021, 1, 6), date(2021, 1, 7), date(2023, 6, 26)),
        recorded.QUOTES[0],
        recorded.TRADES[0],
        recorded.OPEN_INTEREST[0],
    ),
    RecordedDays(
        "GOOG",
        (date(2015, 12, 23), date(2015, 12, 24)),
        recorded.QUOTES[1],
        recorded.TRADES[1],
        recorded.OPEN_INTEREST[1],
    ),
)
RECORDED = {day: each for each in _SETS for day in each.days}
KNOWN_DAYS = "; ".join(f"{', '.join(map(str, each.days))} ({each.options})" for each in _SETS)


def files_of(day: date, rejects: Path) -> Files:
    """The recording of a day. KeyError for a day that is not in RECORDED."""
    found = RECORDED[day]
    return Files(
        quotes=found.quotes,
        underlying=recorded.UNDERLYING_BARS,
        rejects=rejects,
        trades=found.trades,
        open_interest=found.open_interest,
    )
