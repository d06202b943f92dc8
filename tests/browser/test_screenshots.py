"""The guide's pictures: the product's own pages on a recorded morning, judged by its own checks. They can be taken at
any time, and `python -m docs.screenshots` keeps them in docs/images/."""

import os
import struct
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.db.models import F
from django.utils import timezone
from playwright.sync_api import Browser

from positions.models import CheckScope, MarketClock, Portfolio
from riskengine.models import PriorTrade
from riskengine.services.watch.monitoring import run_check
from tests import factories
from tests.browser import market
from tests.browser.conftest import Visit, sign_in
from tests.browser.picture import light
from tests.browser.test_desk import bet, in_database

pytestmark = pytest.mark.browser

WIDE, NARROW = 1440, 390
HEAVIEST = 150_000  # bytes
CALL, PUT = "SPXW  210104C03700000", "SPXW  210104P03800000"
BOUGHT = ((CALL, 4, Decimal("33.00")), (PUT, 3, Decimal("78.00")))  # so that one bet gains, and one is large and loses
HOLDS, EMPTY = "guide-holds", "guide-empty"
RECORD = (("0.66", 13, 21), ("0.73", 14, 20), ("0.82", 12, 15), ("0.93", 6, 18))  # confidence, won, closed


@dataclass(frozen=True)
class Picture:
    """A page at a width, cut to `height`; `of` is the part that is shown instead of its beginning."""

    name: str
    address: str
    width: int
    height: int
    of: str = ""

    @property
    def person(self) -> str:
        return EMPTY if EMPTY in ADDRESSES[self.address] else HOLDS


SIZE = f"/portfolios/{EMPTY}/size/?contract={CALL.replace(' ', '')}"
ADDRESSES = {
    "desk": "/desk/",
    "ticket": f"{SIZE}&confidence=0.75",
    "refused": f"{SIZE}&confidence=0.60",
    "risk": f"/portfolios/{HOLDS}/risk/",
    "kill": "/stop/",
    "parameters": "/profiles/smart-0dte/",
    "confidence": f"/portfolios/{HOLDS}/confidence/",
}
PICTURES = [
    Picture("ticket", "ticket", WIDE, 860),
    Picture("ticket-refused-phone", "refused", NARROW, 844, ".column-ask"),
    Picture("desk", "desk", WIDE, 760),
    Picture("bets-phone", "desk", NARROW, 620, ".open-bets"),
    Picture("breakers", "risk", WIDE, 230, "#breakers"),
    Picture("kill-switch-phone", "kill", NARROW, 844),
    Picture("alerts", "desk", WIDE, 240, ".alerts"),
    Picture("parameters", "parameters", WIDE, 860),
    Picture("confidence", "confidence", WIDE, 860),
]


def happen() -> None:
    """One account with nothing in it, and one with two bets that were paid for, as its own checks see them."""
    demo, now = Portfolio.objects.get(slug="smart-0dte"), timezone.now()
    for slug in (HOLDS, EMPTY):
        portfolio = factories.portfolio(
            owner=factories.user(slug), of=demo.profile, slug=slug, name="Smart-0DTE", now=market.STOPPED_AT,
            quote_source=demo.quote_source,
        )  # fmt: skip
        MarketClock.objects.filter(portfolio=portfolio).update(
            kind="recorded", label="Recorded market of 2021-01-04", speed=0, market_started_at=market.STOPPED_AT,
            wall_started_at=now,
        )  # fmt: skip
        check(portfolio)  # from here on the day is counted
    holds = Portfolio.objects.get(slug=HOLDS)
    for symbol, contracts, price in BOUGHT:
        bet(holds, symbol, contracts, price)
    paid = sum(100 * contracts * price for _, contracts, price in BOUGHT)
    Portfolio.objects.filter(pk=holds.pk).update(cash=F("cash") - paid, settled_cash=F("settled_cash") - paid)
    check(holds)
    put_a_record(holds)


def put_a_record(portfolio: Portfolio) -> None:
    """Trades from before: the surer the signal, the more were won, and the surest did not come true."""
    PriorTrade.objects.bulk_create(
        PriorTrade(
            portfolio=portfolio,
            external_id=f"{confidence}-{number}",
            confidence=Decimal(confidence),
            gain_fraction=Decimal("0.13") if number < won else Decimal("-0.20"),
            closed_at=market.STOPPED_AT - timedelta(days=1 + number),
            source="put there to be seen",
        )
        for confidence, won, closed in RECORD
        for number in range(closed)
    )


def check(portfolio: Portfolio) -> None:
    for scope in (CheckScope.EXIT, CheckScope.RISK):
        run_check(now=timezone.now(), scope=scope, portfolio_ids=[portfolio.pk], exclusive=False)


@pytest.fixture(scope="module")
def people(chromium: Browser, site: str) -> dict[str, object]:
    in_database(happen)
    return {name: sign_in(chromium, site, name, "secret") for name in (HOLDS, EMPTY)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(os.environ.get("BETSIZING_SCREENSHOTS", tmp_path))


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_a_picture_of_the_guide_can_be_taken(
    visit: Visit, people: dict[str, object], folder: Path, picture: Picture
) -> None:
    window = {"width": picture.width, "height": picture.height}
    options = {"viewport": window, "color_scheme": "light", "reduced_motion": "reduce"}
    with visit(ADDRESSES[picture.address], person=people[picture.person], **options) as page:
        page.wait_for_timeout(600)  # until the stream has brought the desk
        if picture.of:
            page.locator(picture.of).first.evaluate("(place) => place.scrollIntoView({ block: 'start' })")
        content = light(page, page.screenshot())
    (folder / f"{picture.name}.png").write_bytes(content)
    assert struct.unpack(">II", content[16:24]) == (picture.width, picture.height)
    assert 4_000 < len(content) < HEAVIEST


def test_what_the_pictures_show_adds_up(visit: Visit, people: dict[str, object]) -> None:
    """Equity is what was not spent and what the bets are bid; the day began with $60,000."""
    with visit("/desk/", person=people[HOLDS], viewport={"width": WIDE, "height": 760}) as page:
        bids = {CALL: Decimal("34.10"), PUT: Decimal("67.10")}
        equity = 60_000 + sum(100 * contracts * (bids[symbol] - price) for symbol, contracts, price in BOUGHT)
        figures = page.locator(".card-figures").inner_text()
        assert f"${equity:,.0f}" in figures
        assert f"−${60_000 - equity:,.0f}" in figures
        assert page.locator(".alert").count() >= 1
