"""A few recorded minutes for tests of pages: the demo's own loading, on slices of its own files.

Smart-0DTE stands still at 10:40:20 on 2021-01-04, where the SPXW 3,700 call passes every gate and the 3,800 put has
no known open interest. The Mag7-7DTE portfolio has no quotes at all.
"""

import csv
import gzip
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from positions import recorded
from positions.models import MarketClock, Portfolio
from positions.services import demo

PASSWORD = "four-plain-words-here"
STOPPED_AT = datetime(2021, 1, 4, 15, 40, 20, tzinfo=UTC)
DAY = "2021-01-04"
KEPT = {
    recorded.QUOTES[0]: (f"{DAY} 10:38", f"{DAY} 10:39"),
    recorded.QUOTES[1]: (),
    recorded.TRADES[0]: (DAY,),
    recorded.TRADES[1]: (),
    recorded.OPEN_INTEREST[0]: (DAY,),
    recorded.OPEN_INTEREST[1]: ("2015-12-23",),
    recorded.UNDERLYING_BARS: (f"{DAY} 10:3",),
    recorded.SESSIONS: ("2015-1", "2020", "2021"),
    recorded.CLOSES: ("2020-12", "2021-01"),
    recorded.VIX: ("2020-12", "2021-01"),
}


def load(folder: Path, now: datetime) -> None:
    """The demo of user “demo” with the slices. The caller decides whether it is committed."""
    recordings = [
        replace(recording, path=slice_of(recording.path, folder)) if recording.path in KEPT else recording
        for recording in demo.RECORDINGS
        if KEPT.get(recording.path) != ()
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "RECORDINGS", recordings)
        made = demo.load_demo(now=now, password=PASSWORD)
    assert made is not None
    MarketClock.objects.filter(portfolio__slug="smart-0dte").update(
        market_started_at=STOPPED_AT, wall_started_at=now, speed=Decimal(0)
    )
    # Its made-up market has quotes from the first moment on; pages are also to be seen without any.
    Portfolio.objects.filter(slug="mag7-7dte").update(quote_source="a source that is silent")


def slice_of(path: Path, folder: Path) -> Path:
    kept = KEPT[path]
    part = folder / path.name
    with gzip.open(path, "rt", newline="") as whole, gzip.open(part, "wt", newline="") as file:
        rows, out = csv.reader(whole), csv.writer(file)
        out.writerow(next(rows))
        out.writerows(row for row in rows if row[0].startswith(kept))
    return part
