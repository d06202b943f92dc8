"""Daily history: closes, VIX, exchange sessions, and the correlation computed from them."""

from django.db import models
from django.db.models import F, Q

from accounts.models.constraint import PRICE_LIMIT, one_of, ordered, within
from positions.models.instrument import Instrument


class DailyClose(models.Model):
    """One session of an underlying, USD a share. `adjusted_close` is adjusted for splits and dividends."""

    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="daily_closes")
    session_on = models.DateField("session (New York date)")
    open = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    high = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    low = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    close = models.DecimalField(max_digits=12, decimal_places=4)
    adjusted_close = models.DecimalField(max_digits=14, decimal_places=6)
    volume = models.BigIntegerField("shares traded", null=True, blank=True)
    source = models.CharField(max_length=40)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="dailyclose_instrument_session",
                fields=["instrument", "session_on"],
                violation_error_message="The close of this session is already known.",
            ),
            within("dailyclose_open_bounds", "open", 0, PRICE_LIMIT, "The open must be 0 to 1,000,000."),
            within("dailyclose_high_bounds", "high", 0, PRICE_LIMIT, "The high must be 0 to 1,000,000."),
            within("dailyclose_low_bounds", "low", 0, PRICE_LIMIT, "The low must be 0 to 1,000,000."),
            models.CheckConstraint(
                name="dailyclose_close_bounds",
                condition=Q(close__gt=0, close__lte=PRICE_LIMIT),
                violation_error_message="The close must be above 0 and at most 1,000,000.",
            ),
            models.CheckConstraint(
                name="dailyclose_adjusted_close_bounds",
                condition=Q(adjusted_close__gt=0, adjusted_close__lte=PRICE_LIMIT),
                violation_error_message="The adjusted close must be above 0 and at most 1,000,000.",
            ),
        ]
        indexes = [models.Index(name="dailyclose_by_session", fields=["session_on"])]

    def __str__(self) -> str:
        return f"{self.instrument} {self.close} on {self.session_on}"


class VixIndex(models.TextChoices):
    VIX = "VIX", "VIX (30 days)"
    VIX1D = "VIX1D", "VIX1D (one day)"


class ReadingKind(models.TextChoices):
    DAILY = "daily", "Daily"
    LIVE = "live", "Live"


class VixReading(models.Model):
    """A volatility index, in points. VIX measures 30 days, VIX1D one day.

    A daily row holds a session's open, high, low and close: the open is known from 09:30 New York of that day, the
    close only afterwards. A live row holds one level as of `read_at` (in `close`).
    """

    index = models.CharField(max_length=8, choices=VixIndex)
    kind = models.CharField(max_length=8, choices=ReadingKind)
    session_on = models.DateField("session (New York date)")
    read_at = models.DateTimeField("read at (market time)", null=True, blank=True)
    open = models.DecimalField(max_digits=9, decimal_places=4, null=True, blank=True)
    high = models.DecimalField(max_digits=9, decimal_places=4, null=True, blank=True)
    low = models.DecimalField(max_digits=9, decimal_places=4, null=True, blank=True)
    close = models.DecimalField("close, or the level of a live reading", max_digits=9, decimal_places=4)
    source = models.CharField(max_length=40)

    class Meta:
        verbose_name = "VIX reading"
        constraints = [
            one_of("vixreading_index_known", "index", VixIndex, "The index must be VIX or VIX1D."),
            models.CheckConstraint(
                name="vixreading_kind_has_its_columns",
                condition=Q(kind="daily", read_at__isnull=True, open__isnull=False)
                | Q(kind="live", read_at__isnull=False),
                violation_error_message="A daily reading has an open, a live reading the time it was read.",
            ),
            models.UniqueConstraint(
                name="vixreading_one_a_session",
                fields=["index", "session_on"],
                condition=Q(kind="daily"),
                violation_error_message="This session's reading is already known.",
            ),
            models.UniqueConstraint(
                name="vixreading_one_a_moment",
                fields=["index", "source", "read_at"],
                condition=Q(kind="live"),
                violation_error_message="There is already a reading of this moment.",
            ),
            within("vixreading_open_bounds", "open", 0, 1000, "The open must be between 0 and 1,000 points."),
            within("vixreading_high_bounds", "high", 0, 1000, "The high must be between 0 and 1,000 points."),
            within("vixreading_low_bounds", "low", 0, 1000, "The low must be between 0 and 1,000 points."),
            within("vixreading_close_bounds", "close", 0, 1000, "The level must be between 0 and 1,000 points."),
        ]

    def __str__(self) -> str:
        return f"{self.index} {self.close} on {self.session_on}"


class ExchangeSession(models.Model):
    """One trading session of an exchange. A date without a row is no session: nothing trades."""

    exchange = models.CharField("exchange calendar", max_length=12)
    session_on = models.DateField("session (New York date)")
    open_at = models.DateTimeField()
    close_at = models.DateTimeField()
    is_early = models.BooleanField("closes early")
    source = models.CharField(max_length=40, help_text="The library, or “override” where it had a gap.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="exchangesession_exchange_date",
                fields=["exchange", "session_on"],
                violation_error_message="This session already exists.",
            ),
            ordered(
                "exchangesession_opens_before_it_closes",
                "open_at",
                "close_at",
                "A session opens before it closes.",
                strictly=True,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.exchange} {self.session_on}"


class CorrelationMethod(models.TextChoices):
    """By the words of the parameter `correlation_method`."""

    PEARSON = "pearson", "Pearson"
    EWMA = "ewma", "Exponentially weighted"
    LEDOIT_WOLF = "ledoit_wolf", "Ledoit-Wolf shrinkage"


class CorrelationRun(models.Model):
    """One computation of the correlation matrix from daily log returns of adjusted closes. `decay` counts for ewma."""

    as_of_on = models.DateField("last session used")
    window_sessions = models.PositiveIntegerField("returns in the window")
    min_common_sessions = models.PositiveIntegerField("common returns needed")
    method = models.CharField(max_length=16, choices=CorrelationMethod, default=CorrelationMethod.PEARSON)
    decay = models.DecimalField(max_digits=9, decimal_places=6, default=0)
    computed_at = models.DateTimeField("computed at (wall time)")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="correlationrun_as_of_way",
                fields=["as_of_on", "window_sessions", "min_common_sessions", "method", "decay"],
                violation_error_message="This matrix is already computed.",
            ),
            within("correlationrun_decay_bounds", "decay", 0, 1, "The decay must be between 0 and 1."),
            one_of("correlationrun_method_known", "method", CorrelationMethod, "The method is not known."),
            within("correlationrun_window_bounds", "window_sessions", 2, 10_000, "A window has 2 to 10,000 returns."),
        ]

    def __str__(self) -> str:
        return f"{self.window_sessions} sessions to {self.as_of_on}"


class CorrelationPair(models.Model):
    """The correlation of two underlyings in a run; null: not measurable. `first_id < second_id`."""

    run = models.ForeignKey(CorrelationRun, on_delete=models.PROTECT, related_name="pairs")
    first = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="+")
    second = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="+")
    correlation = models.DecimalField(max_digits=8, decimal_places=6, null=True, blank=True)
    common_sessions = models.PositiveIntegerField("returns both have")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="correlationpair_run_pair",
                fields=["run", "first", "second"],
                violation_error_message="This pair is already in the run.",
            ),
            models.CheckConstraint(
                name="correlationpair_ordered",
                condition=Q(first__lt=F("second")),
                violation_error_message="A pair is stored once, the lower id first.",
            ),
            within(
                "correlationpair_correlation_bounds", "correlation", -1, 1, "A correlation must be between -1 and 1."
            ),
        ]

    def __str__(self) -> str:
        return f"{self.first} / {self.second}: {self.correlation}"
