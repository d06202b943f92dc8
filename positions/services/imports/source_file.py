"""A CSV file, plain or gzipped, read as a stream with its size counted.

The limit counts what comes out of the gzip stream while it is read, so a small file that unpacks into gigabytes stops
at the limit. Whether a file is gzipped is seen from its first bytes, not from its name.
"""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

MAX_BYTES = 200_000_000  # about 3 million quote rows: a month of one liquid chain by the minute
_GZIP_MAGIC = b"\x1f\x8b"
_BUFFER_BYTES = 1 << 17


class UnusableFile(Exception):
    """The file as a whole cannot be imported, and nothing of it was. The message is one line for a person."""


class _CountedStream(io.RawIOBase):
    """Counts the bytes that pass and stops at the limit."""

    def __init__(self, stream: io.BufferedIOBase, name: str, max_bytes: int) -> None:
        self._stream, self._name, self._max_bytes = stream, name, max_bytes
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        read = self._stream.readinto1(buffer)
        self.count += read
        if self.count > self._max_bytes:
            raise UnusableFile(
                f"{self._name} is larger than {self._max_bytes / 1e6:,.0f} MB uncompressed. Split it by date and "
                "import the parts."
            )
        return read


class SourceFile:
    """Header and rows of a CSV file. Use as a context manager."""

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        self.path, self._max_bytes = path, max_bytes
        self._open = ExitStack()
        self.header: list[str] = []

    def __enter__(self) -> Self:
        try:
            if not self.path.is_file():
                raise UnusableFile(f"{self.path} is not a file." if self.path.exists() else f"{self.path} is missing.")
            self._on_disk = self._open.enter_context(self.path.open("rb"))
        except OSError as error:
            raise UnusableFile(f"{self.path} cannot be read: {error.strerror}.") from error
        try:
            self.bytes_total = self.path.stat().st_size
            stream: io.BufferedIOBase = self._on_disk
            if self._on_disk.peek(2)[:2] == _GZIP_MAGIC:
                stream = self._open.enter_context(gzip.GzipFile(fileobj=self._on_disk))
            counted = _CountedStream(stream, self.path.name, self._max_bytes)
            text = io.TextIOWrapper(io.BufferedReader(counted, _BUFFER_BYTES), encoding="utf-8-sig", newline="")
            self._reader = csv.reader(self._open.enter_context(text), strict=True)
            self.header = [name.strip().lower() for name in next(self._guarded(), [])]
            if not any(self.header):
                raise UnusableFile(f"{self.path.name} is empty.")
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open.close()

    @property
    def bytes_read(self) -> int:
        """Bytes of the file on disk consumed so far (compressed ones for gzip)."""
        return self._on_disk.tell()

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Line number (of the row's last line, the header being line 1) and cells. Blank lines are no rows."""
        reader = self._reader
        for cells in self._guarded():
            if cells:
                yield reader.line_num, cells

    def positions_of(self, required: Sequence[str], optional: Sequence[str], aliases: dict[str, str]) -> dict[str, int]:
        """Where each column stands in a row. A missing or doubled column makes the file unusable."""
        names = [aliases.get(name, name) for name in self.header]
        doubled = sorted({name for name in names if names.count(name) > 1 and name in (*required, *optional)})
        if doubled:
            raise UnusableFile(f"{self.path.name} names a column twice: {', '.join(doubled)}.")
        missing = [name for name in required if name not in names]
        if missing:
            found = ", ".join(name[:40] for name in self.header[:20])
            raise UnusableFile(
                f"{self.path.name} lacks the columns {', '.join(missing)}. Its first line must name "
                f"{', '.join(required)}; it reads: {found[:300]!r}."
            )
        return {name: names.index(name) for name in (*required, *optional) if name in names}

    def _guarded(self) -> Iterator[list[str]]:
        """The rows of the CSV reader; whatever breaks the stream becomes one sentence."""
        name = self.path.name
        try:
            yield from self._reader
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise UnusableFile(f"{name} is a damaged or cut-off gzip file. Fetch it again.") from error
        except UnicodeDecodeError as error:
            raise UnusableFile(f"{name} is not a text file in UTF-8 (after line {self._reader.line_num}).") from error
        except csv.Error as error:
            raise UnusableFile(f"{name} is not valid CSV at line {self._reader.line_num}: {error}.") from error
        except OSError as error:
            raise UnusableFile(f"{name} cannot be read: {error.strerror or error}.") from error
