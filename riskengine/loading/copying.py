"""Rows to columns in PostgreSQL's binary form: what the server sends is what numpy reads, without a loop over rows.

As long as nothing is NULL and every type has a fixed width, all rows are equally long and the whole answer is one
structured array. So each kind of field below is cast and freed of NULL on the server.

    what is asked about many      COPY BINARY; every field has a length before it
    about few                     a prepared statement, its rows sent as one value: planning these questions anew takes
                                  the server several times as long as answering them for one portfolio
"""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, NamedTuple, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from django.db import connection

HEADER, TRAILER = 19, 2
NEVER = int(np.iinfo(np.int64).min)  # what '-infinity' is as a time, and NULL as millionths
EPOCH_MICROSECONDS = 946_684_800_000_000  # PostgreSQL counts from 2000-01-01

Columns: TypeAlias = dict[str, npt.NDArray[Any]]


class Kind(NamedTuple):
    """How a column of a query is sent, by what function as one value with others, and what it becomes."""

    sql: str
    send: str
    sent: str
    native: type


BIGINT = Kind("{}::int8", "int8send", ">i8", np.int64)
INTEGER = Kind("{}::int4", "int4send", ">i4", np.int64)
BOOLEAN = Kind("{}", "boolsend", "?", np.bool_)
# A time in microseconds since 1970, NEVER for NULL.
INSTANT = Kind("coalesce({}, '-infinity')", "timestamptz_send", ">i8", np.int64)
# Numeric of at most six places as float64, NaN for NULL. Sent in millionths: that costs the server half of a cast to
# float8, and the quotient is the float64 nearest to the decimal, as the cast is.
MICROS = Kind("coalesce(({} * 1000000)::int8, -9223372036854775808)", "int8send", ">i8", np.float64)


class Fields:
    """The columns of a query by name, in their order, and how a row of them looks on the wire."""

    def __init__(self, kinds: Mapping[str, Kind]) -> None:
        self.kinds = dict(kinds)
        names = ", ".join(f'"{name}"' for name in kinds)
        wanted = [kind.sql.format(f'"{name}"') for name, kind in kinds.items()]
        rows = f"FROM ({{}}) AS columns ({names})"
        self.copied = f"COPY (SELECT {', '.join(wanted)} {rows}) TO STDOUT (FORMAT BINARY)"
        packed = " || ".join(f"{kind.send}({sql})" for kind, sql in zip(kinds.values(), wanted, strict=True))
        self.packed = f"SELECT count(*), string_agg({packed}, '') {rows}"
        self.row = np.dtype([(name, kind.sent) for name, kind in kinds.items()])
        # Beside each field its length, before all of them how many there are.
        lengths = [(f"{name} length", ">i4") for name in kinds]
        values = [(name, kind.sent) for name, kind in kinds.items()]
        pairs = zip(lengths, values, strict=True)
        self.copied_row = np.dtype([("", ">i2"), *(part for pair in pairs for part in pair)])


def copy_columns(query: str, fields: Fields, parameters: Mapping[str, Any]) -> Columns:
    """The columns of a query. One statement.

    Its parameters say of what type they are (`%(ids)s::bigint[]`) where the server could not tell by itself.
    ValueError when a column is NULL that may not be, or of another type than said.
    """
    asked = sum(len(each) for each in parameters.values() if isinstance(each, list))
    rows = _copied(query, fields, parameters) if asked > FEW or _is_pooled() else _prepared(query, fields, parameters)
    return {name: _native(rows[name], kind) for name, kind in fields.kinds.items()}


def array_literal(numbers: Sequence[float]) -> str:
    """Numbers as PostgreSQL writes arrays. A list becomes ARRAY[1, 2, ...]: an expression of ten thousand constants,
    which takes the driver three times as long to write and the server longer to plan than many a statement to run."""
    return f"{{{','.join(map(repr, numbers))}}}"


def _copied(query: str, fields: Fields, parameters: Mapping[str, Any]) -> npt.NDArray[Any]:
    answer = BytesIO()
    numbers = {
        name: array_literal(given)
        for name, given in parameters.items()
        if isinstance(given, list) and given and type(given[0]) in (int, float)
    }
    with connection.cursor() as cursor:
        text = cursor.mogrify(query, {**parameters, **numbers}).decode()
        cursor.copy_expert(fields.copied.format(text), answer)
    body = answer.getbuffer()[HEADER:-TRAILER]
    row = fields.copied_row
    if len(body) % row.itemsize:
        raise ValueError(f"a column is NULL or of another type than said: {', '.join(fields.kinds)}")
    rows = np.frombuffer(body, row)
    for name in fields.kinds:
        if (rows[f"{name} length"] != row[name].itemsize).any():
            raise ValueError(f"{name} is NULL or of another type than said")
    return rows


# ---- Prepared statements ----

FEW = 64  # things asked about; a plan made for few would be a poor one for thousands

_prepared_on: WeakKeyDictionary[Any, dict[tuple[str, Fields], tuple[str, tuple[str, ...]]]] = WeakKeyDictionary()


def _is_pooled() -> bool:
    """Behind a pool that gives each transaction another connection nothing prepared is found again."""
    return bool(connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"))


def _prepared(query: str, fields: Fields, parameters: Mapping[str, Any]) -> npt.NDArray[Any]:
    connection.ensure_connection()
    known = _prepared_on.setdefault(connection.connection, {})
    if (query, fields) not in known:
        known[query, fields] = _prepare(query, fields, parameters, f"columns_{len(known)}")
    name, order = known[query, fields]
    given = f"({', '.join(['%s'] * len(order))})" if order else ""
    with connection.cursor() as cursor:
        cursor.execute(f"EXECUTE {name} {given}", [parameters[each] for each in order])
        count, body = cursor.fetchone()
    rows = np.frombuffer(body or b"", fields.row)
    if len(rows) != count:  # NULL beside anything is NULL, and such a row is left out
        raise ValueError(f"a column is NULL or of another type than said: {', '.join(fields.kinds)}")
    return rows


def _prepare(query: str, fields: Fields, parameters: Mapping[str, Any], name: str) -> tuple[str, tuple[str, ...]]:
    """The name of a statement and the order of its parameters. It is none of those the question itself takes."""
    order = tuple(each for each in parameters if f"%({each})s" in query)
    text = query % {each: f"${at}" for at, each in enumerate(order, 1)}
    with connection.connection.cursor() as cursor:
        # Left to choose, the server plans anew each time: it takes that for free, and ten rows for dearer than one.
        cursor.execute("SET plan_cache_mode = force_generic_plan")
        cursor.execute(f"PREPARE {name} AS {fields.packed.format(text)}")
    return name, order


def _native(sent: npt.NDArray[Any], kind: Kind) -> npt.NDArray[Any]:
    if kind is MICROS:
        whole = sent.astype(np.int64)
        return np.where(whole == NEVER, np.nan, whole / 1e6)
    column: npt.NDArray[Any] = sent.astype(kind.native)
    if kind is INSTANT:
        column[column != NEVER] += EPOCH_MICROSECONDS
    return column
