"""What must leave the house: written in the transaction that causes it, sent after it."""

from django.db import models
from django.db.models import Q

from accounts.models.constraint import one_of, within
from positions.models.order import Order


class OutboxKind(models.TextChoices):
    SUBMIT_ORDER = "submit_order", "Send an order"
    CANCEL_ORDER = "cancel_order", "Cancel an order"
    REPLACE_ORDER = "replace_order", "Replace an order"
    NOTIFY = "notify", "Tell a person"


class OutboxMessage(models.Model):
    """One effect to send (to the broker, or to a person), leased by one sender at a time. Wall times.

    Lower `priority` goes first: exit orders before entries before mail. `key` makes a repeat the same message.
    """

    kind = models.CharField(max_length=16, choices=OutboxKind)
    key = models.CharField(max_length=150, unique=True)
    priority = models.PositiveSmallIntegerField(help_text="0 urgent exits, 10 exits, 20 entries, 50 mail.")
    order = models.ForeignKey(Order, on_delete=models.PROTECT, null=True, blank=True, related_name="outbox_messages")
    payload = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField("created at (wall time)")
    due_at = models.DateTimeField("not before (wall time)")
    attempts = models.PositiveSmallIntegerField(default=0)
    leased_until = models.DateTimeField(null=True, blank=True)
    leased_by = models.CharField(max_length=100, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField("given up at", null=True, blank=True)
    last_error = models.TextField(blank=True)

    class Meta:
        constraints = [
            one_of("outboxmessage_kind_known", "kind", OutboxKind, "The kind of message is not known."),
            within("outboxmessage_priority_bounds", "priority", 0, 100, "The priority must be between 0 and 100."),
            models.CheckConstraint(
                name="outboxmessage_order_kinds_have_an_order",
                condition=Q(kind="notify") | Q(order__isnull=False),
                violation_error_message="A message to the broker names its order.",
            ),
        ]
        indexes = [
            models.Index(
                name="outboxmessage_waiting",
                fields=["priority", "due_at", "id"],
                condition=Q(sent_at__isnull=True, failed_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"
