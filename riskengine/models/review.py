"""Reviews: what an account did in a week, a month or a quarter, what a person says to it, and what follows (P-30)."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from accounts.models import RiskProfileRevision
from accounts.models.constraint import one_of
from positions.models import Portfolio


class ReviewKind(models.TextChoices):
    WEEKLY = "weekly", "Weekly"
    MONTHLY = "monthly", "Monthly"
    QUARTERLY = "quarterly", "Quarterly"


class ReviewState(models.TextChoices):
    OPEN = "open", "Open"
    DECIDED = "decided", "Decided"


class ReviewDecision(models.TextChoices):
    KEEP = "keep", "Keep: nothing changes"
    CHANGE = "change", "Change the parameters"
    HALT = "halt", "Halt: no entries"


class Review(models.Model):
    """One look back at a period, made once when it is due. Its snapshot and its questions are kept as they were made.

    Periods are New York dates, `due_at` and `made_at` market time, `created_at` and what a person does wall time. Once
    decided it does not change (a trigger); only the revision that a change led to may still be named, once.
    """

    portfolio = models.ForeignKey(Portfolio, on_delete=models.PROTECT, related_name="reviews")
    kind = models.CharField(max_length=9, choices=ReviewKind)
    period_start = models.DateField("first day (New York)")
    period_end = models.DateField("last day (New York)")
    due_at = models.DateTimeField("due since (market time)")
    made_at = models.DateTimeField("made at (market time)")
    created_at = models.DateTimeField("made at (wall time)")
    snapshot = models.JSONField(help_text="What the account had done, as it was known then.")
    questions = models.JSONField(help_text="Code and text of each question, as asked.")
    state = models.CharField(max_length=7, choices=ReviewState, default=ReviewState.OPEN)
    decision = models.CharField(max_length=6, choices=ReviewDecision, blank=True)
    reason = models.TextField("why", blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_by_name = models.CharField("decided by", max_length=150, blank=True)
    decided_at = models.DateTimeField("decided at (wall time)", null=True, blank=True)
    revision = models.ForeignKey(
        RiskProfileRevision,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="What a change led to. Empty: it is still to follow.",
    )
    linked_by_name = models.CharField("revision named by", max_length=150, blank=True)
    linked_at = models.DateTimeField("revision named at (wall time)", null=True, blank=True)

    class Meta:
        permissions = [("decide_review", "Can answer and decide the reviews of every account")]
        constraints = [
            models.UniqueConstraint(
                name="review_once_a_period",
                fields=["portfolio", "kind", "period_start"],
                violation_error_message="This period has its review already.",
            ),
            one_of("review_kind_known", "kind", ReviewKind, "A review is weekly, monthly or quarterly."),
            one_of("review_state_known", "state", ReviewState, "A review is open or decided."),
            models.CheckConstraint(
                name="review_period_in_order",
                condition=Q(period_start__lte=F("period_end")),
                violation_error_message="A period ends after it begins.",
            ),
            models.CheckConstraint(
                name="review_decided_by_someone",
                condition=Q(
                    state="decided",
                    decision__in=ReviewDecision.values,
                    decided_at__isnull=False,
                    decided_by__isnull=False,
                )
                & ~Q(decided_by_name="")
                & ~Q(reason="")
                | Q(
                    state="open",
                    decision="",
                    reason="",
                    decided_by_name="",
                    decided_at__isnull=True,
                    decided_by__isnull=True,
                ),
                violation_error_message="A decided review has decision, person, time and reason; no other has.",
            ),
            models.CheckConstraint(
                name="review_revision_of_a_change",
                condition=Q(revision__isnull=True, linked_at__isnull=True, linked_by_name="")
                | Q(decision="change", revision__isnull=False, linked_at__isnull=False) & ~Q(linked_by_name=""),
                violation_error_message="Only a change leads to a revision, and who named it is kept.",
            ),
        ]
        indexes = [
            models.Index(name="review_latest", fields=["portfolio", "-due_at"]),
            models.Index(name="review_waiting", fields=["portfolio", "due_at"], condition=Q(state="open")),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} review of {self.portfolio}, {self.period_start} to {self.period_end}"

    @property
    def awaits_revision(self) -> bool:
        """A change was decided, and no revision is named yet."""
        return self.decision == ReviewDecision.CHANGE and self.revision_id is None


class ReviewAnswer(models.Model):
    """What a person answered to one question, which is kept as it was asked. Append-only, written with the decision."""

    review = models.ForeignKey(Review, on_delete=models.PROTECT, related_name="answers")
    code = models.CharField("question", max_length=40)
    question = models.TextField()
    text = models.TextField("answer")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="reviewanswer_one_a_question",
                fields=["review", "code"],
                violation_error_message="This question is answered already.",
            ),
            models.CheckConstraint(
                name="reviewanswer_says_something",
                condition=~Q(text="") & ~Q(question=""),
                violation_error_message="Every question is answered.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.review_id}: {self.code}"


class ReviewComment(models.Model):
    """What somebody wrote about a review, before or after it was decided. Append-only. Wall time."""

    review = models.ForeignKey(Review, on_delete=models.PROTECT, related_name="comments")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    author_name = models.CharField("who", max_length=150)
    written_at = models.DateTimeField("written at (wall time)")
    text = models.TextField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="reviewcomment_says_something",
                condition=~Q(text=""),
                violation_error_message="A comment has words.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.review_id}: {self.author_name}"


class DayReport(models.Model):
    """What was decided in a session and why, made once after its close. Append-only. `made_at` is market time."""

    portfolio = models.ForeignKey(Portfolio, on_delete=models.PROTECT, related_name="day_reports")
    session_on = models.DateField("session (New York date)")
    made_at = models.DateTimeField("made at (market time)")
    created_at = models.DateTimeField("made at (wall time)")
    contents = models.JSONField()
    text = models.TextField(help_text="As it was sent.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="dayreport_once_a_session",
                fields=["portfolio", "session_on"],
                violation_error_message="This session has its report already.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.portfolio}: {self.session_on}"
