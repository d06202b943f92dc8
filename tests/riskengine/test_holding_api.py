"""What is done to a position and written about it over the API: once under its key, and no stranger's."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.test import Client

from positions.models import Order, Position
from tests import factories
from tests.riskengine import market
from tests.riskengine.asking import POSITIONS, errors, held, post, signed_in
from tests.riskengine.market import Bet

pytestmark = pytest.mark.django_db


@pytest.fixture
def bet() -> Iterator[Bet]:
    factories.user("stranger")
    made = market.zero_dte(owner=factories.user("owner"), slug="owners")
    with time_machine.travel(made.wall(), tick=False):
        yield made


@pytest.fixture
def owner(bet: Bet) -> Client:
    return signed_in("owner")


@pytest.fixture
def position(bet: Bet) -> Position:
    return held(bet)


def part(client: Client, position: Position, body: Any, **headers: str) -> Any:
    return post(client, f"{POSITIONS}{position.pk}/close-part/", body, **headers)


def tighten(client: Client, position: Position, **body: Any) -> Any:
    given = {"stop": "40.00", "reason": "The gap is closed."} | body
    return post(client, f"{POSITIONS}{position.pk}/tighten-stop/", given)


def test_a_part_is_ordered_and_said_back(owner: Client, position: Position) -> None:
    response = part(owner, position, {"contracts": 2})
    assert response.status_code == 201
    said = response.json()
    assert (said["intent"], said["side"], said["quantity"], said["position"]) == (
        "manual_reduce", "sell", 2, position.pk,
    )  # fmt: skip


def test_under_its_key_it_is_one_part_and_without_one_each_is_another(owner: Client, position: Position) -> None:
    key = {"Idempotency-Key": "part-1"}
    once, again = (part(owner, position, {"contracts": 1}, **key) for _ in range(2))
    assert (once.status_code, again.status_code, once.json()) == (201, 201, again.json())
    assert Order.objects.filter(intent="manual_reduce").count() == 1
    part(owner, position, {"contracts": 1})
    assert Order.objects.filter(intent="manual_reduce").count() == 2


def test_more_than_is_free_is_refused_with_how_many_are(owner: Client, position: Position) -> None:
    part(owner, position, {"contracts": 2})
    response = part(owner, position, {"contracts": 2})
    assert (response.status_code, errors(response)) == (422, [("NOT_CLOSABLE", "")])
    assert "2 in working orders, 1 free" in response.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "required"),
        ({"contracts": 0}, "min_value"),
        ({"contracts": 1.0}, "invalid"),
        ({"contracts": True}, "invalid"),
        ({"contracts": 1, "all": True}, "unknown_field"),
    ],
)
def test_a_number_that_cannot_be_read_sells_nothing(
    owner: Client, position: Position, body: dict[str, Any], code: str
) -> None:
    response = part(owner, position, body)
    assert (response.status_code, errors(response)[0][0]) == (400, code)
    assert not Order.objects.exists()


def test_a_stop_is_tightened_and_the_position_said_back(owner: Client, position: Position) -> None:
    response = tighten(owner, position)
    assert response.status_code == 200
    said = response.json()
    assert (said["current_stop"], said["initial_stop"], said["version"]) == ("40.0000", "22.2000", 2)
    assert position.events.get().detail["reason"] == "The gap is closed."


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"stop": "22.20"}, 422, "NOT_TIGHTER"),
        ({"stop": "44.00"}, 422, "SELLS_AT_ONCE"),
        ({"stop": "40.00001"}, 400, "invalid"),
        ({"stop": "0"}, 400, "min_value"),
        ({"stop": "NaN"}, 400, "invalid"),
        ({"stop": True}, 400, "invalid"),
        ({"reason": "  "}, 400, "blank"),
        ({"reason": "x" * 1_001}, 400, "max_length"),
        ({"wider": True}, 400, "unknown_field"),
    ],
)
def test_what_is_not_tighter_or_cannot_be_read_changes_nothing(
    owner: Client, position: Position, body: dict[str, Any], status: int, code: str
) -> None:
    response = tighten(owner, position, **body)
    assert (response.status_code, errors(response)[0][0]) == (status, code)
    position.refresh_from_db()
    assert position.current_stop == Decimal("22.2")


def test_to_a_stranger_none_of_it_exists(bet: Bet, position: Position) -> None:
    stranger = signed_in("stranger")
    assert part(stranger, position, {"contracts": 1}).status_code == 404
    assert tighten(stranger, position).status_code == 404
    assert not Order.objects.exists()


# ---- The journal ----


def write(client: Client, position: Position, text: Any, **headers: str) -> Any:
    return post(client, f"{POSITIONS}{position.pk}/notes/", {"text": text}, **headers)


def put_tags(client: Client, position: Position, tags: Any) -> Any:
    return client.put(f"{POSITIONS}{position.pk}/tags/", json.dumps({"tags": tags}), content_type="application/json")


def test_notes_and_tags_are_read_with_the_position(owner: Client, position: Position) -> None:
    first, second = (write(owner, position, text) for text in ("Bought the dip.", "It dipped further."))
    assert (first.status_code, first.json()["author_name"]) == (201, "owner")
    assert put_tags(owner, position, ["gap", "FOMC-day"]).json() == {"tags": ["fomc-day", "gap"]}
    said = owner.get(f"{POSITIONS}{position.pk}/").json()
    assert said["notes"] == [second.json(), first.json()]
    assert said["tags"] == ["fomc-day", "gap"]


def test_a_note_under_its_key_is_written_once(owner: Client, position: Position) -> None:
    key = {"Idempotency-Key": "note-1"}
    assert write(owner, position, "Once.", **key).json() == write(owner, position, "Once.", **key).json()
    assert position.notes.count() == 1


def test_positions_are_listed_by_tag(bet: Bet, owner: Client, position: Position) -> None:
    other = bet.hold(bet.contract, 1, "44.40")
    put_tags(owner, position, ["gap", "late"])
    put_tags(owner, other, ["late"])

    def listed(tag: str) -> set[int]:
        return {each["id"] for each in owner.get(POSITIONS, {"tag": tag}).json()["results"]}

    assert listed("gap") == {position.pk}
    assert listed("late") == {position.pk, other.pk}
    assert listed("ga") == set()


def test_tags_put_take_the_place_of_those_before(owner: Client, position: Position) -> None:
    put_tags(owner, position, ["gap", "late"])
    put_tags(owner, position, ["late"])
    assert put_tags(owner, position, ["late"]).json() == {"tags": ["late"]}
    assert put_tags(owner, position, []).json() == {"tags": []}


@pytest.mark.parametrize("tags", [["two words"], [""], ["x" * 25], ["a"] * 11, "gap", None, [1.5]])
def test_what_is_no_tag_changes_nothing(owner: Client, position: Position, tags: Any) -> None:
    put_tags(owner, position, ["late"])
    assert put_tags(owner, position, tags).status_code == 400
    assert [each.word for each in position.tags.all()] == ["late"]


@pytest.mark.parametrize("text", ["", "  ", "x" * 2_001, None])
def test_an_empty_or_endless_note_is_refused(owner: Client, position: Position, text: Any) -> None:
    assert write(owner, position, text).status_code == 400
    assert not position.notes.exists()


def test_staff_without_the_permission_write_nothing_and_a_stranger_finds_nothing(position: Position) -> None:
    factories.user("clerk", is_staff=True)
    for who, status in (("clerk", 403), ("stranger", 404)):
        assert write(signed_in(who), position, "Mine.").status_code == status
        assert put_tags(signed_in(who), position, ["mine"]).status_code == status
