"""What a book risks while the exchange is closed, as it was reported."""

from django.db import models

from accounts.models.constraint import CENTS_LIMIT, one_of, within
from positions.models import Portfolio


class NightMoment(models.TextChoices):
    BEFORE_CLOSE = "close", "Before the close"
    BEFORE_OPEN = "open", "Before the open"


class NightReport(models.Model):
    """One look at the night, P-18: made once before a session's close, and once more before the next open. Append-only.

    `session_on` is the session that closes, or the one that is about to open. `contents` is what the page shows: each
    position's scenarios, theta of the night, dates ahead and notional. The loss is the book's worst of a 5% move.
    """

    portfolio = models.ForeignKey(Portfolio, on_delete=models.PROTECT, related_name="night_reports")
    session_on = models.DateField("session (New York date)")
    moment = models.CharField(max_length=8, choices=NightMoment)
    made_at = models.DateTimeField("made at (market time)")
    equity = models.DecimalField("equity at the start of the day, USD", max_digits=18, decimal_places=2, null=True)
    worst_loss = models.DecimalField(
        "worst loss of a 5% move, USD", max_digits=18, decimal_places=2, null=True, help_text="Empty: not known."
    )
    positions = models.PositiveIntegerField("positions held over the night")
    contents = models.JSONField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="nightreport_once_a_moment",
                fields=["portfolio", "session_on", "moment"],
                violation_error_message="This report is made already.",
            ),
            one_of("nightreport_moment_known", "moment", NightMoment, "A report is made before the close or the open."),
            within("nightreport_equity_bounds", "equity", -CENTS_LIMIT, CENTS_LIMIT, "The equity is out of range."),
            within("nightreport_loss_bounds", "worst_loss", -CENTS_LIMIT, CENTS_LIMIT, "The loss is out of range."),
        ]
        indexes = [models.Index(name="nightreport_latest", fields=["portfolio", "-id"])]

    def __str__(self) -> str:
        return f"{self.portfolio}: {self.session_on} {self.moment}"
