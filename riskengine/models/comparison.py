"""Comparisons that were asked for: one recorded period under two revisions, side by side (docs/decisions/0033)."""

from django.conf import settings
from django.db import models

from accounts.models import RiskProfileRevision
from accounts.models.constraint import CENTS_LIMIT, one_of, within
from positions.models import Portfolio


class AskedBy(models.TextChoices):
    """Where the entries of a comparison come from."""

    EXAMPLES = "examples", "The example entries of these days"
    ENTRIES = "entries", "Entries that I give"
    SIGNALS = "signals", "Signals that I give"
    DECISIONS = "decisions", "What this portfolio decided on these days"


class Comparison(models.Model):
    """What is to be replayed under revision A and revision B of one profile. `changes_*` are numbers and ladders by
    name (JSON) on top of the revision. The replays are rows of their own, in `replays`; what state a comparison is in
    and what came of it follows from them. It is never changed, and never deleted."""

    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="comparisons")
    requested_at = models.DateTimeField("requested at (wall time)")
    portfolio = models.ForeignKey(Portfolio, on_delete=models.PROTECT, related_name="comparisons")
    revision_a = models.ForeignKey(RiskProfileRevision, on_delete=models.PROTECT, related_name="+")
    revision_b = models.ForeignKey(RiskProfileRevision, on_delete=models.PROTECT, related_name="+")
    changes_a = models.TextField("changed on top of revision A (JSON)", default="{}")
    changes_b = models.TextField("changed on top of revision B (JSON)", default="{}")
    asked_by = models.CharField("where its entries come from", max_length=9, choices=AskedBy)
    gates = models.BooleanField("gates may refuse", default=True)
    cash = models.DecimalField(
        "cash to start with, USD",
        max_digits=16,
        decimal_places=2,
        null=True,
        blank=True,
        help_text="Empty: the account size of each revision.",
    )

    class Meta:
        constraints = [
            one_of("comparison_asked_by_known", "asked_by", AskedBy, "Where the entries come from is not known."),
            within("comparison_cash_bounds", "cash", 0, CENTS_LIMIT, "The cash to start with is out of range."),
        ]
        indexes = [models.Index(name="comparison_of_portfolio", fields=["portfolio", "-id"])]

    def __str__(self) -> str:
        return f"Revision {self.revision_a.number} against {self.revision_b.number} for {self.portfolio}"
