"""Accounts run under one system: their cash, state, clock and equity."""

from decimal import Decimal

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q

from accounts.models import RiskProfile, System
from accounts.models.constraint import CENTS_LIMIT, one_of, within
from positions.querysets import PortfolioQuerySet


class Mode(models.TextChoices):
    """What the portfolio's orders reach. Raised one step at a time, with a sign-off (P-27)."""

    OFF = "off", "Off"
    PAPER = "paper", "Paper"
    LIVE_MANUAL = "live-manual", "Live, each entry confirmed by a person"
    LIVE = "live", "Live"


class State(models.TextChoices):
    """The trading state (A-02). Stops, slices and the forced close run in every state; only ACTIVE opens."""

    ACTIVE = "ACTIVE", "Active"
    REDUCING = "REDUCING", "Reducing: no openings"
    HALTED = "HALTED", "Halted: a named person re-enables"
    FLATTENING = "FLATTENING", "Flattening: closing everything, then halted"
    UNKNOWN = "UNKNOWN", "Unknown: cannot be judged, no openings"


class Broker(models.TextChoices):
    PAPER = "paper", "Built-in paper broker"
    ALPACA = "alpaca", "Alpaca"


class Portfolio(models.Model):
    """One account of one owner under one system. Money in USD.

    `cash` is the sum of its cash movements, `settled_cash` the part that has settled (options settle T+1). The row is
    locked by every transaction that changes exposure or cash.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="portfolios")
    slug = models.SlugField(max_length=50, unique=True)
    name = models.CharField(max_length=100)
    system = models.CharField(max_length=16, choices=System)
    profile = models.ForeignKey(RiskProfile, on_delete=models.PROTECT, related_name="portfolios")
    mode = models.CharField(max_length=12, choices=Mode)
    state = models.CharField(max_length=12, choices=State)
    broker = models.CharField(max_length=12, choices=Broker)
    broker_account = models.CharField(max_length=64, blank=True, help_text="The account's number at the broker.")
    quote_source = models.CharField(max_length=40, help_text="The feed or recording whose quotes it reads.")
    base_currency = models.CharField(max_length=3, default="USD")
    is_demo = models.BooleanField("demo", default=False)
    paper_extra_ticks = models.PositiveSmallIntegerField(
        "paper: extra ticks of slippage", default=0, help_text="Paid on each paper fill beyond the touch (P-28: 1)."
    )
    cash = models.DecimalField("cash, USD", max_digits=18, decimal_places=2)
    settled_cash = models.DecimalField("settled cash, USD", max_digits=18, decimal_places=2)
    reconciled_at = models.DateTimeField("reconciled with the broker at (wall time)", null=True, blank=True)
    created_at = models.DateTimeField("created at (wall time)")

    objects = PortfolioQuerySet.as_manager()

    class Meta:
        permissions = [
            ("halt_portfolio", "Can stop entries, cancel openings and flatten"),
            ("reactivate_portfolio", "Can return a halted portfolio to ACTIVE"),
            ("step_portfolio", "Can sign a step of the rollout: off, paper, live"),
        ]
        constraints = [
            one_of("portfolio_system_known", "system", System, "The system must be Smart-0DTE or Mag7-7DTE."),
            one_of("portfolio_mode_known", "mode", Mode, "The mode must be off, paper, live-manual or live."),
            one_of("portfolio_state_known", "state", State, "The trading state is not known."),
            one_of("portfolio_broker_known", "broker", Broker, "The broker is not known."),
            models.CheckConstraint(
                name="portfolio_currency_is_usd",
                condition=Q(base_currency="USD"),
                violation_error_message="Only US dollars are supported.",
            ),
            models.CheckConstraint(
                name="portfolio_live_needs_a_broker",
                condition=~Q(mode__in=["live-manual", "live"], broker="paper"),
                violation_error_message="A live mode needs a real broker.",
            ),
            within("portfolio_paper_extra_ticks_bounds", "paper_extra_ticks", 0, 20, "At most 20 extra ticks."),
            within("portfolio_cash_bounds", "cash", -CENTS_LIMIT, CENTS_LIMIT, "Cash must be within a trillion."),
            within(
                "portfolio_settled_cash_bounds",
                "settled_cash",
                -CENTS_LIMIT,
                CENTS_LIMIT,
                "Settled cash must be within a trillion.",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.system and self.profile_id and self.profile.system != self.system:
            raise ValidationError({"profile": f"This profile is for {self.profile.get_system_display()} accounts."})


class PortfolioStateChange(models.Model):
    """The trading state changed: who or what, when, the value and limit behind it. Append-only. Market time.

    A kill is a row even where the state was as strict before: what a person stopped only a person lets go on (A-02).
    """

    portfolio = models.ForeignKey(Portfolio, on_delete=models.PROTECT, related_name="state_changes")
    from_state = models.CharField(max_length=12, choices=State, blank=True, help_text="Empty: created.")
    to_state = models.CharField(max_length=12, choices=State)
    changed_at = models.DateTimeField("changed at (market time)")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    actor_name = models.CharField("who or what", max_length=150)
    cause = models.CharField(max_length=64, help_text="A code: created, day_loss, kill_switch, cleared ...")
    reason = models.TextField()
    value = models.DecimalField("measured value", max_digits=20, decimal_places=6, null=True, blank=True)
    limit = models.DecimalField(max_digits=20, decimal_places=6, null=True, blank=True)
    trace = models.JSONField(null=True, blank=True)

    class Meta:
        constraints = [
            one_of("portfoliostatechange_to_known", "to_state", State, "The trading state is not known."),
            models.CheckConstraint(
                name="portfoliostatechange_is_a_change",
                condition=~Q(from_state=F("to_state")) | Q(cause="kill_switch"),
                violation_error_message="A state change leads to another state, unless a person stops what stands.",
            ),
            models.CheckConstraint(
                name="portfoliostatechange_reason_given",
                condition=~Q(reason=""),
                violation_error_message="Say why the state is changed.",
            ),
            within(
                "portfoliostatechange_value_bounds", "value", -CENTS_LIMIT, CENTS_LIMIT, "The value is out of range."
            ),
            within(
                "portfoliostatechange_limit_bounds", "limit", -CENTS_LIMIT, CENTS_LIMIT, "The limit is out of range."
            ),
        ]
        indexes = [models.Index(name="portfoliostatechange_history", fields=["portfolio", "-changed_at"])]

    def __str__(self) -> str:
        return f"{self.portfolio}: {self.from_state or 'created'} → {self.to_state}"


class PortfolioModeChange(models.Model):
    """The mode was raised or lowered, with the sign-off's reason. Append-only. Wall time."""

    portfolio = models.ForeignKey(Portfolio, on_delete=models.PROTECT, related_name="mode_changes")
    from_mode = models.CharField(max_length=12, choices=Mode, blank=True, help_text="Empty: created.")
    to_mode = models.CharField(max_length=12, choices=Mode)
    changed_at = models.DateTimeField("changed at (wall time)")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    actor_name = models.CharField("who or what", max_length=150)
    reason = models.TextField()

    class Meta:
        constraints = [
            one_of("portfoliomodechange_to_known", "to_mode", Mode, "The mode is not known."),
            models.CheckConstraint(
                name="portfoliomodechange_reason_given",
                condition=~Q(reason=""),
                violation_error_message="Say why the mode is changed.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.portfolio}: {self.from_mode or 'created'} → {self.to_mode}"


class ClockKind(models.TextChoices):
    LIVE = "live", "Live"
    RECORDED = "recorded", "Recorded"
    SIMULATED = "simulated", "Simulated"


class MarketClock(models.Model):
    """Which market time a portfolio lives in.

    Live: market time is wall time. Recorded and simulated: market time = `market_started_at` + `speed` x (wall now -
    `wall_started_at`), stopping at `market_ends_at`. Speed 0 is a pause.
    """

    portfolio = models.OneToOneField(Portfolio, on_delete=models.PROTECT, related_name="clock")
    kind = models.CharField(max_length=12, choices=ClockKind)
    market_started_at = models.DateTimeField("market time at the start", null=True, blank=True)
    wall_started_at = models.DateTimeField("wall time at the start", null=True, blank=True)
    market_ends_at = models.DateTimeField("market time at which it stops", null=True, blank=True)
    speed = models.DecimalField("market seconds a wall second", max_digits=9, decimal_places=3, default=Decimal(1))
    label = models.CharField(max_length=200, blank=True, help_text="Shown to the user: which recording, from when.")

    class Meta:
        constraints = [
            one_of("marketclock_kind_known", "kind", ClockKind, "The clock must be live, recorded or simulated."),
            models.CheckConstraint(
                name="marketclock_start_known_unless_live",
                condition=Q(kind="live", market_started_at__isnull=True, wall_started_at__isnull=True, speed=1)
                | Q(kind__in=["recorded", "simulated"], market_started_at__isnull=False, wall_started_at__isnull=False),
                violation_error_message="A recorded or simulated clock needs both starts; a live one has none.",
            ),
            models.CheckConstraint(
                name="marketclock_labelled_unless_live",
                condition=Q(kind="live") | ~Q(label=""),
                violation_error_message="Say in the label which recording or simulation it is.",
            ),
            within("marketclock_speed_bounds", "speed", 0, 10_000, "The speed must be between 0 and 10,000."),
        ]

    def __str__(self) -> str:
        return self.label or self.get_kind_display()


class EquitySnapshot(models.Model):
    """Equity of a portfolio at the start of a session, USD: the basis of sizes and of the day's P&L.

    Valued at the last usable bids of a regular session. Day P&L = equity now - `equity_start_of_day` - `net_deposits`.
    No snapshot of today: no entry.
    """

    portfolio = models.ForeignKey(Portfolio, on_delete=models.PROTECT, related_name="equity_snapshots")
    session_on = models.DateField("session (New York date)")
    equity_start_of_day = models.DecimalField(max_digits=18, decimal_places=2)
    cash_start_of_day = models.DecimalField(max_digits=18, decimal_places=2)
    net_deposits = models.DecimalField(
        "deposits less withdrawals of the day", max_digits=18, decimal_places=2, default=Decimal(0)
    )
    taken_at = models.DateTimeField("taken at (market time)")
    equity_end_of_day = models.DecimalField(max_digits=18, decimal_places=2, null=True, blank=True)
    closed_at = models.DateTimeField("closed at (market time)", null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="equitysnapshot_one_a_session",
                fields=["portfolio", "session_on"],
                violation_error_message="This session's snapshot is already taken.",
            ),
            within(
                "equitysnapshot_equity_bounds",
                "equity_start_of_day",
                -CENTS_LIMIT,
                CENTS_LIMIT,
                "Equity must be within a trillion.",
            ),
            within(
                "equitysnapshot_cash_bounds",
                "cash_start_of_day",
                -CENTS_LIMIT,
                CENTS_LIMIT,
                "Cash must be within a trillion.",
            ),
            within(
                "equitysnapshot_deposits_bounds",
                "net_deposits",
                -CENTS_LIMIT,
                CENTS_LIMIT,
                "Deposits must be within a trillion.",
            ),
            within(
                "equitysnapshot_end_bounds",
                "equity_end_of_day",
                -CENTS_LIMIT,
                CENTS_LIMIT,
                "Equity must be within a trillion.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.portfolio} {self.session_on}: {self.equity_start_of_day:,.2f}"


class CashKind(models.TextChoices):
    DEPOSIT = "deposit", "Deposit"
    WITHDRAWAL = "withdrawal", "Withdrawal"
    PREMIUM = "premium", "Premium of a fill"
    FEE = "fee", "Fee"
    SETTLEMENT = "settlement", "Cash settlement at expiration"
    ADJUSTMENT = "adjustment", "Adjustment to the broker's figure"


class CashMovement(models.Model):
    """A line of the cash ledger, USD: positive in, negative out. Append-only; `Portfolio.cash` is their sum."""

    portfolio = models.ForeignKey(Portfolio, on_delete=models.PROTECT, related_name="cash_movements")
    kind = models.CharField(max_length=12, choices=CashKind)
    amount = models.DecimalField("amount, USD", max_digits=18, decimal_places=2)
    moved_at = models.DateTimeField("moved at (market time)")
    settles_on = models.DateField("settles on (New York date)")
    fill = models.ForeignKey("positions.Fill", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            one_of("cashmovement_kind_known", "kind", CashKind, "The kind of movement is not known."),
            within("cashmovement_amount_bounds", "amount", -CENTS_LIMIT, CENTS_LIMIT, "The amount is out of range."),
            models.UniqueConstraint(
                name="cashmovement_one_a_fill_and_kind",
                fields=["fill", "kind"],
                violation_error_message="This fill's cash is already booked.",
            ),
        ]
        indexes = [models.Index(name="cashmovement_history", fields=["portfolio", "moved_at"])]

    def __str__(self) -> str:
        return f"{self.portfolio} {self.get_kind_display()} {self.amount:,.2f}"


class CheckScope(models.TextChoices):
    EXIT = "exit", "Exit check (what expires today)"
    RISK = "risk", "Risk check (all)"


class Heartbeat(models.Model):
    """The last finished check of a portfolio, one row a scope. Entries are refused when it is too old (A-10)."""

    portfolio = models.ForeignKey(Portfolio, on_delete=models.PROTECT, related_name="heartbeats")
    scope = models.CharField(max_length=8, choices=CheckScope)
    finished_at = models.DateTimeField("finished at (wall time)")
    market_at = models.DateTimeField("judged at (market time)")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="heartbeat_one_a_scope",
                fields=["portfolio", "scope"],
                violation_error_message="There is one heartbeat a portfolio and scope.",
            ),
            one_of("heartbeat_scope_known", "scope", CheckScope, "The scope must be exit or risk."),
        ]

    def __str__(self) -> str:
        return f"{self.portfolio} {self.scope} {self.finished_at:%H:%M:%S}"
