"""A signal placed over the API, once; the record of confidence and its review."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.test import Client

from positions.models import Decision, Order
from riskengine.models import Handling, PriorTrade, Signal, SignalSource, SourceKind, TierReview
from riskengine.services.signals.choosing import run_signals
from tests import factories
from tests.riskengine import market
from tests.riskengine.asking import errors
from tests.riskengine.counts import assert_counted
from tests.riskengine.luck import base_rates
from tests.riskengine.market import Bet
from tests.riskengine.signals.sending import send, signed_in, source

pytestmark = pytest.mark.django_db

CONTRACT = "SPXW  210104C03700000"


def place(signal: Signal, body: Any = None, key: str = "", client: Client | None = None) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return (client or signed_in()).post(
        f"/api/v1/signals/{signal.pk}/place/",
        json.dumps(body if body is not None else {"contract": CONTRACT}),
        content_type="application/json",
        headers=headers,
    )


# ---- Placing ----


def test_a_signal_is_placed_once_and_a_repeat_gets_the_same_answer(bet: Bet, model: SignalSource) -> None:
    signal = send(bet, of=model)
    first, again = place(signal, key="k1"), place(signal, key="k1")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["approved"] is True
    assert (first.json()["id"], first.json()["confidence"]) == (again.json()["id"], "0.700000")
    for key in ("k2", ""):
        other = place(signal, key=key)
        assert (other.status_code, errors(other)) == (422, [("SIGNAL_TAKEN", "")])
    signal.refresh_from_db()
    assert (signal.state, signal.decision_id) == ("accepted", first.json()["id"])
    assert Order.objects.openings().count() == 1


def test_without_a_key_a_second_request_is_no_second_bet(bet: Bet, model: SignalSource) -> None:
    signal = send(bet, of=model)
    assert place(signal).status_code == 201
    assert errors(place(signal)) == [("SIGNAL_TAKEN", "")]
    assert Decision.objects.count() == 1


def test_a_refused_one_may_be_tried_again(bet: Bet, model: SignalSource) -> None:
    signal = send(bet, of=model)
    refused = place(signal, {"contract": CONTRACT, "contracts": 900})
    assert (refused.status_code, refused.json()["approved"]) == (201, False)
    assert place(signal).json()["approved"] is True


def test_proposed_it_waits_and_nothing_is_ordered(bet: Bet, model: SignalSource) -> None:
    signal = send(bet, of=model)
    made = place(signal, {"contract": CONTRACT, "propose": True}).json()
    assert (made["approved"], made["order"], made["waits_for_confirmation"]) == (True, None, True)


def test_another_contract_or_time_is_not_this_signal(bet: Bet, model: SignalSource) -> None:
    signal = send(bet, of=model)
    put = market.spxw("3700", "P")
    assert errors(place(signal, {"contract": put.occ_symbol})) == [("SIGNAL_TAKEN", "")]
    assert errors(place(signal, {"contract": "SPXW210104C09990000"})) == [("unknown_contract", "contract")]
    with time_machine.travel(bet.wall() + timedelta(minutes=15), tick=False):
        assert errors(place(signal)) == [("SIGNAL_TAKEN", "")]
    assert not Decision.objects.exists()


def test_the_key_of_another_entry_or_signal_is_refused(bet: Bet, model: SignalSource) -> None:
    first, second = send(bet, of=model), send(bet, of=model)
    assert place(first, key="mine").status_code == 201
    response = place(second, key="mine")
    assert (response.status_code, errors(response)) == (422, [("IDEMPOTENCY_CONFLICT", "")])
    assert Signal.objects.filter(decision__isnull=False).count() == 1


def test_a_person_cannot_take_the_key_of_a_signal(bet: Bet) -> None:
    signal = send(bet, of=source(bet, handling=Handling.ENTER))
    address = f"/api/v1/portfolios/{bet.portfolio.slug}/entries/"
    body = json.dumps({"contract": CONTRACT, "confidence": "0.70"})
    key = {"Idempotency-Key": f"signal:{signal.pk}"}
    response = signed_in().post(address, body, content_type="application/json", headers=key)
    assert (response.status_code, errors(response)) == (422, [("IDEMPOTENCY_CONFLICT", "")])
    run_signals(now=bet.wall())
    signal.refresh_from_db()
    assert signal.decision is not None


def test_what_is_built_in_bets_the_minimum_whoever_places_it(bet: Bet) -> None:
    signal = send(bet, "0.95", of=source(bet, SourceKind.GENERATOR, handling=Handling.SHOW))
    other = send(bet, "0.95", of=source(bet, handling=Handling.SHOW))
    made = place(signal, {"contract": CONTRACT, "propose": True}).json()
    scaled = place(other, {"contract": CONTRACT, "propose": True}).json()
    assert Decimal(made["scale_multiplier"]) < Decimal(scaled["scale_multiplier"])


# ---- Confidence ----


def lose(bet: Bet) -> None:
    PriorTrade.objects.bulk_create(
        PriorTrade(
            portfolio=bet.portfolio,
            external_id=str(number),
            confidence=Decimal("0.75"),
            gain_fraction=Decimal("0.10" if number < 3 else "-0.50"),
            closed_at=bet.at - timedelta(days=9),
            source="the owner",
        )
        for number in range(30)
    )


def review(bet: Bet, client: Client, tier: str = "0.7", reason: str = "Looked at.") -> Any:
    address = f"/api/v1/portfolios/{bet.portfolio.slug}/confidence/review/"
    return client.post(address, json.dumps({"tier": tier, "reason": reason}), content_type="application/json")


def test_the_record_is_read_and_a_tier_that_waits_is_reviewed_once(bet: Bet, model: SignalSource) -> None:
    lose(bet)
    base_rates(bet.portfolio)
    chief = factories.user("chief", is_staff=True)
    address = f"/api/v1/portfolios/{bet.portfolio.slug}/confidence/"
    owner = signed_in()
    with assert_counted("api confidence"):
        record = owner.get(address).json()
    assert (record["trades"], record["waiting_for_review"], record["zero_edge_win_rate"]) == (30, [0.7], 0.58)
    assert len(record["calibration"]) == 21
    assert record["sources"][0]["slug"] == "model"
    assert review(bet, owner).status_code == 403
    assert review(bet, signed_in("chief")).status_code == 403
    chief.user_permissions.add(Permission.objects.get(codename="add_tierreview"))
    made = review(bet, signed_in("chief"))
    assert made.status_code == 201
    assert (made.json()["tier"], made.json()["trades"], made.json()["wins"]) == ("0.700000", 30, 3)
    assert owner.get(address).json()["waiting_for_review"] == []
    again = review(bet, signed_in("chief"))
    assert (again.status_code, errors(again)) == (422, [("NOTHING_TO_REVIEW", "tier")])
    assert review(bet, signed_in("chief"), reason=" ").status_code == 400
    assert TierReview.objects.count() == 1


def test_a_review_that_is_sent_again_under_its_key_is_answered_again(bet: Bet) -> None:
    lose(bet)
    chief = factories.user("chief", is_staff=True)
    chief.user_permissions.add(Permission.objects.get(codename="add_tierreview"))
    address = f"/api/v1/portfolios/{bet.portfolio.slug}/confidence/review/"
    body = json.dumps({"tier": "0.7", "reason": "Looked at."})
    client = signed_in("chief")
    first, again = (
        client.post(address, body, content_type="application/json", headers={"Idempotency-Key": "mine"})
        for _ in range(2)
    )
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert TierReview.objects.count() == 1
