"""Alerts: what a person must know, whom it was told, and what became of it.

The alert itself is what a person sees in the product. What leaves the house is written beside it in the same
transaction, a row for each target, and sent after it. Times are wall time, but for `market_at`.
"""

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts.models.constraint import CENTS_LIMIT, one_of, within
from positions.models import Portfolio, Position

MAX_STAGE = 20


class Severity(models.TextChoices):
    INFO = "info", "For your information"
    WARNING = "warning", "Warning"
    CRITICAL = "critical", "Critical"


class Alert(models.Model):
    """One condition, from the moment it is seen until it ends. What happened, the number, the limit, what to do.

    `key` names the condition: while it lasts there is one alert of it, however often it is seen. `stage` is how far it
    has come (10, 5, 2 minutes to the close are stages 0, 1, 2): a higher one is told anew and takes back the
    acknowledgement. `level` counts how often it was told after the first time, for either reason; `escalations` how
    often since its last stage because nobody acknowledged it. Without a portfolio it is about the installation.
    """

    portfolio = models.ForeignKey(Portfolio, on_delete=models.PROTECT, null=True, blank=True, related_name="alerts")
    position = models.ForeignKey(Position, on_delete=models.PROTECT, null=True, blank=True, related_name="alerts")
    code = models.CharField(max_length=40)
    severity = models.CharField(max_length=8, choices=Severity)
    key = models.CharField("condition", max_length=150)
    title = models.CharField(max_length=150)
    happened = models.TextField("what happened")
    value = models.DecimalField("measured value", max_digits=20, decimal_places=6, null=True, blank=True)
    limit = models.DecimalField(max_digits=20, decimal_places=6, null=True, blank=True)
    unit = models.CharField(max_length=24, blank=True, help_text="Of both: USD, fraction, seconds ...")
    to_do = models.TextField("what to do")
    in_app_only = models.BooleanField("shown here only", default=False)
    market_at = models.DateTimeField("market time", null=True, blank=True)
    raised_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    times_seen = models.PositiveIntegerField(default=1)
    stage = models.PositiveSmallIntegerField(default=0)
    staged_at = models.DateTimeField("came to this stage at")
    level = models.PositiveSmallIntegerField("told again, times", default=0)
    escalations = models.PositiveSmallIntegerField("unanswered, times", default=0)
    escalated_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    resolved_at = models.DateTimeField("ended at", null=True, blank=True)

    class Meta:
        constraints = [
            one_of("alert_severity_known", "severity", Severity, "The severity must be info, warning or critical."),
            models.UniqueConstraint(
                name="alert_one_a_condition",
                fields=["key"],
                condition=Q(resolved_at__isnull=True),
                violation_error_message="This condition has its alert already.",
            ),
            models.CheckConstraint(
                name="alert_says_what_to_do",
                condition=~Q(title="") & ~Q(happened="") & ~Q(to_do=""),
                violation_error_message="An alert says what happened and what to do.",
            ),
            models.CheckConstraint(
                name="alert_acknowledged_by_someone",
                condition=Q(acknowledged_at__isnull=True, acknowledged_by__isnull=True)
                | Q(acknowledged_at__isnull=False, acknowledged_by__isnull=False),
                violation_error_message="An acknowledgement has a name and a time.",
            ),
            within("alert_value_bounds", "value", -CENTS_LIMIT, CENTS_LIMIT, "The value is out of range."),
            within("alert_limit_bounds", "limit", -CENTS_LIMIT, CENTS_LIMIT, "The limit is out of range."),
            within("alert_stage_bounds", "stage", 0, MAX_STAGE, "The stage is out of range."),
        ]
        indexes = [
            models.Index(name="alert_of_portfolio", fields=["portfolio", "-id"]),
            models.Index(name="alert_key", fields=["key"]),
            models.Index(name="alert_open", fields=["code", "portfolio"], condition=Q(resolved_at__isnull=True)),
            models.Index(name="alert_ended", fields=["resolved_at"], condition=Q(resolved_at__isnull=False)),
            models.Index(
                name="alert_unanswered",
                fields=["staged_at"],
                condition=Q(severity="critical", acknowledged_at__isnull=True, resolved_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.title


class AlertEventKind(models.TextChoices):
    RAISED = "raised", "Raised"
    ESCALATED = "escalated", "Told again"
    ACKNOWLEDGED = "acknowledged", "Acknowledged"
    RESOLVED = "resolved", "Ended"
    SENT = "sent", "Sent"
    FAILED = "failed", "Could not be sent"


class AlertEvent(models.Model):
    """Something became of an alert. Append-only. That it was seen once more is no event."""

    alert = models.ForeignKey(Alert, on_delete=models.PROTECT, related_name="events")
    kind = models.CharField(max_length=12, choices=AlertEventKind)
    level = models.PositiveSmallIntegerField()
    happened_at = models.DateTimeField()
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    actor_name = models.CharField("who or what", max_length=150)
    detail = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            one_of("alertevent_kind_known", "kind", AlertEventKind, "The kind of event is not known."),
            models.UniqueConstraint(
                name="alertevent_told_once_a_level",
                fields=["alert", "level"],
                condition=Q(kind__in=["raised", "escalated"]),
                violation_error_message="An alert is told once a level.",
            ),
        ]
        indexes = [models.Index(name="alertevent_history", fields=["alert", "id"])]

    def __str__(self) -> str:
        return f"{self.alert_id}: {self.kind}"


class TargetKind(models.TextChoices):
    EMAIL = "email", "E-mail"
    WEBHOOK = "webhook", "Webhook (JSON by https)"
    APPRISE = "apprise", "Service (Apprise address)"


class AlertTarget(models.Model):
    """Where alerts are sent to. The address of a webhook or a service is a secret and is never shown once saved."""

    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=8, choices=TargetKind)
    address = models.CharField(max_length=500)
    signing_secret = models.CharField(
        max_length=200, blank=True, help_text="Webhooks only: the body is signed with it (HMAC-SHA256)."
    )
    minimum_severity = models.CharField(max_length=8, choices=Severity, default=Severity.WARNING)
    portfolio = models.ForeignKey(
        Portfolio,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="alert_targets",
        help_text="Empty: all portfolios, and what concerns the installation.",
    )
    daily_report = models.BooleanField(
        "report of the day", default=False, help_text="E-mail only: after each session, what was decided and why."
    )
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            one_of("alerttarget_kind_known", "kind", TargetKind, "The kind must be email, webhook or apprise."),
            one_of("alerttarget_severity_known", "minimum_severity", Severity, "The severity is not known."),
            models.CheckConstraint(
                name="alerttarget_daily_report_by_mail",
                condition=Q(daily_report=False) | Q(kind="email"),
                violation_error_message="The report of the day goes out by e-mail only.",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class DeliveryState(models.TextChoices):
    DUE = "due", "Due"
    SENDING = "sending", "Being sent"
    SENT = "sent", "Sent"
    FAILED = "failed", "Given up"


class AlertDelivery(models.Model):
    """One alert to be told to one target at one level: the outbox. Leased by one sender at a time."""

    alert = models.ForeignKey(Alert, on_delete=models.PROTECT, related_name="deliveries")
    target = models.ForeignKey(AlertTarget, on_delete=models.PROTECT, related_name="deliveries")
    level = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=8, choices=DeliveryState, default=DeliveryState.DUE)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField("not before")
    leased_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField("sent or given up at", null=True, blank=True)
    answer = models.CharField("last answer", max_length=300, blank=True)

    class Meta:
        verbose_name_plural = "alert deliveries"
        constraints = [
            one_of("alertdelivery_state_known", "state", DeliveryState, "The state is not known."),
            models.UniqueConstraint(
                name="alertdelivery_once_a_level",
                fields=["alert", "target", "level"],
                violation_error_message="This alert goes once to this target at this level.",
            ),
            models.CheckConstraint(
                name="alertdelivery_lease_while_sending",
                condition=Q(state="sending", leased_until__isnull=False)
                | (~Q(state="sending") & Q(leased_until__isnull=True)),
                violation_error_message="Exactly what is being sent has a lease.",
            ),
        ]
        indexes = [
            models.Index(
                name="alertdelivery_waiting", fields=["next_attempt_at"], condition=Q(state__in=["due", "sending"])
            ),
        ]

    def __str__(self) -> str:
        return f"{self.alert_id} to {self.target_id}: {self.state}"


class Pulse(models.Model):
    """When a clock last came by, and since when it has without a gap: a beat that stands still says nothing itself."""

    name = models.CharField(max_length=20, unique=True)
    at = models.DateTimeField()
    since = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} {self.at:%H:%M:%S}"
