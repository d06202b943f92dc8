"""What the market said, by the time it was known.

Every row is stamped with the market time at which it is known: a bar with its END, so that reading "at or before now"
can never look ahead. Prices are USD a share; a null bid or ask means that side was missing.
"""

from django.db import models
from django.db.models import F, Q

from accounts.models.constraint import PRICE_LIMIT, ordered, within
from positions.models.instrument import Instrument, OptionContract


class OptionQuote(models.Model):
    """The best bid and ask of a contract as known from `quoted_at`.

    Age counts from `confirmed_at`, the feed's last word that it still holds. Crossed and one-sided quotes are kept as
    they came: whether a quote is usable is a rule, not a property of the data.
    """

    contract = models.ForeignKey(OptionContract, on_delete=models.PROTECT, related_name="quotes")
    source = models.CharField(max_length=40, help_text="The feed or recording.")
    quoted_at = models.DateTimeField("known from (market time)")
    bid = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    bid_size = models.PositiveIntegerField("contracts at the bid", default=0)
    ask = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    ask_size = models.PositiveIntegerField("contracts at the ask", default=0)
    changed_at = models.DateTimeField("last changed (market time)")
    confirmed_at = models.DateTimeField("last confirmed (market time)")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="optionquote_contract_source_time",
                fields=["contract", "source", "quoted_at"],
                violation_error_message="There is already a quote of this contract at this time.",
            ),
            within("optionquote_bid_bounds", "bid", 0, PRICE_LIMIT, "The bid must be between 0 and 1,000,000."),
            within("optionquote_ask_bounds", "ask", 0, PRICE_LIMIT, "The ask must be between 0 and 1,000,000."),
            ordered(
                "optionquote_confirmed_after_changed",
                "changed_at",
                "confirmed_at",
                "A quote cannot be confirmed before it changed.",
            ),
        ]
        indexes = [models.Index(name="optionquote_by_time", fields=["source", "quoted_at"])]

    def __str__(self) -> str:
        return f"{self.contract} {self.bid} x {self.ask} at {self.quoted_at:%Y-%m-%d %H:%M:%S} UTC"


class OptionTradeBar(models.Model):
    """Trades of a contract in one minute, known at the minute's end `bar_at`. Volume in contracts."""

    contract = models.ForeignKey(OptionContract, on_delete=models.PROTECT, related_name="trade_bars")
    source = models.CharField(max_length=40)
    bar_at = models.DateTimeField("end of the minute (market time)")
    open = models.DecimalField(max_digits=12, decimal_places=4)
    high = models.DecimalField(max_digits=12, decimal_places=4)
    low = models.DecimalField(max_digits=12, decimal_places=4)
    close = models.DecimalField(max_digits=12, decimal_places=4)
    volume = models.PositiveIntegerField("contracts traded")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="optiontradebar_contract_source_time",
                fields=["contract", "source", "bar_at"],
                violation_error_message="There is already a bar of this contract at this time.",
            ),
            within("optiontradebar_open_bounds", "open", 0, PRICE_LIMIT, "The open must be 0 to 1,000,000."),
            within("optiontradebar_high_bounds", "high", 0, PRICE_LIMIT, "The high must be 0 to 1,000,000."),
            within("optiontradebar_low_bounds", "low", 0, PRICE_LIMIT, "The low must be 0 to 1,000,000."),
            within("optiontradebar_close_bounds", "close", 0, PRICE_LIMIT, "The close must be 0 to 1,000,000."),
        ]

    def __str__(self) -> str:
        return f"{self.contract} {self.close} at {self.bar_at:%Y-%m-%d %H:%M} UTC"


class OpenInterest(models.Model):
    """Contracts outstanding, as published before the open of `as_of_on`."""

    contract = models.ForeignKey(OptionContract, on_delete=models.PROTECT, related_name="open_interests")
    source = models.CharField(max_length=40)
    as_of_on = models.DateField("session it is published for")
    contracts = models.PositiveIntegerField("contracts outstanding")

    class Meta:
        verbose_name_plural = "open interest"
        constraints = [
            models.UniqueConstraint(
                name="openinterest_contract_source_date",
                fields=["contract", "source", "as_of_on"],
                violation_error_message="Open interest of this contract and date is already known.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.contract} {self.contracts:,} on {self.as_of_on}"


class UnderlyingBar(models.Model):
    """Prices of an underlying in one minute, known at the minute's end `bar_at`. Unadjusted for splits."""

    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="bars")
    source = models.CharField(max_length=40)
    bar_at = models.DateTimeField("end of the minute (market time)")
    open = models.DecimalField(max_digits=12, decimal_places=4)
    high = models.DecimalField(max_digits=12, decimal_places=4)
    low = models.DecimalField(max_digits=12, decimal_places=4)
    close = models.DecimalField(max_digits=12, decimal_places=4)
    volume = models.BigIntegerField("shares traded", default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="underlyingbar_instrument_source_time",
                fields=["instrument", "source", "bar_at"],
                violation_error_message="There is already a bar of this instrument at this time.",
            ),
            within("underlyingbar_open_bounds", "open", 0, PRICE_LIMIT, "The open must be 0 to 1,000,000."),
            within("underlyingbar_high_bounds", "high", 0, PRICE_LIMIT, "The high must be 0 to 1,000,000."),
            within("underlyingbar_low_bounds", "low", 0, PRICE_LIMIT, "The low must be 0 to 1,000,000."),
            within("underlyingbar_close_bounds", "close", 0, PRICE_LIMIT, "The close must be 0 to 1,000,000."),
            models.CheckConstraint(
                name="underlyingbar_low_under_high",
                condition=Q(low__lte=F("high")),
                violation_error_message="The low must not be above the high.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.instrument} {self.close} at {self.bar_at:%Y-%m-%d %H:%M} UTC"
