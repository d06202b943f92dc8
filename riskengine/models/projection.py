"""What is projected of a system, as data with its source, and what its exits come to without any edge (A-07)."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts.models import System
from accounts.models.constraint import one_of, ordered, within

FIGURES = ("annual_return", "max_drawdown", "sharpe", "win_rate", "average_win", "average_loss")


def _fraction(name: str, help_text: str = "") -> models.DecimalField:
    return models.DecimalField(name, max_digits=9, decimal_places=4, help_text=help_text)


class Projection(models.Model):
    """The projected figures of a system, each from low to high. Append-only: the newest row of a system is in force.

    Fractions, Sharpe ratios aside: 0.70 is 70%. Drawdown and average loss are positive. The figures of a trade are per
    dollar bet.
    """

    system = models.CharField(max_length=16, choices=System)
    source = models.TextField(help_text="Where the figures come from: who said so, in what.")
    annual_return_low = _fraction("annual return, from", "A fraction: 0.70 is 70%.")
    annual_return_high = _fraction("to")
    max_drawdown_low = _fraction("maximum drawdown, from", "A fraction, positive.")
    max_drawdown_high = _fraction("to")
    sharpe_low = _fraction("Sharpe ratio, from", "Of daily returns, a year.")
    sharpe_high = _fraction("to")
    win_rate_low = _fraction("win rate, from", "A fraction.")
    win_rate_high = _fraction("to")
    average_win_low = _fraction("average win, from", "A fraction of the dollars bet.")
    average_win_high = _fraction("to")
    average_loss_low = _fraction("average loss, from", "A fraction of the dollars bet, positive.")
    average_loss_high = _fraction("to")
    in_force_from = models.DateTimeField(
        "in force from (wall time)", null=True, blank=True, help_text="Empty: from the beginning."
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    author_name = models.CharField("author", max_length=150)
    reason = models.TextField()

    class Meta:
        constraints = [
            one_of("projection_system_known", "system", System, "The system must be Smart-0DTE or Mag7-7DTE."),
            *(
                ordered(f"projection_{name}_ordered", f"{name}_low", f"{name}_high", "From is at most to.")
                for name in FIGURES
            ),
            within("projection_annual_return_bounds", "annual_return_low", -1, 1000, "A return is from -1 to 1,000."),
            within("projection_annual_return_top", "annual_return_high", -1, 1000, "A return is from -1 to 1,000."),
            within("projection_max_drawdown_bounds", "max_drawdown_low", 0, 1, "A drawdown is from 0 to 1."),
            within("projection_max_drawdown_top", "max_drawdown_high", 0, 1, "A drawdown is from 0 to 1."),
            within("projection_sharpe_bounds", "sharpe_low", -100, 100, "A Sharpe ratio is from -100 to 100."),
            within("projection_sharpe_top", "sharpe_high", -100, 100, "A Sharpe ratio is from -100 to 100."),
            within("projection_win_rate_bounds", "win_rate_low", 0, 1, "A win rate is from 0 to 1."),
            within("projection_win_rate_top", "win_rate_high", 0, 1, "A win rate is from 0 to 1."),
            within("projection_average_win_bounds", "average_win_low", 0, 1000, "An average win is from 0 to 1,000."),
            within("projection_average_win_top", "average_win_high", 0, 1000, "An average win is from 0 to 1,000."),
            within("projection_average_loss_bounds", "average_loss_low", 0, 2, "An average loss is from 0 to 2."),
            within("projection_average_loss_top", "average_loss_high", 0, 2, "An average loss is from 0 to 2."),
            models.CheckConstraint(
                name="projection_has_a_source",
                condition=~Q(source="") & ~Q(reason=""),
                violation_error_message="Say where the figures come from, and why they are entered.",
            ),
        ]
        indexes = [models.Index(name="projection_in_force", fields=["system", "-id"])]

    def __str__(self) -> str:
        return f"{self.get_system_display()} projection {self.pk}"


class ZeroEdgeRun(models.Model):
    """What one way of entering and exiting comes to on a fairly priced option. Append-only, made once a question.

    `digest` is of everything that the figures depend on: exits, model, paths, seed. `sample` are gains per dollar paid
    that stand for all paths, after costs. Fractions; `average_loss` is positive.
    """

    digest = models.CharField(max_length=64, unique=True)
    system = models.CharField(max_length=16, choices=System)
    entry = models.CharField(max_length=12, help_text="morning, midday, late, or seven_day.")
    question = models.JSONField(help_text="Exits and model, as they are in the digest.")
    paths = models.PositiveIntegerField()
    win_rate = models.FloatField()
    average_win = models.FloatField(null=True)
    average_loss = models.FloatField(null=True)
    expectancy = models.FloatField("mean gain per dollar paid, after costs")
    expectancy_error = models.FloatField("its standard error")
    win_rate_before_costs = models.FloatField()
    expectancy_before_costs = models.FloatField()
    expectancy_before_costs_error = models.FloatField()
    sample = models.JSONField("gains that stand for all")
    computed_at = models.DateTimeField("computed at (wall time)")

    class Meta:
        constraints = [
            one_of("zeroedgerun_system_known", "system", System, "The system must be Smart-0DTE or Mag7-7DTE."),
            models.CheckConstraint(
                name="zeroedgerun_win_rate_bounds",
                condition=Q(win_rate__gte=0, win_rate__lte=1)
                & Q(win_rate_before_costs__gte=0, win_rate_before_costs__lte=1),
                violation_error_message="A win rate is from 0 to 1.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_system_display()} {self.entry}: no edge wins {self.win_rate:.1%}"
