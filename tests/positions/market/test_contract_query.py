"""What people type to find an option."""

from datetime import date

import pytest

from positions.market.contract_query import ContractQuery, next_on, parse_contract_query
from positions.market.symbols import parse


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("", ContractQuery()),
        ("SPXW 3800 C", ContractQuery(root="SPXW", strike="3800", right="C")),
        ("goog 750", ContractQuery(root="GOOG", strike="750")),
        ("goog 752.5p", ContractQuery(root="GOOG", strike="752.5", right="P")),
        ("goog put 7dte $750", ContractQuery(root="GOOG", strike="750", right="P", days=7)),
        ("spxw, 0dte, calls", ContractQuery(root="SPXW", right="C", days=0)),
        ("spxw 2021-01-04", ContractQuery(root="SPXW", expires_on=date(2021, 1, 4))),
        ("3800 p", ContractQuery(strike="3800", right="P")),
        ("c 50 c", ContractQuery(root="C", strike="50", right="C")),
        ("puts", ContractQuery(right="P")),
        ("goog 2 dec 750 c", ContractQuery(root="GOOG", strike="750", right="C", month_day=(12, 2))),
        ("goog dec 2 750", ContractQuery(root="GOOG", strike="750", month_day=(12, 2))),
        ("4jan 3800", ContractQuery(strike="3800", month_day=(1, 4))),
        ("goog september 17 puts", ContractQuery(root="GOOG", right="P", month_day=(9, 17))),
        ("mar 25 c", ContractQuery(root="MAR", strike="25", right="C")),
        ("spxw210104p03800000", ContractQuery(symbol=parse("SPXW  210104P03800000"))),
    ],
)
def test_words_in_any_order_after_the_root(text: str, query: ContractQuery) -> None:
    assert parse_contract_query(text) == query


@pytest.mark.parametrize("text", ["spxw tomorrow", "spxw 2021-13-04", "goog ; drop table", "3800 goog"])
def test_a_word_that_is_not_understood_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not understood.*SPXW 3800 C"):
        parse_contract_query(text)


def test_a_day_that_no_year_has_is_named() -> None:
    with pytest.raises(ValueError, match="“31 jun” is no day of a year"):
        parse_contract_query("goog 31 jun")


@pytest.mark.parametrize(
    ("month_day", "today", "expected"),
    [
        ((1, 4), date(2021, 1, 4), date(2021, 1, 4)),
        ((1, 3), date(2021, 1, 4), date(2022, 1, 3)),
        ((2, 29), date(2023, 5, 1), date(2024, 2, 29)),
        ((2, 29), date(2021, 1, 4), None),
    ],
)
def test_a_day_of_the_year_is_the_next_one(month_day: tuple[int, int], today: date, expected: date | None) -> None:
    assert next_on(month_day, today) == expected
