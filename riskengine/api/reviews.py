"""Reviews over the API: what was kept, deciding one, naming what a change led to, the PDF; and the reports of days."""

from datetime import date
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.urls import path
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import exceptions, generics, serializers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Scope
from betsizing.errors import Busy, Unprocessable
from betsizing.repeats import CONFLICT, KEY_PARAMETER, once_per_key
from betsizing.schema import error_example
from positions.access import portfolio_or_404
from riskengine.api.entries import REFUSED, Act
from riskengine.api.examples import reviewing as examples
from riskengine.api.field import StrictIntegerField, StrictSerializer
from riskengine.api.paging import NOT_THERE, LatestFirst
from riskengine.api.records import shown
from riskengine.models import DayReport, Review, ReviewComment, ReviewDecision
from riskengine.services.decide.entries import PortfolioBusy
from riskengine.services.review.deciding import LONGEST, AlreadyDecided, NotHalted, decide, link_revision
from riskengine.services.review.document import document, file_name

# ---- Shapes ----


class ReviewRowSerializer(serializers.ModelSerializer):
    decision = serializers.CharField(read_only=True, help_text='keep, change or halt; "" while it is open.')
    revision = serializers.SerializerMethodField(help_text="Number of the one that a change led to.")
    awaits_revision = serializers.BooleanField(read_only=True, help_text="A change whose revision is to follow.")

    class Meta:
        model = Review
        fields: tuple[str, ...] = (
            "id",
            "kind",
            "period_start",
            "period_end",
            "due_at",
            "made_at",
            "state",
            "decision",
            "reason",
            "decided_by_name",
            "decided_at",
            "revision",
            "awaits_revision",
        )
        read_only_fields = fields

    def get_revision(self, review: Review) -> int | None:
        return None if review.revision is None else review.revision.number


class QuestionSerializer(serializers.Serializer):
    code = serializers.CharField()
    text = serializers.CharField(help_text="As it was asked.")
    answer = serializers.CharField(allow_blank=True, help_text="Empty before the review is decided.")


class CommentSerializer(serializers.ModelSerializer):
    class Meta:
        model = ReviewComment
        fields = ("author_name", "written_at", "text")
        read_only_fields = fields


class ReviewDetailSerializer(ReviewRowSerializer):
    questions = serializers.SerializerMethodField()
    comments = serializers.SerializerMethodField()
    snapshot = serializers.DictField(
        read_only=True,
        help_text="What was seen, as it was kept: account, record, closed (its positions), late (how many of them "
        "closed before the period), equity, returns, by, costs, attribution, exposure, decisions, refusals, "
        "exits, signals, breakers, states, alerts, nights, revisions. `version` changes with its "
        "form. Money USD, shares fractions; null is not known.",
    )

    class Meta(ReviewRowSerializer.Meta):
        fields = (*ReviewRowSerializer.Meta.fields, "questions", "comments", "snapshot")
        read_only_fields = fields

    @extend_schema_field(QuestionSerializer(many=True))
    def get_questions(self, review: Review) -> list[dict[str, str]]:
        answers = {each.code: each.text for each in review.answers.all()}
        return [
            {"code": each["code"], "text": each["text"], "answer": answers.get(each["code"], "")}
            for each in review.questions
        ]

    @extend_schema_field(CommentSerializer(many=True))
    def get_comments(self, review: Review) -> Any:
        return CommentSerializer(review.comments.order_by("id"), many=True).data


class DecideSerializer(StrictSerializer):
    answers = serializers.DictField(
        child=serializers.CharField(max_length=LONGEST, allow_blank=True),
        help_text="By the code of each question; all of them.",
    )
    decision = serializers.ChoiceField(
        ReviewDecision.choices, help_text="halt stops entries and takes back openings in the same act."
    )
    reason = serializers.CharField(max_length=LONGEST, help_text="Kept with your name.")
    revision = StrictIntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=1_000_000,
        help_text="Of a change: the number of one that came into force since. Left out: it is to follow.",
    )


class RevisionSerializer(StrictSerializer):
    revision = StrictIntegerField(min_value=1, max_value=1_000_000)


class DayRowSerializer(serializers.ModelSerializer):
    class Meta:
        model = DayReport
        fields: tuple[str, ...] = ("session_on", "made_at")
        read_only_fields = fields


class DaySerializer(DayRowSerializer):
    contents = serializers.DictField(
        read_only=True,
        help_text="equity, decisions with why, fills, closed, departed, events, alerts, held, next. "
        "`version` changes with its form. Money USD; null is not known.",
    )

    class Meta(DayRowSerializer.Meta):
        fields = ("session_on", "made_at", "text", "contents")
        read_only_fields = fields


# ---- Reading ----


@extend_schema(
    responses={200: ReviewRowSerializer(many=True), **NOT_THERE}, examples=[shown("A change", examples.ROW_DECIDED)]
)
class Reviews(generics.ListAPIView):
    """The reviews of a portfolio, the latest made first, without what was seen."""

    serializer_class = ReviewRowSerializer
    pagination_class = LatestFirst
    queryset = Review.objects.none()
    filterset_fields = ("kind", "state", "decision")

    def get_queryset(self) -> QuerySet[Review]:
        if getattr(self, "swagger_fake_view", False):  # the schema asks for the model without a portfolio
            return self.queryset
        portfolio = portfolio_or_404(self.request.user, self.kwargs["slug"])
        return Review.objects.filter(portfolio=portfolio).defer("snapshot", "questions").select_related("revision")


def _review_or_404(request: Request, slug: str, review_id: int) -> Review:
    found = Review.objects.filter(portfolio=portfolio_or_404(request.user, slug), pk=review_id)
    review = found.select_related("portfolio__profile", "portfolio__clock", "revision").first()
    if review is None:
        raise Http404("There is no such review, or it is not yours.")
    return review


class ReviewDetail(generics.GenericAPIView):
    """One review with what was seen, its questions with their answers, and comments."""

    serializer_class = ReviewDetailSerializer

    @extend_schema(
        operation_id="review_retrieve",
        responses={200: ReviewDetailSerializer, **NOT_THERE},
        examples=[shown("It waits (shortened)", examples.REVIEW)],
    )
    def get(self, request: Request, slug: str, review_id: int) -> Response:
        return Response(ReviewDetailSerializer(_review_or_404(request, slug, review_id)).data)


class _WhateverIsAccepted(BaseContentNegotiation):
    """A PDF is asked for by its address. What is refused is said as JSON."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


class ReviewPdf(APIView):
    """The review as a PDF; the same review in the same state gives the same bytes."""

    content_negotiation_class = _WhateverIsAccepted

    @extend_schema(operation_id="review_pdf", responses={(200, "application/pdf"): OpenApiTypes.BINARY, **NOT_THERE})
    def get(self, request: Request, slug: str, review_id: int) -> HttpResponse:
        review = _review_or_404(request, slug, review_id)
        answer = HttpResponse(document(review), content_type="application/pdf")
        answer["Content-Disposition"] = f'attachment; filename="{file_name(review)}"'
        return answer


# ---- Acting ----


def _refused(problem: ValidationError) -> serializers.ValidationError:
    """Each sentence beside its field: an unanswered question under answers.<code>."""
    own = ("answers", "decision", "reason", "revision")
    found = problem.message_dict
    answers = {name: sentences for name, sentences in found.items() if name not in own}
    rest: dict[str, Any] = {name: sentences for name, sentences in found.items() if name in own}
    return serializers.ValidationError(rest | ({"answers": answers} if answers and "answers" not in rest else {}))


class Deciding(Act):
    """Answer every question and decide: keep, change or halt. For the owner, and staff who may decide reviews; to halt,
    who may halt the portfolio. A decided review does not change any more."""

    token_scope = Scope.RISK

    @extend_schema(
        operation_id="review_decide",
        request=DecideSerializer,
        parameters=[KEY_PARAMETER],
        responses={200: ReviewDetailSerializer, **REFUSED},
        examples=[
            OpenApiExample("A change, and what it led to", value=examples.ASKED, request_only=True),
            shown("Decided (shortened)", examples.DECIDED),
            error_example("Somebody was first", 422, "ALREADY_DECIDED", examples.ALREADY_DECIDED),
            error_example("It could not be halted", 422, "NOT_HALTED", examples.NOT_HALTED),
            CONFLICT,
        ],
    )
    @once_per_key
    def post(self, request: Request, slug: str, review_id: int) -> Response:
        review = _review_or_404(request, slug, review_id)
        asked = self.asked(request, DecideSerializer)
        try:
            done = decide(review=review, actor=request.user, now=timezone.now(), **asked)
        except PermissionDenied as problem:
            raise exceptions.PermissionDenied(str(problem)) from problem
        except PortfolioBusy as problem:
            raise Busy(str(problem)) from problem
        except AlreadyDecided as problem:
            raise Unprocessable("ALREADY_DECIDED", str(problem)) from problem
        except NotHalted as problem:
            raise Unprocessable("NOT_HALTED", str(problem)) from problem
        except ValidationError as problem:
            raise _refused(problem) from problem
        return Response(ReviewDetailSerializer(done).data)


class Naming(Act):
    """Name the revision that a decided change led to, once."""

    token_scope = Scope.RISK

    @extend_schema(
        operation_id="review_revision",
        request=RevisionSerializer,
        parameters=[KEY_PARAMETER],
        responses={200: ReviewDetailSerializer, **REFUSED},
        examples=[
            OpenApiExample("Revision 4", value={"revision": 4}, request_only=True),
            shown("Named (shortened)", examples.DECIDED),
            error_example("An older one", 422, "NOT_NAMED", examples.NOT_AFTER, "revision"),
            CONFLICT,
        ],
    )
    @once_per_key
    def post(self, request: Request, slug: str, review_id: int) -> Response:
        review = _review_or_404(request, slug, review_id)
        asked = self.asked(request, RevisionSerializer)
        try:
            done = link_revision(review=review, actor=request.user, now=timezone.now(), **asked)
        except PermissionDenied as problem:
            raise exceptions.PermissionDenied(str(problem)) from problem
        except PortfolioBusy as problem:
            raise Busy(str(problem)) from problem
        except ValidationError as problem:
            raise Unprocessable("NOT_NAMED", " ".join(problem.messages), "revision") from problem
        return Response(ReviewDetailSerializer(done).data)


# ---- Days ----


@extend_schema(
    responses={200: DayRowSerializer(many=True), **NOT_THERE},
    examples=[shown("Reported", {name: examples.DAY[name] for name in ("session_on", "made_at")})],
)
class Days(generics.ListAPIView):
    """Which sessions of a portfolio are reported, the latest made first."""

    serializer_class = DayRowSerializer
    pagination_class = LatestFirst
    queryset = DayReport.objects.none()

    def get_queryset(self) -> QuerySet[DayReport]:
        if getattr(self, "swagger_fake_view", False):
            return self.queryset
        return DayReport.objects.filter(portfolio=portfolio_or_404(self.request.user, self.kwargs["slug"])).only(
            "session_on", "made_at"
        )


class Day(generics.GenericAPIView):
    """What was decided in a session and why, as it was reported after its close: as data and as it was sent."""

    serializer_class = DaySerializer

    @extend_schema(
        operation_id="day_retrieve",
        parameters=[OpenApiParameter("day", OpenApiTypes.DATE, OpenApiParameter.PATH, description="New York date.")],
        responses={200: DaySerializer, **NOT_THERE},
        examples=[shown("A day (shortened)", examples.DAY)],
    )
    def get(self, request: Request, slug: str, day: str) -> Response:
        portfolio = portfolio_or_404(request.user, slug)
        try:
            report = DayReport.objects.filter(portfolio=portfolio, session_on=date.fromisoformat(day)).first()
        except ValueError:
            raise Http404("A day is written YYYY-MM-DD.") from None
        if report is None:
            raise Http404("There is no report of this day, or it is not yours.")
        return Response(DaySerializer(report).data)


urlpatterns = [
    path("portfolios/<slug:slug>/reviews/", Reviews.as_view(), name="api-reviews"),
    path("portfolios/<slug:slug>/reviews/<int:review_id>/", ReviewDetail.as_view(), name="api-review"),
    path("portfolios/<slug:slug>/reviews/<int:review_id>/pdf/", ReviewPdf.as_view(), name="api-review-pdf"),
    path("portfolios/<slug:slug>/reviews/<int:review_id>/decide/", Deciding.as_view(), name="api-review-decide"),
    path("portfolios/<slug:slug>/reviews/<int:review_id>/revision/", Naming.as_view(), name="api-review-revision"),
    path("portfolios/<slug:slug>/days/", Days.as_view(), name="api-days"),
    path("portfolios/<slug:slug>/days/<str:day>/", Day.as_view(), name="api-day"),
]
