"""A recorded day made up for tests, and the real command that replays it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

from django.core.management import call_command

from positions.market.symbols import parse

ROOT = Path(__file__).resolve().parents[3]
DAY = date(2021, 1, 4)
OPENS = time(9, 30)
QUOTE_HEADER = "ts,underlying,style,expiry,dte,right,strike,bid,bid_size,ask,ask_size"
BAR_HEADER = "ts,symbol,open,high,low,close,volume"
ENTRY_HEADER = "at,contract,side,confidence,contracts"

Sides = tuple[float | None, float | None]  # bid, ask


@dataclass
class Script:
    """What one contract's market does: two-sided around `calm` from the open to the close, but for what is said of
    single minutes (by the time a bar is KNOWN, as HH:MM). None: no bar at all."""

    contract: str
    calm: float = 10.0
    says: dict[str, Sides | None] = field(default_factory=dict)
    size: int = 100

    def during(self, first: str, last: str, sides: Sides | None) -> "Script":
        """The same for each minute from `first` to `last`, both included."""
        at, end = (datetime.combine(DAY, time.fromisoformat(text)) for text in (first, last))
        while at <= end:
            self.says[f"{at:%H:%M}"] = sides
            at += timedelta(minutes=1)
        return self

    def rows(self) -> Iterable[str]:
        symbol = parse(self.contract)
        dte = (symbol.expires_on - DAY).days
        for minute in range(390):
            starts = datetime.combine(DAY, OPENS) + timedelta(minutes=minute)
            known = f"{starts + timedelta(minutes=1):%H:%M}"
            sides = self.says.get(known, (round(self.calm - 0.1, 2), self.calm))
            if sides is None:
                continue
            bid, ask = ("" if side is None else f"{side:g}" for side in sides)
            bid_size, ask_size = (0 if side is None else self.size for side in sides)
            yield (
                f"{starts:%Y-%m-%d %H:%M:%S},{symbol.root.lower()},european,{symbol.expires_on},{dte},{symbol.right},"
                f"{symbol.strike},{bid},{bid_size},{ask},{ask_size}"
            )


@dataclass
class Made:
    """The files of a made-up day in a folder."""

    folder: Path
    scripts: list[Script]
    entries: list[str]
    extra_rows: list[str] = field(default_factory=list)
    bars: list[str] = field(default_factory=list)

    def write(self) -> None:
        rows = sorted((row for script in self.scripts for row in script.rows()), key=lambda row: row[:19])
        self.quotes.write_text("\n".join([QUOTE_HEADER, *rows, *self.extra_rows]) + "\n")
        self.underlying.write_text("\n".join([BAR_HEADER, *self.bars]) + "\n")
        self.entries_file.write_text("\n".join([ENTRY_HEADER, *self.entries]) + "\n")

    @property
    def quotes(self) -> Path:
        return self.folder / "quotes.csv"

    @property
    def underlying(self) -> Path:
        return self.folder / "underlying.csv"

    @property
    def entries_file(self) -> Path:
        return self.folder / "entries.csv"

    @property
    def report(self) -> Path:
        return self.folder / "report.json"

    @property
    def arguments(self) -> list[str]:
        given = {
            "quotes": self.quotes,
            "underlying": self.underlying,
            "date": DAY,
            "portfolio": "smart-0dte",
            "entries": self.entries_file,
            "report": self.report,
        }
        return [str(part) for name, value in given.items() for part in (f"--{name}", value)]

    def replay(self, *more: object) -> dict[str, Any]:
        """The report of a replay with these arguments after the usual ones; the last of a name counts."""
        self.write()
        replay(*self.arguments, *more)
        return json.loads(self.report.read_text())


def spx_bars(level: float, *, until: str = "16:00") -> list[str]:
    """SPX at one level to the end; the last bar ends at the close."""
    starts = [datetime.combine(DAY, OPENS) + timedelta(minutes=minute) for minute in range(390)]
    last = datetime.combine(DAY, time.fromisoformat(until))
    return [
        f"{at:%Y-%m-%d %H:%M:%S},spx,{level},{level},{level},{level},0"
        for at in starts
        if at + timedelta(minutes=1) <= last
    ]


def replay(*arguments: object) -> None:
    """The command in this process, which must be let to the database (`unblocked`)."""
    call_command("replay", *map(str, arguments), stderr=StringIO())


def process(*arguments: object, **environment: str) -> "subprocess.Popen[str]":
    """The command as a person runs it, on the cluster of the tests."""
    settings = {"DJANGO_SETTINGS_MODULE": "tests.batch_settings"}
    command = [sys.executable, "manage.py", "replay", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=ROOT, env=os.environ | settings | environment, stderr=subprocess.PIPE, text=True
    )
