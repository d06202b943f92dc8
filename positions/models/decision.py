"""What was asked, what the rules said, and what was let through."""

from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from accounts.models import RiskProfileRevision
from accounts.models.constraint import CENTS_LIMIT, PRICE_LIMIT, one_of, within
from positions.models.instrument import OptionContract
from positions.models.portfolio import Portfolio


class DecisionIntent(models.TextChoices):
    OPEN = "open", "Open a position"
    INDICATIVE = "indicative", "Size for information"


class Direction(models.TextChoices):
    LONG_CALL = "LONG_CALL", "Long call"
    LONG_PUT = "LONG_PUT", "Long put"


class Decision(models.Model):
    """The answer to one request for an entry: approved with a size, or refused with a code. Append-only.

    It keeps the revision, the inputs, the whole trace and every gate, so that it can be recomputed. `indicative_*` is
    the formula's size, `contracts` and `dollars` what was approved (0 when refused). An approved decision can become
    one order until `expires_at`. Times are the portfolio's market time; confidence has 6 places.
    """

    portfolio = models.ForeignKey(Portfolio, on_delete=models.PROTECT, related_name="decisions")
    contract = models.ForeignKey(OptionContract, on_delete=models.PROTECT, related_name="decisions")
    revision = models.ForeignKey(RiskProfileRevision, on_delete=models.PROTECT, related_name="+")
    intent = models.CharField(max_length=12, choices=DecisionIntent)
    direction = models.CharField(max_length=12, choices=Direction)
    confidence = models.DecimalField(max_digits=7, decimal_places=6)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    requested_by_name = models.CharField("who or what", max_length=150)
    idempotency_key = models.CharField(max_length=100, blank=True)
    inputs = models.JSONField(help_text="Every input with its source and age.")
    trace = models.JSONField(help_text="Rule by rule: saw, says, before, after; and the binding rule.")
    gates = models.JSONField(help_text="Every gate with value, limit and verdict, not only the first that fails.")
    warnings = models.JSONField(default=list, blank=True)
    approved = models.BooleanField()
    refusal_code = models.CharField(max_length=40, blank=True)
    refusal_sentence = models.TextField(blank=True)
    indicative_contracts = models.PositiveIntegerField("contracts by the formula")
    contracts = models.PositiveIntegerField("contracts approved")
    limit_price = models.DecimalField(
        "worst permitted price, USD a share", max_digits=12, decimal_places=4, null=True, blank=True
    )
    dollars = models.DecimalField("cost approved, USD", max_digits=18, decimal_places=2)
    min_size_dollars = models.DecimalField(
        "minimum bet at the time, USD", max_digits=18, decimal_places=2, null=True, blank=True
    )
    scale_multiplier = models.DecimalField(
        "multiple of the minimum bet", max_digits=9, decimal_places=4, null=True, blank=True
    )
    decided_at = models.DateTimeField("decided at (market time)")
    expires_at = models.DateTimeField("good until (market time)")
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    engine_version = models.CharField(max_length=40)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="decision_idempotency_key",
                fields=["portfolio", "idempotency_key"],
                condition=~Q(idempotency_key=""),
                violation_error_message="This idempotency key was already used in this portfolio.",
            ),
            models.CheckConstraint(
                name="decision_approved_or_refused",
                condition=Q(approved=True, contracts__gte=1, refusal_code="", limit_price__isnull=False)
                | (Q(approved=False, contracts=0, dollars=0) & ~Q(refusal_code="")),
                violation_error_message="A decision is approved with contracts and a price, or refused with a code.",
            ),
            one_of("decision_intent_known", "intent", DecisionIntent, "The intent must be open or indicative."),
            one_of("decision_direction_known", "direction", Direction, "Only long calls and long puts are traded."),
            within("decision_confidence_bounds", "confidence", 0, 1, "Confidence must be between 0 and 1."),
            within(
                "decision_limit_price_bounds",
                "limit_price",
                Decimal("0.0001"),
                PRICE_LIMIT,
                "The price must be above 0 and at most 1,000,000.",
            ),
            within("decision_dollars_bounds", "dollars", 0, CENTS_LIMIT, "The cost must be 0 to a trillion."),
            within("decision_min_size_bounds", "min_size_dollars", 0, CENTS_LIMIT, "The minimum bet is out of range."),
            within("decision_multiplier_bounds", "scale_multiplier", 0, 100, "The multiplier must be 0 to 100."),
            models.CheckConstraint(
                name="decision_expires_after_it_is_made",
                condition=Q(expires_at__gte=F("decided_at")),
                violation_error_message="A decision cannot expire before it is made.",
            ),
        ]
        indexes = [models.Index(name="decision_history", fields=["portfolio", "-decided_at"])]

    def __str__(self) -> str:
        verdict = f"{self.contracts} approved" if self.approved else self.refusal_code
        return f"{self.contract}: {verdict}"
