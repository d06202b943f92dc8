"""Rows to columns by COPY BINARY: what PostgreSQL sends is what numpy reads, without a loop over rows.

In this format every field has a length before it. As long as nothing is NULL and every type has a fixed width, all
rows are equally long and the whole answer is one structured array. So each kind of field below is cast and freed of
NULL on the server.
"""

from collections.abc import Mapping
from io import BytesIO
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from django.db import connection

HEADER, TRAILER = 19, 2
NEVER = int(np.iinfo(np.int64).min)  # what '-infinity' is as a time, and NULL as millionths
EPOCH_MICROSECONDS = 946_684_800_000_000  # PostgreSQL counts from 2000-01-01

Columns: TypeAlias = dict[str, npt.NDArray[Any]]


class Kind(NamedTuple):
    """How a column of a query is sent, and what it becomes."""

    sql: str
    sent: str
    native: type


BIGINT = Kind("{}::int8", ">i8", np.int64)
INTEGER = Kind("{}::int4", ">i4", np.int64)
BOOLEAN = Kind("{}", "?", np.bool_)
# A time in microseconds since 1970, NEVER for NULL.
INSTANT = Kind("coalesce({}, '-infinity')", ">i8", np.int64)
# Numeric of at most six places as float64, NaN for NULL. Sent in millionths: that costs the server half of a cast to
# float8, and the quotient is the float64 nearest to the decimal, as the cast is.
MICROS = Kind("coalesce(({} * 1000000)::int8, -9223372036854775808)", ">i8", np.float64)


class Fields:
    """The columns of a query by name, in their order, and how a row of them looks on the wire."""

    def __init__(self, kinds: Mapping[str, Kind]) -> None:
        self.kinds = dict(kinds)
        names = ", ".join(f'"{name}"' for name in kinds)
        wanted = ", ".join(kind.sql.format(f'"{name}"') for name, kind in kinds.items())
        self.around = f"COPY (SELECT {wanted} FROM ({{}}) AS columns ({names})) TO STDOUT (FORMAT BINARY)"  # noqa: S608
        lengths = [(f"{name} length", ">i4") for name in kinds]
        values = [(name, kind.sent) for name, kind in kinds.items()]
        self.row = np.dtype([("", ">i2"), *(part for pair in zip(lengths, values, strict=True) for part in pair)])


def copy_columns(query: str, fields: Fields, parameters: Mapping[str, Any]) -> Columns:
    """The columns of a query. One statement.

    ValueError when a column is NULL that may not be, or of another type than said.
    """
    answer = BytesIO()
    with connection.cursor() as cursor:
        text = cursor.mogrify(query, parameters).decode()
        cursor.copy_expert(fields.around.format(text), answer)
    body = answer.getbuffer()[HEADER:-TRAILER]
    row = fields.row
    if len(body) % row.itemsize:
        raise ValueError(f"a column is NULL or of another type than said: {', '.join(fields.kinds)}")
    rows = np.frombuffer(body, row)
    for name in fields.kinds:
        if (rows[f"{name} length"] != row[name].itemsize).any():
            raise ValueError(f"{name} is NULL or of another type than said")
    return {name: _native(rows[name], kind) for name, kind in fields.kinds.items()}


def _native(sent: npt.NDArray[Any], kind: Kind) -> npt.NDArray[Any]:
    if kind is MICROS:
        whole = sent.astype(np.int64)
        return np.where(whole == NEVER, np.nan, whole / 1e6)
    column: npt.NDArray[Any] = sent.astype(kind.native)
    if kind is INSTANT:
        column[column != NEVER] += EPOCH_MICROSECONDS
    return column
