"""Risk profiles: edited as one thing, stored as immutable revisions."""

from django.db import models
from django.db.models import Q

from accounts.bounds import ORDERS
from accounts.defaults import LADDERS, MAG7_7DTE, MAX_STEPS, PARAMETERS, SMART_0DTE
from accounts.held import may_be
from accounts.models.constraint import one_of, ordered, within
from accounts.models.parameters import (
    BreakerParameters,
    CorrelationParameters,
    EntryParameters,
    ExitParameters,
    FactorParameters,
    FundamentalParameters,
    LiquidityParameters,
    OvernightParameters,
    SignalParameters,
    SizingParameters,
)
from accounts.wording import bounds_sentence


class System(models.TextChoices):
    """Under which of the two systems an account is run."""

    SMART_0DTE = SMART_0DTE, "Smart-0DTE"
    MAG7_7DTE = MAG7_7DTE, "Mag7-7DTE"


class RiskProfile(models.Model):
    """A set of risk parameters that portfolios of one system run under.

    Its numbers live in revisions: the highest number is in force for new bets, an open position keeps the one it was
    opened with.
    """

    slug = models.SlugField(max_length=50, unique=True)
    name = models.CharField(max_length=100)
    system = models.CharField(max_length=16, choices=System)
    created_at = models.DateTimeField("created at (wall time)")

    class Meta:
        constraints = [
            one_of("riskprofile_system_known", "system", System, "The system must be Smart-0DTE or Mag7-7DTE."),
        ]

    def __str__(self) -> str:
        return self.name


class RiskProfileRevision(
    SizingParameters,
    FactorParameters,
    FundamentalParameters,
    CorrelationParameters,
    SignalParameters,
    EntryParameters,
    LiquidityParameters,
    ExitParameters,
    OvernightParameters,
    BreakerParameters,
):
    """All numbers of a profile as saved once, by whom and why. Append-only: a trigger refuses changes.

    `in_force_from` is wall time. Bounds are inclusive and stand in `accounts.defaults`.
    """

    profile = models.ForeignKey(RiskProfile, on_delete=models.PROTECT, related_name="revisions")
    number = models.PositiveIntegerField(help_text="1 for the first; each saved change adds one.")
    in_force_from = models.DateTimeField("in force from (wall time)")
    author = models.ForeignKey(
        "accounts.User", on_delete=models.PROTECT, null=True, blank=True, related_name="+", help_text="Empty: seeded."
    )
    author_name = models.CharField(max_length=150, help_text="The author's name at the time.")
    reason = models.TextField(help_text="Why the numbers were changed.")
    restored_from = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="+", help_text="Whose numbers these are."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="revision_profile_number",
                fields=["profile", "number"],
                violation_error_message="Someone else saved this revision first.",
            ),
            within("revision_number_bounds", "number", 1, 1_000_000, "Revisions are numbered from 1."),
            models.CheckConstraint(
                name="revision_reason_given",
                condition=~Q(reason=""),
                violation_error_message="Say why the numbers are changed.",
            ),
            *[
                within(f"revision_{p.name}_bounds", p.name, p.minimum, p.maximum, bounds_sentence(p))
                for p in PARAMETERS.values()
                if p.minimum is not None and p.maximum is not None
            ],
            *[
                models.CheckConstraint(
                    name=f"revision_{p.name}_known",
                    condition=Q(**{f"{p.name}__in": p.choices}),
                    violation_error_message=bounds_sentence(p),
                )
                for p in PARAMETERS.values()
                if p.choices
            ],
            *[ordered(f"revision_{o.name}", o.low, o.high, o.sentence, strictly=o.strictly) for o in ORDERS],
        ]

    def __str__(self) -> str:
        return f"{self.profile} r{self.number}"


class LadderName(models.TextChoices):
    """The ladders of a profile; names and labels as in `accounts.defaults.LADDERS`."""

    CONFIDENCE_FACTOR = "confidence_factor", LADDERS["confidence_factor"].label
    VIX_FACTOR = "vix_factor", LADDERS["vix_factor"].label
    EXPOSURE_FACTOR = "exposure_factor", LADDERS["exposure_factor"].label
    CORRELATION_FACTOR = "correlation_factor", LADDERS["correlation_factor"].label
    TAKE_PROFIT_MORNING = "take_profit_morning", LADDERS["take_profit_morning"].label
    TAKE_PROFIT_MIDDAY = "take_profit_midday", LADDERS["take_profit_midday"].label
    TAKE_PROFIT_LATE = "take_profit_late", LADDERS["take_profit_late"].label
    PARTIAL_PROFIT = "partial_profit", LADDERS["partial_profit"].label
    TIME_FACTOR = "time_factor", LADDERS["time_factor"].label
    ELAPSED_FACTOR = "elapsed_factor", LADDERS["elapsed_factor"].label
    DTE_FACTOR = "dte_factor", LADDERS["dte_factor"].label
    RISK_REWARD = "risk_reward", LADDERS["risk_reward"].label
    PROFIT_LOCK = "profit_lock", LADDERS["profit_lock"].label


class LadderStep(models.Model):
    """One row of a ladder of a revision: from (or above) `threshold` it says `value`. Append-only with its revision.

    Units by ladder stand in `accounts.defaults.LADDERS`; a take-profit step's value is the share of the opened
    quantity that its slice closes.
    """

    revision = models.ForeignKey(RiskProfileRevision, on_delete=models.PROTECT, related_name="ladder_steps")
    ladder = models.CharField(max_length=32, choices=LadderName)
    number = models.PositiveSmallIntegerField(help_text="1 for the lowest threshold.")
    threshold = models.DecimalField(max_digits=12, decimal_places=6)
    inclusive = models.BooleanField(help_text="On: from the threshold. Off: only above it.")
    value = models.DecimalField(max_digits=12, decimal_places=6)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="ladderstep_revision_ladder_number",
                fields=["revision", "ladder", "number"],
                violation_error_message="A ladder has one step of each number.",
            ),
            models.UniqueConstraint(
                name="ladderstep_revision_ladder_threshold",
                fields=["revision", "ladder", "threshold"],
                violation_error_message="Two steps of a ladder cannot start at the same threshold.",
            ),
            one_of("ladderstep_ladder_known", "ladder", LadderName, "There is no ladder of this name."),
            within("ladderstep_number_bounds", "number", 1, MAX_STEPS, f"A ladder has at most {MAX_STEPS} steps."),
            within("ladderstep_threshold_bounds", "threshold", 0, 365, "A threshold must be between 0 and 365."),
            within("ladderstep_value_bounds", "value", 0, 10, "A step's value must be between 0 and 10."),
        ]

    def __str__(self) -> str:
        return f"{self.get_ladder_display()} {self.number}: {self.threshold.normalize():f} → {self.value.normalize():f}"


class LimitHold(models.Model):
    """A limit that may be tightened but not loosened while the breaker that reads it is tripped (A-03). Wall times."""

    profile = models.ForeignKey(RiskProfile, on_delete=models.PROTECT, related_name="limit_holds")
    parameter = models.CharField(max_length=40, choices=[(p.name, p.label) for p in PARAMETERS.values()])
    held_by = models.CharField(max_length=100, help_text="What holds it, for example “day loss breaker of smart-0dte”.")
    placed_at = models.DateTimeField()
    lifted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="limithold_one_in_force",
                fields=["profile", "parameter", "held_by"],
                condition=Q(lifted_at__isnull=True),
                violation_error_message="This limit is already held by this breaker.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.parameter} held by {self.held_by}"

    @property
    def may_be(self) -> str:
        """What can be done with it meanwhile, in words."""
        return may_be(PARAMETERS[self.parameter])
