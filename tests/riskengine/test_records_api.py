"""What was decided, ordered, held and filled, over the API."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client

from positions.services.working import work_orders
from riskengine.services.decide.plan import exit_plan
from tests import factories
from tests.riskengine.asking import ASKED, DECISIONS, ORDERS, POSITIONS, held, owners_bet, post, signed_in
from tests.riskengine.counts import assert_counted
from tests.riskengine.market import Bet

pytestmark = pytest.mark.django_db


@pytest.fixture
def bet() -> Iterator[Bet]:
    with owners_bet() as made:
        yield made


@pytest.fixture
def owner(bet: Bet) -> Client:
    return signed_in("owner")


def test_decisions_are_listed_the_latest_first_and_kept_whole(bet: Bet, owner: Client) -> None:
    approved, refused = post(owner).json(), post(owner, body=ASKED | {"confidence": 0.5}).json()
    listed = owner.get(DECISIONS).json()
    assert [each["id"] for each in listed["results"]] == [refused["id"], approved["id"]]
    assert listed["results"][1] == {name: approved[name] for name in listed["results"][1]}
    assert owner.get(f"{DECISIONS}{approved['id']}/").json() == approved
    for question, found in (({"approved": "true"}, approved), ({"refusal_code": "MIN_CONFIDENCE"}, refused)):
        assert [each["id"] for each in owner.get(DECISIONS, question).json()["results"]] == [found["id"]]


def test_orders_are_listed_without_the_prices_that_were_sent_for_them(bet: Bet, owner: Client) -> None:
    intent = bet.order(bet.contract, 3, "44.80")
    bet.order(bet.contract, 1, "44.60", decision=intent.decision, parent=intent)
    [only] = owner.get(ORDERS).json()["results"]
    assert (only["id"], only["status"], only["worst_price"]) == (intent.pk, "working", "44.8000")
    assert owner.get(ORDERS, {"status": "filled"}).json()["results"] == []


def test_positions_are_listed_with_their_slices(bet: Bet, owner: Client) -> None:
    position = held(bet)
    [only] = owner.get(POSITIONS, {"status": "open"}).json()["results"]
    assert only | {"notes": []} == owner.get(f"{POSITIONS}{position.pk}/").json()
    assert (only["quantity_open"], only["average_entry_price"], only["current_stop"]) == (3, "44.400000", "22.2000")
    assert [(each["number"], each["threshold"], each["state"]) for each in only["slices"]] == [
        (1, "0.050000", "armed"),
        (2, "0.100000", "armed"),
        (3, "0.150000", "armed"),
    ]
    assert owner.get(POSITIONS, {"status": "closed"}).json()["results"] == []


def test_a_long_list_is_read_page_by_page(bet: Bet, owner: Client) -> None:
    made = [factories.refused(bet.portfolio).pk for _ in range(5)]
    first = owner.get(DECISIONS, {"page_size": 2}).json()
    factories.refused(bet.portfolio)
    second = owner.get(first["next"]).json()
    assert [each["id"] for each in first["results"] + second["results"]] == made[:0:-1]


@pytest.mark.parametrize(
    ("path", "question"),
    [
        (ORDERS, {"position": "99999999999999999999"}),
        (ORDERS, {"position": "x"}),
        (ORDERS, {"status": "gone"}),
        (DECISIONS, {"cursor": "x"}),
        (POSITIONS, {"status": "\x00"}),
    ],
    ids=str,
)
def test_a_strange_question_is_an_error_or_finds_nothing(
    bet: Bet, owner: Client, path: str, question: dict[str, str]
) -> None:
    response = owner.get(path, question)
    assert response.status_code in (200, 400, 404)
    assert response.status_code != 200 or response.json()["results"] == []


@pytest.mark.parametrize("path", [f"{DECISIONS}99999999999999999999/", f"{POSITIONS}99999999999999999999/"])
def test_a_number_that_no_row_has_is_not_found(bet: Bet, owner: Client, path: str) -> None:
    assert owner.get(path).status_code == 404


def test_each_endpoint_takes_as_many_statements_as_are_committed(bet: Bet, owner: Client) -> None:
    with assert_counted("api entry approved"):
        made = post(owner, **{"Idempotency-Key": "a"}).json()
    with assert_counted("api entry refused"):
        post(owner, body=ASKED | {"confidence": 0.5})
    with assert_counted("api entry repeated"):
        post(owner, **{"Idempotency-Key": "a"})
    position = held(bet)
    for _ in range(3):
        bet.hold(bet.contract, 1, "44.40")
    for name, path in (
        ("api decisions", DECISIONS),
        ("api decision", f"{DECISIONS}{made['id']}/"),
        ("api fills", f"{ORDERS.removesuffix('orders/')}fills/"),
        ("api orders", ORDERS),
        ("api positions", POSITIONS),
        ("api position", f"{POSITIONS}{position.pk}/"),
    ):
        with assert_counted(name):
            assert owner.get(path).status_code == 200
    with assert_counted("api position close"):
        assert post(owner, f"{POSITIONS}{position.pk}/close/", {}).status_code == 201
    assert Decimal(made["dollars"]) == Decimal("13320.00")


def test_fills_are_listed_with_what_they_were_made_for_and_against(bet: Bet, owner: Client) -> None:
    made = post(owner).json()
    for seconds in range(0, 45, 5):
        work_orders(now=bet.wall(bet.at + timedelta(seconds=seconds)), plan=exit_plan)
    rows = owner.get(ORDERS.replace("orders/", "fills/")).json()["results"]
    row = rows[0]
    assert [each["quantity"] for each in rows] == [1, 2], "the latest first"
    assert (row["contract"], row["side"], row["intent"]) == (bet.contract.occ_symbol, "buy", "open")
    assert (row["price"], row["fee"], rows[1]["fee"]) == ("44.4000", "0.65", "1.30")
    assert (row["order"], row["quote_bid"], row["quote_ask"]) == (made["order"]["id"], "44.0000", "44.4000")
    assert owner.get(ORDERS.replace("orders/", f"fills/?position={row['position']}")).json()["results"] == rows
    assert owner.get(ORDERS.replace("orders/", f"fills/?order={row['order'] + 1}")).json()["results"] == []
