"""`manage.py import_signals`: rows through the same door as what is sent, bad ones listed, a repeat changes nothing."""

import csv
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.core.management.base import CommandError

from riskengine.models import Signal, SignalSource, SourceKind
from riskengine.services.signals import csv_rows
from riskengine.services.signals.choosing import run_signals
from tests.riskengine import market
from tests.riskengine.entering import checked
from tests.riskengine.market import Bet
from tests.riskengine.signals.sending import source

pytestmark = pytest.mark.django_db

HEADER = "id,symbol,direction,confidence,as_of,expires_at,contract,note"
GOOD = "1,SPX,LONG_CALL,0.72,2021-01-04 10:42:05,2021-01-04 10:55,SPXW210104C03700000,Breadth turned."


@pytest.fixture
def bet() -> Iterator[Bet]:
    found = checked(market.zero_dte())
    source(found, SourceKind.CSV, slug="nightly")
    with time_machine.travel(found.wall(), tick=False):
        yield found


def run(folder: Path, *rows: str, header: str = HEADER, of: str = "nightly", **options: Any) -> str:
    file, out = folder / "signals.csv", StringIO()
    file.write_text("\n".join((header, *rows)) + "\n")
    call_command("import_signals", str(file), source=of, stdout=out, **options)
    return out.getvalue()


def rejects(folder: Path) -> list[str]:
    with (folder / "signals.csv.rejects.csv").open(newline="") as file:
        return [row["reason"] for row in csv.DictReader(file)]


def test_rows_are_signals_and_a_second_run_changes_nothing(bet: Bet, tmp_path: Path) -> None:
    rows = (GOOD, "2,spx,long_put,0.66,2021-01-04T15:42:06+00:00,,,")
    assert "2 signals read: 2 new" in run(tmp_path, *rows)
    assert "0 new, 2 already known" in run(tmp_path, *rows)
    first, second = Signal.objects.order_by("id")
    assert (first.as_of.isoformat(), first.expires_at.isoformat()) == (
        "2021-01-04T15:42:05+00:00", "2021-01-04T15:55:00+00:00",
    )  # fmt: skip
    assert (first.contract, first.note, str(first.confidence)) == (bet.contract, "Breadth turned.", "0.720000")
    assert (second.underlying.symbol, second.direction, second.contract) == ("SPX", "LONG_PUT", None)
    assert (second.expires_at - second.as_of).total_seconds() == 15 * 60
    assert run_signals(now=bet.wall()).states["accepted"] == 1
    assert not (tmp_path / "signals.csv.rejects.csv").exists()


def test_only_what_must_be_there_must_be_there(bet: Bet, tmp_path: Path) -> None:
    run(tmp_path, "1,SPX,LONG_CALL,0.72,2021-01-04 10:42:05", header="id,symbol,direction,confidence,as_of")
    assert Signal.objects.get().contract is None
    with pytest.raises(CommandError, match="lacks the columns as_of"):
        run(tmp_path, "1,SPX,LONG_CALL,0.72", header="id,symbol,direction,confidence")


def test_bad_rows_are_listed_with_their_reason_and_the_others_taken(bet: Bet, tmp_path: Path) -> None:
    said = run(
        tmp_path,
        GOOD,
        GOOD,
        "2,NONE,LONG_CALL,0.7,2021-01-04 10:42:05,,,",
        "3,SPX,sell,0.7,2021-01-04 10:42:05,,,",
        "4,SPX,LONG_CALL,1.2,2021-01-04 10:42:05,,,",
        "5,SPX,LONG_CALL,0.7,2021-01-04 09:42:05,,,",
        "6,SPX,LONG_CALL,0.7,2021-01-04 10:52:05,,,",
        "7,SPX,LONG_CALL,0.7,,,,",
        "8,SPX,LONG_CALL,0.7,yesterday,,,",
        "9,SPX,LONG_CALL,0.7,2021-01-04 10:42:05,,SPXW210104P03700000,",
        ",SPX,LONG_CALL,0.7,2021-01-04 10:42:05,,,",
    )
    assert "11 signals read: 1 new, 0 already known" in said
    assert "10 rejected" in said
    assert [reason.partition(":")[0] for reason in rejects(tmp_path)] == [
        "the same key stands in an earlier row",
        "symbol",
        "direction",
        "confidence is over 1",
        "expires_at",
        "as_of",
        "as_of is missing",
        "as_of is not a time (YYYY-MM-DD HH",
        "contract",
        "id is missing",
    ]
    assert "nothing is sold short here" in rejects(tmp_path)[2]
    assert Signal.objects.count() == 1


def test_a_row_that_says_something_else_under_its_number_is_rejected(bet: Bet, tmp_path: Path) -> None:
    run(tmp_path, GOOD)
    with pytest.raises(CommandError, match="1 rejected"):
        run(tmp_path, GOOD.replace("0.72", "0.90"))
    assert str(Signal.objects.get().confidence) == "0.720000"


def test_a_file_that_fails_takes_nothing(bet: Bet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_rows, "MOST_ROWS", 2)
    with pytest.raises(CommandError, match="more than 2 signals"):
        run(tmp_path, *[GOOD.replace("1,", f"{number},", 1) for number in range(3)])
    assert not Signal.objects.exists()


@pytest.mark.parametrize("slug", ["nobody", "by-api"])
def test_a_source_that_is_none_is_named(bet: Bet, tmp_path: Path, slug: str) -> None:
    source(bet, slug="by-api")
    with pytest.raises(CommandError, match=f"no CSV source '{slug}'. Known: nightly"):
        run(tmp_path, GOOD, of=slug)


def test_a_source_that_is_switched_off_takes_nothing(bet: Bet, tmp_path: Path) -> None:
    SignalSource.objects.update(enabled=False)
    with pytest.raises(CommandError, match="switched off"):
        run(tmp_path, GOOD)
