"""What the last risk check found each portfolio to be worth and exposed to (P-22)."""

from django.db import models
from django.db.models import F, Q

from accounts.models import RiskProfileRevision
from accounts.models.constraint import one_of
from positions.models import Portfolio


class ReadingState(models.TextChoices):
    KNOWN = "known", "Known"
    UNKNOWN = "unknown", "Unknown: no entries"


class Reading(models.Model):
    """One row a portfolio, as of its last risk check; entries are refused while it is unknown.

    NULL is not known, never nought. Money USD. `exposure` is what is open (the larger of cost and mark) and reserved;
    `effective_exposure` counts what moves together as one (P-11). `delta` and `gamma` are SPY share-equivalents (P-05),
    `theta_per_day` and `vega_per_point` USD. `concentration` is the Herfindahl index of the exposure by underlying: 1
    is one bet. Drawdowns are fractions of the peak of 5 and 20 sessions. `pairs` are those above the limit of
    correlation: [symbol, symbol, correlation].
    """

    portfolio = models.OneToOneField(Portfolio, on_delete=models.PROTECT, related_name="reading")
    state = models.CharField(max_length=8, choices=ReadingState)
    reason = models.TextField("why it is unknown", blank=True)
    judged_at = models.DateTimeField("judged at (wall time)")
    market_at = models.DateTimeField("judged at (market time)", null=True, blank=True)
    positions = models.PositiveIntegerField("open positions", null=True, blank=True)
    cash = models.DecimalField(max_digits=16, decimal_places=2, null=True, blank=True)
    equity = models.DecimalField(max_digits=16, decimal_places=2, null=True, blank=True)
    day_pnl = models.DecimalField("P&L of the day", max_digits=16, decimal_places=2, null=True, blank=True)
    drawdown_5 = models.FloatField("drawdown of 5 sessions", null=True, blank=True)
    drawdown_20 = models.FloatField("drawdown of 20 sessions", null=True, blank=True)
    exposure = models.DecimalField(max_digits=16, decimal_places=2, null=True, blank=True)
    effective_exposure = models.DecimalField(max_digits=16, decimal_places=2, null=True, blank=True)
    concentration = models.FloatField(null=True, blank=True)
    delta = models.FloatField("delta (SPY shares)", null=True, blank=True)
    gamma = models.FloatField("gamma (SPY shares per dollar)", null=True, blank=True)
    theta_per_day = models.FloatField("theta (USD a day)", null=True, blank=True)
    vega_per_point = models.FloatField("vega (USD a volatility point)", null=True, blank=True)
    pairs = models.JSONField("pairs that move together", default=list, blank=True)

    class Meta:
        constraints = [
            one_of("reading_state_known", "state", ReadingState, "A reading is known or unknown."),
            models.CheckConstraint(
                name="reading_known_has_its_figures",
                condition=Q(state="known", reason="", market_at__isnull=False, equity__isnull=False, cash__isnull=False)
                | (Q(state="unknown", equity__isnull=True) & ~Q(reason="")),
                violation_error_message="A known reading has equity and cash, an unknown one says why.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.portfolio} {self.state} {self.judged_at:%H:%M:%S}"


class ReadingPoint(models.Model):
    """What a portfolio's reading was in each five minutes of a session, the first known one of them: how the day went.

    Figures as in `Reading`. `revision` is the one whose limits they stood against; a gap is a time nothing was known.
    """

    portfolio = models.ForeignKey(Portfolio, on_delete=models.PROTECT, related_name="reading_points")
    slot_at = models.DateTimeField("five minutes from (market time)")
    market_at = models.DateTimeField("read at (market time)")
    revision = models.ForeignKey(RiskProfileRevision, on_delete=models.PROTECT, related_name="+")
    equity = models.DecimalField(max_digits=16, decimal_places=2)
    day_pnl = models.DecimalField("P&L of the day", max_digits=16, decimal_places=2, null=True, blank=True)
    drawdown_5 = models.FloatField("drawdown of 5 sessions", null=True, blank=True)
    drawdown_20 = models.FloatField("drawdown of 20 sessions", null=True, blank=True)
    exposure = models.DecimalField(max_digits=16, decimal_places=2, null=True, blank=True)
    effective_exposure = models.DecimalField(max_digits=16, decimal_places=2, null=True, blank=True)
    delta = models.FloatField("delta (SPY shares)", null=True, blank=True)
    gamma = models.FloatField("gamma (SPY shares per dollar)", null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="readingpoint_one_a_slot",
                fields=["portfolio", "slot_at"],
                violation_error_message="These five minutes have their point already.",
            ),
            models.CheckConstraint(
                name="readingpoint_within_its_slot",
                condition=Q(market_at__gte=F("slot_at")),
                violation_error_message="A point is read within its five minutes.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.portfolio} {self.market_at:%Y-%m-%d %H:%M}"
