"""Orders, what happened to them, and their fills."""

from decimal import Decimal

from django.db import models
from django.db.models import F, Q

from accounts.models.constraint import CENTS_LIMIT, PRICE_LIMIT, one_of, within
from positions.models.decision import Decision
from positions.models.instrument import OptionContract
from positions.models.portfolio import Portfolio
from positions.querysets import OrderQuerySet


class OrderIntent(models.TextChoices):
    """Why an order exists. Only `open` needs an approved decision; every other carries its verdict."""

    OPEN = "open", "Open"
    SLICE = "slice", "Take-profit tier"
    TARGET = "target", "Target"
    STOP = "stop", "Stop"
    FORCED_CLOSE = "forced_close", "Forced close"
    EMERGENCY = "emergency", "Emergency halt"
    FLATTEN = "flatten", "Flatten"
    MANUAL_CLOSE = "manual_close", "Closed by a person"
    MANUAL_REDUCE = "manual_reduce", "Part closed by a person"
    ADOPTED_OPEN = "adopted_open", "Bought at the broker, adopted"
    ADOPTED_CLOSE = "adopted_close", "Sold at the broker, adopted"


class Side(models.TextChoices):
    BUY = "buy", "Buy to open"
    SELL = "sell", "Sell to close"


class OrderStatus(models.TextChoices):
    PLANNED = "planned", "Planned"
    SUBMITTING = "submitting", "Being sent"
    WORKING = "working", "Working"
    CANCELLING = "cancelling", "Cancel asked"
    UNKNOWN = "unknown", "Unknown: the answer was lost"
    FILLED = "filled", "Filled"
    CANCELLED = "cancelled", "Cancelled"
    REJECTED = "rejected", "Rejected"
    EXPIRED = "expired", "Expired"


class Pace(models.TextChoices):
    """How the price is worked (A-09): steps from the mid towards the far touch."""

    NORMAL = "normal", "4 steps of 10 s"
    FAST = "fast", "3 steps of 5 s"
    PATIENT = "patient", "5 steps of 20 s"
    URGENT = "urgent", "Marketable limit, re-priced every 2 s"


# A live order may still fill; one whose answer was lost counts as live until the broker has been asked.
LIVE = (OrderStatus.PLANNED, OrderStatus.SUBMITTING, OrderStatus.WORKING, OrderStatus.CANCELLING, OrderStatus.UNKNOWN)
BUYING = (OrderIntent.OPEN, OrderIntent.ADOPTED_OPEN)
# Sells all that is open, and takes the place of every other exit. The target sells the runner only.
WHOLE_POSITION = (
    OrderIntent.STOP,
    OrderIntent.FORCED_CLOSE,
    OrderIntent.EMERGENCY,
    OrderIntent.FLATTEN,
    OrderIntent.MANUAL_CLOSE,
)


class Order(models.Model):
    """A limit order for one contract. Prices are USD a share; times the portfolio's market time.

    An order without `parent` is the intent itself: it reserves `worst_price` x open quantity. What is sent to the
    broker under it (child sizes, replaced prices) are orders with that `parent`. `slice` is the highest slice it
    closes; lower ones point to it by `ExitSlice.order`. `client_order_id` is derived from portfolio, position, intent
    and `sequence`, so that a repeat is the same order.
    """

    portfolio = models.ForeignKey(Portfolio, on_delete=models.PROTECT, related_name="orders")
    contract = models.ForeignKey(OptionContract, on_delete=models.PROTECT, related_name="orders")
    position = models.ForeignKey(
        "positions.Position", on_delete=models.PROTECT, null=True, blank=True, related_name="orders"
    )
    slice = models.ForeignKey(
        "positions.ExitSlice", on_delete=models.PROTECT, null=True, blank=True, related_name="orders"
    )
    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, null=True, blank=True, related_name="orders")
    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="children")
    intent = models.CharField(max_length=16, choices=OrderIntent)
    side = models.CharField(max_length=4, choices=Side)
    sequence = models.PositiveIntegerField(help_text="Counts repeats of the same intent.")
    client_order_id = models.CharField(max_length=64, unique=True)
    broker_order_id = models.CharField(max_length=64, blank=True)
    quantity = models.PositiveIntegerField("contracts")
    filled_quantity = models.PositiveIntegerField("contracts filled", default=0)
    limit_price = models.DecimalField(max_digits=12, decimal_places=4)
    worst_price = models.DecimalField("worst permitted price", max_digits=12, decimal_places=4)
    pace = models.CharField(max_length=8, choices=Pace)
    pace_step = models.PositiveSmallIntegerField("steps taken", default=0)
    next_step_at = models.DateTimeField("next step at (market time)", null=True, blank=True)
    reference_mid = models.DecimalField(
        "mid at the decision, USD a share", max_digits=12, decimal_places=4, null=True, blank=True
    )
    quote_at = models.DateTimeField("quote behind it confirmed at (market time)", null=True, blank=True)
    status = models.CharField(max_length=12, choices=OrderStatus)
    verdict = models.JSONField(null=True, blank=True, help_text="What the exit rule saw and said; empty for openings.")
    reject_reason = models.TextField(blank=True)
    created_at = models.DateTimeField("created at (market time)")
    submitted_at = models.DateTimeField("sent at (market time)", null=True, blank=True)
    finished_at = models.DateTimeField("finished at (market time)", null=True, blank=True)

    objects = OrderQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="order_opening_has_a_decision",
                condition=Q(intent="open", decision__isnull=False) | (~Q(intent="open") & Q(decision__isnull=True)),
                violation_error_message="An opening order needs an approved decision; no other order has one.",
            ),
            models.CheckConstraint(
                name="order_exit_carries_its_verdict",
                condition=Q(intent="open") | Q(verdict__isnull=False),
                violation_error_message="An order that does not open carries its verdict.",
            ),
            models.CheckConstraint(
                name="order_only_openings_buy",
                condition=Q(side="buy", intent__in=BUYING) | (Q(side="sell") & ~Q(intent__in=BUYING)),
                violation_error_message="Openings buy, everything else sells: short premium is not traded.",
            ),
            models.CheckConstraint(
                name="order_sale_closes_a_position",
                condition=Q(side="buy") | Q(position__isnull=False),
                violation_error_message="A sale needs the position that it closes.",
            ),
            models.CheckConstraint(
                name="order_slice_only_with_slice_intent",
                condition=Q(slice__isnull=True) | Q(intent="slice"),
                violation_error_message="Only a take-profit order closes a slice.",
            ),
            models.CheckConstraint(
                name="order_filled_within_quantity",
                condition=Q(filled_quantity__lte=F("quantity")),
                violation_error_message="No more can be filled than was ordered.",
            ),
            models.CheckConstraint(
                name="order_limit_within_worst_price",
                condition=Q(side="buy", limit_price__lte=F("worst_price"))
                | Q(side="sell", limit_price__gte=F("worst_price")),
                violation_error_message="The limit must not be past the worst permitted price.",
            ),
            models.CheckConstraint(
                name="order_finished_when_not_live",
                condition=Q(status__in=LIVE) | Q(finished_at__isnull=False),
                violation_error_message="A finished order has the time at which it finished.",
            ),
            within("order_quantity_bounds", "quantity", 1, 1_000_000, "An order is for 1 to 1,000,000 contracts."),
            within(
                "order_limit_price_bounds",
                "limit_price",
                Decimal("0.0001"),
                PRICE_LIMIT,
                "The limit must be above 0 and at most 1,000,000.",
            ),
            within(
                "order_worst_price_bounds",
                "worst_price",
                Decimal("0.0001"),
                PRICE_LIMIT,
                "The worst price must be above 0 and at most 1,000,000.",
            ),
            one_of("order_intent_known", "intent", OrderIntent, "The intent of the order is not known."),
            one_of("order_status_known", "status", OrderStatus, "The status of the order is not known."),
            one_of("order_pace_known", "pace", Pace, "The pace of the order is not known."),
            one_of("order_side_known", "side", Side, "The side must be buy or sell."),
            models.UniqueConstraint(
                name="order_one_live_a_slice",
                fields=["position", "slice"],
                condition=Q(
                    slice__isnull=False,
                    parent__isnull=True,
                    status__in=LIVE,
                ),
                violation_error_message="This slice already has a live order.",
            ),
            models.UniqueConstraint(
                name="order_one_live_whole_close",
                fields=["position"],
                condition=Q(
                    intent__in=WHOLE_POSITION,
                    parent__isnull=True,
                    status__in=LIVE,
                ),
                violation_error_message="This position already has a live closing order.",
            ),
            models.UniqueConstraint(
                name="order_one_live_target",
                fields=["position"],
                condition=Q(intent="target", parent__isnull=True, status__in=LIVE),
                violation_error_message="This position already has a live target order.",
            ),
            models.UniqueConstraint(
                name="order_one_live_child",
                fields=["parent"],
                condition=Q(parent__isnull=False, status__in=LIVE),
                violation_error_message="An intent has one order at the broker at a time: cancel before replace.",
            ),
            within(
                "order_reference_mid_bounds",
                "reference_mid",
                0,
                PRICE_LIMIT,
                "The mid must be between 0 and 1,000,000.",
            ),
            models.UniqueConstraint(
                name="order_one_a_decision",
                fields=["decision"],
                condition=Q(decision__isnull=False, parent__isnull=True),
                violation_error_message="This decision has already become an order.",
            ),
            models.UniqueConstraint(
                name="order_broker_order_id",
                fields=["portfolio", "broker_order_id"],
                condition=~Q(broker_order_id=""),
                violation_error_message="This broker order is already known.",
            ),
        ]
        indexes = [
            models.Index(
                name="order_live",
                fields=["portfolio", "id"],
                condition=Q(status__in=LIVE),
            ),
            models.Index(name="order_history", fields=["portfolio", "-created_at"]),
            models.Index(name="order_due", fields=["next_step_at"], condition=Q(status__in=LIVE, parent__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.get_side_display()} {self.quantity} {self.contract} at {self.limit_price.normalize():f}"

    @property
    def open_quantity(self) -> int:
        return self.quantity - self.filled_quantity

    @property
    def is_live(self) -> bool:
        return self.status in LIVE


class OrderEvent(models.Model):
    """Something happened to an order. Append-only. Market time."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="events")
    happened_at = models.DateTimeField("happened at (market time)")
    from_status = models.CharField(max_length=12, choices=OrderStatus, blank=True, help_text="Empty: created.")
    to_status = models.CharField(max_length=12, choices=OrderStatus)
    actor_name = models.CharField("who or what", max_length=150)
    detail = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = [
            one_of("orderevent_to_known", "to_status", OrderStatus, "The status of the order is not known."),
        ]

    def __str__(self) -> str:
        return f"{self.order_id}: {self.from_status or 'created'} → {self.to_status}"


class Fill(models.Model):
    """An execution, booked once by the broker's execution id. Append-only. USD; market time.

    `quote_bid` and `quote_ask` are the quote at the fill, for measuring slippage.
    """

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="fills")
    position = models.ForeignKey("positions.Position", on_delete=models.PROTECT, related_name="fills")
    execution_id = models.CharField("broker's execution id", max_length=100, unique=True)
    quantity = models.PositiveIntegerField("contracts")
    price = models.DecimalField("price, USD a share", max_digits=12, decimal_places=4)
    fee = models.DecimalField("fee, USD", max_digits=18, decimal_places=2)
    quote_bid = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    quote_ask = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    filled_at = models.DateTimeField("filled at (market time)")

    class Meta:
        constraints = [
            within("fill_quantity_bounds", "quantity", 1, 1_000_000, "A fill is of 1 to 1,000,000 contracts."),
            within("fill_price_bounds", "price", 0, PRICE_LIMIT, "The price must be between 0 and 1,000,000."),
            within("fill_fee_bounds", "fee", -CENTS_LIMIT, CENTS_LIMIT, "The fee is out of range."),
            within("fill_quote_bid_bounds", "quote_bid", 0, PRICE_LIMIT, "The bid must be between 0 and 1,000,000."),
            within("fill_quote_ask_bounds", "quote_ask", 0, PRICE_LIMIT, "The ask must be between 0 and 1,000,000."),
        ]
        indexes = [models.Index(name="fill_by_position", fields=["position", "filled_at"])]

    def __str__(self) -> str:
        return f"{self.quantity} at {self.price.normalize():f}"
