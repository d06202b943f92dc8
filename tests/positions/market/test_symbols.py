"""OCC symbols are read in both forms and written padded."""

from datetime import date
from decimal import Decimal
from string import ascii_uppercase, digits

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from positions.market.symbols import OptionSymbol, option_symbol, parse

option_symbols = st.builds(
    OptionSymbol,
    root=st.builds(str.__add__, st.sampled_from(ascii_uppercase), st.text(ascii_uppercase + digits, max_size=5)),
    expires_on=st.dates(date(2000, 1, 1), date(2099, 12, 31)),
    right=st.sampled_from("CP"),
    strike=st.integers(1, 99_999_999).map(lambda thousandths: Decimal(thousandths) / 1000),
)


@settings(deadline=None)
@given(option_symbols)
def test_what_is_written_is_read_back(symbol: OptionSymbol) -> None:
    assert len(str(symbol)) == 21
    assert parse(str(symbol)) == symbol
    assert parse(symbol.compact) == symbol
    assert parse(symbol.compact.lower()) == symbol


def test_a_symbol_in_its_parts() -> None:
    assert parse("SPXW  210104P03800000") == OptionSymbol("SPXW", date(2021, 1, 4), "P", Decimal(3800))
    assert parse("goog151231c00752500").strike == Decimal("752.5")
    assert option_symbol("goog", date(2015, 12, 31), "C", "752.5") == "GOOG  151231C00752500"


def test_an_adjusted_root_ends_in_a_digit() -> None:
    assert parse("AAPL7140613C00490000").root == "AAPL7"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not an OCC option symbol"),
        ("SPXW", "not an OCC option symbol"),
        ("SPXW  210104X03800000", "not an OCC option symbol"),
        ("SPXW  210104C3800", "not an OCC option symbol"),
        ("TOOLONG210104C03800000", "not an OCC option symbol"),
        ("1SPX  210104C03800000", "not an OCC option symbol"),
        ("SPXW  211304C03800000", "211304 is not a date"),
        ("SPXW  210230C03800000", "210230 is not a date"),
        ("SPXW  210104C00000000", "strike 0"),
        ("SPXW  ٢١٠١٠٤C03800000", "not an OCC option symbol"),
    ],
)
def test_anything_else_is_refused_with_a_sentence(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse(text)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"strike": "100000"}, "at most 99999.999"),
        ({"strike": "0.0001"}, "three decimals"),
        ({"strike": "NaN"}, "above 0"),
        ({"strike": "many"}, "not a number"),
        ({"right": "X"}, "C .call. or P .put."),
        ({"expires_on": date(1999, 12, 31)}, "2000 to 2099"),
        ({"root": "SPX W"}, "root"),
    ],
)
def test_parts_that_make_no_symbol_are_refused(changes: dict, says: str) -> None:
    parts = {"root": "SPXW", "expires_on": date(2021, 1, 4), "right": "C", "strike": "3800"} | changes
    with pytest.raises(ValueError, match=says):
        option_symbol(**parts)
