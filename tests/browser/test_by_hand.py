"""A person sells a part of a position, tightens its stop and writes about it, by the keyboard alone; at every width."""

import time
from decimal import Decimal

import pytest
from playwright.sync_api import Browser, Page, expect

from positions.models import Order, Portfolio, Position
from positions.services.journal import add_tag, write_note
from tests.browser import market
from tests.browser.conftest import ANY_NUMBER, Visit, sign_in
from tests.browser.test_desk import in_database, make

pytestmark = pytest.mark.browser

PLACE = "holding-by-hand"
WIDTHS = [1440, 1024, 390]


def happen() -> str:
    make("hand", PLACE, "waiting-by-hand")
    position = Position.objects.filter(portfolio=Portfolio.objects.get(slug=PLACE)).earliest("id")
    return f"/portfolios/{PLACE}/positions/{position.pk}/"


@pytest.fixture(scope="module")
def address(site: str) -> str:
    return in_database(happen)


@pytest.fixture(scope="module")
def person(chromium: Browser, site: str, address: str) -> object:
    return sign_in(chromium, site, "hand", "secret")


def held() -> Position:
    return Position.objects.filter(portfolio__slug=PLACE).earliest("id")


def tab_to(page: Page, text: str) -> None:
    """Press Tab until what has the focus is named so."""
    for _ in range(80):
        page.keyboard.press("Tab")
        named = page.evaluate(
            "() => { const e = document.activeElement; return e.getAttribute('aria-label') || e.labels?.[0]?.innerText "
            "|| e.innerText || '' }"
        )
        if named.startswith(text):
            return
    pytest.fail(f"The keyboard does not reach “{text}”.")


def press(page: Page, text: str) -> None:
    tab_to(page, text)
    page.keyboard.press("Enter")


def test_a_part_is_sold_by_the_keyboard(visit: Visit, person: object, address: str) -> None:
    with visit(address, person=person) as page:
        press(page, "Close a part …")
        page.wait_for_url("**/close-part/")
        expect(page.get_by_label("Contracts to sell")).to_be_focused()
        page.keyboard.type("3")
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_have_text("Sell 3 of SPXW 3,700 call, 2021-01-04?")
        expect(page.locator("main")).to_contain_text("3 of 4 open contracts are sold, 1 stays open")
        expect(page.locator("main")).to_contain_text("The bid is $34.30, 20 s old.")
        press(page, "Sell 3 contracts now")
        expect(page.locator(".notice")).to_contain_text("Selling 3 of SPXW 3,700 call")
    sold = in_database(lambda: Order.objects.filter(portfolio__slug=PLACE).values_list("intent", "quantity").get())
    assert sold == ("manual_reduce", 3)


def test_the_stop_is_tightened_by_the_keyboard_after_it_was_told_why_not(
    visit: Visit, person: object, address: str
) -> None:
    with visit(address, person=person, complaints=1) as page:  # the browser notes the 422
        press(page, "Tighten the stop …")
        page.wait_for_url("**/tighten/")
        for stop, said in (("34.30", "would sell at once"), ("30.50", "")):
            tab_to(page, "New stop")
            page.keyboard.press("Control+A")
            page.keyboard.type(stop)
            tab_to(page, "Why")
            page.keyboard.press("Control+A")
            page.keyboard.type("The gap is closed.")
            press(page, "Tighten the stop")
            if said:
                expect(page.locator(".errorlist")).to_contain_text(said)
        expect(page.locator(".notice")).to_contain_text("stands at $30.50.")
        expect(page.locator(".events")).to_contain_text("to $30.50: The gap is closed.")
    assert in_database(lambda: held().current_stop) == Decimal("30.5")


def test_a_note_and_a_tag_are_written_by_the_keyboard_and_the_tag_leads_to_the_list(
    visit: Visit, person: object, address: str
) -> None:
    with visit(address, person=person) as page:
        tab_to(page, "Tag")
        page.keyboard.type("gap")
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="Remove the tag gap")).to_be_visible()
        tab_to(page, "Note")
        page.keyboard.type("Sold three: the gap is closed.")
        press(page, "Keep the note")
        expect(page.locator(".notes")).to_contain_text("Sold three: the gap is closed.")
        page.get_by_role("link", name="gap", exact=True).click()
        page.wait_for_url("**/positions/?tag=gap")
        expect(page.locator(".records tbody tr")).to_have_count(1)


def test_two_clicks_keep_one_note_and_who_comes_back_can_write_another(
    visit: Visit, person: object, address: str
) -> None:
    sent = []
    with visit(address, person=person) as page:
        page.route("**/note/", lambda route: (sent.append(route.request.method), time.sleep(0.5), route.continue_()))
        page.get_by_role("textbox", name="Note").fill("Clicked twice.")
        page.evaluate(
            "() => { const keep = document.querySelector('.write-note button'); keep.click(); "
            "setTimeout(() => keep.click(), 200) }"
        )
        expect(page.locator(".notes")).to_contain_text("Clicked twice.")
        page.go_back()
        page.get_by_role("textbox", name="Note").fill("Clicked after coming back.")
        page.get_by_role("button", name="Keep the note").click()
        expect(page.locator(".notes")).to_contain_text("Clicked after coming back.")
    assert sent == ["POST", "POST"]
    kept = in_database(lambda: [note.text for note in held().notes.filter(text__startswith="Clicked").order_by("id")])
    assert kept == ["Clicked twice.", "Clicked after coming back."]


def write() -> None:
    """The longest words that somebody may write."""
    position = held()
    owner = position.portfolio.owner
    for tag in ("x" * 24, *(f"a-rather-long-tag-{n}" for n in range(8))):
        add_tag(position=position, tag=tag, actor=owner, now=market.STOPPED_AT)
    write_note(position=position, text="word " * 200 + "x" * 400, actor=owner, now=market.STOPPED_AT)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("page_of", ["", "close-part/", "close-part/?contracts=1", "tighten/", "/positions/"])
def test_nothing_reaches_beyond_the_window(
    visit: Visit, person: object, address: str, page_of: str, width: int
) -> None:
    in_database(write)
    place = page_of if page_of.startswith("/positions") else f"{address}{page_of}"
    with visit(place, person=person, complaints=ANY_NUMBER, viewport={"width": width, "height": 900}) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
