"""What people write about a position: notes, which stay as they were written, and tags to find it by."""

from django.db import models
from django.db.models import Q

from positions.models.position import Position

LONGEST_NOTE = 2_000
LONGEST_TAG = 24
TAG = r"^[a-z0-9]+(-[a-z0-9]+)*$"


class PositionNote(models.Model):
    """A person's words about a position. Append-only: a correction is another note. Market time."""

    position = models.ForeignKey(Position, on_delete=models.PROTECT, related_name="notes")
    text = models.CharField(max_length=LONGEST_NOTE)
    author_name = models.CharField("who", max_length=150)
    written_at = models.DateTimeField("written at (market time)")

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="positionnote_says_something",
                condition=Q(text__regex=r"\S"),
                violation_error_message="A note says something.",
            ),
        ]
        indexes = [models.Index(name="positionnote_history", fields=["position", "id"])]

    def __str__(self) -> str:
        return f"{self.author_name}: {self.text[:60]}"


class PositionTag(models.Model):
    """One word that a position is found by. Adding and removing one leaves an event of the position. Market time."""

    position = models.ForeignKey(Position, on_delete=models.PROTECT, related_name="tags")
    word = models.CharField(max_length=LONGEST_TAG)
    added_by_name = models.CharField("who", max_length=150)
    added_at = models.DateTimeField("added at (market time)")

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="positiontag_word_is_short_and_lower_case",
                condition=Q(word__regex=TAG),
                violation_error_message="A tag is small letters and digits, with single hyphens between them.",
            ),
            models.UniqueConstraint(
                name="positiontag_once_a_position",
                fields=["position", "word"],
                violation_error_message="The position has this tag already.",
            ),
        ]
        indexes = [models.Index(name="positiontag_by_word", fields=["word", "position"])]

    def __str__(self) -> str:
        return self.word
