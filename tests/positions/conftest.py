"""Files to import."""

import csv
import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from positions.services.imports.run import ImportReport

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(*lines: str, name: str = "file.csv") -> Path:
        path = tmp_path / name
        text = "".join(f"{line}\n" for line in lines).encode()
        path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
        return path

    return write


def rejects(path: Path) -> list[tuple[int, str]]:
    with path.with_name(f"{path.name}.rejects.csv").open(newline="") as file:
        return [(int(row["line"]), row["reason"]) for row in csv.DictReader(file)]


def counts(report: ImportReport) -> tuple[int, int, int, int]:
    return report.new, report.changed, report.known, report.rejected
