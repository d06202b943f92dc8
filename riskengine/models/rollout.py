"""From off to paper to live and back, one signed step at a time (P-27), and a revision tried out beside the one in
force."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from accounts.models import RiskProfileRevision
from accounts.models.constraint import CENTS_LIMIT, one_of, within
from positions.models import Decision, Mode, Portfolio


class StepKind(models.TextChoices):
    FORWARD = "forward", "One step forward, signed"
    BACK = "back", "Back, by a person"
    AUTOMATIC = "automatic", "One step back, by itself"


class RolloutStep(models.Model):
    """The mode of an account was changed, with the checklist as it stood at that moment. Append-only."""

    portfolio = models.ForeignKey(Portfolio, on_delete=models.PROTECT, related_name="rollout_steps")
    kind = models.CharField(max_length=9, choices=StepKind)
    from_mode = models.CharField(max_length=12, choices=Mode)
    to_mode = models.CharField(max_length=12, choices=Mode)
    revision = models.ForeignKey(RiskProfileRevision, on_delete=models.PROTECT, related_name="+")
    checklist = models.JSONField(help_text="Every item with its value, limit and verdict as judged then.")
    signed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    signed_by_name = models.CharField("who or what", max_length=150)
    reason = models.TextField()
    engine_version = models.CharField(max_length=40)
    signed_at = models.DateTimeField("signed at (wall time)")
    market_at = models.DateTimeField("signed at (market time)")

    class Meta:
        constraints = [
            one_of("rolloutstep_kind_known", "kind", StepKind, "The kind of step is not known."),
            one_of("rolloutstep_from_known", "from_mode", Mode, "The mode is not known."),
            one_of("rolloutstep_to_known", "to_mode", Mode, "The mode is not known."),
            models.CheckConstraint(
                name="rolloutstep_is_a_step",
                condition=~Q(from_mode=F("to_mode")),
                violation_error_message="A step leads to another mode.",
            ),
            models.CheckConstraint(
                name="rolloutstep_forward_one_at_a_time",
                condition=~Q(kind="forward")
                | Q(from_mode="off", to_mode="paper")
                | Q(from_mode="paper", to_mode="live-manual")
                | Q(from_mode="live-manual", to_mode="live"),
                violation_error_message="Forward it goes one step at a time.",
            ),
            models.CheckConstraint(
                name="rolloutstep_signed_by_a_person",
                condition=Q(kind="automatic") | Q(signed_by__isnull=False),
                violation_error_message="A step that is not automatic is signed by a person.",
            ),
            models.CheckConstraint(
                name="rolloutstep_reason_given",
                condition=~Q(reason=""),
                violation_error_message="Say why the mode is changed.",
            ),
        ]
        indexes = [models.Index(name="rolloutstep_history", fields=["portfolio", "-id"])]

    def __str__(self) -> str:
        return f"{self.portfolio}: {self.from_mode} → {self.to_mode}"


class TriggerCode(models.TextChoices):
    SIZE = "size", "An authorised size outside its bounds"
    HEARTBEAT = "heartbeat", "No check for more than 5 minutes of a session"
    SLIPPAGE = "slippage", "Slippage of more than twice what is modelled"
    BREAKERS = "breakers", "Two daily loss limits in 5 sessions"


class RolloutTrigger(models.Model):
    """Something happened that steps a live account back (P-27). Once each: `key` names what it was. Append-only."""

    portfolio = models.ForeignKey(Portfolio, on_delete=models.PROTECT, related_name="rollout_triggers")
    code = models.CharField(max_length=10, choices=TriggerCode)
    key = models.CharField(max_length=80)
    mode = models.CharField("mode at the time", max_length=12, choices=Mode)
    happened_at = models.DateTimeField("happened at (market time)")
    seen_at = models.DateTimeField("seen at (wall time)")
    value = models.DecimalField("measured value", max_digits=20, decimal_places=6)
    limit = models.DecimalField(max_digits=20, decimal_places=6)
    sentence = models.TextField()

    class Meta:
        constraints = [
            one_of("rollouttrigger_code_known", "code", TriggerCode, "There is no trigger of this code."),
            models.UniqueConstraint(
                name="rollouttrigger_once",
                fields=["portfolio", "code", "key"],
                violation_error_message="This was seen already.",
            ),
            within("rollouttrigger_value_bounds", "value", -CENTS_LIMIT, CENTS_LIMIT, "The value is out of range."),
            within("rollouttrigger_limit_bounds", "limit", -CENTS_LIMIT, CENTS_LIMIT, "The limit is out of range."),
        ]
        indexes = [models.Index(name="rollouttrigger_history", fields=["portfolio", "-happened_at"])]

    def __str__(self) -> str:
        return f"{self.portfolio}: {self.get_code_display()}"


class Shadow(models.Model):
    """Numbers that are judged beside the ones in force, on every entry, and decide nothing. Wall times.

    `numbers` and `ladders` are what differs from `based_on`, by name as the API takes them.
    """

    portfolio = models.ForeignKey(Portfolio, on_delete=models.PROTECT, related_name="shadows")
    based_on = models.ForeignKey(RiskProfileRevision, on_delete=models.PROTECT, related_name="+")
    numbers = models.JSONField(default=dict)
    ladders = models.JSONField(default=dict, blank=True)
    reason = models.TextField()
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by_name = models.CharField(max_length=150, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="shadow_one_runs",
                fields=["portfolio"],
                condition=Q(ended_at__isnull=True),
                violation_error_message="One revision is tried out at a time: end the other first.",
            ),
            models.CheckConstraint(
                name="shadow_reason_given",
                condition=~Q(reason=""),
                violation_error_message="Say what is being tried out.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.portfolio}: beside revision {self.based_on.number}"


class ShadowDecision(models.Model):
    """What the numbers tried out said of an entry, beside what was decided. Append-only."""

    shadow = models.ForeignKey(Shadow, on_delete=models.PROTECT, related_name="decisions")
    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, related_name="shadows")
    approved = models.BooleanField()
    code = models.CharField("refusal", max_length=40, blank=True)
    contracts = models.PositiveIntegerField()
    dollars = models.DecimalField("cost, USD", max_digits=18, decimal_places=2)
    failed_gates = models.JSONField(default=list, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="shadowdecision_once",
                fields=["shadow", "decision"],
                violation_error_message="This decision was looked at already.",
            ),
            models.CheckConstraint(
                name="shadowdecision_approved_or_refused",
                condition=Q(approved=True, code="", contracts__gte=1) | (Q(approved=False, contracts=0) & ~Q(code="")),
                violation_error_message="Approved with contracts, or refused with a code.",
            ),
            within("shadowdecision_dollars_bounds", "dollars", 0, CENTS_LIMIT, "The cost is out of range."),
        ]

    def __str__(self) -> str:
        return f"{self.decision_id}: {self.contracts or self.code}"
