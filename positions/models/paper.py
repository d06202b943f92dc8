"""The built-in paper broker's own books: what it was sent and what it executed. Nothing else writes here."""

from django.db import models
from django.db.models import F, Q

from accounts.models.constraint import CENTS_LIMIT, PRICE_LIMIT, one_of, within
from positions.models.instrument import OptionContract
from positions.models.order import Side
from positions.models.portfolio import Portfolio


class PaperStatus(models.TextChoices):
    WORKING = "working", "Working"
    FILLED = "filled", "Filled"
    CANCELLED = "cancelled", "Cancelled"


class PaperOrder(models.Model):
    """A limit order as the paper broker knows it, by the client's id. Prices USD a share, market time.

    `taken_from` is the quote it last executed against: one order takes the displayed size of one quote once.
    """

    portfolio = models.ForeignKey(Portfolio, on_delete=models.PROTECT, related_name="paper_orders")
    contract = models.ForeignKey(OptionContract, on_delete=models.PROTECT, related_name="+")
    client_order_id = models.CharField(max_length=64, unique=True)
    side = models.CharField(max_length=4, choices=Side)
    quantity = models.PositiveIntegerField("contracts")
    filled_quantity = models.PositiveIntegerField("contracts filled", default=0)
    limit_price = models.DecimalField(max_digits=12, decimal_places=4)
    status = models.CharField(max_length=12, choices=PaperStatus)
    accepted_at = models.DateTimeField("accepted at (market time)")
    finished_at = models.DateTimeField("finished at (market time)", null=True, blank=True)
    taken_from = models.DateTimeField("last executed against the quote of (market time)", null=True, blank=True)

    class Meta:
        constraints = [
            one_of("paperorder_side_known", "side", Side, "The side must be buy or sell."),
            one_of("paperorder_status_known", "status", PaperStatus, "The status is not known."),
            within("paperorder_quantity_bounds", "quantity", 1, 1_000_000, "An order is for 1 to 1,000,000 contracts."),
            models.CheckConstraint(
                name="paperorder_filled_within_quantity",
                condition=Q(filled_quantity__lte=F("quantity")),
                violation_error_message="No more can be filled than was ordered.",
            ),
            models.CheckConstraint(
                name="paperorder_limit_price_bounds",
                condition=Q(limit_price__gt=0, limit_price__lte=PRICE_LIMIT),
                violation_error_message="The limit must be above 0 and at most 1,000,000.",
            ),
        ]
        indexes = [models.Index(name="paperorder_working", fields=["portfolio", "id"], condition=Q(status="working"))]

    def __str__(self) -> str:
        return f"{self.side} {self.quantity} {self.contract} at {self.limit_price.normalize():f}"


class PaperExecution(models.Model):
    """One execution of a paper order, with the quote it was executed against. Append-only. Fee in USD."""

    order = models.ForeignKey(PaperOrder, on_delete=models.PROTECT, related_name="executions")
    execution_id = models.CharField(max_length=100, unique=True)
    quantity = models.PositiveIntegerField("contracts")
    price = models.DecimalField("price, USD a share", max_digits=12, decimal_places=4)
    fee = models.DecimalField("fee, USD", max_digits=18, decimal_places=2)
    executed_at = models.DateTimeField("executed at (market time)")
    quote_bid = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    quote_ask = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)

    class Meta:
        constraints = [
            within("paperexecution_quantity_bounds", "quantity", 1, 1_000_000, "At least 1 contract is executed."),
            within("paperexecution_price_bounds", "price", 0, PRICE_LIMIT, "The price must be 0 to 1,000,000."),
            within("paperexecution_fee_bounds", "fee", 0, CENTS_LIMIT, "The fee is out of range."),
            within("paperexecution_bid_bounds", "quote_bid", 0, PRICE_LIMIT, "The bid must be 0 to 1,000,000."),
            within("paperexecution_ask_bounds", "quote_ask", 0, PRICE_LIMIT, "The ask must be 0 to 1,000,000."),
        ]
        # Asked at every pass what was executed lately: without it a day's executions are read again each time.
        indexes = [models.Index(name="paperexecution_by_time", fields=["executed_at"])]

    def __str__(self) -> str:
        return f"{self.quantity} at {self.price.normalize():f}"
