"""Tables as files: CSV that a spreadsheet opens and does not run, and JSON of the same numbers.

Numbers are whole and bare, fractions as fractions; what is not known is an empty cell and null, never 0.
"""

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeAlias

from positions.services.spreadsheet import harmless

Row: TypeAlias = Mapping[str, Any] | Sequence[Any]


@dataclass(frozen=True, slots=True)
class Table:
    """What a page shows as a table: the names of its columns, and its rows, by name or in their order."""

    columns: Sequence[str]
    rows: Iterable[Row]

    def cells(self) -> list[list[Any]]:
        return [
            [row.get(name) for name in self.columns] if isinstance(row, Mapping) else list(row) for row in self.rows
        ]


def csv_text(table: Table) -> str:
    """With a line of names first."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow([harmless(name) for name in table.columns])
    writer.writerows([_cell(value) for value in row] for row in table.cells())
    return written.getvalue()


def json_text(table: Table) -> str:
    """A list of objects by the names of the columns."""
    rows = [dict(zip(table.columns, map(_plain, row), strict=True)) for row in table.cells()]
    return json.dumps(rows, ensure_ascii=False, allow_nan=False)


def _cell(value: Any) -> str:
    plain = _plain(value)
    if plain is None:
        return ""
    if isinstance(plain, str):
        return plain if isinstance(value, Decimal | date) else harmless(plain)
    return json.dumps(plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """As JSON has it. Money stays exact as text in its own digits; a float that is no number is not known."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return f"{value:f}" if value.is_finite() else None
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value
