"""The ticket in a real browser: live while a person types, by keyboard alone, without JavaScript, at every width."""

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Visit

pytestmark = pytest.mark.browser

SIZE = "/portfolios/smart-0dte/size/"
CALL = "SPXW210104C03700000"
ASKED = f"{SIZE}?contract={CALL}&confidence=0.70"
REFUSED = f"{SIZE}?contract=SPXW210104P03700000&confidence=0.70"


def sentence(page: Page) -> object:
    return page.locator("#sentence")


def confidence(page: Page) -> object:
    return page.get_by_role("textbox", name="Confidence")


def test_by_keyboard_alone_from_search_to_answer(visit: Visit) -> None:
    with visit(SIZE) as page:
        page.keyboard.press("/")
        expect(page.get_by_role("searchbox")).to_be_focused()
        page.keyboard.type("3700")
        expect(page.locator("#chain button[name=contract]").first).to_contain_text("3,700")
        expect(page.locator(f"#chain button[value={CALL}]")).to_be_visible()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowUp")
        expect(page.locator("#chain button[name=contract]").first).to_be_focused()
        page.keyboard.press("Enter")
        expect(sentence(page)).to_have_text("Buy 4 at $34.60: $13,840, 23.1% of the account.")
        assert f"contract={CALL}" in page.url


def test_enter_picks_what_the_search_finds_not_what_it_found_before(visit: Visit) -> None:
    with visit(SIZE) as page:
        page.get_by_role("searchbox").fill("3800 P")
        page.keyboard.press("Enter")
        expect(page.locator(".about")).to_contain_text(re.compile("SPXW 3,?800 put"))


def test_the_answer_follows_the_slider_and_the_number(visit: Visit) -> None:
    with visit(ASKED) as page:
        slider = page.get_by_role("slider")
        slider.focus()
        page.keyboard.press("End")
        expect(confidence(page)).to_have_value("1.00")
        expect(sentence(page)).to_contain_text("Buy 6 at $34.60")
        confidence(page).fill("0.5")
        expect(sentence(page)).to_contain_text("Confidence 0.5 is under 0.65, the lowest tradable.")
        expect(slider).to_have_value("0.5")
        assert "confidence=0.5" in page.url
        expect(page.locator("#announce")).to_contain_text("is under 0.65")


def test_an_impossible_confidence_is_explained_in_place(visit: Visit) -> None:
    with visit(ASKED, complaints=1) as page:  # the browser notes the 422
        confidence(page).fill("7")
        expect(page.locator("#answer .problem")).to_have_text("Confidence must be a number from 0 to 1; you entered 7.")
        expect(confidence(page)).to_have_value("7")


def test_only_the_newest_answer_is_shown(visit: Visit) -> None:
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if "confidence=0.9" in route.request.url:
            held.append(route)
        else:
            route.continue_()

    with visit(ASKED) as page:
        page.route("**/size/answer/**", hold_the_first)
        confidence(page).fill("0.9")
        for _ in range(50):
            if held:
                break
            page.wait_for_timeout(100)
        assert len(held) == 1
        expect(page.locator("#answer")).to_have_attribute("aria-busy", "true")
        confidence(page).fill("0.66")
        expect(sentence(page)).to_contain_text("Buy 4 at $34.60")
        expect(page.locator("#answer")).not_to_have_attribute("aria-busy", "true")
        page.wait_for_timeout(200)
        expect(page.locator(".reasons")).to_contain_text("12,000")
        expect(confidence(page)).to_have_value("0.66")


def test_a_lost_server_is_said_in_place_and_the_old_answer_stands_greyed(visit: Visit) -> None:
    with visit(ASKED, complaints=1) as page:  # the browser notes the failed request
        page.route("**/size/answer/**", lambda route: route.abort())
        confidence(page).fill("0.8")
        expect(page.locator("#trouble")).to_have_text(
            "The server cannot be reached. The answer below is the last one that came."
        )
        expect(page.locator("#answer")).to_have_class(re.compile("is-stale"))
        expect(sentence(page)).to_contain_text("Buy 4 at $34.60")
        page.unroute("**/size/answer/**")
        confidence(page).fill("0.81")
        expect(page.locator("#trouble")).to_be_hidden()


def test_a_chain_that_does_not_come_says_so_until_it_does(visit: Visit) -> None:
    with visit(ASKED, complaints=1) as page:  # the browser notes the failed request
        page.route("**/size/chain/**", lambda route: route.abort())
        page.locator("#search").fill("3800 P")
        expect(page.locator("#trouble")).to_have_text(
            "The server cannot be reached. The chain is the last one that came."
        )
        expect(page.locator("#chain")).to_have_class(re.compile("is-stale"))
        page.unroute("**/size/chain/**")
        page.locator("#search").fill("3800 C")
        expect(page.locator("#chain button[name=contract]").first).to_contain_text("3,800")
        expect(page.locator("#trouble")).to_be_hidden()
        expect(page.locator("#chain")).not_to_have_class(re.compile("is-stale"))


def test_tab_stops_once_in_the_chain(visit: Visit) -> None:
    with visit(ASKED) as page:
        buttons = page.locator("#chain button[name=contract]")
        assert buttons.count() > 1
        expect(page.locator("#chain button[name=contract][tabindex='0']")).to_have_count(1)
        page.locator("#search").focus()
        page.keyboard.press("ArrowDown")
        expect(buttons.first).to_be_focused()
        page.keyboard.press("ArrowDown")
        expect(buttons.nth(1)).to_have_attribute("tabindex", "0")
        expect(page.locator("#chain button[name=contract][tabindex='0']")).to_have_count(1)


def test_a_refusal_offers_the_nearest_contract_that_passes(visit: Visit) -> None:
    with visit(REFUSED) as page:
        expect(page.locator(".is-failing").first).to_be_visible()
        page.get_by_role("button", name=re.compile("^Take SPXW 3,?700 call")).click()
        expect(sentence(page)).to_contain_text("Buy 4 at $34.60")
        assert f"contract={CALL}" in page.url


def test_it_works_without_javascript(visit: Visit) -> None:
    with visit(SIZE, java_script_enabled=False) as page:
        confidence(page).fill("0.95")
        page.locator(f"#chain button[value={CALL}]").click()
        expect(sentence(page)).to_contain_text("Buy 6 at $34.60")
        confidence(page).fill("0.7")
        page.get_by_role("button", name="Show the answer").last.click()
        expect(sentence(page)).to_contain_text("Buy 4 at $34.60")
        page.get_by_role("searchbox").fill("3700 P")
        page.keyboard.press("Enter")
        expect(page.locator("#chain button[name=contract]")).to_have_count(1)
        expect(sentence(page)).to_contain_text("Buy 4 at $34.60")


def test_help_opens_by_key_and_closes_by_escape(visit: Visit) -> None:
    with visit(SIZE) as page:
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_be_hidden()


def test_a_question_mark_in_the_search_is_only_text(visit: Visit) -> None:
    with visit(SIZE) as page:
        page.get_by_role("searchbox").press_sequentially("37?")
        expect(page.get_by_role("searchbox")).to_have_value("37?")
        expect(page.get_by_role("dialog")).to_be_hidden()


def test_the_switcher_leads_to_the_other_portfolio(visit: Visit) -> None:
    with visit(SIZE) as page:
        page.locator(".switcher summary").click()
        page.get_by_role("link", name=re.compile("Mag7-7DTE demo")).click()
        expect(page.get_by_text("No quote is known at this market time.")).to_be_visible()


@pytest.mark.parametrize("width", [1440, 1024, 390])
@pytest.mark.parametrize("path", [SIZE, ASKED, REFUSED, "/portfolios/mag7-7dte/size/"])
def test_nothing_reaches_beyond_the_window(visit: Visit, path: str, width: int) -> None:
    with visit(path, viewport={"width": width, "height": 900}) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        spilling = page.evaluate(
            """() => [...document.querySelectorAll("main *")].filter((element) =>
                !element.closest(".chain-scroll, .table-scroll, .unseen, svg") &&
                element.getBoundingClientRect().right > innerWidth + 1).map((element) => element.className)"""
        )
        assert spilling == []


CONTRAST = """() => {
  const channel = (value) => {
    const share = value / 255;
    return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  };
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
  };
  const poor = [];
  for (const element of document.querySelectorAll("body *")) {
    const text = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!text || element.closest(".unseen, svg, dialog, script, .skip") || !element.getClientRects().length) continue;
    const pair = [luminance(parse(getComputedStyle(element).color)), luminance(ground(element))];
    const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    if (ratio < 4.5) poor.push([element.className, element.textContent.trim().slice(0, 30), ratio.toFixed(2)]);
  }
  return poor;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", [ASKED, REFUSED])
def test_every_text_stands_out_from_its_ground(visit: Visit, path: str, scheme: str) -> None:
    with visit(path, color_scheme=scheme, reduced_motion="reduce") as page:
        page.wait_for_timeout(200)
        assert page.evaluate(CONTRAST) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize(("path", "complaints"), [("/accounts/sign-in/", 0), ("/nothing-here/", 1)])
def test_the_pages_around_it_fit_too(visit: Visit, path: str, complaints: int, width: int, scheme: str) -> None:
    window = {"width": width, "height": 800}
    with visit(path, stranger=True, complaints=complaints, viewport=window, color_scheme=scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        expect(page.locator("h1")).to_be_visible()
        assert page.evaluate(CONTRAST) == []
