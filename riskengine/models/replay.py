"""Replays that were asked for over the API: what is to be replayed, how far it is, and what came of it."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts.models import System
from accounts.models.constraint import CENTS_LIMIT, one_of, within
from riskengine.models.comparison import Comparison


class ReplayState(models.TextChoices):
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


class ReplaySide(models.TextChoices):
    """Of a comparison."""

    A = "A", "A"
    B = "B", "B"


class Replay(models.Model):
    """One replay of a recorded day (docs/decisions/0024). Times are wall time, but for `reached_at`.

    `entries`, `signals` and `parameters` are the texts of the files that `manage.py replay` would be given, an empty
    one is not given; `report` is the bytes it would write. `attempts` counts the processes that were started for it:
    what an earlier one says no longer counts. A side and a number has one that belongs to a comparison: number 1 is
    its first day, and each later one begins with what its side ended the day before with.
    """

    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="replays")
    requested_at = models.DateTimeField()
    state = models.CharField(max_length=9, choices=ReplayState, default=ReplayState.QUEUED)
    day = models.DateField("recorded day")
    portfolio = models.CharField("whose rules", max_length=10, choices=System)
    comparison = models.ForeignKey(
        Comparison,
        on_delete=models.PROTECT,
        related_name="replays",
        null=True,
        blank=True,
        help_text="Empty: asked for alone.",
    )
    side = models.CharField("side of the comparison", max_length=1, choices=ReplaySide, blank=True)
    number = models.PositiveSmallIntegerField("day of the comparison", null=True, blank=True)
    entries = models.TextField("entries (CSV)", blank=True)
    signals = models.TextField("signals (CSV)", blank=True, default="")
    parameters = models.TextField("other numbers and ladders (JSON)", default="{}")
    gates = models.BooleanField("gates may refuse", default=True)
    cash = models.DecimalField("cash to start with", max_digits=16, decimal_places=2, null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    started_at = models.DateTimeField("last started at", null=True, blank=True)
    reached_at = models.DateTimeField("reached (market time)", null=True, blank=True)
    share = models.FloatField("share of the day", default=0)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    error_code = models.CharField(max_length=40, blank=True)
    error = models.TextField("why it failed", blank=True)
    report = models.TextField(null=True, blank=True)

    class Meta:
        constraints = [
            one_of("replay_state_known", "state", ReplayState, "The state of a replay is not known."),
            one_of("replay_system_known", "portfolio", System, "The portfolio must be one of the two systems."),
            within("replay_share_bounds", "share", 0, 1, "The share of the day is from 0 to 1."),
            within("replay_cash_bounds", "cash", 0, CENTS_LIMIT, "The cash to start with is out of range."),
            models.CheckConstraint(
                name="replay_has_something_to_do",
                condition=~Q(entries="", signals=""),
                violation_error_message="A replay has entries, signals or both.",
            ),
            models.CheckConstraint(
                name="replay_of_a_comparison_has_its_place",
                condition=Q(comparison__isnull=True, side="", number__isnull=True)
                | Q(comparison__isnull=False, side__in=["A", "B"], number__gte=1),
                violation_error_message="Exactly a replay of a comparison has a side and a number.",
            ),
            models.UniqueConstraint(
                name="replay_place_in_comparison",
                fields=["comparison", "side", "number"],
                violation_error_message="A comparison replays each day once for each side.",
            ),
            models.UniqueConstraint(
                name="replay_one_runs",
                fields=["state"],
                condition=Q(state="running"),
                violation_error_message="One replay runs at a time.",
            ),
            models.CheckConstraint(
                name="replay_done_has_its_report",
                condition=Q(state="done", report__isnull=False) | (~Q(state="done") & Q(report__isnull=True)),
                violation_error_message="Exactly a replay that is done has a report.",
            ),
            models.CheckConstraint(
                name="replay_failed_says_why",
                condition=(Q(state="failed") & ~Q(error="") & ~Q(error_code=""))
                | (~Q(state="failed") & Q(error="", error_code="")),
                violation_error_message="Exactly a replay that failed says why.",
            ),
            models.CheckConstraint(
                name="replay_ended_has_a_time",
                condition=Q(state__in=["done", "failed", "cancelled"], finished_at__isnull=False)
                | Q(state__in=["queued", "running"], finished_at__isnull=True),
                violation_error_message="Exactly a replay that has ended has the time of it.",
            ),
            models.CheckConstraint(
                name="replay_running_was_started",
                condition=~Q(state="running") | Q(started_at__isnull=False, attempts__gte=1),
                violation_error_message="A replay that runs was started.",
            ),
        ]
        indexes = [
            models.Index(name="replay_of_user", fields=["requested_by", "-id"]),
            models.Index(name="replay_unfinished", fields=["id"], condition=Q(state__in=["queued", "running"])),
        ]

    def __str__(self) -> str:
        return f"{self.portfolio} on {self.day}: {self.state}"
