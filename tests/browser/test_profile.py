"""The parameters in a real browser: nothing beyond the window, nothing on top of something else, by keyboard too."""

from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, expect

from accounts.defaults import MAG7_7DTE, SMART_0DTE
from accounts.models import RiskProfile
from accounts.services import revise_profile
from tests import factories
from tests.browser.conftest import Visit, sign_in
from tests.browser.test_axe import broken
from tests.browser.test_desk import in_database
from tests.browser.test_size import CONTRAST

pytestmark = pytest.mark.browser

WIDTHS = (1440, 1024, 390)
SLUGS = {SMART_0DTE: "read-zero", MAG7_7DTE: "read-seven"}
TOUCHING = """() => {
  const touching = [];
  for (const picture of document.querySelectorAll(".ladder-picture svg, .scale svg")) {
    const texts = [...picture.querySelectorAll("text")].map((text) => [text.textContent, text.getBoundingClientRect()]);
    const edge = picture.getBoundingClientRect();
    texts.forEach(([one, a], at) => {
      if (a.left < edge.left - 16 || a.right > edge.right + 16) touching.push([one, "beyond its picture"]);
      for (const [other, b] of texts.slice(at + 1)) {
        const apart = a.left >= b.right || b.left >= a.right || a.top >= b.bottom - 2 || b.top >= a.bottom - 2;
        if (!apart) touching.push([one, other]);
      }
    });
  }
  return touching;
}"""


def happen() -> None:
    """A reader of both systems; the first profile has a second revision."""
    reader = factories.user("profile-reader")
    for system, slug in SLUGS.items():
        profile = factories.profile(system)
        RiskProfile.objects.filter(pk=profile.pk).update(slug=slug, name=slug.capitalize())
        factories.portfolio(owner=reader, of=profile, slug=slug)
    revise_profile(
        profile=RiskProfile.objects.get(slug="read-zero"),
        based_on=1,
        numbers={"max_daily_loss": Decimal("0.08")},
        ladders={},
        reason="Smaller days.",
        author=reader,
        now=timezone.now(),
    )
    factories.user("without-portfolio")


@pytest.fixture(scope="module")
def reader(chromium: Browser, site: str) -> object:
    in_database(happen)
    return sign_in(chromium, site, "profile-reader", "secret")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("slug", SLUGS.values())
def test_it_fits_and_can_be_read(visit: Visit, reader: object, slug: str, width: int, scheme: str) -> None:
    options = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
    with visit(f"/profiles/{slug}/", person=reader, **options) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(TOUCHING) == []
        assert page.evaluate(CONTRAST) == []
        assert page.locator(".ladder-picture svg").count() == 13
        assert page.locator(".scale svg").count() == 2


def test_it_would_see_two_texts_that_touch(visit: Visit, reader: object) -> None:
    with visit("/profiles/read-zero/", person=reader) as page:
        page.evaluate("document.querySelectorAll('.scale text').forEach((text) => text.setAttribute('x', '50%'))")
        assert page.evaluate(TOUCHING) != []


def test_from_the_header_to_what_changed_by_keyboard_alone(visit: Visit, reader: object) -> None:
    with visit("/desk/", person=reader) as page:
        page.get_by_role("link", name="Parameters").focus()
        page.keyboard.press("Enter")
        page.get_by_role("link", name="Read-zero").focus()
        page.keyboard.press("Enter")
        page.get_by_label("What changed from revision").focus()
        for key in ("Tab", "Tab", "Enter"):
            page.keyboard.press(key)
        expect(page).to_have_url("/profiles/read-zero/?from=1&to=2#compared")
        compared = page.locator("#compared")
        expect(compared).to_contain_text("L2: daily loss limit")
        expect(compared).to_be_in_viewport()


@pytest.mark.parametrize("path", ["/profiles/", "/profiles/read-zero/?revision=1"])
def test_the_pages_around_it_break_no_rule(visit: Visit, reader: object, path: str) -> None:
    with visit(path, person=reader, viewport={"width": 390, "height": 900}) as page:
        assert broken(page) == []


@pytest.mark.parametrize(("person", "scheme"), [("without-portfolio", "light"), ("without-portfolio", "dark")])
def test_nor_does_the_page_of_who_has_no_portfolio(
    visit: Visit, chromium: Browser, site: str, reader: object, person: str, scheme: str
) -> None:
    options = {"viewport": {"width": 390, "height": 900}, "color_scheme": scheme}
    with visit("/desk/", person=sign_in(chromium, site, person, "secret"), **options) as page:
        expect(page.get_by_role("heading", name="No portfolio yet")).to_be_visible()
        assert broken(page) == []
        assert page.evaluate(CONTRAST) == []
