"""Every page of ours by the rules of axe-core (WCAG 2.2 A and AA, best practices), light and dark, wide and narrow."""

from datetime import date, timedelta
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from positions.models import Decision, Portfolio, Position
from positions.services.journal import set_tags, write_note
from riskengine.models import Alert, Breaker, PriorTrade, Signal, SignalEvent, SignalSource
from tests import factories
from tests.browser import market
from tests.browser.conftest import ANY_NUMBER, Visit, sign_in
from tests.browser.test_desk import CALL, in_database, make
from tests.riskengine.study.compared import finished_comparison as compared

pytestmark = pytest.mark.browser

PLACE = "holding-axe"
LOOKS = [("dark", 1440), ("light", 390)]  # both schemes and both widths, each once


def happen() -> dict[str, str]:
    """A reader whose account has lost enough to trip a breaker and to be told of it; the address of each page."""
    make("reader", PLACE, "waiting-axe")
    portfolio = Portfolio.objects.get(slug=PLACE)
    breaker = Breaker.objects.create(
        portfolio=portfolio,
        code="loss_l2",
        state="tripped",
        session_on=market.STOPPED_AT.date(),
        tripped_at=market.STOPPED_AT,
        value=6_100,
        limit=6_000,
    )
    Alert.objects.create(
        code="TRIPPED",
        key="axe",
        portfolio=portfolio,
        severity="warning",
        title="A breaker has tripped",
        happened="The day's loss is USD 6,100; the limit is 6,000.",
        to_do="Wait for the next session.",
        raised_at=market.STOPPED_AT,
        last_seen_at=market.STOPPED_AT,
        staged_at=market.STOPPED_AT,
    )
    position = Position.objects.filter(portfolio=portfolio).earliest("id")
    write_note(position=position, text="Bought the dip.", actor=portfolio.owner, now=market.STOPPED_AT)
    set_tags(position=position, tags=["gap", "fomc-day"], actor=portfolio.owner, now=market.STOPPED_AT)
    decision = Decision.objects.filter(portfolio=portfolio).earliest("id")
    signal = hear(portfolio, position)
    root = f"/portfolios/{PLACE}"
    symbol = CALL.replace(" ", "")
    return {
        "desk": "/desk/",
        "ticket": f"{root}/size/?contract={symbol}&confidence=0.75",
        "ticket, refused": f"{root}/size/?contract={symbol}&confidence=0.10",
        "risk": f"{root}/risk/",
        "night": f"{root}/night/",
        "reviews": f"{root}/reviews/",
        "review": f"{root}/reviews/{factories.review(portfolio, date(2021, 1, 4)).pk}/",
        "signals": "/signals/",
        "signal": f"/signals/{signal.pk}/",
        "confidence": f"{root}/confidence/",
        "correlation": f"{root}/correlation/",
        "companies": f"{root}/companies/",
        "performance": f"{root}/performance/",
        "fills": f"{root}/fills/",
        "take-profit": f"{root}/take-profit/",
        "size-impact": f"{root}/size-impact/",
        "projection": f"{root}/projection/",
        "odds": f"{root}/odds/?win=0.55&gain=0.2&loss=0.2&lost_whole=0.05",
        "rollout": f"{root}/rollout/",
        "comparisons": f"{root}/comparisons/",
        "comparison": f"{root}/comparisons/{compared(portfolio, market.STOPPED_AT, date(2021, 1, 4)).pk}/",
        "position": f"{root}/positions/{position.pk}/",
        "close": f"{root}/positions/{position.pk}/close/",
        "part": f"{root}/positions/{position.pk}/close-part/",
        "part, confirmed": f"{root}/positions/{position.pk}/close-part/?contracts=1",
        "part, refused": f"{root}/positions/{position.pk}/close-part/?contracts=99",
        "tighten": f"{root}/positions/{position.pk}/tighten/",
        "positions": "/positions/?tag=gap",
        "kill switch": "/stop/",
        "clear": f"/breakers/{breaker.pk}/clear/",
        "decisions": "/decisions/",
        "decision": f"/decisions/{decision.pk}/",
        "orders": "/orders/",
        "parameters": f"/profiles/{portfolio.profile.slug}/?from=1&to=1",
        "not there": "/portfolios/none/size/",
    }


def hear(portfolio: Portfolio, position: Position) -> Signal:
    """A signal with its components and its selection, and a record with a tier under its break-even."""
    source = SignalSource.objects.create(
        portfolio=portfolio, slug="axe", name="A model", kind="api", created_at=market.STOPPED_AT
    )
    signal = Signal.objects.create(
        portfolio=portfolio,
        source=source,
        external_id="1",
        underlying=position.contract.underlying,
        contract=position.contract,
        direction="LONG_CALL",
        confidence="0.82",
        components=[{"name": "trend", "label": "Trend", "value": -0.4, "weight": 0.3, "unit": "-1 to 1"}],
        as_of=market.STOPPED_AT,
        expires_at=market.STOPPED_AT + timedelta(days=365),
        received_at=market.STOPPED_AT,
        state="accepted",
        selection={
            "contract": position.contract.occ_symbol, "picked": "named by the signal", "confidence": 0.82,
            "calibrated": 0.6, "scales_with": 0.6, "trades": 40, "trades_needed": 30, "proven": True,
            "average_rho": None, "factor": 1.0, "score": 0.82, "correlation_as_of": None,
        },
    )  # fmt: skip
    SignalEvent.objects.create(signal=signal, state="accepted", happened_at=market.STOPPED_AT, actor_name="signals")
    PriorTrade.objects.bulk_create(
        PriorTrade(
            portfolio=portfolio,
            external_id=f"{number}",
            confidence="0.82" if number % 4 else "0.72",
            gain_fraction="0.1" if number < 12 else "-0.25",
            closed_at=market.STOPPED_AT - timedelta(days=3),
            source="test",
        )
        for number in range(40)
    )
    return signal


PAGES = [
    "desk", "ticket", "ticket, refused", "risk", "position", "close", "kill switch", "clear", "decisions", "decision",
    "orders", "parameters", "not there", "night", "part", "part, confirmed", "part, refused", "tighten", "positions",
    "signals", "signal", "confidence", "correlation", "companies", "performance", "fills",
    "take-profit", "size-impact", "projection", "odds", "rollout", "reviews", "review",
    "comparisons", "comparison",
]  # fmt: skip


@pytest.fixture(scope="module")
def addresses(site: str) -> dict[str, str]:
    return in_database(happen)


@pytest.fixture(scope="module")
def reader(chromium: Browser, site: str, addresses: dict[str, str]) -> object:
    return sign_in(chromium, site, "reader", "secret")


def broken(page: Any) -> list[tuple[str, str]]:
    """Rule and place of each violation."""
    found = Axe().run(page).response["violations"]
    return [(each["id"], node["html"][:200]) for each in found for node in each["nodes"]]


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
@pytest.mark.parametrize("name", PAGES)
def test_no_rule_is_broken(
    visit: Visit, addresses: dict[str, str], reader: object, name: str, scheme: str, width: int
) -> None:
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}}
    with visit(addresses[name], person=reader, complaints=ANY_NUMBER, **options) as page:
        assert broken(page) == []


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_nor_at_the_door(visit: Visit, scheme: str, width: int) -> None:
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}}
    with visit("/accounts/sign-in/", stranger=True, **options) as page:
        assert broken(page) == []


def test_it_would_see_a_broken_one(visit: Visit, reader: object, addresses: dict[str, str]) -> None:
    with visit(addresses["kill switch"], person=reader) as page:
        page.evaluate("document.querySelector('label[for=id_reason]').remove()")
        assert "label" in {rule for rule, _ in broken(page)}
