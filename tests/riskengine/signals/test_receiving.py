"""Signals at the door: all of a delivery or none, each once, with every problem named."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction

from riskengine.models import Signal, SignalSource, SourceKind
from riskengine.services.decide.entries import PortfolioBusy
from riskengine.services.signals.receiving import MOST, SignalsRefused, receive
from tests.riskengine import market
from tests.riskengine.market import Bet
from tests.riskengine.signals.sending import draft, source
from tests.riskengine.threads import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def bet() -> Bet:
    return market.zero_dte()


@pytest.fixture
def model(bet: Bet) -> SignalSource:
    return source(bet)


def take(bet: Bet, of: SignalSource, *drafts: Any, later: timedelta = timedelta(0)) -> Any:
    return receive(of, drafts, now=bet.wall(bet.at + later))


def problems(bet: Bet, of: SignalSource, *drafts: Any) -> list[tuple[int, str, str]]:
    with pytest.raises(SignalsRefused) as refused:
        take(bet, of, *drafts)
    assert all(each.message.endswith(".") for each in refused.value.problems)
    return [(each.place, each.field, each.code) for each in refused.value.problems]


def test_what_is_left_open_is_now_and_the_profile_s_lifetime(bet: Bet, model: SignalSource) -> None:
    bet.revise(signal_lifetime_minutes=45)
    (signal,) = take(bet, model, draft(bet, as_of=None)).signals
    assert (signal.as_of, signal.expires_at) == (bet.at, bet.at + timedelta(minutes=45))
    assert signal.received_at == bet.wall()
    (event,) = signal.events.all()
    assert (event.state, event.actor_name, event.happened_at) == ("new", model.name, bet.at)


def test_confidence_is_kept_to_six_places_half_up(bet: Bet, model: SignalSource) -> None:
    (signal,) = take(bet, model, draft(bet, "0.7000005")).signals
    assert Signal.objects.get(pk=signal.pk).confidence == Decimal("0.700001")


def test_a_delivery_that_is_half_wrong_takes_nothing_and_names_every_problem(bet: Bet, model: SignalSource) -> None:
    wrong = draft(bet, "1.5", external_id="b", symbol="NONE", contract="", note="x" * 501)
    assert problems(bet, model, draft(bet, external_id="a"), wrong) == [
        (1, "symbol", "UNKNOWN_SYMBOL"),
        (1, "confidence", "INVALID_INPUT"),
        (1, "note", "TOO_LONG"),
    ]
    assert not Signal.objects.exists()


SPOILT: list[tuple[Callable[[Bet], dict[str, Any]], tuple[str, str]]] = [
    (lambda bet: {"external_id": " "}, ("id", "NO_ID")),
    (lambda bet: {"external_id": "x" * 101}, ("id", "NO_ID")),
    (lambda bet: {"direction": "SHORT_CALL", "contract": ""}, ("direction", "SHORT_NOT_SUPPORTED")),
    (lambda bet: {"direction": "", "contract": ""}, ("direction", "SHORT_NOT_SUPPORTED")),
    (lambda bet: {"confidence": Decimal("NaN")}, ("confidence", "INVALID_INPUT")),
    (lambda bet: {"confidence": Decimal("sNaN")}, ("confidence", "INVALID_INPUT")),
    (lambda bet: {"confidence": Decimal("Infinity")}, ("confidence", "INVALID_INPUT")),
    (lambda bet: {"confidence": Decimal("1e400")}, ("confidence", "INVALID_INPUT")),
    (lambda bet: {"confidence": Decimal("-0.000001")}, ("confidence", "INVALID_INPUT")),
    (lambda bet: {"as_of": bet.at + timedelta(seconds=2)}, ("as_of", "IN_THE_FUTURE")),
    (lambda bet: {"as_of": datetime.max.replace(tzinfo=UTC)}, ("as_of", "IN_THE_FUTURE")),
    (lambda bet: {"expires_at": bet.at - timedelta(1), "as_of": bet.at}, ("expires_at", "ENDS_BEFORE_IT_BEGINS")),
    (lambda bet: {"as_of": bet.at - timedelta(minutes=15)}, ("expires_at", "SIGNAL_EXPIRED")),
    (lambda bet: {"expires_at": bet.at + timedelta(days=7, seconds=1)}, ("expires_at", "TOO_LONG")),
    (lambda bet: {"contract": "SPXW210104C09990000"}, ("contract", "UNKNOWN_CONTRACT")),
    (lambda bet: {"contract": "no contract"}, ("contract", "UNKNOWN_CONTRACT")),
    (lambda bet: {"contract": market.stock("AAPL").occ_symbol}, ("contract", "CONTRACT_CONTRADICTS")),
    (lambda bet: {"direction": "LONG_PUT"}, ("contract", "CONTRACT_CONTRADICTS")),
    (lambda bet: {"components": [{"name": "x"}] * 21}, ("components", "TOO_MANY")),
]


@pytest.mark.parametrize(("spoil", "problem"), SPOILT)
def test_what_cannot_be_true_is_refused_by_name(
    bet: Bet, model: SignalSource, spoil: Callable[[Bet], dict[str, Any]], problem: tuple[str, str]
) -> None:
    assert (0, *problem) in problems(bet, model, draft(bet, **spoil(bet)))
    assert not Signal.objects.exists()


def test_a_second_of_the_sender_s_clock_ahead_is_forgiven(bet: Bet, model: SignalSource) -> None:
    assert take(bet, model, draft(bet, as_of=bet.at + timedelta(seconds=1))).created == [True]


def test_a_delivery_has_1_to_500(bet: Bet, model: SignalSource) -> None:
    assert problems(bet, model) == [(0, "signals", "TOO_MANY")]
    assert problems(bet, model, *[draft(bet, external_id=str(n)) for n in range(MOST + 1)])[0][2] == "TOO_MANY"


def test_the_same_number_twice_in_a_delivery_is_a_conflict(bet: Bet, model: SignalSource) -> None:
    assert problems(bet, model, draft(bet), draft(bet)) == [(1, "id", "SIGNAL_CONFLICT")]


def test_a_repeat_changes_nothing_also_when_it_comes_after_its_end(bet: Bet, model: SignalSource) -> None:
    first = take(bet, model, draft(bet, external_id="a"))
    again = take(bet, model, draft(bet, external_id="a"), later=timedelta(hours=2))
    assert (first.created, again.created) == ([True], [False])
    assert first.signals[0].pk == again.signals[0].pk
    assert Signal.objects.count() == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"confidence": "0.71"},
        {"contract": ""},
        {"contract": "SPXW210104C09990000"},
        {"as_of": datetime(2021, 1, 4, 15, 42, 6, tzinfo=UTC)},
        {"expires_at": datetime(2021, 1, 4, 15, 50, tzinfo=UTC)},
    ],
)
def test_under_its_number_nothing_else_can_be_said(bet: Bet, model: SignalSource, changes: dict[str, Any]) -> None:
    take(bet, model, draft(bet, external_id="a"))
    assert problems(bet, model, draft(bet, **({"external_id": "a"} | changes))) == [(0, "id", "SIGNAL_CONFLICT")]


def test_a_contract_that_there_is_not_is_no_repeat_of_none(bet: Bet, model: SignalSource) -> None:
    take(bet, model, draft(bet, external_id="a", contract=""))
    assert problems(bet, model, draft(bet, external_id="a", contract="nonsense")) == [(0, "id", "SIGNAL_CONFLICT")]


def test_the_number_of_another_source_is_another_number(bet: Bet, model: SignalSource) -> None:
    take(bet, model, draft(bet, external_id="a"))
    assert take(bet, source(bet), draft(bet, external_id="a")).created == [True]


def test_a_source_that_is_switched_off_takes_nothing(bet: Bet, model: SignalSource) -> None:
    SignalSource.objects.update(enabled=False)
    assert problems(bet, model, draft(bet)) == [(0, "source", "SOURCE_DISABLED")]


def test_of_a_webhook_what_was_said_long_ago_is_late_whatever_end_it_names(bet: Bet) -> None:
    said = {"as_of": bet.at - timedelta(minutes=16), "expires_at": bet.at + timedelta(days=2)}
    hook = source(bet, SourceKind.WEBHOOK, secret_hash="0" * 64)
    assert problems(bet, hook, draft(bet, **said)) == [(0, "as_of", "SIGNAL_EXPIRED")]
    assert take(bet, source(bet), draft(bet, **said)).created == [True]


# ---- At once ----


@pytest.mark.django_db(transaction=True)
def test_two_deliveries_of_the_same_at_once_are_one() -> None:
    bet = market.zero_dte()
    model = source(bet)
    drafts = [draft(bet, external_id=str(n)) for n in range(20)]
    made = at_once(*[lambda: sum(take(bet, model, *drafts).created)] * 4)
    assert sorted(made) == [0, 0, 0, 20]
    assert Signal.objects.count() == 20


@pytest.mark.django_db(transaction=True)
def test_who_waits_too_long_is_told_to_come_again() -> None:
    bet = market.zero_dte()
    model = source(bet)
    started: list[int] = []

    def holds() -> int:
        with transaction.atomic():
            SignalSource.objects.select_for_update(no_key=True).get(pk=model.pk)
            started.append(1)
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(2.6)")
        return 0

    def sends() -> int:
        while not started:
            pass
        with pytest.raises(PortfolioBusy, match="send it again"):
            take(bet, model, draft(bet))
        return 1

    assert at_once(holds, sends) == [0, 1]
    assert take(bet, model, draft(bet)).created == [True]
