"""The one way through an import: header, rows, judgement, COPY, merge, in one transaction."""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Protocol

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from positions.services.imports.cell import BadRow, Unwanted
from positions.services.imports.rejects import Rejects, beside
from positions.services.imports.source_file import MAX_BYTES, SourceFile, UnusableFile
from positions.services.imports.staging import Merged, copy_into_staged, create_staged

BATCH_ROWS = 20_000
Progress = Callable[[int, int, int], None]  # bytes read, bytes in all, rows read


class Kind(Protocol):
    """One kind of file: its columns, how a row is judged, where the rows go."""

    @property
    def name(self) -> str:
        """What the rows are, for the summary: "quotes"."""

    @property
    def required(self) -> Sequence[str]:
        """Columns the file must have."""

    @property
    def optional(self) -> Sequence[str]:
        """Columns it may have."""

    @property
    def aliases(self) -> dict[str, str]:
        """Other names of columns, and ours."""

    @property
    def staged(self) -> str:
        """Columns of the temporary table, SQL."""

    def prepare(self, cursor: CursorWrapper) -> None:
        """Read what judging needs to know, once."""

    def judge(self, cells: Sequence[str]) -> tuple[Hashable, Sequence[str | None]]:
        """The row's key within the file, and its staged columns. `cells` in the order of required then optional, an
        absent optional column empty. Raises BadRow, or Unwanted for a row that was not asked for."""

    def merge(self, cursor: CursorWrapper, source: str) -> Merged:
        """Staged rows into the tables."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did. read = new + changed + known + rejected + unwanted."""

    name: str
    read: int
    new: int
    changed: int
    known: int
    rejected: int
    rejects_path: Path | None
    reasons: Counter[str]
    unwanted: int = 0

    @property
    def summary(self) -> str:
        parts = [f"{self.read:,} {self.name} read: {self.new:,} new", f"{self.known:,} already known"]
        if self.changed:
            parts.append(f"{self.changed:,} changed")
        parts.append(f"{self.rejected:,} rejected")
        if self.rejected:
            causes = "; ".join(f"{reason} ({count:,})" for reason, count in self.reasons.most_common(3))
            parts[-1] += f": {causes}. See {self.rejects_path}"
        return ", ".join(parts) + "."


def import_file(
    kind: Kind,
    path: Path,
    *,
    source: str,
    rejects_path: Path | None = None,
    progress: Progress | None = None,
    max_bytes: int = MAX_BYTES,
) -> ImportReport:
    """Import a file, whole or not at all. `source` is stored with every row. Raises UnusableFile with a sentence."""
    with SourceFile(path, max_bytes) as file:
        found = file.positions_of(kind.required, kind.optional, kind.aliases)
        rejects = Rejects(rejects_path or beside(path), file.header)
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                create_staged(cursor, kind.staged)
                kind.prepare(cursor)
                read, unwanted = _stage(kind, file, found, rejects, cursor, progress)
                if read == 0:
                    raise UnusableFile(f"{path.name} has a header and no rows.")
                merged = kind.merge(cursor, source)
        except BaseException:
            rejects.discard()
            raise
    rejects.publish()
    return ImportReport(
        kind.name,
        read,
        merged.new,
        merged.changed,
        merged.known,
        rejects.count,
        rejects.path if rejects.count else None,
        rejects.reasons,
        unwanted,
    )


def _stage(
    kind: Kind,
    file: SourceFile,
    found: dict[str, int],
    rejects: Rejects,
    cursor: CursorWrapper,
    progress: Progress | None,
) -> tuple[int, int]:
    """Judge and copy all rows that are wanted; the numbers read and not wanted."""
    width = len(file.header)
    in_order = itemgetter(*(found.get(name, width) for name in (*kind.required, *kind.optional)))  # [width] is ""
    seen: set[Hashable] = set()
    batch: list[Sequence[str | None]] = []
    read = unwanted = 0
    for line, cells in file.rows():
        read += 1
        try:
            if len(cells) != width:
                raise BadRow(f"the row has {len(cells)} cells, the header {width}")
            key, staged = kind.judge(in_order([*cells, ""]))
            if key in seen:
                raise BadRow("the same key stands in an earlier row")
            seen.add(key)
            batch.append(staged)
        except Unwanted:
            unwanted += 1
        except BadRow as bad:
            rejects.add(line, str(bad), cells)
        if read % BATCH_ROWS == 0:
            copy_into_staged(cursor, batch)
            batch.clear()
            if progress:
                progress(file.bytes_read, file.bytes_total, read)
    copy_into_staged(cursor, batch)
    if progress:
        progress(file.bytes_total, file.bytes_total, read)
    return read, unwanted
