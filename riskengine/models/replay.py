"""Replays that were asked for over the API: what is to be replayed, how far it is, and what came of it."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts.models import System
from accounts.models.constraint import CENTS_LIMIT, one_of, within


class ReplayState(models.TextChoices):
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


class Replay(models.Model):
    """One replay of a recorded day (docs/decisions/0024). Times are wall time, but for `reached_at`.

    `entries` and `parameters` are the texts of the files that `manage.py replay` would be given, `report` the bytes it
    would write. `attempts` counts the processes that were started for it: what an earlier one says no longer counts.
    """

    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="replays")
    requested_at = models.DateTimeField()
    state = models.CharField(max_length=9, choices=ReplayState, default=ReplayState.QUEUED)
    day = models.DateField("recorded day")
    portfolio = models.CharField("whose rules", max_length=10, choices=System)
    entries = models.TextField("entries (CSV)")
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
