"""What is listed under each root."""

from datetime import date, time

import pytest

from positions.market.calendar import Calendar, Override
from positions.market.contracts import MAG7, TICK_TABLES, contract_class
from positions.models import ExerciseStyle, Settlement, TickClass

HALF_DAY = date(2015, 12, 24)


@pytest.fixture
def calendar() -> Calendar:
    days = [date(2015, 12, 22), date(2015, 12, 23), HALF_DAY, date(2015, 12, 28)]
    hours = [Override(day, time(9, 30), time(13 if day == HALF_DAY else 16), "") for day in days]
    return Calendar([row.session() for row in hours])


@pytest.mark.parametrize(
    ("root", "underlying", "settlement", "style", "index_sized"),
    [
        ("SPXW", "SPX", "pm_cash", "european", True),
        ("SPX", "SPX", "am_cash", "european", True),
        ("XSP", "XSP", "pm_cash", "european", False),
        ("SPY", "SPY", "pm_physical", "american", False),
        *((root, root, "pm_physical", "american", False) for root in MAG7),
    ],
)
def test_facts_by_root(root: str, underlying: str, settlement: str, style: str, index_sized: bool) -> None:
    facts = contract_class(root.lower())
    assert (facts.underlying, facts.settlement, facts.exercise_style) == (underlying, settlement, style)
    assert (facts.multiplier, facts.is_adjusted, facts.index_sized) == (100, False, index_sized)


def test_a_digit_at_the_end_is_an_adjusted_contract() -> None:
    facts = contract_class("AAPL7")
    assert facts.is_adjusted
    assert (facts.root, facts.underlying, facts.tick_class) == ("AAPL7", "AAPL", "penny")


def test_an_unlisted_root_is_an_ordinary_stock_option() -> None:
    facts = contract_class("ACME")
    assert (facts.settlement, facts.exercise_style, facts.tick_class) == ("pm_physical", "american", "standard")


def test_the_words_are_those_of_the_database() -> None:
    assert set(TICK_TABLES) == set(TickClass.values)
    for root in ("SPXW", "SPX", "XSP", "SPY", "AAPL", "GOOG", "ACME"):
        facts = contract_class(root)
        assert facts.settlement in Settlement.values
        assert facts.exercise_style in ExerciseStyle.values
