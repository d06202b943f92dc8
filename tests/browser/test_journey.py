"""One trader's hour by keyboard alone, on the recorded day: size, place, a tier that fills, a crash that trips L2, the
kill switch; and the risk manager who clears it with a reason."""

import re
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Locator, Page, expect

from accounts.services import ensure_groups
from positions.models import MarketClock, OptionContract, OptionQuote, Portfolio, Position
from positions.services.settlement import start_session
from positions.services.working import work_orders
from riskengine.models import Breaker
from riskengine.services.decide.plan import exit_plan
from riskengine.services.watch.monitoring import run_check
from tests import factories
from tests.browser import market
from tests.browser.conftest import Visit, sign_in
from tests.browser.test_desk import CALL, in_database

pytestmark = pytest.mark.browser

SOON = 6000  # milliseconds: the stream tells within a second


class Day:
    """The account's market: a recorded minute that goes on only when the test says so."""

    def __init__(self, name: str) -> None:
        self.name, self.slug = name, name.lower()
        demo = Portfolio.objects.get(slug="smart-0dte")
        self.portfolio = factories.portfolio(
            owner=factories.user(f"trader-{self.slug}"),
            of=demo.profile,
            slug=self.slug,
            name=name,
            quote_source=demo.quote_source,
            now=market.STOPPED_AT,
        )
        ensure_groups()
        manager = factories.user(f"manager-{self.slug}", is_staff=True)
        manager.groups.add(manager.groups.model.objects.get(name="Risk manager"))
        self.go_to(0)
        start_session(portfolio=self.portfolio, at=self.at(0), now=timezone.now())
        self.check("risk")

    @staticmethod
    def at(second: float) -> datetime:
        return market.STOPPED_AT + timedelta(seconds=second)

    def go_to(self, second: float) -> None:
        MarketClock.objects.filter(portfolio=self.portfolio).update(
            kind="recorded", label="A recorded minute", speed=0, market_started_at=self.at(second),
            wall_started_at=timezone.now(),
        )  # fmt: skip

    def quote(self, second: float, bid: str) -> None:
        self.go_to(second)
        known_at = self.at(second)
        sides = {"bid": bid, "bid_size": 10, "ask": Decimal(bid) + Decimal("0.3"), "ask_size": 10}
        OptionQuote.objects.get_or_create(  # of one market: the widths see the same day
            contract=OptionContract.objects.get(occ_symbol=CALL), source=self.portfolio.quote_source,
            quoted_at=known_at, defaults={"changed_at": known_at, "confirmed_at": known_at, **sides},
        )  # fmt: skip

    def check(self, scope: str = "exit") -> None:
        run_check(now=timezone.now(), scope=scope, portfolio_ids=[self.portfolio.pk], exclusive=False)

    def work(self, *seconds: float) -> None:
        """As the seconds go by, an order moves its price until somebody takes it."""
        for second in seconds:
            self.go_to(second)
            for _ in range(3):  # sent, taken, booked
                work_orders(now=timezone.now(), plan=exit_plan, portfolio_ids=[self.portfolio.pk])

    def looked_at(self, second: float, bid: str) -> None:
        self.quote(second, bid)
        self.check()


def press_until(page: Page, wanted: Locator, key: str = "Tab") -> None:
    """Move the focus as a person without a mouse does."""
    for _ in range(80):
        if wanted.evaluate("(element) => element === document.activeElement"):
            return
        page.keyboard.press(key)
    raise AssertionError("The keyboard does not reach it.")


def enter(page: Page, wanted: Locator) -> None:
    press_until(page, wanted)
    page.keyboard.press("Enter")


def write(page: Page, wanted: Locator, text: str) -> None:
    press_until(page, wanted)
    page.keyboard.type(text)


@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_a_trader_and_a_risk_manager_by_keyboard_alone(visit: Visit, chromium: Browser, site: str, width: int) -> None:
    day = in_database(lambda: Day(f"Wide{width}"))
    window = {"viewport": {"width": width, "height": 900}}

    with visit("/desk/", person=sign_in(chromium, site, f"trader-{day.slug}", "secret"), **window) as page:
        size_and_place(page)
        in_database(lambda: (day.quote(1, "34.2"), day.work(*range(1, 42, 5))))
        bet = page.locator("tr.bet").filter(has_text="3,700C")
        expect(bet).to_be_visible(timeout=SOON)

        in_database(lambda: (day.looked_at(45, "37.0"), day.work(46, 56, 66, 76, 86)))
        expect(bet.locator(".slice-filled")).not_to_have_count(0, timeout=SOON)

        for second in (110, 111, 112):
            in_database(lambda second=second: day.looked_at(second, "12.0"))
        expect(page.locator("#desk")).to_contain_text("L2: daily loss limit has tripped", timeout=SOON)
        assert in_database(lambda: Breaker.objects.get(portfolio=day.portfolio, code="loss_l2").state) == "tripped"

        stop(page, day)
        expect(page.locator("#desk")).to_contain_text("REDUCING")
        refused(page)

    in_database(lambda: (day.looked_at(120, "31.0"), day.work(121, 123, 125), day.check("risk")))
    with visit("/desk/", person=sign_in(chromium, site, f"manager-{day.slug}", "secret"), **window) as page:
        clear_and_go_on(page, day)
    cleared = in_database(lambda: Breaker.objects.get(portfolio=day.portfolio, code="loss_l2"))
    assert (cleared.state, cleared.cleared_reason) == ("clear", "One bad minute.")
    assert cleared.cleared_by_name == f"manager-{day.slug}"
    assert in_database(lambda: Portfolio.objects.get(pk=day.portfolio.pk).state) == "ACTIVE"
    sold = in_database(lambda: Position.objects.get(portfolio=day.portfolio))
    assert sold.close_cause == "stop", "the kill switch held no exit"


def size_and_place(page: Page) -> None:
    page.keyboard.press("g")
    page.keyboard.press("t")
    page.wait_for_url("**/size/")
    page.keyboard.press("/")
    page.keyboard.type("3700 C")
    expect(page.locator("#chain button[name=contract]").first).to_contain_text("3,700")
    page.keyboard.press("Enter")
    expect(page.locator("#answer")).to_contain_text(re.compile(r"Buy 4 at \$34\.60: \$13,840, 23\.1% of the account"))
    enter(page, page.get_by_role("button", name="Place 4 contracts, 23.1% of this account"))
    page.wait_for_url("**/desk/")
    expect(page.locator(".notice")).to_contain_text("Placed: 4 of SPXW 3,700 call, 2021-01-04")


def stop(page: Page, day: Day) -> None:
    page.keyboard.press("Alt+KeyK")
    page.wait_for_url("**/stop/")
    expect(page.get_by_role("checkbox", name=day.name)).to_be_checked()
    expect(page.get_by_role("checkbox", name="Stop entries")).to_be_checked()
    write(page, page.get_by_label("Why"), "The feed looks wrong.")
    write(page, page.get_by_label("Confirm"), day.name)
    enter(page, page.get_by_role("button", name="Stop now"))
    page.wait_for_url("**/desk/")
    expect(page.locator(".notice")).to_contain_text(f"{day.name}: REDUCING")


def refused(page: Page) -> None:
    """The ticket says in one sentence why nothing may be bought."""
    page.keyboard.press("g")
    page.keyboard.press("t")
    page.wait_for_url("**/size/**")
    page.keyboard.press("/")
    page.keyboard.type("3700 C")
    page.keyboard.press("Enter")
    expect(page.locator("#answer")).to_contain_text("at or under the daily limit of −$6,000", timeout=SOON)
    expect(page.get_by_role("button", name=re.compile("^Place"))).to_have_count(0)


def clear_and_go_on(page: Page, day: Day) -> None:
    page.goto(f"/portfolios/{day.slug}/risk/")
    enter(page, page.get_by_role("row", name=re.compile("L2: daily loss limit")).get_by_role("link", name="Clear…"))
    write(page, page.get_by_label("Why"), "One bad minute.")
    enter(page, page.get_by_role("button", name="Clear it, in my name"))
    page.wait_for_url("**/risk/")
    expect(page.locator(".notice")).to_contain_text("is clear.")
    enter(page, page.get_by_role("link", name="Let it trade again…"))
    write(page, page.get_by_label("Why"), "The feed is sound.")
    enter(page, page.get_by_role("button", name="Return it to ACTIVE, in my name"))
    page.wait_for_url("**/risk/")
    expect(page.locator(".notice")).to_contain_text(f"{day.name} is ACTIVE.")
