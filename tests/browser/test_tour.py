"""The tour of the desk: shown to a newcomer, by mouse and keyboard, and not again once it was ended."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Visit, sign_in
from tests.browser.test_axe import broken
from tests.browser.test_desk import in_database, make
from tests.browser.test_size import CONTRAST

pytestmark = pytest.mark.browser

STEPS = ["Am I safe?", "What is open?", "What happens next?", "Size a bet", "Kill switch"]
MARKED = [".cards", ".open-bets", ".coming", ".nav [data-go=t]", ".stop-link"]


@pytest.fixture(scope="module")
def person(chromium: Browser, site: str) -> object:
    in_database(lambda: make("toured", "holding-tour", "waiting-tour"))
    return sign_in(chromium, site, "toured", "secret")


def tour(page: Page):
    return page.locator("#tour")


def step(page: Page):
    return tour(page).locator("h3:visible")


def test_each_step_marks_what_it_speaks_of_and_the_last_one_ends_it(visit: Visit, person: object) -> None:
    with visit("/desk/", person=person, newcomer=True) as page:
        for number, (title, place) in enumerate(zip(STEPS, MARKED, strict=True), start=1):
            expect(step(page)).to_have_text(title)
            expect(tour(page)).to_contain_text(f"{number} of 5")
            expect(page.locator(place).first).to_have_css("outline-style", "solid")
            tour(page).get_by_role("button", name=re.compile("Next|Done")).click()
        expect(tour(page)).to_be_hidden()
        expect(page.locator(".stop-link")).to_have_css("outline-style", "none")


def test_the_mark_stays_when_the_desk_is_fresh(visit: Visit, person: object) -> None:
    with visit("/desk/", person=person, newcomer=True) as page:
        page.evaluate("document.querySelector('.cards').dataset.old = '1'")
        page.wait_for_function("() => !document.querySelector('.cards').dataset.old")
        expect(page.locator(".cards")).to_have_css("outline-style", "solid")
        expect(step(page)).to_have_text(STEPS[0])


@pytest.mark.parametrize("way", ["button", "key"])
def test_ended_once_it_comes_only_when_asked_for(visit: Visit, person: object, way: str) -> None:
    with visit("/desk/", person=person, newcomer=True) as page:
        expect(tour(page)).to_be_visible()
        if way == "key":
            page.keyboard.press("Escape")
        else:
            tour(page).get_by_role("button", name="Close").click()
        expect(tour(page)).to_be_hidden()
        page.reload()
        expect(page.get_by_role("button", name="Show the tour")).to_be_visible()
        expect(tour(page)).to_be_hidden()
        page.get_by_role("button", name="Show the tour").click()
        expect(step(page)).to_have_text(STEPS[0])
        expect(tour(page)).to_be_focused()
        known = {each["name"] for each in page.context.cookies()}
        assert known <= {"sessionid", "csrftoken", "betsizing_live"}  # it is remembered without a cookie


def test_the_keyboard_alone_walks_it(visit: Visit, person: object) -> None:
    with visit("/desk/", person=person) as page:
        page.get_by_role("button", name="Show the tour").focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        expect(tour(page).get_by_role("button", name="Next")).to_be_focused()
        page.keyboard.press("Enter")
        expect(step(page)).to_have_text(STEPS[1])
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")  # back
        expect(step(page)).to_have_text(STEPS[0])
        expect(tour(page).get_by_role("button", name="Next")).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name="Show the tour")).to_be_focused()


def test_it_does_not_take_the_focus_from_who_did_not_ask(visit: Visit, person: object) -> None:
    with visit("/desk/", person=person, newcomer=True) as page:
        expect(tour(page)).to_be_visible()
        assert page.evaluate("document.activeElement === document.body")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 1024), ("light", 390), ("dark", 390)])
def test_it_fits_reads_well_and_breaks_no_rule(visit: Visit, person: object, scheme: str, width: int) -> None:
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}}
    with visit("/desk/", person=person, newcomer=True, **options) as page:
        for number in range(len(STEPS)):
            expect(step(page)).to_have_text(STEPS[number])
            box = tour(page).bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate(CONTRAST) == []
            if number in (0, len(STEPS) - 1):
                assert broken(page) == []
            tour(page).get_by_role("button", name=re.compile("Next|Done")).click()
