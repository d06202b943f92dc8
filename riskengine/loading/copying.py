"""Rows to columns by COPY BINARY: what PostgreSQL sends is what numpy reads, without a loop over rows.

In this format every field has a length before it. As long as nothing is NULL and every type has a fixed width, all
rows are equally long and the whole answer is one structured array. A query must therefore replace NULL itself:
`float8` by NaN, a time by '-infinity', which arrives as `NEVER`.
"""

from collections.abc import Mapping
from io import BytesIO
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from django.db import connection

HEADER, TRAILER = 19, 2
NEVER = int(np.iinfo(np.int64).min)  # '-infinity' as a time
EPOCH_MICROSECONDS = 946_684_800_000_000  # PostgreSQL counts from 2000-01-01

# Widths as the server sends them: bigint and timestamptz (microseconds), integer and date (days), double, boolean.
BIGINT, INTEGER, DOUBLE, BOOLEAN, INSTANT = ">i8", ">i4", ">f8", "?", "instant"
_NATIVE = {BIGINT: np.int64, INTEGER: np.int64, DOUBLE: np.float64, BOOLEAN: np.bool_, INSTANT: np.int64}

Columns: TypeAlias = dict[str, npt.NDArray[Any]]


def copy_columns(query: str, fields: Mapping[str, str], parameters: Mapping[str, Any]) -> Columns:
    """The columns of a query by name, in the order of `fields` (name and one of the widths above). One statement.

    Whole numbers come as int64, instants as int64 microseconds since 1970 (or `NEVER`). ValueError when the query
    returns a NULL or other types than `fields` says.
    """
    layout: list[tuple[str, str]] = [("", ">i2")]
    for name, kind in fields.items():
        layout += [(f"{name} length", ">i4"), (name, BIGINT if kind is INSTANT else kind)]
    row = np.dtype(layout)
    answer = BytesIO()
    with connection.cursor() as cursor:
        text = cursor.mogrify(query, parameters).decode()
        cursor.copy_expert(f"COPY ({text}) TO STDOUT (FORMAT BINARY)", answer)
    body = answer.getbuffer()[HEADER:-TRAILER]
    if len(body) % row.itemsize:
        raise ValueError(f"a field is NULL or of another type than said: {', '.join(fields)}")
    rows = np.frombuffer(body, row)
    for name in fields:
        if not (rows[f"{name} length"] == row[name].itemsize).all():
            raise ValueError(f"{name} is NULL or of another type than said")
    return {name: _native(rows[name], kind) for name, kind in fields.items()}


def _native(sent: npt.NDArray[Any], kind: str) -> npt.NDArray[Any]:
    column: npt.NDArray[Any] = sent.astype(_NATIVE[kind])
    if kind is INSTANT:
        known = column != NEVER
        column[known] += EPOCH_MICROSECONDS
    return column
