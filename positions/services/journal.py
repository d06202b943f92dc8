"""What people write about a position: a note stays as it was written, tags come and go with an event that says so.

No position is locked for it: an exit never waits for somebody's words. `now` is wall time.
"""

import re
from collections.abc import Iterable
from datetime import datetime

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection, transaction

from accounts.models import User
from positions.market.clock import market_now
from positions.models import Position, PositionEvent, PositionNote, PositionTag
from positions.models.journal import LONGEST_NOTE, LONGEST_TAG, TAG

NOTES, TAGS = "positions.add_positionnote", "positions.add_positiontag"
MOST_TAGS = 10
TAGGED = "tagged"


def may_write(position: Position, actor: User) -> bool:
    """The owner of its portfolio, and staff with the permissions."""
    owns = position.portfolio.owner_id == actor.pk
    return actor.is_active and (owns or (actor.is_staff and actor.has_perms([NOTES, TAGS])))


def write_note(*, position: Position, text: str, actor: User, now: datetime) -> PositionNote:
    """Keep the words. Raises PermissionDenied, and ValidationError for none or too many."""
    _check_may(position, actor)
    words = text.strip().replace("\x00", "")
    if not words:
        raise ValidationError({"text": "Write something: a note cannot be empty."})
    if len(words) > LONGEST_NOTE:
        raise ValidationError(
            {"text": f"A note has at most {LONGEST_NOTE:,} letters, this one {len(words):,}. Write two."}
        )
    return PositionNote.objects.create(
        position=position,
        text=words,
        author_name=actor.get_username(),
        written_at=market_now(position.portfolio.clock, now),
    )


def set_tags(*, position: Position, tags: Iterable[str], actor: User, now: datetime) -> list[str]:
    """Exactly these, whatever stood before; what stands now, in order."""
    _check_may(position, actor)
    wanted = {_word(each) for each in tags}
    with transaction.atomic():
        return _replace(position, _locked_tags(position), wanted, actor, now)


def add_tag(*, position: Position, tag: str, actor: User, now: datetime) -> list[str]:
    """One more; a repeat changes nothing."""
    _check_may(position, actor)
    word = _word(tag)
    with transaction.atomic():
        before = _locked_tags(position)
        return _replace(position, before, before | {word}, actor, now)


def remove_tag(*, position: Position, tag: str, actor: User, now: datetime) -> list[str]:
    """One less; a repeat changes nothing."""
    _check_may(position, actor)
    with transaction.atomic():
        before = _locked_tags(position)
        return _replace(position, before, before - {tag}, actor, now)


def _check_may(position: Position, actor: User) -> None:
    if not may_write(position, actor):
        raise PermissionDenied("Only the owner of the portfolio, and staff who may, write notes and tags.")


def _word(tag: str) -> str:
    word = tag.strip().lower()
    if len(word) > LONGEST_TAG or not re.fullmatch(TAG[1:-1], word, re.ASCII):
        raise ValidationError(
            {
                "tags": f"“{tag.strip()[:40]}” is no tag: small letters and digits, single hyphens between them, "
                f"at most {LONGEST_TAG} in all. For example: fomc-day."
            }
        )
    return word


def _locked_tags(position: Position) -> set[str]:
    """Who changes tags of the same position waits until this is committed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('tags'), hashtext(%s))", [str(position.pk)])
    return set(PositionTag.objects.filter(position=position).values_list("word", flat=True))


def _replace(position: Position, before: set[str], after: set[str], actor: User, now: datetime) -> list[str]:
    if len(after) > MOST_TAGS and len(after) > len(before):
        raise ValidationError(
            {"tags": f"A position has at most {MOST_TAGS} tags, and these are {len(after)}. Remove one first."}
        )
    if after != before:
        at, who = market_now(position.portfolio.clock, now), actor.get_username()
        PositionTag.objects.filter(position=position, word__in=before - after).delete()
        PositionTag.objects.bulk_create(
            PositionTag(position=position, word=word, added_by_name=who, added_at=at) for word in sorted(after - before)
        )
        PositionEvent.objects.create(
            position=position,
            happened_at=at,
            kind=TAGGED,
            actor_name=who,
            before={"tags": sorted(before)},
            after={"tags": sorted(after)},
        )
    return sorted(after)
