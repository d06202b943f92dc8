"""What is held, the plan to leave it, and what was taken."""

from decimal import Decimal

from django.db import models
from django.db.models import F, Q

from accounts.defaults import MAX_STEPS
from accounts.models import RiskProfileRevision
from accounts.models.constraint import CENTS_LIMIT, PRICE_LIMIT, one_of, within
from positions.models.decision import Decision
from positions.models.instrument import OptionContract
from positions.models.order import Fill, Order
from positions.models.portfolio import Portfolio
from positions.querysets import PositionQuerySet


class Origin(models.TextChoices):
    ENGINE = "engine", "Opened here"
    MANUAL = "manual", "Adopted from the broker"


class PositionStatus(models.TextChoices):
    OPEN = "open", "Open"
    EXPIRED = "expired", "Past its expiration, awaiting settlement"
    CLOSED = "closed", "Closed"


class Regime(models.TextChoices):
    """Which take-profit ladder was copied, by the entry's New York time."""

    MORNING = "morning", "Morning (before 11:00)"
    MIDDAY = "midday", "Midday (11:00 to 14:00)"
    LATE = "late", "Late (from 14:00)"
    SEVEN_DAY = "seven_day", "Seven days"


class Position(models.Model):
    """Long options of one contract, opened by one entry. Prices USD a share, money USD, times market time.

    It keeps the revision it was opened with; its exit slices were copied from that revision's ladder. `initial_stop`
    never changes, `current_stop` and `high_water` only rise. A trigger holds all three, but for a split, which raises
    `split_factor` and divides them, and while the entry is still filling: then they follow the average entry price.
    `version` rises with every change to the position, its slices or its orders.
    """

    portfolio = models.ForeignKey(Portfolio, on_delete=models.PROTECT, related_name="positions")
    contract = models.ForeignKey(OptionContract, on_delete=models.PROTECT, related_name="positions")
    revision = models.ForeignKey(RiskProfileRevision, on_delete=models.PROTECT, related_name="+")
    decision = models.OneToOneField(
        Decision, on_delete=models.PROTECT, null=True, blank=True, related_name="position", help_text="Empty: adopted."
    )
    origin = models.CharField(max_length=8, choices=Origin)
    status = models.CharField(max_length=8, choices=PositionStatus)
    regime = models.CharField(max_length=12, choices=Regime)
    quantity_opened = models.PositiveIntegerField("contracts opened")
    quantity_open = models.PositiveIntegerField("contracts open")
    broker_quantity = models.PositiveIntegerField("contracts last confirmed by the broker", null=True, blank=True)
    broker_quantity_at = models.DateTimeField("confirmed at (wall time)", null=True, blank=True)
    average_entry_price = models.DecimalField(max_digits=14, decimal_places=6)
    entry_cost = models.DecimalField("premium paid, USD", max_digits=18, decimal_places=2)
    exit_proceeds = models.DecimalField("premium received, USD", max_digits=18, decimal_places=2, default=Decimal(0))
    fees = models.DecimalField("fees, USD", max_digits=18, decimal_places=2, default=Decimal(0))
    realised_pnl = models.DecimalField("realised P&L after fees, USD", max_digits=18, decimal_places=2, default=0)
    min_size_at_entry = models.DecimalField("minimum bet at entry, USD", max_digits=18, decimal_places=2)
    scale_multiplier = models.DecimalField("multiple of the minimum bet", max_digits=9, decimal_places=4)
    initial_stop = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    current_stop = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    high_water = models.DecimalField("highest usable bid", max_digits=14, decimal_places=6)
    stop_breaches = models.PositiveSmallIntegerField("distinct quotes at or under the stop", default=0)
    stop_breached_at = models.DateTimeField("quote of the last of them (market time)", null=True, blank=True)
    unusable_since = models.DateTimeField(
        "without a usable quote since (market time)",
        null=True,
        blank=True,
        help_text="Empty: the last look was usable.",
    )
    split_factor = models.DecimalField("new shares for one since entry", max_digits=12, decimal_places=6, default=1)
    entry_at = models.DateTimeField("first fill at (market time)")
    closed_at = models.DateTimeField("last fill at (market time)", null=True, blank=True)
    close_cause = models.CharField(max_length=16, blank=True, help_text="The intent of the last closing order.")
    version = models.PositiveIntegerField(default=1)

    objects = PositionQuerySet.as_manager()

    class Meta:
        permissions = [("protect_position", "Can give an adopted position its stop")]
        constraints = [
            one_of("position_origin_known", "origin", Origin, "The origin must be engine or manual."),
            one_of("position_regime_known", "regime", Regime, "The entry regime is not known."),
            models.CheckConstraint(
                name="position_closed_when_nothing_is_open",
                condition=Q(status="closed", quantity_open=0, closed_at__isnull=False)
                | Q(status__in=["open", "expired"], quantity_open__gt=0, closed_at__isnull=True),
                violation_error_message="A position is closed exactly when no contract is open.",
            ),
            models.CheckConstraint(
                name="position_open_within_opened",
                condition=Q(quantity_open__gte=0, quantity_open__lte=F("quantity_opened")),
                violation_error_message="No more can be open than was opened, and never less than none.",
            ),
            models.CheckConstraint(
                name="position_engine_has_decision_and_stop",
                condition=Q(origin="manual")
                | Q(decision__isnull=False, initial_stop__isnull=False, current_stop__isnull=False),
                violation_error_message="A position opened here has its decision and its stop.",
            ),
            models.CheckConstraint(
                name="position_stop_below_entry",
                condition=Q(initial_stop__isnull=True)
                | Q(initial_stop__gt=0, initial_stop__lt=F("average_entry_price")),
                violation_error_message="The initial stop must lie between zero and the entry price.",
            ),
            models.CheckConstraint(
                name="position_stop_not_under_initial",
                condition=Q(initial_stop__isnull=True, current_stop__isnull=True)
                | Q(current_stop__gte=F("initial_stop"), current_stop__lte=PRICE_LIMIT),
                violation_error_message="The stop never lies under the initial stop.",
            ),
            within("position_initial_stop_bounds", "initial_stop", 0, PRICE_LIMIT, "The stop is out of range."),
            within("position_current_stop_bounds", "current_stop", 0, PRICE_LIMIT, "The stop is out of range."),
            within("position_high_water_bounds", "high_water", 0, PRICE_LIMIT, "The high-water mark is out of range."),
            within("position_opened_bounds", "quantity_opened", 1, 100_000_000, "A position has at least 1 contract."),
            models.CheckConstraint(
                name="position_average_entry_price_bounds",
                condition=Q(average_entry_price__gt=0, average_entry_price__lte=PRICE_LIMIT),
                violation_error_message="The entry price must be above 0 and at most 1,000,000.",
            ),
            within("position_entry_cost_bounds", "entry_cost", 0, CENTS_LIMIT, "The premium paid is out of range."),
            within("position_proceeds_bounds", "exit_proceeds", 0, CENTS_LIMIT, "The proceeds are out of range."),
            within("position_fees_bounds", "fees", -CENTS_LIMIT, CENTS_LIMIT, "The fees are out of range."),
            within("position_pnl_bounds", "realised_pnl", -CENTS_LIMIT, CENTS_LIMIT, "The P&L is out of range."),
            within("position_min_size_bounds", "min_size_at_entry", 0, CENTS_LIMIT, "The minimum is out of range."),
            within("position_multiplier_bounds", "scale_multiplier", 0, 100, "The multiplier must be 0 to 100."),
            within(
                "position_split_factor_bounds", "split_factor", Decimal("0.0001"), 10_000, "The split is too large."
            ),
        ]
        indexes = [
            models.Index(name="position_held", fields=["portfolio", "id"], condition=Q(quantity_open__gt=0)),
            models.Index(name="position_closed_history", fields=["portfolio", "-closed_at"]),
            # The few that each risk check asks for as large (riskengine.loading.large), by the same expression (P-23).
            models.Index(
                name="position_large",
                fields=["id"],
                condition=Q(
                    quantity_open__gt=0,
                    entry_cost__gte=F("min_size_at_entry") * Decimal("1.5") - Decimal("0.01"),
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity_open} of {self.quantity_opened} {self.contract}"


class SliceState(models.TextChoices):
    ARMED = "armed", "Armed"
    PENDING = "pending", "Order working"
    FILLED = "filled", "Filled"
    DEFERRED = "deferred", "Crossed, too small: carried into the next"
    CANCELLED = "cancelled", "Cancelled"


class ExitSlice(models.Model):
    """One planned partial exit, copied from the ladder at entry.

    `threshold` is the base gain (a fraction of the entry price) before time factors. After this slice
    `cumulative_share_ten_thousandths` of the opened contracts are to be closed.
    """

    position = models.ForeignKey(Position, on_delete=models.PROTECT, related_name="slices")
    number = models.PositiveSmallIntegerField(help_text="1 for the nearest.")
    threshold = models.DecimalField("gain, fraction of the entry price", max_digits=9, decimal_places=6)
    cumulative_share_ten_thousandths = models.PositiveIntegerField("share closed by then, in ten-thousandths")
    state = models.CharField(max_length=12, choices=SliceState)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, null=True, blank=True, related_name="covered_slices")
    contracts_pending = models.PositiveIntegerField(default=0)
    contracts_filled = models.PositiveIntegerField(default=0)
    changed_at = models.DateTimeField("state changed at (market time)")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="exitslice_position_number",
                fields=["position", "number"],
                violation_error_message="A position has one slice of each number.",
            ),
            one_of("exitslice_state_known", "state", SliceState, "The state of the slice is not known."),
            within("exitslice_number_bounds", "number", 1, MAX_STEPS, f"A plan has at most {MAX_STEPS} slices."),
            models.CheckConstraint(
                name="exitslice_threshold_bounds",
                condition=Q(threshold__gt=0, threshold__lte=100),
                violation_error_message="The threshold must be above 0 and at most 100 entry prices.",
            ),
            within(
                "exitslice_share_bounds",
                "cumulative_share_ten_thousandths",
                1,
                10_000,
                "The cumulative share must be between 0.01% and 100%.",
            ),
            models.CheckConstraint(
                name="exitslice_pending_has_an_order",
                condition=~Q(state="pending") | Q(order__isnull=False),
                violation_error_message="A pending slice has the order that fills it.",
            ),
        ]

    def __str__(self) -> str:
        return f"slice {self.number} of {self.position_id}: {self.get_state_display()}"


class PartialProfitTaking(models.Model):
    """Profit taken on part of a position: one row a fill and slice. Append-only. Market time."""

    position = models.ForeignKey(Position, on_delete=models.PROTECT, related_name="profit_takings")
    slice = models.ForeignKey(ExitSlice, on_delete=models.PROTECT, related_name="profit_takings")
    fill = models.ForeignKey(Fill, on_delete=models.PROTECT, related_name="+")
    contracts = models.PositiveIntegerField("contracts closed")
    closed_fraction = models.DecimalField("share of the opened contracts", max_digits=7, decimal_places=6)
    price = models.DecimalField("price, USD a share", max_digits=12, decimal_places=4)
    profit_fraction = models.DecimalField("gain over the entry price", max_digits=12, decimal_places=6)
    taken_at = models.DateTimeField("taken at (market time)")

    class Meta:
        verbose_name = "partial profit taking"
        verbose_name_plural = "partial profit history"
        constraints = [
            models.UniqueConstraint(
                name="partialprofittaking_fill_slice",
                fields=["fill", "slice"],
                violation_error_message="This fill is already booked to this slice.",
            ),
            within("partialprofittaking_contracts_bounds", "contracts", 1, 1_000_000, "At least 1 contract is closed."),
            within("partialprofittaking_closed_bounds", "closed_fraction", 0, 1, "The share must be 0% to 100%."),
            within("partialprofittaking_price_bounds", "price", 0, PRICE_LIMIT, "The price must be 0 to 1,000,000."),
            within("partialprofittaking_profit_bounds", "profit_fraction", -1, 100_000, "The gain is out of range."),
        ]

    def __str__(self) -> str:
        return f"{self.contracts} at {self.price.normalize():f}"


class PositionEvent(models.Model):
    """Something happened to a position: opened, stop raised, slice reached, closed, split, adopted. Append-only."""

    position = models.ForeignKey(Position, on_delete=models.PROTECT, related_name="events")
    happened_at = models.DateTimeField("happened at (market time)")
    kind = models.CharField(max_length=32, help_text="opened, filled, stop_raised, slice_pending, closed ...")
    actor_name = models.CharField("who or what", max_length=150)
    before = models.JSONField(default=dict, blank=True)
    after = models.JSONField(default=dict, blank=True)
    detail = models.JSONField(default=dict, blank=True, help_text="The verdict or trace behind it.")

    class Meta:
        indexes = [models.Index(name="positionevent_history", fields=["position", "happened_at"])]

    def __str__(self) -> str:
        return f"{self.position_id}: {self.kind}"
