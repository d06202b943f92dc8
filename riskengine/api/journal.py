"""What people write about a position over the API: a note posted, its tags put. Both are read with the position."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import PermissionDenied, ValidationError
from django.urls import path
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from betsizing.errors import ErrorsSerializer
from betsizing.repeats import CONFLICT, KEY_PARAMETER, once_per_key
from positions.access import portfolio_or_404
from positions.models.journal import LONGEST_NOTE, LONGEST_TAG
from positions.services.journal import MOST_TAGS, set_tags, write_note
from riskengine.api.entries import REFUSED, Act
from riskengine.api.examples import deciding as examples
from riskengine.api.field import StrictSerializer
from riskengine.api.holding import POSITION
from riskengine.api.records import NoteSerializer, position_or_404, shown


class WriteNoteSerializer(StrictSerializer):
    text = serializers.CharField(max_length=LONGEST_NOTE, help_text="It stays as it is: a correction is another note.")


class TagsSerializer(StrictSerializer):
    tags = serializers.ListField(
        child=serializers.CharField(max_length=LONGEST_TAG),
        max_length=MOST_TAGS,
        help_text="All that are to stand: small letters and digits, single hyphens between them.",
    )


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except PermissionDenied as problem:
        raise exceptions.PermissionDenied(str(problem)) from problem
    except ValidationError as problem:
        raise serializers.ValidationError(problem.message_dict) from problem


@extend_schema(
    request=WriteNoteSerializer,
    responses={201: NoteSerializer, **REFUSED},
    examples=[
        OpenApiExample("A note", value={"text": examples.NOTE["text"]}, request_only=True),
        shown("Kept", examples.NOTE, "201"),
        CONFLICT,
    ],
)
class Notes(Act):
    """Write a note about a position. For its owner, and staff who may. It is never changed or taken back."""

    @extend_schema(operation_id="position_write_note", parameters=[KEY_PARAMETER])
    @once_per_key
    def post(self, request: Request, slug: str, position_id: int) -> Response:
        position = position_or_404(portfolio_or_404(request.user, slug), position_id)
        asked = self.asked(request, WriteNoteSerializer)
        with _writing():
            note = write_note(position=position, text=asked["text"], actor=request.user, now=timezone.now())
        return Response(NoteSerializer(note).data, status=201)


@extend_schema(
    request=TagsSerializer,
    responses={200: TagsSerializer, **dict.fromkeys((400, 403, 404), ErrorsSerializer)},
    examples=[OpenApiExample("Two tags", value={"tags": ["0930-open", "fomc-day"]}, status_codes=["200"])],
)
class Tags(Act):
    """The tags of a position: exactly these, whatever stood before. For its owner, and staff who may."""

    @extend_schema(operation_id="position_set_tags")
    def put(self, request: Request, slug: str, position_id: int) -> Response:
        position = position_or_404(portfolio_or_404(request.user, slug), position_id)
        asked = self.asked(request, TagsSerializer)
        with _writing():
            tags = set_tags(position=position, tags=asked["tags"], actor=request.user, now=timezone.now())
        return Response({"tags": tags})


urlpatterns = [
    path(f"{POSITION}notes/", Notes.as_view(), name="api-position-notes"),
    path(f"{POSITION}tags/", Tags.as_view(), name="api-position-tags"),
]
