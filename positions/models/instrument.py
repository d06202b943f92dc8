"""What can be traded: underlyings and option contracts."""

from decimal import Decimal

from django.db import models
from django.db.models import F, Q

from accounts.models.constraint import one_of, within


class InstrumentKind(models.TextChoices):
    STOCK = "stock", "Stock"
    ETF = "etf", "Exchange-traded fund"
    INDEX = "index", "Index"


class Instrument(models.Model):
    """An underlying: a stock, an exchange-traded fund or an index.

    `closes_alias` names another instrument whose daily closes stand in for its own (GOOG reads GOOGL's), with a label.
    """

    symbol = models.CharField(max_length=12, unique=True)
    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=8, choices=InstrumentKind)
    exchange = models.CharField("exchange calendar", max_length=12, default="XNYS")
    closes_alias = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    closes_alias_label = models.CharField(max_length=100, blank=True, help_text="Shown beside figures that use it.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="instrument_symbol_upper_case",
                condition=Q(symbol__regex=r"^[A-Z0-9.^]+$"),
                violation_error_message="A symbol is written in capitals, digits, dots and carets.",
            ),
            one_of("instrument_kind_known", "kind", InstrumentKind, "The kind must be stock, etf or index."),
            models.CheckConstraint(
                name="instrument_alias_is_another",
                condition=Q(closes_alias__isnull=True) | ~Q(closes_alias=F("id")),
                violation_error_message="An instrument cannot stand in for its own closes.",
            ),
            models.CheckConstraint(
                name="instrument_alias_is_labelled",
                condition=Q(closes_alias__isnull=True) | ~Q(closes_alias_label=""),
                violation_error_message="Say in the label whose closes are read.",
            ),
        ]

    def __str__(self) -> str:
        return self.symbol


class Right(models.TextChoices):
    CALL = "C", "Call"
    PUT = "P", "Put"


class Settlement(models.TextChoices):
    AM_CASH = "am_cash", "Cash, on the opening quotation"
    PM_CASH = "pm_cash", "Cash, on the official close"
    PM_PHYSICAL = "pm_physical", "Shares"


class ExerciseStyle(models.TextChoices):
    AMERICAN = "american", "American"
    EUROPEAN = "european", "European"


class TickClass(models.TextChoices):
    """Smallest price steps, under and from $3.00."""

    ALL_PENNY = "all_penny", "0.01 at every price (SPY, QQQ, IWM, XSP)"
    PENNY = "penny", "0.01 / 0.05 (penny programme)"
    NICKEL_DIME = "nickel_dime", "0.05 / 0.10 (SPX, SPXW)"
    STANDARD = "standard", "0.05 / 0.10 (other classes)"


class OptionContract(models.Model):
    """A listed option, as the exchange defines it. Strike and premium are USD a share (index point).

    Adjusted contracts (a digit in the root) may be closed, never opened. AM-settled contracts last trade the session
    before `expiration_on` and are never 0DTE.
    """

    occ_symbol = models.CharField("OCC symbol", max_length=21, unique=True, help_text="SPXW  210104P03800000")
    underlying = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="option_contracts")
    root = models.CharField(max_length=6)
    expiration_on = models.DateField("expires on (New York date)")
    right = models.CharField(max_length=1, choices=Right)
    strike = models.DecimalField("strike, USD", max_digits=12, decimal_places=3)
    multiplier = models.PositiveIntegerField("shares a contract")
    settlement = models.CharField(max_length=12, choices=Settlement)
    exercise_style = models.CharField(max_length=8, choices=ExerciseStyle)
    tick_class = models.CharField(max_length=12, choices=TickClass)
    is_adjusted = models.BooleanField("adjusted (close only)")

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="optioncontract_occ_symbol_form",
                condition=Q(occ_symbol__regex=r"^[A-Z0-9 ]{6}[0-9]{6}[CP][0-9]{8}$"),
                violation_error_message="An OCC symbol has 21 characters: root, yymmdd, C or P, strike in thousandths.",
            ),
            models.UniqueConstraint(
                name="optioncontract_terms",
                fields=["root", "expiration_on", "right", "strike"],
                violation_error_message="This contract already exists.",
            ),
            one_of("optioncontract_right_known", "right", Right, "The right must be C or P."),
            one_of("optioncontract_settlement_known", "settlement", Settlement, "The settlement is not known."),
            one_of("optioncontract_style_known", "exercise_style", ExerciseStyle, "The exercise style is not known."),
            one_of("optioncontract_tick_class_known", "tick_class", TickClass, "The tick class is not known."),
            within(
                "optioncontract_strike_bounds",
                "strike",
                Decimal("0.001"),
                Decimal("99999.999"),
                "The strike must be between 0.001 and 99,999.999.",
            ),
            within(
                "optioncontract_multiplier_bounds", "multiplier", 1, 100_000, "The multiplier must be 1 to 100,000."
            ),
        ]
        indexes = [
            models.Index(name="optioncontract_chain", fields=["underlying", "expiration_on", "strike"]),
        ]

    def __str__(self) -> str:
        return f"{self.root} {self.expiration_on:%Y-%m-%d} {self.strike.normalize():f}{self.right}"

    @property
    def is_call(self) -> bool:
        return self.right == Right.CALL
