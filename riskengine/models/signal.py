"""Signals: who says that an underlying will move, how sure it is, and what became of it.

A signal is a claim about a moment. It is new until the selection has looked at it; then it is accepted (a candidate, or
a decision made from it) or dropped with a reason; nobody having acted by its end it is expired; and once a position is
held from it, it is traded. One signal makes one entry at most.
"""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from accounts.models.constraint import one_of, within
from positions.models import Decision, Direction, Instrument, OptionContract, Portfolio


class SourceKind(models.TextChoices):
    API = "api", "A program, by the API"
    WEBHOOK = "webhook", "A webhook with a shared secret"
    CSV = "csv", "A CSV file"
    GENERATOR = "generator", "Built in"
    DEMO = "demo", "Demo (made up)"


class Handling(models.TextChoices):
    SHOW = "show", "Show it: a person sizes and places"
    ENTER = "enter", "Enter by itself, past every gate"


class SignalSource(models.Model):
    """One sender of signals to one portfolio. Of a webhook's secret only a hash is kept."""

    portfolio = models.ForeignKey(Portfolio, on_delete=models.PROTECT, related_name="signal_sources")
    slug = models.SlugField(max_length=50, unique=True)
    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=12, choices=SourceKind)
    handling = models.CharField("what is done with its signals", max_length=8, choices=Handling, default=Handling.SHOW)
    enabled = models.BooleanField(default=True)
    secret_hash = models.CharField("SHA-256 of the secret", max_length=64, blank=True, editable=False)
    created_at = models.DateTimeField("created at (wall time)")

    class Meta:
        constraints = [
            one_of("signalsource_kind_known", "kind", SourceKind, "The kind of source is not known."),
            one_of("signalsource_handling_known", "handling", Handling, "A source is shown or enters."),
            models.CheckConstraint(
                name="signalsource_webhook_has_a_secret",
                condition=~Q(kind="webhook") | ~Q(secret_hash=""),
                violation_error_message="A webhook needs its secret: without one anybody could send signals.",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class SignalState(models.TextChoices):
    NEW = "new", "New"
    ACCEPTED = "accepted", "Accepted"
    DROPPED = "dropped", "Dropped"
    EXPIRED = "expired", "Expired"
    TRADED = "traded", "Traded"


class Signal(models.Model):
    """One claim. Times are the portfolio's market time, but for `received_at` (wall); confidence is raw, 6 places.

    `components` are what the confidence was made of, as the source gave them: a list of name, label, value, weight.
    `selection` is what the selection saw: calibrated confidence, correlations, score, the contract picked and why.
    """

    source = models.ForeignKey(SignalSource, on_delete=models.PROTECT, related_name="signals")
    portfolio = models.ForeignKey(Portfolio, on_delete=models.PROTECT, related_name="signals")
    external_id = models.CharField("the source's own number of it", max_length=100)
    underlying = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="+")
    contract = models.ForeignKey(
        OptionContract,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Empty: picked from the listed chain.",
    )
    direction = models.CharField(max_length=12, choices=Direction)
    confidence = models.DecimalField(max_digits=7, decimal_places=6)
    components = models.JSONField(default=list, blank=True)
    note = models.CharField(max_length=500, blank=True)
    as_of = models.DateTimeField("said at (market time)")
    expires_at = models.DateTimeField("good until (market time)")
    received_at = models.DateTimeField("received at (wall time)")
    state = models.CharField(max_length=8, choices=SignalState, default=SignalState.NEW)
    dropped_code = models.CharField(max_length=40, blank=True)
    dropped_sentence = models.TextField(blank=True)
    selection = models.JSONField(default=dict, blank=True)
    decision = models.OneToOneField(
        Decision,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="signal",
        help_text="The entry made of it.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="signal_once_a_source",
                fields=["source", "external_id"],
                violation_error_message="This source has sent a signal of this number already.",
            ),
            one_of("signal_state_known", "state", SignalState, "The state of the signal is not known."),
            one_of("signal_direction_known", "direction", Direction, "Only long calls and long puts are traded."),
            within("signal_confidence_bounds", "confidence", 0, 1, "Confidence must be between 0 and 1."),
            models.CheckConstraint(
                name="signal_ends_after_it_is_said",
                condition=Q(expires_at__gt=F("as_of")),
                violation_error_message="A signal is good for some time after it is said.",
            ),
            models.CheckConstraint(
                name="signal_dropped_for_a_reason",
                condition=Q(state="dropped") & ~Q(dropped_code="") & ~Q(dropped_sentence="")
                | ~Q(state="dropped") & Q(dropped_code="", dropped_sentence=""),
                violation_error_message="A dropped signal has its reason, and no other one has.",
            ),
            models.CheckConstraint(
                name="signal_traded_has_its_decision",
                condition=~Q(state="traded") | Q(decision__isnull=False),
                violation_error_message="A traded signal has the decision that was made of it.",
            ),
        ]
        indexes = [
            models.Index(name="signal_history", fields=["portfolio", "-id"]),
            models.Index(name="signal_at_work", fields=["portfolio", "id"], condition=Q(state__in=["new", "accepted"])),
        ]

    def __str__(self) -> str:
        return f"{self.underlying}: {self.get_direction_display()} at {self.confidence}"


class SignalEvent(models.Model):
    """A signal came to a state. Append-only. Market time."""

    signal = models.ForeignKey(Signal, on_delete=models.PROTECT, related_name="events")
    state = models.CharField(max_length=8, choices=SignalState)
    happened_at = models.DateTimeField("happened at (market time)")
    actor_name = models.CharField("who or what", max_length=150)
    detail = models.TextField(blank=True)

    class Meta:
        constraints = [
            one_of("signalevent_state_known", "state", SignalState, "The state of the signal is not known."),
            models.UniqueConstraint(
                name="signalevent_once_a_state",
                fields=["signal", "state"],
                violation_error_message="A signal comes to a state once.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.signal_id}: {self.state}"


class TierReview(models.Model):
    """A person has looked at a confidence tier that was under its break-even, and lets it scale again. Append-only.

    Trades closed before it count no longer against that tier: it scales until as many again speak against it (P-13).
    """

    portfolio = models.ForeignKey(Portfolio, on_delete=models.PROTECT, related_name="tier_reviews")
    tier = models.DecimalField("confidence from which the tier begins", max_digits=7, decimal_places=6)
    reviewed_at = models.DateTimeField("reviewed at (market time)")
    reviewed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    reviewed_by_name = models.CharField("who", max_length=150)
    reason = models.TextField()
    trades = models.PositiveIntegerField("closed trades in the tier then")
    wins = models.PositiveIntegerField("of them won")

    class Meta:
        constraints = [
            within("tierreview_tier_bounds", "tier", 0, 1, "A tier begins between 0 and 1."),
            models.CheckConstraint(
                name="tierreview_reason_given",
                condition=~Q(reason=""),
                violation_error_message="Say why the tier may scale again.",
            ),
            models.CheckConstraint(
                name="tierreview_wins_within_trades",
                condition=Q(wins__lte=F("trades")),
                violation_error_message="No more can be won than was traded.",
            ),
        ]
        indexes = [models.Index(name="tierreview_latest", fields=["portfolio", "tier", "-id"])]

    def __str__(self) -> str:
        return f"{self.portfolio}: from {self.tier} reviewed"


class PriorTrade(models.Model):
    """A trade that the account closed before it was run here, as its owner states it. Append-only.

    It counts in the record that confidence is calibrated on, and nowhere else: no cash, no exposure, no pause.
    """

    portfolio = models.ForeignKey(Portfolio, on_delete=models.PROTECT, related_name="prior_trades")
    external_id = models.CharField("the owner's number of it", max_length=100)
    confidence = models.DecimalField("raw confidence at entry", max_digits=7, decimal_places=6)
    gain_fraction = models.DecimalField("P&L after fees per dollar paid", max_digits=12, decimal_places=6)
    closed_at = models.DateTimeField("closed at (market time)")
    source = models.CharField(max_length=100)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="priortrade_once",
                fields=["portfolio", "external_id"],
                violation_error_message="This trade is on record already.",
            ),
            within("priortrade_confidence_bounds", "confidence", 0, 1, "Confidence must be between 0 and 1."),
            within("priortrade_gain_bounds", "gain_fraction", -2, 100_000, "The gain is out of range."),
        ]

    def __str__(self) -> str:
        return f"{self.external_id}: {self.gain_fraction}"
