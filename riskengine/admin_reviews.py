"""Reviews and reports of the day in the admin, to look at."""

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from positions.admin.base import ReadOnlyAdmin, ReadOnlyInline
from riskengine.models import DayReport, Review, ReviewAnswer, ReviewComment


class AnswerInline(ReadOnlyInline):
    model = ReviewAnswer
    fields = ["question", "text"]
    ordering = ["id"]


class CommentInline(ReadOnlyInline):
    model = ReviewComment
    fields = ["written_at", "author_name", "text"]
    ordering = ["id"]


@admin.register(Review)
class ReviewAdmin(ReadOnlyAdmin):
    """Made by themselves, decided on their own page, and never changed."""

    list_display = ["due_at", "portfolio", "kind", "period_start", "period_end", "state", "decision", "decided_by_name"]
    list_filter = ["portfolio", "kind", "state", "decision"]
    date_hierarchy = "period_start"
    ordering = ["-id"]
    list_select_related = ["portfolio"]
    inlines = [AnswerInline, CommentInline]
    readonly_fields = ["page"]

    @display(description="page")
    def page(self, review: Review) -> SafeString:
        return format_html('<a href="{}">Open</a>', reverse("review", args=[review.portfolio.slug, review.pk]))


@admin.register(DayReport)
class DayReportAdmin(ReadOnlyAdmin):
    """Made after each session and never changed."""

    list_display = ["session_on", "portfolio", "made_at"]
    list_filter = ["portfolio"]
    date_hierarchy = "session_on"
    ordering = ["-id"]
    list_select_related = ["portfolio"]
