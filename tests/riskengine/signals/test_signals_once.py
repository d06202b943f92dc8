"""One entry a signal: however often it is run, whoever places it at the same moment, wherever a run dies."""

from typing import Any

import pytest
from django.db import connection, transaction

from accounts.models import User
from positions.models import Decision, Order, Portfolio
from riskengine.models import Handling, Signal, SignalEvent, SignalSource
from riskengine.services.decide.entries import PortfolioBusy, authorise_entry
from riskengine.services.decide.request import EntryRequest
from riskengine.services.signals import choosing
from riskengine.services.signals.acting import SignalTaken, place_signal
from riskengine.services.signals.choosing import enter_signal, run_signals
from tests.riskengine import market
from tests.riskengine.entering import checked
from tests.riskengine.market import Bet
from tests.riskengine.signals.sending import beside, run, send, source, states, told
from tests.riskengine.threads import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def bet() -> Bet:
    return checked(market.zero_dte())


# ---- Once ----


def test_a_second_run_makes_no_second_entry(bet: Bet) -> None:
    send(bet)
    for _ in range(3):
        run(bet)
    assert (Decision.objects.count(), Order.objects.openings().count()) == (1, 1)


def test_a_run_that_died_between_decision_and_state_is_healed_by_the_next(bet: Bet) -> None:
    signal = send(bet)
    made = authorise_entry(
        portfolio=bet.portfolio,
        request=EntryRequest(bet.contract, signal.confidence),
        now=bet.wall(),
        actor=None,
        actor_name="test",
        idempotency_key=f"signal:{signal.pk}",
    )
    assert run(bet) == {"accepted": 1}
    signal.refresh_from_db()
    assert signal.decision == made.decision
    assert Decision.objects.count() == 1


def test_a_run_that_dies_before_it_says_so_has_decided_nothing(bet: Bet, monkeypatch: pytest.MonkeyPatch) -> None:
    signal = send(bet)

    def dies(*_: Any, **__: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(choosing, "_to", dies)
        with pytest.raises(SystemExit):
            run(bet)
    assert not Decision.objects.exists()
    assert run(bet) == {"accepted": 1}
    assert told(signal)[0] == "accepted"


def test_a_busy_portfolio_leaves_it_new_and_bars_no_other(bet: Bet, monkeypatch: pytest.MonkeyPatch) -> None:
    signal, other = send(bet), beside(bet)
    fine = send(other)
    real = authorise_entry

    def busy(*, portfolio: Portfolio, **given: Any) -> Any:
        if portfolio.pk == bet.portfolio.pk:
            raise PortfolioBusy("Busy.")
        return real(portfolio=portfolio, **given)

    monkeypatch.setattr(choosing, "authorise_entry", busy)
    run(bet)
    assert (told(signal)[0], told(fine)[0]) == ("new", "accepted")


def test_a_hundred_that_are_shown_keep_no_new_one_from_being_looked_at(
    bet: Bet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, "MOST_AT_ONCE", 2)
    of = source(bet, handling=Handling.SHOW)
    shown = [send(bet, of=of) for _ in range(3)]
    Signal.objects.update(state="accepted")
    fresh = send(bet, "0.30", of=of)
    run(bet)
    assert told(fresh) == ("dropped", "MIN_CONFIDENCE")
    assert {told(each)[0] for each in shown} == {"accepted"}


def test_an_expiry_that_was_read_before_wipes_no_entry(bet: Bet) -> None:
    """The run had read the signal, accepted and without an entry, when a person placed it."""
    signal = send(bet, of=source(bet, handling=Handling.SHOW))
    run(bet)
    stale = Signal.objects.select_related("source", "decision").get(pk=signal.pk)
    place(bet, signal)
    choosing._to(stale, "expired", bet.at, choosing.Ran(), detail="Nobody had acted.")
    signal.refresh_from_db()
    assert (signal.state, signal.decision) == ("accepted", Decision.objects.get())
    assert states(signal) == ["new", "accepted"]


def place(bet: Bet, signal: Signal, key: str = "mine", actor: User | None = None) -> Decision:
    return place_signal(
        signal=signal,
        request=EntryRequest(bet.contract, signal.confidence),
        now=bet.wall(),
        actor=actor or bet.portfolio.owner,
        idempotency_key=key,
    ).decision


def test_what_a_person_placed_is_entered_no_more(bet: Bet) -> None:
    signal = send(bet)
    made = place(bet, signal)
    assert run(bet) == {}
    assert enter_signal(signal, bet.contract, proven=True, now=bet.wall()) is None
    assert Decision.objects.get() == made
    assert states(signal) == ["new", "accepted"]


# ---- At once ----


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    @pytest.fixture
    def bet(self) -> Bet:
        return checked(market.zero_dte())

    def test_runs_in_many_threads_make_one_entry_a_signal(self, bet: Bet) -> None:
        signal = send(bet)
        at_once(*[lambda: len(run_signals(now=bet.wall()).decided)] * 4)
        run(bet)
        assert (Decision.objects.count(), Order.objects.openings().count()) == (1, 1)
        assert states(signal) == ["new", "accepted"]

    def test_a_person_and_the_engine_at_once_make_one_entry(self, bet: Bet) -> None:
        signal = send(bet)

        def person() -> int:
            try:
                place(bet, signal)
            except (SignalTaken, PortfolioBusy):
                return 0
            return 1

        def engine() -> int:
            return len(run_signals(now=bet.wall()).decided)

        at_once(person, engine, person, engine)
        run(bet)
        assert Decision.objects.filter(approved=True).count() == 1
        assert Order.objects.openings().count() == 1
        assert states(signal) == ["new", "accepted"]

    def test_while_somebody_places_it_the_engine_leaves_it(self, bet: Bet) -> None:
        signal = send(bet)
        started: list[int] = []

        def held() -> int:
            with transaction.atomic():
                Signal.objects.select_for_update(no_key=True).get(pk=signal.pk)
                started.append(1)
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_sleep(2.6)")
            return 0

        def engine() -> int:
            while not started:
                pass
            return len(run_signals(now=bet.wall()).decided)

        assert at_once(held, engine) == [0, 0]
        assert told(signal)[0] == "new"
        assert run(bet) == {"accepted": 1}


def test_events_are_written_once_a_state(bet: Bet) -> None:
    send(bet)
    run(bet)
    run(bet)
    assert SignalEvent.objects.filter(state="accepted").count() == 1
    assert SignalSource.objects.count() == 1


def test_a_source_that_was_switched_while_its_signal_was_chosen_enters_nothing(bet: Bet) -> None:
    for number, change in enumerate(({"enabled": False}, {"handling": Handling.SHOW})):
        signal = send(bet, external_id=f"{number}")
        SignalSource.objects.filter(pk=signal.source_id).update(**change)
        assert enter_signal(signal, bet.contract, proven=True, now=bet.wall()) is None
    assert not Decision.objects.exists()


def test_one_account_that_cannot_be_looked_at_holds_up_no_other(bet: Bet, monkeypatch: pytest.MonkeyPatch) -> None:
    other = beside(bet)
    send(bet)
    send(other)
    looked = choosing._choose

    def break_down(portfolio: Any, *rest: Any) -> None:
        if portfolio.pk == bet.portfolio.pk:
            raise RuntimeError("a fault")
        looked(portfolio, *rest)

    monkeypatch.setattr(choosing, "_choose", break_down)
    run(bet)
    assert Decision.objects.get().portfolio == other.portfolio
