"""The rejects file: every row that was not imported, with its line number and reason. Nothing is dropped silently.

It is written under a temporary name and takes its own when the import has been committed. A cell that a spreadsheet
would run as a formula gets an apostrophe before it; take that away when mending the row by hand. Numbers stay bare.
"""

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from positions.services.imports.source_file import UnusableFile
from positions.services.spreadsheet import harmless

SUFFIX = ".rejects.csv"


def beside(path: Path) -> Path:
    """Where the rejects of a file go unless told otherwise: FILE.rejects.csv."""
    return path.with_name(f"{path.name}{SUFFIX}")


class Rejects:
    """Collects rejected rows in `path`. Opened at the first one, so that a clean file leaves nothing behind."""

    def __init__(self, path: Path, header: Sequence[str]) -> None:
        self.path, self._header = path, header
        self._part = path.with_name(f"{path.name}.part")
        self._file: TextIO | None = None
        self.count = 0
        self.reasons: Counter[str] = Counter()

    def add(self, line: int, reason: str, cells: Sequence[str]) -> None:
        if self._file is None:
            try:
                self._file = self._part.open("w", encoding="utf-8", newline="")
            except OSError as error:
                raise UnusableFile(
                    f"Some rows cannot be imported, and their list cannot be written to {self.path}: "
                    f"{error.strerror}. Choose another place with --rejects."
                ) from error
            self._writer = csv.writer(self._file, lineterminator="\n")
            self._writer.writerow(["line", "reason", *map(harmless, self._header)])
        self._writer.writerow([line, *map(harmless, (reason, *cells))])
        self.count += 1
        self.reasons[reason.partition(": ")[0]] += 1

    def publish(self) -> None:
        """After the commit: the finished list takes its name; a list of an earlier run goes when there is none now."""
        if self._file is None:
            if self.path.name.endswith(SUFFIX):
                self.path.unlink(missing_ok=True)
            return
        self._file.close()
        self._part.replace(self.path)

    def discard(self) -> None:
        """After a failure: no list of rows of an import that did not happen."""
        if self._file is not None:
            self._file.close()
            self._part.unlink(missing_ok=True)
