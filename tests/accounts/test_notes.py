"""What the owner is told follows from the numbers, not from a text."""

from decimal import Decimal

import pytest

from accounts.defaults import LADDERS, MAG7_7DTE, PARAMETERS, SMART_0DTE
from accounts.notes import notes_on

STEPS = {ladder.name: ladder.steps for ladder in LADDERS.values()}


def told(system: str, **changes) -> dict[str, str]:
    numbers = {p.name: p.default(system) for p in PARAMETERS.values()} | changes
    return {note.source: note.text for note in notes_on(system, numbers, STEPS)}


def test_the_defaults_of_0dte_bring_every_note():
    assert told(SMART_0DTE).keys() == {"B-04", "B-06", "B-07", "B-08", "SPEC, section 8"}


def test_notes_of_0dte_do_not_appear_for_7dte():
    notes = told(MAG7_7DTE)
    assert notes.keys() == {"B-04", "B-08", "SPEC, section 8"}
    assert "0.3 of one minimum bet of 33.0%" in notes["B-08"]
    assert "66.0% of the account" in notes["SPEC, section 8"]


@pytest.mark.parametrize(
    ("source", "changes"),
    [
        ("B-04", {"below_minimum_policy": "refuse"}),
        ("B-06", {"max_total_positions": Decimal(4)}),
        ("B-07", {"max_positions_per_symbol": Decimal(1)}),
    ],
)
def test_a_note_goes_when_its_cause_goes(source, changes):
    assert source not in told(SMART_0DTE, **changes)


def test_the_numbers_in_a_note_are_the_profile_s():
    assert "7 positions of 20.0% would be 140.0%" in told(SMART_0DTE, max_total_positions=7)["B-06"]
