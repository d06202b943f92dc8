"""Importing files: what is kept, what is rejected and why, and that a file is imported whole or not at all."""

import csv
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from positions.models import Instrument, OptionContract, OptionQuote
from positions.services.imports import run
from positions.services.imports.options import Quotes
from positions.services.imports.run import ImportReport, import_file
from positions.services.imports.source_file import UnusableFile
from positions.services.spreadsheet import harmless
from tests.positions.conftest import Write, counts, rejects

pytestmark = pytest.mark.django_db

QUOTE_HEADER = "ts,underlying,style,expiry,dte,right,strike,bid,bid_size,ask,ask_size"
QUOTE = "2021-01-04 09:35:00,spxw,european,2021-01-04,0,P,3800.0,43.2,16,44.4,16"


def import_quotes(path: Path, **changes: object) -> ImportReport:
    return import_file(Quotes(), path, **{"source": "test", **changes})


# ---- What is kept ----


@pytest.mark.parametrize("name", ["quotes.csv", "quotes.csv.gz"])
def test_a_quote_is_known_at_the_end_of_its_bar(write: Write, name: str) -> None:
    assert counts(import_quotes(write(QUOTE_HEADER, QUOTE, name=name))) == (1, 0, 0, 0)
    quote = OptionQuote.objects.select_related("contract__underlying").get()
    known = datetime(2021, 1, 4, 14, 36, tzinfo=UTC)
    assert (quote.quoted_at, quote.changed_at, quote.confirmed_at, quote.source) == (known, known, known, "test")
    assert (quote.bid, quote.bid_size, quote.ask, quote.ask_size) == (Decimal("43.2"), 16, Decimal("44.4"), 16)
    contract = quote.contract
    assert contract.occ_symbol == "SPXW  210104P03800000"
    assert contract.underlying.symbol == "SPX"
    assert (contract.settlement, contract.exercise_style, contract.tick_class, contract.multiplier) == (
        "pm_cash", "european", "nickel_dime", 100,
    )  # fmt: skip


def test_an_hourly_bar_is_known_an_hour_after_its_start(write: Write) -> None:
    import_file(Quotes(bar_minutes=60), write(QUOTE_HEADER, QUOTE), source="test")
    assert OptionQuote.objects.get().quoted_at == datetime(2021, 1, 4, 15, 35, tzinfo=UTC)


def test_summer_times_are_four_hours_behind_utc(write: Write) -> None:
    row = QUOTE.replace("2021-01-04", "2021-07-06")
    import_quotes(write(QUOTE_HEADER, row))
    assert OptionQuote.objects.get().quoted_at == datetime(2021, 7, 6, 13, 36, tzinfo=UTC)


@pytest.mark.parametrize(
    ("sides", "bid", "ask"),
    [
        ("44.9,16,44.4,16", "44.9", "44.4"),  # crossed
        ("44.4,16,44.4,16", "44.4", "44.4"),  # locked
        (",0,44.4,16", None, "44.4"),
        ("43.2,16,,0", "43.2", None),
        (",0,,0", None, None),
        (",,,", None, None),
        ("0,0,0.05,900", "0", "0.05"),
        ("19.6,1,76.8,1", "19.6", "76.8"),
    ],
)
def test_crossed_and_one_sided_quotes_are_facts(write: Write, sides: str, bid: str | None, ask: str | None) -> None:
    row = QUOTE.replace("43.2,16,44.4,16", sides)
    assert counts(import_quotes(write(QUOTE_HEADER, row))) == (1, 0, 0, 0)
    quote = OptionQuote.objects.get()
    assert (quote.bid, quote.ask) == tuple(None if text is None else Decimal(text) for text in (bid, ask))


def test_columns_may_stand_in_any_order_and_others_are_ignored(write: Write) -> None:
    columns = QUOTE_HEADER.split(",")
    row = dict(zip(columns, QUOTE.split(","), strict=True)) | {"note": "x"}
    names = [name.upper() for name in sorted(row) if name != "dte"]
    path = write("\ufeff" + ",".join(names), ",".join(row[name.lower()] for name in names))
    assert counts(import_quotes(path)) == (1, 0, 0, 0)
    assert OptionQuote.objects.get().bid == Decimal("43.2")


def test_one_contract_however_its_strike_is_written(write: Write) -> None:
    later = QUOTE.replace("09:35", "09:36").replace("3800.0", "3800")
    import_quotes(write(QUOTE_HEADER, QUOTE, later))
    assert OptionContract.objects.count() == 1
    assert OptionQuote.objects.count() == 2


# ---- Twice ----


def test_a_second_run_changes_nothing(write: Write) -> None:
    path = write(QUOTE_HEADER, QUOTE, QUOTE.replace("09:35", "09:36"))
    import_quotes(path)
    before = list(OptionQuote.objects.order_by("id").values()), list(OptionContract.objects.values())
    report = import_quotes(path)
    assert counts(report) == (0, 0, 2, 0)
    assert report.summary == "2 quotes read: 0 new, 2 already known, 0 rejected."
    assert (list(OptionQuote.objects.order_by("id").values()), list(OptionContract.objects.values())) == before


def test_a_corrected_row_is_updated_and_counted(write: Write) -> None:
    import_quotes(write(QUOTE_HEADER, QUOTE, QUOTE.replace("09:35", "09:36")))
    report = import_quotes(write(QUOTE_HEADER, QUOTE.replace("43.2", "43.1")))
    assert counts(report) == (0, 1, 0, 0)
    assert OptionQuote.objects.order_by("quoted_at").first().bid == Decimal("43.1")


def test_two_sources_stand_side_by_side(write: Write) -> None:
    path = write(QUOTE_HEADER, QUOTE)
    import_quotes(path)
    assert counts(import_quotes(path, source="another")) == (1, 0, 0, 0)


# ---- What is rejected ----


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("43.2,16", "-43.2,16", "bid is negative: -43.2"),
        ("43.2,16", "NaN,16", "bid is NaN, not a finite number"),
        ("43.2,16", "inf,16", "bid is inf, not a finite number"),
        ("43.2,16", "n/a,16", "bid is not a number: 'n/a'"),
        ("43.2,16", "4e1,16", "bid is not a number: '4e1'"),
        ("43.2,16", "٤٣,16", "bid is not a number"),
        ("43.2,16", "43.20001,16", "bid is finer than 0.0001"),
        ("43.2,16", "43200000,16", "bid is over 1,000,000"),
        ("43.2,16", "43.2,-16", "bid_size is negative: -16"),
        ("43.2,16", "43.2,1.5", "bid_size is not a whole number"),
        ("43.2,16", ",16", "bid is missing but bid_size is 16"),
        ("44.4,16", "44.4,99999999999", "ask_size is over 2,147,483,647"),
        (",P,", ",X,", "right is neither C nor P: 'X'"),
        (",P,", ",,", "right is neither C nor P: ''"),
        ("3800.0", "0", "The strike 0 must be above 0"),
        ("3800.0", "-1", "strike is negative"),
        ("3800.0", "high", "strike is not a number"),
        ("european", "asian", "style is neither american nor european: 'asian'"),
        ("european", "american", "style contradicts the class: SPXW options are european"),
        ("spxw", "enron", "unknown symbol: 'ENRON' is no instrument"),
        ("spxw", "", "no symbol"),
        ("2021-01-04,0", "2021-01-01,0", "expiry 2021-01-01 is before the row's date 2021-01-04"),
        ("2021-01-04,0", "2021-02-30,57", "expiry is no date of the calendar: 2021-02-30"),
        ("2021-01-04,0", "04/01/2021,0", "expiry is not a date (YYYY-MM-DD): '04/01/2021'"),
        ("2021-01-04,0", "2021-01-04,3", "dte says 3, expiry and ts say 0"),
        ("2021-01-04 09:35:00", "2021-01-04 25:35:00", "ts is no time of that day in New York"),
        ("2021-01-04 09:35:00", "2021-01-04", "ts is not a time"),
        ("2021-01-04 09:35:00", "", "ts is missing"),
        ("2021-01-04 09:35:00", "1021-01-04 09:35:00", "ts lies outside 1980 to 2099"),
        (",16,44.4,16", "", "the row has 8 cells, the header 11"),
        ("44.4,16", "44.4,16,17", "the row has 12 cells, the header 11"),
        ("44.4,16", "44.4,16\t", "ask_size is not a number"),
    ],
)
def test_a_row_that_cannot_be_true_is_rejected_with_line_and_reason(
    write: Write, old: str, new: str, reason: str
) -> None:
    bad = QUOTE.replace(old, new, 1)
    assert bad != QUOTE
    path = write(QUOTE_HEADER, QUOTE.replace("09:35", "09:34"), bad, QUOTE)
    report = import_quotes(path)
    assert counts(report) == (2, 0, 0, 1)
    [(line, said)] = rejects(path)
    assert line == 3
    assert said.startswith(reason)
    assert OptionQuote.objects.count() == 2


def test_the_skipped_hour_of_a_clock_change_is_rejected(write: Write) -> None:
    path = write(QUOTE_HEADER, QUOTE, QUOTE.replace("2021-01-04 09:35", "2021-03-14 02:10").replace("04,0", "15,1"))
    import_quotes(path)
    assert rejects(path)[0][1].startswith("ts is no time of that day in New York")


def test_the_second_of_two_rows_with_one_key_is_rejected(write: Write) -> None:
    path = write(QUOTE_HEADER, QUOTE, QUOTE.replace("43.2", "43.1"), QUOTE.replace("3800.0", "3800"))
    assert counts(import_quotes(path)) == (1, 0, 0, 2)
    assert rejects(path) == [(line, "the same key stands in an earlier row") for line in (3, 4)]
    assert OptionQuote.objects.get().bid == Decimal("43.2")


def test_the_rejects_file_holds_the_row_as_it_came(write: Write, tmp_path: Path) -> None:
    bad = QUOTE.replace("43.2", "-1")
    chosen = tmp_path / "elsewhere" / "bad.csv"
    chosen.parent.mkdir()
    report = import_quotes(write(QUOTE_HEADER, "", bad, QUOTE), rejects_path=chosen)
    assert report.rejects_path == chosen
    assert chosen.read_text() == f"line,reason,{QUOTE_HEADER}\n3,bid is negative: -1,{bad}\n"
    assert "1 rejected: bid is negative (1). See" in report.summary


def test_the_rejects_file_runs_nothing_in_a_spreadsheet(write: Write, tmp_path: Path) -> None:
    for_sheets = [harmless(cell) for cell in ("=1+1", "@SUM(A1)", "+cmd", " -x", "-1", "+1.5e3", "2021-01-04", "")]
    assert for_sheets == ["'=1+1", "'@SUM(A1)", "'+cmd", "' -x", "-1", "+1.5e3", "2021-01-04", ""]
    path = write(QUOTE_HEADER, QUOTE.replace("43.2", "=1+1"))
    import_quotes(path)
    with path.with_name(f"{path.name}.rejects.csv").open(newline="") as file:
        assert "'=1+1" in list(csv.reader(file))[1]


def test_a_clean_run_removes_the_rejects_of_an_earlier_one(write: Write, tmp_path: Path) -> None:
    import_quotes(write(QUOTE_HEADER, QUOTE, QUOTE.replace("43.2", "-1")))
    assert (tmp_path / "file.csv.rejects.csv").exists()
    import_quotes(write(QUOTE_HEADER, QUOTE))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.csv"]


def test_a_rejects_file_that_cannot_be_written_stops_the_import(write: Write, tmp_path: Path) -> None:
    path = write(QUOTE_HEADER, QUOTE, QUOTE.replace("43.2", "-1"))
    with pytest.raises(UnusableFile, match="Choose another place with --rejects"):
        import_quotes(path, rejects_path=tmp_path / "no such folder" / "bad.csv")
    assert not OptionQuote.objects.exists()


# ---- Files that cannot be used at all ----


def unusable(path: Path, match: str, **changes: object) -> None:
    with pytest.raises(UnusableFile, match=match):
        import_quotes(path, **changes)
    assert not OptionQuote.objects.exists()
    assert not OptionContract.objects.exists()
    assert [file.name for file in path.parent.iterdir() if "rejects" in file.name] == []


def test_a_header_without_its_columns_is_named(write: Write) -> None:
    unusable(write(QUOTE_HEADER.replace("bid,", "price,"), QUOTE), "lacks the columns bid. Its first line must name")


def test_a_column_named_twice_is_refused(write: Write) -> None:
    unusable(write(QUOTE_HEADER.replace("dte", "bid"), QUOTE), "names a column twice: bid")


@pytest.mark.parametrize(("lines", "says"), [((), "is empty"), (("",), "is empty"), ((QUOTE_HEADER,), "no rows")])
def test_an_empty_file_is_refused(write: Write, lines: tuple[str, ...], says: str) -> None:
    unusable(write(*lines), says)


def test_what_is_no_csv_is_refused(tmp_path: Path) -> None:
    picture = tmp_path / "quotes.csv"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\xff\xfe")
    unusable(picture, "not a text file in UTF-8")


def test_a_gzip_file_cut_short_leaves_nothing(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "BATCH_ROWS", 10)
    rows = [QUOTE.replace("09:35", f"{9 + n // 60:02}:{n % 60:02}").replace("43.2", f"{n}.05") for n in range(420)]
    path = write(QUOTE_HEADER, *rows, QUOTE.replace("43.2", "-1"), name="quotes.csv.gz")
    path.write_bytes(path.read_bytes()[:-100])
    unusable(path, "damaged or cut-off gzip")


def test_a_damaged_gzip_file_leaves_nothing(write: Write) -> None:
    path = write(QUOTE_HEADER, *(QUOTE.replace("43.2", f"{n}.05") for n in range(500)), name="quotes.csv.gz")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    unusable(path, "damaged or cut-off gzip")


def test_a_quoted_field_that_never_ends_is_refused(write: Write) -> None:
    unusable(write(QUOTE_HEADER, QUOTE, f'"{QUOTE}', QUOTE), "not valid CSV")


def test_a_small_file_that_unpacks_into_much_stops_at_the_limit(write: Write) -> None:
    path = write(QUOTE_HEADER, *[QUOTE] * 20_000, name="bomb.csv.gz")
    assert path.stat().st_size < 20_000
    unusable(path, "larger than 1 MB uncompressed", max_bytes=1_000_000)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    unusable(tmp_path / "none.csv", "none.csv is missing")
    folder = tmp_path / "folder"
    folder.mkdir()
    unusable(folder, "is not a file")


def test_an_interrupted_import_leaves_nothing(write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(run, "BATCH_ROWS", 1)

    def interrupt(_read: int, _total: int, rows: int) -> None:
        if rows == 2:
            raise KeyboardInterrupt

    path = write(QUOTE_HEADER, QUOTE.replace("43.2", "-1"), QUOTE, QUOTE.replace("09:35", "09:36"))
    with pytest.raises(KeyboardInterrupt):
        import_quotes(path, progress=interrupt)
    assert not OptionQuote.objects.exists()
    assert not Instrument.objects.exists()
    assert [file.name for file in tmp_path.iterdir()] == ["file.csv"]


def test_progress_reaches_the_end(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "BATCH_ROWS", 2)
    seen: list[tuple[int, int, int]] = []
    path = write(QUOTE_HEADER, *(QUOTE.replace("09:35", f"09:3{n}") for n in range(5)), name="quotes.csv.gz")
    import_quotes(path, progress=lambda *step: seen.append(step))
    size = path.stat().st_size
    assert [rows for _, _, rows in seen] == [2, 4, 5]
    assert all(0 < read <= total == size for read, total, _ in seen)
    assert seen[-1][:2] == (size, size)
