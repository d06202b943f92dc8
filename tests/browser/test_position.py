"""The chart of a position in a real browser: drawn under the page's own content security policy, fresh, honest."""

import re

import pytest
from playwright.sync_api import Browser, expect

from positions.models import Portfolio, Position
from tests.browser.conftest import Visit, sign_in
from tests.browser.test_desk import in_database, make

pytestmark = pytest.mark.browser

# More shades than an empty grid has, on a canvas of the chart.
SHADES = """() => [...document.querySelectorAll('.path-chart canvas')].some((canvas) => {
    if (!canvas.width) return false;
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
    const shades = new Set();
    for (let k = 0; k < data.length; k += 4) if (data[k + 3]) shades.add(data.slice(k, k + 3).join());
    return shades.size > 4;
})"""


def happen() -> str:
    make("charted", "holding-chart", "waiting-chart")
    position = Position.objects.filter(portfolio=Portfolio.objects.get(slug="holding-chart")).earliest("id")
    return f"/portfolios/holding-chart/positions/{position.pk}/"


@pytest.fixture(scope="module")
def address(site: str) -> str:
    return in_database(happen)


@pytest.fixture(scope="module")
def person(chromium: Browser, site: str, address: str) -> object:
    return sign_in(chromium, site, "charted", "secret")


def test_bids_stop_entry_and_tiers_are_drawn(visit: Visit, person: object, address: str) -> None:
    with visit(address, person=person) as page:
        place = page.locator(".path-chart canvas").first
        expect(place).to_be_visible()
        page.wait_for_function(SHADES)


def test_an_answer_that_does_not_come_is_said_beside_the_chart(visit: Visit, person: object, address: str) -> None:
    with visit("/desk/", person=person, complaints=1) as page:
        page.route("**/path/", lambda route: route.fulfill(status=503))
        page.goto(address)
        expect(page.locator("#path [role=status]")).to_have_text(re.compile("503.*shows what came last"))
