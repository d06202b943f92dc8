"""Entries of one moment: answered in their order, each judged with what those before it were promised."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from positions.models import Decision, Order, OrderEvent
from riskengine.services.decide.entries import Authorised, IdempotencyConflict, authorise_entries
from riskengine.services.decide.request import EntryRequest
from tests.riskengine import market
from tests.riskengine.counts import statements
from tests.riskengine.entering import checked, enter
from tests.riskengine.market import Bet

pytestmark = pytest.mark.django_db

Asked = tuple[EntryRequest, str]
OWN_TO_A_RUN = {"id", "decision_id", "client_order_id", "order_id"}


def asked(bet: Bet, confidence: str = "0.70", key: str = "", **given: Any) -> Asked:
    return EntryRequest(given.pop("contract", bet.contract), Decimal(confidence), **given), key


def together(bet: Bet, *requests: Asked) -> list[Authorised]:
    return authorise_entries(portfolio=bet.portfolio, asked=requests, now=bet.wall(), actor=None, actor_name="test")


def one_by_one(bet: Bet, requests: Sequence[Asked]) -> list[Authorised]:
    return [together(bet, request)[0] for request in requests]


def rows() -> list[list[dict[str, Any]]]:
    """Everything that was written, without the keys of the run."""
    tables = (Decision.objects.order_by("id"), Order.objects.order_by("id"), OrderEvent.objects.order_by("id"))
    told = [[{k: v for k, v in row.items() if k not in OWN_TO_A_RUN} for row in table.values()] for table in tables]
    for event in told[2]:
        event["detail"].pop("decision")
    return told


@pytest.mark.parametrize("make", [market.zero_dte, market.seven_dte])
def test_entries_of_one_moment_are_those_that_were_asked_for_one_after_the_other(make: Any) -> None:
    """Approved, refused, asked for with a number: exposure, cash, counts, correlation, Greeks and the throttle of each
    are those that the next look would have read."""
    bet = checked(make())
    zero_dte = bet.portfolio.system == "smart-0dte"
    other = market.spxw("3710") if zero_dte else market.stock("MSFT")
    market.quote(
        other, bet.at.replace(second=0), bid="43.00" if zero_dte else "4.95", ask="43.40" if zero_dte else "5.00"
    )
    requests = [
        asked(bet, contracts=None),
        asked(bet, "0.95", contract=other),
        asked(bet, "0.70", contracts=1),
        asked(bet, "0.10"),
        asked(bet, "0.80", pace="fast"),
        asked(bet, "0.80"),
        asked(bet, "0.80"),
    ]
    with transaction.atomic():
        one_by_one(bet, requests)
        expected = rows()
        transaction.set_rollback(True)
    assert rows() == [[], [], []]
    together(bet, *requests)
    assert rows() == expected
    codes = [decision["refusal_code"] for decision in expected[0]]
    assert "" in codes
    assert len(set(codes)) > 2, codes


def test_a_key_given_twice_is_answered_twice_and_decided_once() -> None:
    bet = checked(market.zero_dte())
    first, second = together(bet, asked(bet, key="a"), asked(bet, key="a"))
    assert (first.created, second.created) == (True, False)
    assert first.order is not None
    assert first.order == second.order == Order.objects.get()
    assert first.decision == second.decision == Decision.objects.get()


def test_a_key_of_an_earlier_call_gets_its_decision_beside_new_ones() -> None:
    bet = checked(market.zero_dte())
    stored = enter(bet, key="a", contracts=3)
    known, new = together(bet, asked(bet, key="a", contracts=3), asked(bet, "0.10", key="b"))
    assert (known.decision, known.order, known.created) == (stored.decision, stored.order, False)
    assert (new.decision.refusal_code != "", new.order, new.created) == (True, None, True)


def test_a_conflict_stores_none_of_them() -> None:
    bet = checked(market.zero_dte())
    with pytest.raises(IdempotencyConflict, match="“a”"):
        together(bet, asked(bet, key="b"), asked(bet, key="a"), asked(bet, "0.90", key="a"))
    assert not Decision.objects.exists()


def test_many_take_as_many_statements_as_two() -> None:
    counts = []
    bet = checked(market.zero_dte())
    for number in (2, 40):
        with transaction.atomic():
            with statements() as sent:
                together(bet, *[asked(bet, contracts=1)] * number)
            transaction.set_rollback(True)
        counts.append(len(sent))
    assert counts[0] == counts[1]
