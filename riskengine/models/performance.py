"""What is kept so that a record can be judged later: how a position's price went, and what each day came to."""

from django.db import models
from django.db.models import Q

from accounts.models.constraint import CENTS_LIMIT, PRICE_LIMIT, within
from positions.models import Portfolio, Position


class PositionMark(models.Model):
    """What a position's contract was quoted at in one minute, from its entry to the end of its contract. Market time.

    Quotes of a live or made-up market are not kept for ever; these are, and go on after the position was sold, so that
    what was taken can be compared with holding on. NULL is not known: no quote, or one older than 90 seconds.
    """

    position = models.ForeignKey(Position, on_delete=models.PROTECT, related_name="marks")
    slot_at = models.DateTimeField("minute (market time)")
    marked_at = models.DateTimeField("read at (market time)")
    bid = models.DecimalField("bid, USD a share", max_digits=12, decimal_places=4, null=True, blank=True)
    ask = models.DecimalField("ask, USD a share", max_digits=12, decimal_places=4, null=True, blank=True)
    spot = models.DecimalField("underlying, USD", max_digits=12, decimal_places=4, null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="positionmark_one_a_minute",
                fields=["position", "slot_at"],
                violation_error_message="This minute has its mark already.",
            ),
            within("positionmark_bid_bounds", "bid", 0, PRICE_LIMIT, "The bid is out of range."),
            within("positionmark_ask_bounds", "ask", 0, PRICE_LIMIT, "The ask is out of range."),
            within("positionmark_spot_bounds", "spot", 0, PRICE_LIMIT, "The underlying's price is out of range."),
        ]

    def __str__(self) -> str:
        return f"{self.position_id} {self.slot_at:%Y-%m-%d %H:%M}: {self.bid} x {self.ask}"


class DailyPerformance(models.Model):
    """What one session of an account came to, written once it is over (P-29). Append-only. USD, marked to the market.

    A day runs from the start of its session to the start of the next. `profit` is never what was paid in or out.
    `trades` and what follows are of the positions that closed on that New York date, or before the next session's.
    """

    portfolio = models.ForeignKey(Portfolio, on_delete=models.PROTECT, related_name="daily_performance")
    session_on = models.DateField("session (New York date)")
    equity_start = models.DecimalField(max_digits=18, decimal_places=2)
    equity_end = models.DecimalField(max_digits=18, decimal_places=2)
    deposits = models.DecimalField("deposits less withdrawals", max_digits=18, decimal_places=2)
    profit = models.DecimalField(max_digits=18, decimal_places=2)
    return_fraction = models.FloatField("return, a fraction", null=True, blank=True)
    drawdown_fraction = models.FloatField("drawdown from the highest day, a fraction", null=True, blank=True)
    trades = models.PositiveIntegerField("positions closed")
    wins = models.PositiveIntegerField("of them with a gain after fees")
    realised_pnl = models.DecimalField("their P&L after fees", max_digits=18, decimal_places=2)
    fees = models.DecimalField("their fees", max_digits=18, decimal_places=2)
    premium = models.DecimalField("their premium paid", max_digits=18, decimal_places=2)
    computed_at = models.DateTimeField("computed at (wall time)")

    class Meta:
        verbose_name_plural = "daily performance"
        constraints = [
            models.UniqueConstraint(
                name="dailyperformance_one_a_session",
                fields=["portfolio", "session_on"],
                violation_error_message="This session's performance is kept already.",
            ),
            models.CheckConstraint(
                name="dailyperformance_adds_up",
                condition=Q(profit=models.F("equity_end") - models.F("equity_start") - models.F("deposits")),
                violation_error_message="Profit is the end less the start less what was paid in.",
            ),
            models.CheckConstraint(
                name="dailyperformance_wins_within_trades",
                condition=Q(wins__lte=models.F("trades")),
                violation_error_message="No more can be won than was traded.",
            ),
            *(
                within(f"dailyperformance_{name}_bounds", name, -CENTS_LIMIT, CENTS_LIMIT, "An amount is out of range.")
                for name in ("equity_start", "equity_end", "deposits", "profit", "realised_pnl", "fees", "premium")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.portfolio} {self.session_on}: {self.profit:+,.2f}"
