"""Circuit breakers: one row for the state of each, and an append-only row for each change of it (P-08, A-03, A-04)."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts.models.constraint import CENTS_LIMIT, one_of, within
from positions.models import Instrument, Portfolio


class BreakerCode(models.TextChoices):
    """What trips. The order is the order in which they are judged and shown."""

    LOSS_CONFIRM = "loss_l1", "L1: day loss, entries need confirmation"
    LOSS_DAY = "loss_l2", "L2: daily loss limit"
    LOSS_HALT = "loss_l3", "L3: emergency halt"
    DRAWDOWN_5 = "drawdown_5", "5-session drawdown"
    DRAWDOWN_20 = "drawdown_20", "20-session drawdown"
    VIX = "vix", "Volatility index"
    LOSING_STREAK = "losing_streak", "Losing closes in a row"
    STOP_OUTS = "stop_outs", "Stop-outs in one underlying"
    THROTTLE = "throttle", "Opening intents"
    REJECTED_ORDERS = "rejected_orders", "Rejected orders"
    STALE_QUOTE = "stale_quote", "Quote of a held position"
    STALE_VIX = "stale_vix", "Age of the volatility index"


class BreakerState(models.TextChoices):
    CLEAR = "clear", "Clear"
    TRIPPED = "tripped", "Tripped"


class Breaker(models.Model):
    """The state of one breaker of one portfolio (stop-outs: and one underlying). Times are market time.

    There is no row until it warned or tripped. `value` and `limit` are those at the trip, in the unit of the breaker
    (USD, points, seconds or a count). `clears_at`, `calm_since`: what its own rule clears it by. `version` rises with
    every change: who judged an older one changes nothing.
    """

    portfolio = models.ForeignKey(Portfolio, on_delete=models.PROTECT, related_name="breakers")
    code = models.CharField(max_length=16, choices=BreakerCode)
    underlying = models.ForeignKey(Instrument, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    state = models.CharField(max_length=8, choices=BreakerState)
    session_on = models.DateField("session (New York date)")
    tripped_at = models.DateTimeField("tripped at (market time)", null=True, blank=True)
    value = models.DecimalField("measured value", max_digits=20, decimal_places=6, null=True, blank=True)
    limit = models.DecimalField(max_digits=20, decimal_places=6, null=True, blank=True)
    clears_at = models.DateTimeField("clears at (market time)", null=True, blank=True)
    calm_since = models.DateTimeField("back within its limit since (market time)", null=True, blank=True)
    alerted_on = models.DateField("warned before the limit on (New York date)", null=True, blank=True)
    cleared_at = models.DateTimeField("cleared at (market time)", null=True, blank=True)
    cleared_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    cleared_by_name = models.CharField("cleared by", max_length=150, blank=True)
    cleared_reason = models.TextField(blank=True)
    version = models.PositiveIntegerField(default=1)

    class Meta:
        permissions = [("clear_breaker", "Can clear a tripped circuit breaker with a reason")]
        constraints = [
            models.UniqueConstraint(
                name="breaker_one_a_rule",
                fields=["portfolio", "code", "underlying"],
                nulls_distinct=False,
                violation_error_message="This breaker has its row already.",
            ),
            one_of("breaker_code_known", "code", BreakerCode, "There is no breaker of this code."),
            one_of("breaker_state_known", "state", BreakerState, "A breaker is clear or tripped."),
            models.CheckConstraint(
                name="breaker_underlying_of_stop_outs",
                condition=Q(code="stop_outs", underlying__isnull=False)
                | (~Q(code="stop_outs") & Q(underlying__isnull=True)),
                violation_error_message="Stop-outs are counted by underlying; every other breaker has none.",
            ),
            models.CheckConstraint(
                name="breaker_trip_has_its_time",
                condition=Q(state="clear") | Q(tripped_at__isnull=False),
                violation_error_message="A tripped breaker says since when.",
            ),
            models.CheckConstraint(
                name="breaker_person_gives_a_reason",
                condition=Q(cleared_by__isnull=True) | ~Q(cleared_reason=""),
                violation_error_message="Say why the breaker is cleared.",
            ),
            within("breaker_value_bounds", "value", -CENTS_LIMIT, CENTS_LIMIT, "The value is out of range."),
            within("breaker_limit_bounds", "limit", -CENTS_LIMIT, CENTS_LIMIT, "The limit is out of range."),
        ]
        indexes = [
            models.Index(name="breaker_tripped", fields=["portfolio", "code"], condition=Q(state="tripped")),
        ]

    def __str__(self) -> str:
        about = f" ({self.underlying.symbol})" if self.underlying is not None else ""
        return f"{self.portfolio}: {self.get_code_display()}{about}"


class BreakerEventKind(models.TextChoices):
    ALERT = "alert", "Near its limit"
    TRIPPED = "tripped", "Tripped"
    CLEARED = "cleared", "Cleared"


class BreakerEvent(models.Model):
    """A breaker tripped, was cleared, or came near its limit: who or what, when, by which number. Append-only."""

    breaker = models.ForeignKey(Breaker, on_delete=models.PROTECT, related_name="events")
    portfolio = models.ForeignKey(Portfolio, on_delete=models.PROTECT, related_name="breaker_events")
    code = models.CharField(max_length=16, choices=BreakerCode)
    kind = models.CharField(max_length=8, choices=BreakerEventKind)
    happened_at = models.DateTimeField("happened at (market time)")
    recorded_at = models.DateTimeField("recorded at (wall time)")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    actor_name = models.CharField("who or what", max_length=150)
    value = models.DecimalField("measured value", max_digits=20, decimal_places=6, null=True, blank=True)
    limit = models.DecimalField(max_digits=20, decimal_places=6, null=True, blank=True)
    reason = models.TextField(help_text="What happened, the number, the limit, what to do.")
    trace = models.JSONField(null=True, blank=True, help_text="What the rule looked at.")

    class Meta:
        constraints = [
            one_of("breakerevent_code_known", "code", BreakerCode, "There is no breaker of this code."),
            one_of("breakerevent_kind_known", "kind", BreakerEventKind, "A breaker warns, trips or is cleared."),
            models.CheckConstraint(
                name="breakerevent_reason_given",
                condition=~Q(reason=""),
                violation_error_message="Say why the breaker changed.",
            ),
            within("breakerevent_value_bounds", "value", -CENTS_LIMIT, CENTS_LIMIT, "The value is out of range."),
            within("breakerevent_limit_bounds", "limit", -CENTS_LIMIT, CENTS_LIMIT, "The limit is out of range."),
        ]
        indexes = [models.Index(name="breakerevent_history", fields=["portfolio", "-happened_at"])]

    def __str__(self) -> str:
        return f"{self.portfolio}: {self.get_code_display()} {self.get_kind_display().lower()}"
