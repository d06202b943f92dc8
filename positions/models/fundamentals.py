"""What is known of the companies, and the dates to beware of."""

from decimal import Decimal

from django.db import models
from django.db.models import F, Q

from accounts.models.constraint import one_of, within
from positions.models.instrument import Instrument


class Fundamental(models.Model):
    """The inputs of the fundamental score of a stock. Percents are percents: 12.5 means 12.5%.

    The newest row at or before a date counts; each input may be missing on its own.
    """

    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="fundamentals")
    as_of_on = models.DateField("known from")
    earnings_surprise_percent = models.DecimalField(max_digits=9, decimal_places=4, null=True, blank=True)
    analyst_buy_percent = models.DecimalField(max_digits=7, decimal_places=4, null=True, blank=True)
    analyst_sell_percent = models.DecimalField(max_digits=7, decimal_places=4, null=True, blank=True)
    pe_ratio = models.DecimalField("P/E", max_digits=12, decimal_places=4, null=True, blank=True)
    sector_pe_ratio = models.DecimalField("sector P/E", max_digits=12, decimal_places=4, null=True, blank=True)
    source = models.CharField(max_length=100)
    is_illustrative = models.BooleanField("illustrative, not real", default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="fundamental_instrument_date",
                fields=["instrument", "as_of_on"],
                violation_error_message="This instrument already has fundamentals of this date.",
            ),
            within(
                "fundamental_earnings_surprise_bounds",
                "earnings_surprise_percent",
                -10_000,
                10_000,
                "The earnings surprise must be between -10,000% and 10,000%.",
            ),
            within("fundamental_buy_bounds", "analyst_buy_percent", 0, 100, "Buy ratings must be 0% to 100%."),
            within("fundamental_sell_bounds", "analyst_sell_percent", 0, 100, "Sell ratings must be 0% to 100%."),
            within(
                "fundamental_pe_bounds", "pe_ratio", -1_000_000, 1_000_000, "P/E must be within a million either way."
            ),
            within(
                "fundamental_sector_pe_bounds",
                "sector_pe_ratio",
                -1_000_000,
                1_000_000,
                "The sector P/E must be within a million either way.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.instrument} as of {self.as_of_on}"


class EarningsTiming(models.TextChoices):
    BEFORE_OPEN = "before_open", "Before the open"
    AFTER_CLOSE = "after_close", "After the close"
    UNKNOWN = "unknown", "Not known"


class EarningsDate(models.Model):
    """The New York date on which a company reports, and when on that date."""

    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="earnings_dates")
    reports_on = models.DateField()
    timing = models.CharField(max_length=12, choices=EarningsTiming)
    source = models.CharField(max_length=100)
    is_illustrative = models.BooleanField("illustrative, not real", default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="earningsdate_instrument_date",
                fields=["instrument", "reports_on"],
                violation_error_message="This earnings date is already known.",
            ),
            one_of("earningsdate_timing_known", "timing", EarningsTiming, "The timing is not known."),
        ]

    def __str__(self) -> str:
        return f"{self.instrument} reports on {self.reports_on}"


class ExDividendDate(models.Model):
    """The first date on which a share trades without its next dividend, USD a share."""

    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="ex_dividend_dates")
    ex_on = models.DateField("ex-dividend on")
    amount_per_share = models.DecimalField("dividend, USD a share", max_digits=12, decimal_places=4)
    source = models.CharField(max_length=100)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="exdividenddate_instrument_date",
                fields=["instrument", "ex_on"],
                violation_error_message="This ex-dividend date is already known.",
            ),
            within(
                "exdividenddate_amount_bounds",
                "amount_per_share",
                0,
                100_000,
                "The dividend must be between 0 and 100,000.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.instrument} ex {self.amount_per_share} on {self.ex_on}"


class Split(models.Model):
    """A stock split effective before the open of `effective_on`: `new_shares` for each `old_shares` (7 for 1)."""

    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="splits")
    effective_on = models.DateField()
    new_shares = models.PositiveIntegerField()
    old_shares = models.PositiveIntegerField()
    source = models.CharField(max_length=100)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="split_instrument_date",
                fields=["instrument", "effective_on"],
                violation_error_message="This split is already known.",
            ),
            within("split_new_shares_bounds", "new_shares", 1, 10_000, "New shares must be 1 to 10,000."),
            within("split_old_shares_bounds", "old_shares", 1, 10_000, "Old shares must be 1 to 10,000."),
        ]

    def __str__(self) -> str:
        return f"{self.instrument} {self.new_shares}:{self.old_shares} on {self.effective_on}"

    @property
    def ratio(self) -> Decimal:
        return Decimal(self.new_shares) / self.old_shares


class TradingHalt(models.Model):
    """An underlying does not trade from `halted_at` until `resumed_at` (market time): its options cannot be closed."""

    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="trading_halts")
    halted_at = models.DateTimeField()
    resumed_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=200)
    source = models.CharField(max_length=100)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="tradinghalt_resumes_after_it_starts",
                condition=Q(resumed_at__isnull=True) | Q(resumed_at__gt=F("halted_at")),
                violation_error_message="A halt ends after it starts.",
            ),
            models.UniqueConstraint(
                name="tradinghalt_one_at_a_time",
                fields=["instrument"],
                condition=Q(resumed_at__isnull=True),
                violation_error_message="This instrument is already halted.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.instrument} halted at {self.halted_at:%Y-%m-%d %H:%M} UTC"


class Blackout(models.Model):
    """A stretch of market time without entries (FOMC, CPI): for one instrument, or for all when it is empty."""

    instrument = models.ForeignKey(
        Instrument, on_delete=models.PROTECT, null=True, blank=True, related_name="blackouts", help_text="Empty: all."
    )
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    reason = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="blackout_ends_after_it_starts",
                condition=Q(ends_at__gt=F("starts_at")),
                violation_error_message="A blackout ends after it starts.",
            ),
            models.UniqueConstraint(
                name="blackout_once",
                fields=["instrument", "starts_at", "reason"],
                nulls_distinct=False,  # of all instruments there is one as well
                violation_error_message="This blackout is already known.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reason} from {self.starts_at:%Y-%m-%d %H:%M} UTC"
