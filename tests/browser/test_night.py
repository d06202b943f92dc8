"""The overnight page in a real browser: by the rules of axe-core, at every width, with the keyboard."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, expect

from accounts.models import User
from positions.models import EarningsDate, ExDividendDate, MarketClock, OptionQuote, Portfolio, UnderlyingBar
from riskengine.services.watch.night import run_nights
from tests import factories
from tests.browser import market
from tests.browser.conftest import ANY_NUMBER, Visit, sign_in
from tests.browser.test_axe import broken
from tests.browser.test_desk import bet, in_database
from tests.riskengine.market import stock

pytestmark = pytest.mark.browser

SOURCE = "quotes of a night"
HALF_PAST_THREE = market.STOPPED_AT.replace(hour=20, minute=30, second=0)
EXPIRES = date(2021, 1, 11)
PLACES = {"held": HALF_PAST_THREE, "later": HALF_PAST_THREE + timedelta(minutes=20), "empty": HALF_PAST_THREE}
LOOKS = [("light", 1440), ("dark", 1440), ("light", 1024), ("light", 390), ("dark", 390)]


def make() -> None:
    """A sleeper with a book at the time of its report, the same 20 minutes later without quotes, and an empty one."""
    demo = Portfolio.objects.get(slug="smart-0dte")
    sleeper: User = factories.user("sleeper")
    call, put = stock("AAPL", "130", expires=EXPIRES), stock("AAPL", "125", "P", expires=EXPIRES)
    for contract, mid in ((call, "5.00"), (put, "2.00")):
        sides = {"bid": Decimal(mid), "ask": Decimal(mid) + Decimal("0.05"), "bid_size": 10, "ask_size": 10}
        times = dict.fromkeys(("quoted_at", "changed_at", "confirmed_at"), HALF_PAST_THREE)
        OptionQuote.objects.create(contract=contract, source=SOURCE, **sides, **times)
    prices = dict.fromkeys(("open", "high", "low", "close"), Decimal(130))
    UnderlyingBar.objects.create(instrument=call.underlying, source=SOURCE, bar_at=HALF_PAST_THREE, **prices)
    EarningsDate.objects.get_or_create(
        instrument=call.underlying, reports_on=date(2021, 1, 5), defaults={"timing": "before_open", "source": "test"}
    )
    ExDividendDate.objects.create(
        instrument=call.underlying, ex_on=date(2021, 1, 6), amount_per_share="0.2050", source="test"
    )
    for name, at in PLACES.items():
        portfolio = factories.portfolio(
            owner=sleeper, of=demo.profile, slug=f"night-{name}", name=f"Night {name}", quote_source=SOURCE, now=at
        )
        stands_at(portfolio, at)
        if name != "empty":
            bet(portfolio, call.occ_symbol, 20, Decimal("5.00"))
            bet(portfolio, put.occ_symbol, 4, Decimal("2.00"))
    run_nights(now=timezone.now(), portfolio_ids=[Portfolio.objects.get(slug="night-held").pk])


def stands_at(portfolio: Portfolio, at: datetime) -> None:
    MarketClock.objects.filter(portfolio=portfolio).update(
        kind="recorded", label="A recorded minute", speed=0, market_started_at=at, wall_started_at=timezone.now()
    )


@pytest.fixture(scope="module")
def sleeper(chromium: Browser, site: str) -> object:
    in_database(make)
    return sign_in(chromium, site, "sleeper", "secret")


def address(name: str, query: str = "") -> str:
    return f"/portfolios/night-{name}/night/{query}"


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
@pytest.mark.parametrize("name", list(PLACES))
def test_no_rule_is_broken_and_nothing_is_wider_than_the_page(
    visit: Visit, sleeper: object, name: str, scheme: str, width: int
) -> None:
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}}
    with visit(address(name), person=sleeper, complaints=ANY_NUMBER, **options) as page:
        for details in page.locator("details.night-each").all():
            details.locator("summary").click()
        assert broken(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_report_says_what_a_trader_asks_first(visit: Visit, sleeper: object) -> None:
    with visit(address("held"), person=sleeper) as page:
        main = page.locator("main")
        expect(main).to_contain_text("Report before the close of Mon 4 Jan 2021, made at 15:30 New York")
        expect(main).to_contain_text("5% lower, at worst")
        expect(main).to_contain_text("this night")
        matrix = page.get_by_role("table", name="Gain or loss of the book in USD by the next open")
        expect(matrix.get_by_role("row")).to_have_count(4)
        expect(matrix.get_by_role("cell")).to_have_count(21)


def test_a_position_by_itself_opens_with_the_keyboard(visit: Visit, sleeper: object) -> None:
    with visit(address("held"), person=sleeper) as page:
        page.locator("details.night-each summary").first.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("table", name="AAPL 130C: gain or loss")).to_be_visible()


def test_what_is_not_known_says_so(visit: Visit, sleeper: object) -> None:
    with visit(address("later"), person=sleeper) as page:
        expect(page.get_by_role("alert")).to_contain_text("The night is not known: AAPL 130C, AAPL 125P")
        expect(page.locator("main")).to_contain_text("its last quote is too old")
