"""Notes and tags of a position: notes stay, tags come and go with an event, nobody else's are touched."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import DatabaseError, IntegrityError, connection, transaction

from accounts.models import User
from accounts.services import RISK_MANAGERS, ensure_groups
from positions.models import Position, PositionEvent, PositionNote, PositionTag
from positions.services.journal import MOST_TAGS, add_tag, remove_tag, set_tags, write_note
from tests import factories
from tests.riskengine.threads import at_once

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)


@pytest.fixture
def position(db: None) -> Position:
    return factories.position(factories.portfolio(owner=factories.user("owner")))


def owner() -> User:
    return User.objects.get(username="owner")


def words(position: Position) -> list[str]:
    return sorted(position.tags.values_list("word", flat=True))


def note(position: Position, text: str = "Bought the dip.", actor: User | None = None) -> PositionNote:
    return write_note(position=position, text=text, actor=actor or owner(), now=NOW)


def test_a_note_keeps_text_and_who(position: Position) -> None:
    made = note(position, "  Bought the dip.\n")
    assert (made.text, made.author_name, made.position) == ("Bought the dip.", "owner", position)


def test_a_note_stays_as_it_was_written(position: Position) -> None:
    made = note(position)
    for change in (lambda: PositionNote.objects.update(text="Sold the dip."), made.delete):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()
    assert PositionNote.objects.get().text == "Bought the dip."


@pytest.mark.parametrize("text", ["", "  \n", "x" * 2_001])
def test_a_note_says_something_and_not_too_much(position: Position, text: str) -> None:
    with pytest.raises(ValidationError):
        note(position, text)


@pytest.mark.parametrize("text", ["", "\n", "x" * 2_001])
def test_the_database_holds_notes_to_it(position: Position, text: str) -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        PositionNote.objects.create(position=position, text=text, author_name="owner", written_at=NOW)


def test_tags_are_set_added_and_removed_each_with_an_event(position: Position) -> None:
    assert set_tags(position=position, tags=["FOMC-day", " gap "], actor=owner(), now=NOW) == ["fomc-day", "gap"]
    assert add_tag(position=position, tag="late", actor=owner(), now=NOW) == ["fomc-day", "gap", "late"]
    assert remove_tag(position=position, tag="gap", actor=owner(), now=NOW) == ["fomc-day", "late"]
    assert words(position) == ["fomc-day", "late"]
    events = PositionEvent.objects.filter(kind="tagged").order_by("id")
    assert [event.after["tags"] for event in events] == [
        ["fomc-day", "gap"], ["fomc-day", "gap", "late"], ["fomc-day", "late"],
    ]  # fmt: skip


def test_what_changes_nothing_leaves_no_event(position: Position) -> None:
    for _ in range(2):
        add_tag(position=position, tag="late", actor=owner(), now=NOW)
        remove_tag(position=position, tag="never-there", actor=owner(), now=NOW)
    assert PositionEvent.objects.filter(kind="tagged").count() == 1


@pytest.mark.parametrize("tag", ["", "two words", "-late", "late-", "a--b", "späte", "x" * 25, "late\n", "a_b"])
def test_a_tag_is_a_short_word(position: Position, tag: str) -> None:
    if tag != "late\n":  # its end is no part of it
        with pytest.raises(ValidationError, match="is no tag"):
            add_tag(position=position, tag=tag, actor=owner(), now=NOW)
    with pytest.raises(DatabaseError), transaction.atomic():
        PositionTag.objects.create(position=position, word=tag, added_by_name="owner", added_at=NOW)


def test_a_position_has_a_tag_once_and_ten_at_most(position: Position) -> None:
    many = [f"t{number}" for number in range(MOST_TAGS)]
    set_tags(position=position, tags=many, actor=owner(), now=NOW)
    with pytest.raises(ValidationError, match="at most 10 tags"):
        add_tag(position=position, tag="one-more", actor=owner(), now=NOW)
    with pytest.raises(IntegrityError), transaction.atomic():
        PositionTag.objects.create(position=position, word="t0", added_by_name="owner", added_at=NOW)
    assert len(words(position)) == MOST_TAGS


def test_strangers_and_staff_without_the_permission_write_nothing(position: Position) -> None:
    for who in (factories.user("stranger"), factories.user("clerk", is_staff=True)):
        with pytest.raises(PermissionDenied):
            note(position, actor=who)
        with pytest.raises(PermissionDenied):
            add_tag(position=position, tag="late", actor=who, now=NOW)
    assert (PositionNote.objects.count(), PositionTag.objects.count()) == (0, 0)


def test_risk_managers_write_on_any_position(position: Position) -> None:
    ensure_groups()
    manager = factories.user("manager", is_staff=True)
    manager.groups.add(Group.objects.get(name=RISK_MANAGERS))
    assert note(position, actor=manager).author_name == "manager"
    assert add_tag(position=position, tag="late", actor=manager, now=NOW) == ["late"]


@pytest.mark.django_db(transaction=True)
def test_people_who_tag_at_once_keep_each_other_s_and_never_pass_ten() -> None:
    position = factories.position(factories.portfolio(owner=factories.user("owner")))
    set_tags(position=position, tags=[f"t{n}" for n in range(8)], actor=owner(), now=NOW)

    def tagging(tag: str) -> Callable[[], int]:
        def call() -> Any:
            try:
                return len(add_tag(position=position, tag=tag, actor=owner(), now=NOW))
            except ValidationError:
                return 0

        return call

    counts = at_once(*[tagging(f"new-{n}") for n in range(4)])
    assert sorted(counts) == [0, 0, 9, 10]
    assert len(words(position)) == 10


@pytest.mark.django_db(transaction=True)
def test_an_exit_never_waits_for_a_tag() -> None:
    position = factories.position(factories.portfolio(owner=factories.user("owner")))
    with transaction.atomic():
        add_tag(position=position, tag="late", actor=owner(), now=NOW)

        def lock() -> int:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(
                    "SELECT id FROM positions_position WHERE id = %s FOR NO KEY UPDATE SKIP LOCKED", [position.pk]
                )
                return len(cursor.fetchall())

        assert at_once(lock) == [1]
