"""Rows into the database at COPY speed: a temporary table, then one INSERT ... ON CONFLICT.

A row that is already there and equal is left alone, one that differs is updated, so a second run changes nothing.
Rows are merged in the order of their key, so two imports at the same time wait for each other and never deadlock.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import StringIO

from django.db import connection
from django.db.backends.utils import CursorWrapper

STAGED = "staged_import"


@dataclass(frozen=True, slots=True)
class Merged:
    """Rows of the file that were new, that changed a stored row, and that were already there."""

    new: int
    changed: int
    known: int


@dataclass(frozen=True, slots=True)
class Merge:
    """Where staged rows go.

    `select` maps target columns to SQL over the aliases `s` (staged), `c` (contract), `i` (instrument); `key` is the
    unique constraint, `key_where` its condition; a difference in `compared` makes an update.
    """

    table: str
    select: dict[str, str]
    key: Sequence[str]
    compared: Sequence[str]
    joins: str = ""
    key_where: str = ""
    update_where: str = ""  # what else must hold of the stored row `t`, so that `excluded` may change it

    def sql(self) -> str:
        columns = ", ".join(f'"{column}"' for column in self.select)
        key = ", ".join(f'"{column}"' for column in self.key)
        updated = [column for column in self.select if column not in self.key]
        order = ", ".join(
            self.select[column] for column in self.key if self.select[column].startswith(("s.", "c.", "i."))
        )
        stored = ", ".join(f't."{column}"' for column in self.compared)
        arriving = ", ".join(f'excluded."{column}"' for column in self.compared)
        return f"""
            WITH merged AS (
                INSERT INTO {self.table} AS t ({columns})
                SELECT {", ".join(self.select.values())} FROM {STAGED} s {self.joins}
                ORDER BY {order}
                ON CONFLICT ({key}) {self.key_where}
                DO UPDATE SET {", ".join(f'"{column}" = excluded."{column}"' for column in updated)}
                WHERE ({stored}) IS DISTINCT FROM ({arriving}){f" AND {self.update_where}" if self.update_where else ""}
                RETURNING (xmax = 0) AS is_new  -- a row that no transaction has updated yet
            )
            SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new) FROM merged
        """  # noqa: S608 (names of tables and columns; values are parameters)

    def run(self, cursor: CursorWrapper, parameters: dict[str, object]) -> Merged:
        cursor.execute(f"SELECT count(*) FROM {STAGED}")  # noqa: S608
        [staged] = cursor.fetchone()
        cursor.execute(self.sql(), parameters)
        new, changed = cursor.fetchone()
        return Merged(new, changed, staged - new - changed)


def create_staged(cursor: CursorWrapper, columns: str) -> None:
    """An empty temporary table, gone with the transaction."""
    cursor.execute(f"DROP TABLE IF EXISTS pg_temp.{STAGED}")
    cursor.execute(f"CREATE TEMPORARY TABLE {STAGED} ({columns}) ON COMMIT DROP")


def copy_into_staged(cursor: CursorWrapper, rows: Iterable[Sequence[str | None]]) -> None:
    """COPY judged rows. Their cells were read by `cell`: no tabs, line ends or backslashes; None is NULL."""
    text = "".join(["\t".join([r"\N" if cell is None else cell for cell in row]) + "\n" for row in rows])
    cursor.copy_expert(f"COPY {STAGED} FROM STDIN", StringIO(text))


def quoted_table(model: type) -> str:
    """The table of a model, quoted for SQL."""
    return connection.ops.quote_name(model._meta.db_table)  # type: ignore[attr-defined]
