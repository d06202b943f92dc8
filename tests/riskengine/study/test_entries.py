"""The entries of a replay: what a line may say, and that one that cannot be read stops everything with its number."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from riskengine.services.study.entries import BadEntries, Entry, read_entries

DAY = date(2021, 1, 4)
HEADER = "at,contract,side,confidence,contracts\n"
CALL, PUT = "SPXW210104C03700000", "SPXW210104P03800000"


def read(folder: Path, *lines: str, header: str = HEADER) -> list[Entry]:
    file = folder / "entries.csv"
    file.write_text(header + "".join(f"{line}\n" for line in lines))
    return read_entries(file, DAY)


@pytest.mark.parametrize(
    "at",
    [
        "2021-01-04 09:40",
        "2021-01-04 09:40:00",
        "2021-01-04T09:40:00",
        "09:40",
        "9:40:00",
        "2021-01-04T09:40:00-05:00",
        "2021-01-04T14:40:00+00:00",
        "2021-01-04T14:40:00Z",
    ],
)
def test_a_time_is_new_york_s_unless_it_says_otherwise(tmp_path: Path, at: str) -> None:
    assert read(tmp_path, f"{at},{CALL},buy,0.7,3")[0].at == datetime(2021, 1, 4, 14, 40, tzinfo=UTC)


@pytest.mark.parametrize("contract", [CALL, "SPXW  210104C03700000", "spxw210104c03700000"])
def test_a_contract_is_read_padded_or_compact(tmp_path: Path, contract: str) -> None:
    assert str(read(tmp_path, f"09:40,{contract},buy,0.7,")[0].symbol) == "SPXW  210104C03700000"


@pytest.mark.parametrize("side", ["", "buy", "BUY", "long", "LONG_CALL", "long call", "call"])
def test_a_call_may_be_bought_under_all_its_names(tmp_path: Path, side: str) -> None:
    assert len(read(tmp_path, f"09:40,{CALL},{side},0.7,")) == 1


def test_no_contracts_means_sized_by_the_rules(tmp_path: Path) -> None:
    sized, given = read(tmp_path, f"09:40,{CALL},buy,0.7,", f"09:41,{CALL},buy,0.7,12")
    assert (sized.contracts, given.contracts) == (None, 12)


def test_confidence_has_six_places_rounded_half_up(tmp_path: Path) -> None:
    assert read(tmp_path, f"09:40,{CALL},buy,0.6999995,")[0].confidence == Decimal("0.700000")


def test_entries_come_by_time_and_within_one_time_as_they_stand(tmp_path: Path) -> None:
    found = read(tmp_path, f"10:00,{CALL},buy,0.7,1", f"09:40,{CALL},buy,0.7,2", f"10:00,{PUT},buy,0.7,3")
    assert [(entry.line, entry.contracts) for entry in found] == [(3, 2), (2, 1), (4, 3)]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (f"09:40,{CALL},sell,0.7,", "never sold short (SHORT_NOT_SUPPORTED)"),
        (f"09:40,{CALL},SHORT_CALL,0.7,", "never sold short (SHORT_NOT_SUPPORTED)"),
        (f"09:40,{CALL},LONG_PUT,0.7,", "side is LONG_PUT, and SPXW210104C03700000 is a call"),
        (f"09:40,{PUT},LONG_CALL,0.7,", "side is LONG_CALL, and SPXW210104P03800000 is a put"),
        (f"09:40,{CALL},hold,0.7,", "side is 'hold'"),
        (f"09:40,{CALL},buy,,", "confidence is missing"),
        (f"09:40,{CALL},buy,70%,", "confidence is '70%'"),
        (f"09:40,{CALL},buy,nan,", "confidence is 'nan'"),
        (f"09:40,{CALL},buy,1.01,", "confidence is '1.01'"),
        (f"09:40,{CALL},buy,-0.1,", "confidence is '-0.1'"),
        (f"09:40,{CALL},buy,0.7,0", "contracts is '0'"),
        (f"09:40,{CALL},buy,0.7,2.5", "contracts is '2.5'"),
        (f"09:40,{CALL},buy,0.7,-1", "contracts is '-1'"),
        (f"09:40,{CALL},buy,0.7,1000001", "contracts is '1000001'"),
        ("09:40,SPX 3700 C,buy,0.7,", "is not an OCC option symbol"),
        (f",{CALL},buy,0.7,", "at is no time"),
        (f"25:00,{CALL},buy,0.7,", "at is no time"),
        (f"2021-01-05 09:40,{CALL},buy,0.7,", "at is 2021-01-05 09:40 in New York, and the replay is of 2021-01-04"),
        (f"2021-01-05T01:00:00+00:00,{CALL},buy", "3 cells, the header has 5"),
    ],
)
def test_a_line_that_cannot_be_read_stops_everything_with_its_number(tmp_path: Path, line: str, says: str) -> None:
    with pytest.raises(BadEntries, match="line 3: ") as refused:
        read(tmp_path, f"09:40,{CALL},buy,0.7,", line)
    assert says in str(refused.value)
    assert "line 2" not in str(refused.value)


def test_an_evening_in_utc_is_still_the_day_in_new_york(tmp_path: Path) -> None:
    assert read(tmp_path, f"2021-01-05T00:30:00+00:00,{CALL},buy,0.7,")[0].at == datetime(2021, 1, 5, 0, 30, tzinfo=UTC)


def test_the_first_of_many_bad_lines_are_named_and_the_rest_counted(tmp_path: Path) -> None:
    with pytest.raises(BadEntries) as refused:
        read(tmp_path, *[f"09:40,{CALL},buy,2,"] * 7)
    assert "line 6" in str(refused.value)
    assert "line 7" not in str(refused.value)
    assert "And 2 more." in str(refused.value)


def test_a_file_without_entries_or_columns_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadEntries, match="a header and no entries"):
        read(tmp_path)
    with pytest.raises(BadEntries, match="lacks the columns contract"):
        read(tmp_path, "09:40,0.7", header="at,confidence\n")
    with pytest.raises(BadEntries, match="is missing"):
        read_entries(tmp_path / "none.csv", DAY)


def test_side_and_contracts_may_be_left_out_as_columns(tmp_path: Path) -> None:
    found = read(tmp_path, f"0.7,{CALL},09:40", header="confidence,contract,at\n")
    assert (found[0].contracts, found[0].confidence) == (None, Decimal("0.7"))
