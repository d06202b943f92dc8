"""Tables as files: nothing runs in a spreadsheet, and numbers stay numbers."""

import csv
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from riskengine.services.study.exports import Table, csv_text, json_text

NAMES = ("cell",)


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\nx", " =1", "＝1", "-", "+"])
def test_what_a_spreadsheet_would_run_is_a_text(text: str) -> None:
    read = list(csv.reader(io.StringIO(csv_text(Table(NAMES, [[text]])), newline="")))
    assert read[1] == [f"'{text}"]


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (-12.5, "-12.5"), (Decimal("-12.50"), "-12.50"), ("-12.5", "-12.5"), (0, "0"), (None, ""), (float("nan"), ""),
        (True, "true"), (date(2021, 1, 4), "2021-01-04"), ("plain", "plain"), (1e-7, "1e-07"),
        (datetime(2021, 1, 4, 15, tzinfo=UTC), "2021-01-04T15:00:00+00:00"), (Decimal("1E+3"), "1000"),
    ],
)  # fmt: skip
def test_numbers_stay_numbers_and_what_is_not_known_is_empty(value: object, cell: str) -> None:
    lines = csv_text(Table(NAMES, [{"cell": value}])).split("\r\n")
    assert lines[1] == (cell or '""')


def test_json_has_no_number_that_is_none() -> None:
    table = Table(("a", "b"), [{"a": float("inf"), "b": Decimal("1.10")}, (None, "=x")])
    assert json.loads(json_text(table)) == [{"a": None, "b": "1.10"}, {"a": None, "b": "=x"}]
