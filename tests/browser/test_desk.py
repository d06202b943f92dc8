"""The desk in a real browser: alive while it is looked at, honest when it is not, at every width."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from positions.models import (
    ExitSlice,
    Heartbeat,
    MarketClock,
    OptionContract,
    OptionQuote,
    Order,
    Portfolio,
    Position,
    PositionEvent,
)
from riskengine.models import Severity
from riskengine.services.watch.alerts import NewAlert, raise_alerts
from riskengine.services.watch.announcing import announce
from tests import factories
from tests.browser import market
from tests.browser.cable import Cable
from tests.browser.conftest import ANY_NUMBER, Visit, sign_in
from tests.browser.test_size import CONTRAST

pytestmark = pytest.mark.browser

CALL, PUT = "SPXW  210104C03700000", "SPXW  210104P03700000"
ENTRY = Decimal("33.00")
OWN = "quotes of this test"  # the recording's own stay as other tests of pages expect them
Look = Callable[..., AbstractContextManager[Page]]


def in_database(work: Callable[[], Any]) -> Any:
    """In a thread of its own: the browser's event loop runs in this one, where Django refuses to wait. Desks are told,
    as they are after a check."""

    def run() -> Any:
        try:
            answer = work()
            announce()
            return answer
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(run).result()


def make(name: str = "trader", holding: str = "holding", waiting: str = "waiting") -> None:
    """A trader with one account that holds bets and one that is empty, in the demo's recorded minute."""
    demo = Portfolio.objects.get(slug="smart-0dte")
    trader = factories.user(name)
    now = timezone.now()
    for slug, source in ((holding, OWN), (waiting, demo.quote_source)):
        portfolio = factories.portfolio(
            owner=trader,
            of=demo.profile,
            slug=slug,
            name=slug.capitalize(),
            quote_source=source,
            now=market.STOPPED_AT,
        )
        MarketClock.objects.filter(portfolio=portfolio).update(
            kind="recorded",
            label="A recorded minute",
            speed=0,
            market_started_at=market.STOPPED_AT,
            wall_started_at=now,
        )
        Heartbeat.objects.create(portfolio=portfolio, scope="risk", finished_at=now, market_at=market.STOPPED_AT)
    quote(CALL, "34.30", "34.60", market.STOPPED_AT - timedelta(seconds=20))
    quote(PUT, "25.50", "25.70", market.STOPPED_AT - timedelta(minutes=9))
    call = bet(Portfolio.objects.get(slug=holding), CALL, 4)
    PositionEvent.objects.create(
        position=call,
        happened_at=market.STOPPED_AT,
        kind="opened",
        actor_name="test",
        after={"contracts": 4, "price": "33.00", "open": 4},
    )
    bet(Portfolio.objects.get(slug=holding), PUT, 6)


def quote(symbol: str, bid: str, ask: str, known_at: datetime) -> None:
    sides = {"bid": bid, "bid_size": 10, "ask": ask, "ask_size": 10}
    OptionQuote.objects.update_or_create(
        contract=OptionContract.objects.get(occ_symbol=symbol),
        source=OWN,
        quoted_at=known_at,
        defaults={"changed_at": known_at, "confirmed_at": known_at, **sides},
    )


def bet(of: Portfolio, symbol: str, contracts: int, entry: Decimal = ENTRY) -> Position:
    bought_at = market.STOPPED_AT - timedelta(minutes=20)
    made = factories.decision(
        of,
        contract=OptionContract.objects.get(occ_symbol=symbol),
        contracts=contracts,
        limit_price=entry,
        decided_at=bought_at,
        expires_at=bought_at + timedelta(seconds=60),
    )
    stop = (entry * Decimal("0.75")).quantize(Decimal("0.1"))
    position = factories.position(
        of,
        decision=made,
        quantity_opened=contracts,
        quantity_open=contracts,
        average_entry_price=entry,
        entry_cost=entry * 100 * contracts,
        initial_stop=stop,
        current_stop=stop,
        high_water=entry,
        entry_at=bought_at,
    )
    for number in (1, 2, 3):
        factories.exit_slice(position, number)
    return position


@pytest.fixture(scope="module")
def trader(site: str, chromium: Browser) -> object:
    in_database(make)
    return sign_in(chromium, site, "trader", "secret")


@pytest.fixture
def look(visit: Visit, trader: object) -> Look:
    def open_page(path: str = "/desk/", **options: object) -> AbstractContextManager[Page]:
        return visit(path, person=trader, **options)

    return open_page


@pytest.fixture
def calls_bid() -> Iterator[Callable[[str], None]]:
    """Change the bid of the call; it is put back afterwards."""
    quotes = OptionQuote.objects.filter(contract__occ_symbol=CALL, source=OWN)

    def change(bid: str) -> None:
        in_database(lambda: quotes.update(bid=bid))

    yield change
    change("34.30")


def row(page: Page, text: str) -> Any:
    return page.locator("tr.bet").filter(has_text=text)


def test_numbers_move_without_loading_the_page(look: Look, calls_bid: Callable[[str], None]) -> None:
    with look() as page:
        expect(row(page, "3,700C").locator(".bet-waits")).to_contain_text("T1 at $34.70")
        calls_bid("34.50")
        expect(row(page, "3,700C").locator(".bet-bid")).to_contain_text("34.50", timeout=6000)
        expect(row(page, "3,700C").locator(".bet-pnl")).to_contain_text("+$600.00")
        expect(page.locator("#pulse")).to_have_text("● live")


def test_a_filled_tier_appears_by_itself(look: Look) -> None:
    slices = ExitSlice.objects.filter(position__contract__occ_symbol=CALL, number=1)
    with look() as page:
        expect(row(page, "3,700C").locator(".slice-filled")).to_have_count(0)
        in_database(lambda: slices.update(state="filled", contracts_filled=1))
        expect(row(page, "3,700C").locator(".slice-filled")).to_have_count(1, timeout=6000)
        in_database(lambda: slices.update(state="armed", contracts_filled=0))


def test_a_lost_server_is_said_and_the_numbers_stand_grey_until_it_is_back(look: Look) -> None:
    with look("/decisions/", complaints=ANY_NUMBER) as page:  # the browser notes each failed request
        for address in ("**/desk/live/**", "**/sse/desk/"):
            page.route(address, lambda route: route.fulfill(status=503, body="busy"))
        page.goto("/desk/")
        expect(page.locator("#trouble")).to_have_text(
            "The server could not answer (503). The numbers below are the last ones that came.",
            timeout=6000,
        )
        expect(page.locator("#desk")).to_have_class(re.compile("is-stale"))
        expect(page.locator("#pulse")).to_contain_text("✕ no answer for")
        expect(row(page, "3,700C")).to_be_visible()
        page.unroute_all()
        expect(page.locator("#trouble")).to_be_hidden(timeout=6000)
        expect(page.locator("#desk")).not_to_have_class(re.compile("is-stale"))


def test_while_the_stream_brings_numbers_nothing_is_asked(look: Look, calls_bid: Callable[[str], None]) -> None:
    with look("/decisions/") as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url) if "/desk/live/" in request.url else None)
        page.goto("/desk/")
        for bid in ("34.50", "34.40"):
            calls_bid(bid)
            expect(row(page, "3,700C").locator(".bet-bid")).to_contain_text(bid, timeout=6000)
        assert asked == []


def test_a_stream_that_is_cut_is_said_and_opened_again(look: Look, site: str, calls_bid: Callable[[str], None]) -> None:
    cable = Cable(int(site.rsplit(":", 1)[1]))
    with closing(cable), look(complaints=ANY_NUMBER) as page:
        page.goto(f"{cable.address}/desk/")
        cable.cut()
        calls_bid("34.50")
        expect(page.locator("#trouble")).to_contain_text("The server cannot be reached.", timeout=6000)
        expect(page.locator("#desk")).to_have_class(re.compile("is-stale"))
        cable.mend()
        expect(row(page, "3,700C").locator(".bet-bid")).to_contain_text("34.50", timeout=6000)
        with page.expect_request("**/sse/desk/", timeout=15_000):
            pass
        calls_bid("34.40")
        expect(row(page, "3,700C").locator(".bet-bid")).to_contain_text("34.40", timeout=6000)


def test_a_form_that_the_stream_brought_can_be_sent(look: Look) -> None:
    def raised() -> None:
        holding = Portfolio.objects.get(slug="holding")
        said = {"title": "Said by the stream", "happened": "Something.", "to_do": "Nothing."}
        raise_alerts(
            [NewAlert(code="TEST", key="stream", severity=Severity.WARNING, portfolio_id=holding.pk, **said)],
            now=timezone.now(),
        )

    with look() as page:
        in_database(raised)
        page.get_by_role("button", name="Acknowledge Said by the stream").click(timeout=6000)
        expect(page.get_by_text("Acknowledged by trader")).to_be_visible()


def test_it_asks_nothing_while_nobody_looks(look: Look) -> None:
    with look() as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url) if "/desk/live/" in request.url else None)
        page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        expect(page.locator("#pulse")).to_have_text("○ paused")
        asked.clear()
        page.wait_for_timeout(2600)
        assert asked == []
        page.evaluate("Object.defineProperty(document, 'hidden', {value: false, configurable: true})")
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        expect(page.locator("#pulse")).to_contain_text("● live")
        assert len(asked) == 1


def test_the_focus_stays_where_it_was_when_the_numbers_change(look: Look) -> None:
    with look() as page:
        link = row(page, "3,700C").get_by_role("link")
        link.focus()
        page.evaluate(
            "new Promise((done) => document.getElementById('desk').addEventListener('shown', done, { once: true }))"
        )
        page.wait_for_timeout(100)
        expect(link).to_be_focused()


def test_two_letters_lead_to_each_page(look: Look) -> None:
    with look("/decisions/") as page:
        page.keyboard.press("g")
        page.keyboard.press("d")
        page.wait_for_url("**/desk/")
        page.keyboard.press("g")
        page.keyboard.press("t")
        page.wait_for_url("**/size/")
        page.get_by_role("searchbox").press_sequentially("gd")
        expect(page.get_by_role("searchbox")).to_have_value("gd")


def test_a_stale_quote_is_grey_with_its_age_and_said(look: Look) -> None:
    with look() as page:
        put = row(page, "3,700P")
        expect(put).to_have_class(re.compile("is-stale"))
        expect(put.locator(".bet-bid")).to_contain_text("9 min old")
        expect(put.locator(".bet-waits")).to_have_text("Quote stale: tiers wait, the stop does not")


def test_without_javascript_the_desk_is_a_page_that_says_its_time(look: Look) -> None:
    with look(java_script_enabled=False) as page:
        expect(row(page, "3,700C")).to_be_visible()
        expect(page.locator("#pulse")).to_contain_text("Load the page again for newer numbers.")


def test_from_the_ticket_to_the_desk(look: Look) -> None:
    in_database(lambda: Heartbeat.objects.update(finished_at=timezone.now()))
    with look(f"/portfolios/waiting/size/?contract={CALL.replace(' ', '')}&confidence=0.70") as page:
        page.get_by_label("Contracts", exact=True).fill("4")
        page.get_by_role("button", name=re.compile(r"^Place 4 contracts, 2\d\.\d% of this account$")).click()
        page.wait_for_url("**/desk/")
        expect(page.locator(".notice")).to_contain_text("Placed: 4 of SPXW 3,700 call, 2021-01-04")
        expect(page.locator(".orders")).to_contain_text("0 of 4")
    assert in_database(lambda: Order.objects.filter(portfolio__slug="waiting").count()) == 1


def test_closing_asks_once_more(look: Look) -> None:
    with look() as page:
        row(page, "3,700C").get_by_role("link").click()
        page.get_by_role("link", name="Close this position …").click()
        page.get_by_role("link", name="Keep it").click()
        expect(page.locator("h1")).to_have_text("SPXW 3,700 call, 2021-01-04")
    assert not in_database(lambda: Order.objects.filter(portfolio__slug="holding", intent="manual_close").exists())


PATHS = ["/desk/", "/decisions/", "/orders/", "position"]


@pytest.fixture
def address(trader: object) -> Callable[[str], str]:
    def of(path: str) -> str:
        if path != "position":
            return path
        found = in_database(lambda: Position.objects.get(contract__occ_symbol=CALL, portfolio__slug="holding").pk)
        return f"/portfolios/holding/positions/{found}/"

    return of


@pytest.mark.parametrize("width", [1440, 1024, 390])
@pytest.mark.parametrize("path", PATHS)
def test_nothing_reaches_beyond_the_window(look: Look, address: Callable[[str], str], path: str, width: int) -> None:
    with look(address(path), viewport={"width": width, "height": 900}) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        spilling = page.evaluate(
            """() => [...document.querySelectorAll("main *")].filter((element) =>
                !element.closest(".table-scroll, .unseen, svg") &&
                element.getBoundingClientRect().right > innerWidth + 1).map((element) => element.className)"""
        )
        assert spilling == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PATHS)
def test_every_text_stands_out_from_its_ground(
    look: Look, address: Callable[[str], str], path: str, scheme: str
) -> None:
    with look(address(path), color_scheme=scheme, reduced_motion="reduce") as page:
        page.wait_for_timeout(200)
        assert page.evaluate(CONTRAST) == []


@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_no_two_texts_of_a_ladder_touch(look: Look, width: int) -> None:
    with look(viewport={"width": width, "height": 900}) as page:
        touching = page.evaluate(
            """() => [...document.querySelectorAll(".bet-axis")].flatMap((axis) => {
                const boxes = [...axis.querySelectorAll("text")]
                    .map((text) => [text.textContent, text.getBoundingClientRect()]);
                return boxes.flatMap(([name, a], i) => boxes.slice(i + 1)
                    .filter(([, b]) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)
                    .map(([other]) => `${name} / ${other}`));
            })"""
        )
        assert touching == []
