"""The guide says the product's own numbers, and shows pictures that there are."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from accounts.defaults import LADDERS, PARAMETERS, SYSTEMS
from accounts.selectors import describe_ladder
from accounts.wording import show
from positions.brokers import ladder
from positions.models import OrderIntent
from positions.services.journal import MOST_TAGS
from positions.services.orders import PACES
from riskengine.calculators import large
from riskengine.services.watch import alerts, delivery, watchdog

ROOT = Path(__file__).resolve().parent.parent.parent
GUIDE = ROOT / "docs/guide"
PAGES = ("sizing", "exits", "breakers", "alerts", "overnight", "confidence")
FEWEST = {"sizing": 25, "exits": 15, "breakers": 15, "alerts": 3, "overnight": 2, "confidence": 12}


def text_of(page: str) -> str:
    return (GUIDE / f"{page}.md").read_text()


def defaults_told(page: str) -> list[tuple[str, str]]:
    """Name and number of each default: **20% / 33%** (`min_position_size`)."""
    return [(name, told) for told, name in re.findall(r"\*\*([^*]+)\*\* \(`(\w+)`\)", text_of(page))]


def default(name: str) -> str:
    """As the guide writes it: 20%, not 20.0%; one number where both systems share it."""
    if name in LADDERS:
        words = describe_ladder(LADDERS[name], LADDERS[name].steps)
    else:
        parameter = PARAMETERS[name]
        both = dict.fromkeys(show(parameter.default(system), parameter.unit) for system in SYSTEMS)
        words = " / ".join(both)
    return words.replace(".0%", "%")


@pytest.mark.parametrize("page", PAGES)
def test_every_default_told_is_the_default(page):
    told = defaults_told(page)
    assert len(told) >= FEWEST[page]
    assert told == [(name, default(name)) for name, _ in told]


@pytest.mark.parametrize("page", PAGES)
def test_no_name_is_told_that_there_is_not(page):
    named = {name for _, name in re.findall(r"(\*\*) \(`(\w+)`\)", text_of(page))}
    assert named <= PARAMETERS.keys() | LADDERS.keys()


def test_the_example_of_sizing_is_what_the_numbers_make():
    """$60,000 at VIX 23, confidence 0.75 and an ask of 34.60."""
    minimum = 60_000 * 20 // 100
    size, contract = minimum * 1.25 * 0.9, 3_460
    assert size == 13_500
    assert size // contract * contract < minimum
    assert -(-minimum // contract) == 4
    page = text_of("sizing")
    assert "four, $13,840, 23.1% of the account" in page
    assert round(4 * contract / 60_000 * 100, 1) == 23.1


def test_large_positions_are_told_of_as_they_are_judged():
    page = text_of("alerts")
    first, second, last = (f"{share:.0%}" for share in large.LOSSES)
    longer, shorter = large.MINUTES_LEFT
    for told in (
        f"lost {first}, {second} or {last} of its premium",
        f"{large.STOP_WAY:.0%} of the way to its stop",
        f"spread is over {large.MAX_SPREAD:.0%}",
        f"in {longer:.0f} or {shorter:.0f} minutes",
        f"more than {large.MOST_EQUITIES:.0f} times the equity",
    ):
        assert told in page
    assert float(PARAMETERS["large_bet_multiple"].default(SYSTEMS[0])) == large.LARGE_BETS


def test_what_is_told_again_and_given_up_is_told_right():
    page = " ".join(text_of("alerts").split())
    first, second = (wait // timedelta(minutes=1) for wait in alerts.ESCALATE_AFTER)
    assert f"after {first} and after {second} minutes" in page
    tries, within = len(delivery.RETRY_AFTER) + 1, sum(delivery.RETRY_AFTER, timedelta())
    assert within <= timedelta(hours=1)
    assert f"after {tries} tries within an hour" in page
    assert page.count(f"{watchdog.STALE_AFTER.seconds} s") == 2


@pytest.mark.parametrize("page", [*PAGES, "README"])
def test_every_picture_and_page_it_leads_to_is_there(page):
    leads = re.findall(r"\]\(([^)]+)\)", text_of(page))
    assert leads
    assert [lead for lead in leads if not (GUIDE / lead).exists()] == []


def test_no_picture_is_kept_that_no_page_shows_and_none_is_heavy():
    told = [ROOT / "README.md", *(ROOT / "docs").glob("**/*.md")]
    shown = {name for file in told for name in re.findall(r"images/([\w.-]+)", file.read_text())}
    kept = {file.name: file.stat().st_size for file in (ROOT / "docs/images").iterdir()}
    assert kept.keys() == shown
    assert {name: size for name, size in kept.items() if size > 150_000} == {}


def test_what_is_done_by_hand_is_told_as_it_is_done():
    page, pace = text_of("exits"), ladder.PRESETS[PACES[OrderIntent.MANUAL_REDUCE]]
    for told in (
        f"{pace.steps} steps of {pace.lasts.seconds} s",
        f"less {ladder.WORST_MOVE:.0%} of the mid",
        f"Up to {MOST_TAGS} tags",
        f"re-priced every {ladder.REPRICE_AFTER.seconds} s",
    ):
        assert told in page, told
