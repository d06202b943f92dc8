"""The pages of signals: who sees them, what they say, and a person who places a signal once."""

from decimal import Decimal

import pytest
import time_machine
from django.test import Client

from accounts.models import User
from positions.models import Decision, Order
from riskengine.models import Handling, PriorTrade, Signal, SignalSource, SourceKind, TierReview
from riskengine.services.signals.choosing import run_signals
from tests import factories
from tests.riskengine import market
from tests.riskengine.entering import checked
from tests.riskengine.market import Bet
from tests.riskengine.signals.sending import send, source

pytestmark = pytest.mark.django_db


@pytest.fixture
def bet() -> Bet:
    return checked(market.zero_dte())


@pytest.fixture
def owner(bet: Bet) -> Client:
    signed_in = Client()
    signed_in.force_login(bet.portfolio.owner)
    return signed_in


@pytest.fixture
def shown(bet: Bet) -> SignalSource:
    return source(bet, handling=Handling.SHOW, name="the desk's own model")


def read(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, address
    return answer.content.decode()


def addresses(bet: Bet, signal: Signal) -> list[str]:
    slug = bet.portfolio.slug
    pages = [f"/portfolios/{slug}/{page}/" for page in ("confidence", "correlation")]
    return ["/signals/", f"/signals/{signal.pk}/", *pages]


def test_the_owner_reads_every_page_and_a_stranger_finds_nothing(bet: Bet, owner: Client, shown: SignalSource) -> None:
    signal = send(bet, of=shown)
    stranger = Client()
    stranger.force_login(factories.user())
    for address in addresses(bet, signal):
        read(owner, address)
        assert Client().get(address).status_code == 302
        if address != "/signals/":
            assert stranger.get(address).status_code == 404
    assert "No signal yet." in read(stranger, "/signals/")


def test_a_signal_is_told_from_what_it_is_made_of_to_what_became_of_it(
    bet: Bet, owner: Client, shown: SignalSource
) -> None:
    components = [
        {"name": "trend", "label": "Trend", "value": -0.4, "weight": 0.3, "unit": "-1 to 1"},
        {"name": "news", "value": "<b>good</b>"},
        "odd",
    ]
    signal = send(bet, of=shown, components=components, note="Out of the morning run.")
    run_signals(now=bet.wall())
    with time_machine.travel(bet.wall(), tick=False):
        page = read(owner, f"/signals/{signal.pk}/")
    assert "SPX, long call, confidence 0.70" in page
    assert "Out of the morning run." in page
    assert "−0.400" in page
    assert "&lt;b&gt;good&lt;/b&gt;" in page
    assert "Shown for a person to size and place." in page
    assert f"contract=SPXW210104C03700000&amp;confidence=0.7&amp;signal={signal.pk}" in page
    assert "named by the signal" in page


def test_the_list_filters_by_state_and_names_why_one_was_dropped(bet: Bet, owner: Client, shown: SignalSource) -> None:
    send(bet, "0.30", of=shown)
    run_signals(now=bet.wall())
    assert "Confidence 0.30 is under 0.65" in read(owner, "/signals/?state=dropped")
    assert "No signal of this kind." in read(owner, "/signals/?state=traded")
    assert "No signal of this kind." in read(owner, "/signals/?state=%00")


def test_a_person_places_a_signal_once(bet: Bet, owner: Client, shown: SignalSource) -> None:
    signal = send(bet, of=shown)
    run_signals(now=bet.wall())
    ticket = f"/portfolios/{bet.portfolio.slug}/size/?contract=SPXW210104C03700000&confidence=0.7&signal={signal.pk}"
    with time_machine.travel(bet.wall(), tick=False):
        page = read(owner, ticket)
        assert f'name="signal" value="{signal.pk}"' in page
        assert "it has one entry" in page
        asked = {
            "contract": "SPXW210104C03700000", "confidence": "0.7", "contracts": "3", "pace": "normal",
            "signal": str(signal.pk),
        }  # fmt: skip
        place = f"/portfolios/{bet.portfolio.slug}/place/"
        owner.post(place, asked | {"key": "first-press"})
        owner.post(place, asked | {"key": "first-press"})
        said = owner.post(place, asked | {"key": "second-press"}, follow=True).content.decode()
    assert "This signal has its entry already" in said
    signal.refresh_from_db()
    assert Decision.objects.get() == signal.decision
    assert Order.objects.openings().count() == 1


def test_a_signal_of_another_contract_or_account_is_not_placed(bet: Bet, owner: Client, shown: SignalSource) -> None:
    signal = send(bet, of=shown)
    put = market.spxw("3700", "P")
    market.quote(put, bet.at.replace(second=0), bid="44.00", ask="44.40")
    place = f"/portfolios/{bet.portfolio.slug}/place/"
    asked = {
        "contract": put.occ_symbol, "confidence": "0.7", "contracts": "3", "pace": "normal", "key": "a-press-here",
        "signal": str(signal.pk),
    }  # fmt: skip
    with time_machine.travel(bet.wall(), tick=False):
        assert "is not what this signal is about" in owner.post(place, asked, follow=True).content.decode()
        assert owner.post(place, asked | {"signal": "999999"}).status_code == 404
    assert not Decision.objects.exists()


def test_a_signal_is_placed_as_it_was_said(bet: Bet, owner: Client, shown: SignalSource) -> None:
    """Its source's record would be that of another confidence."""
    signal = send(bet, of=shown)
    place = f"/portfolios/{bet.portfolio.slug}/place/"
    asked = {
        "contract": bet.contract.occ_symbol, "confidence": "0.95", "contracts": "3", "pace": "normal",
        "key": "a-press-here", "signal": str(signal.pk),
    }  # fmt: skip
    with time_machine.travel(bet.wall(), tick=False):
        said = owner.post(place, asked, follow=True).content.decode()
    assert "This signal says 0.7, and 0.95 is asked for." in said
    assert not Decision.objects.exists()


def test_confidence_says_that_nobody_knows_before_it_says_anything_else(bet: Bet, owner: Client) -> None:
    page = read(owner, f"/portfolios/{bet.portfolio.slug}/confidence/")
    assert "No closed trade yet" in page
    assert "With no edge at all" in page
    assert "being computed" in page
    assert "No source of signals yet." in page


def test_a_risk_manager_lets_a_tier_scale_again_with_a_reason(bet: Bet) -> None:
    PriorTrade.objects.bulk_create(
        PriorTrade(
            portfolio=bet.portfolio, external_id=f"{number}", confidence=Decimal("0.82"), source="test",
            gain_fraction=Decimal("0.1") if number < 8 else Decimal("-0.25"), closed_at=bet.at.replace(day=3),
        )
        for number in range(40)
    )  # fmt: skip
    address = f"/portfolios/{bet.portfolio.slug}/confidence/"
    manager = Client()
    manager.force_login(User.objects.create_superuser(username="manager", password="secret"))
    with time_machine.travel(bet.wall(), tick=False):
        page = read(manager, address)
        assert "surely under its break-even" in page
        assert "Let the tier from 0.80 scale again" in page
        said = manager.post(f"{address}review/", {"tier": "0.800000", "reason": " "}, follow=True).content.decode()
        assert "Say why" in said
        manager.post(f"{address}review/", {"tier": "0.800000", "reason": "The model was retrained."})
        page = read(manager, address)
    assert TierReview.objects.get().reason == "The model was retrained."
    assert "The model was retrained." in page
    assert "surely under its break-even" not in page


def test_who_is_no_risk_manager_may_not_review(bet: Bet, owner: Client) -> None:
    answer = owner.post(f"/portfolios/{bet.portfolio.slug}/confidence/review/", {"tier": "0.8", "reason": "Please."})
    assert answer.status_code == 403
    assert not TierReview.objects.exists()


def test_the_generator_is_offered_at_the_minimum_on_the_ticket(bet: Bet, owner: Client) -> None:
    signal = send(bet, "0.95", of=source(bet, SourceKind.GENERATOR, Handling.SHOW))
    run_signals(now=bet.wall())
    with time_machine.travel(bet.wall(), tick=False):
        base = f"/portfolios/{bet.portfolio.slug}/size/answer/?contract=SPXW210104C03700000&confidence=0.95"
        assert "Place 5 contracts" in read(owner, base)
        assert "Place 3 contracts" in read(owner, f"{base}&signal={signal.pk}")


def test_the_desk_shows_the_signals_that_wait_for_a_person_and_no_others(
    bet: Bet, owner: Client, shown: SignalSource
) -> None:
    signal = send(bet, of=shown)
    run_signals(now=bet.wall())
    with time_machine.travel(bet.wall(), tick=False):
        page = read(owner, "/desk/")
        assert "Signals for you" in page
        assert f'href="/signals/{signal.pk}/"' in page
    with time_machine.travel(bet.wall(signal.expires_at), tick=False):
        assert "Signals for you" not in read(owner, "/desk/")
