"""Questions asked of portfolios, orders and positions in more than one place."""

from typing import Self

from django.db import models
from django.db.models import DecimalField, ExpressionWrapper, F, Sum
from django.db.models.functions import Coalesce

from accounts.models import User

LIVE_ORDER_STATUSES = ("planned", "submitting", "working", "cancelling", "unknown")
MONEY = DecimalField(max_digits=18, decimal_places=2)


class PortfolioQuerySet(models.QuerySet):
    def visible_to(self, user: User) -> Self:
        """What a person may see: staff all, others their own, strangers nothing."""
        if not user.is_active:
            return self.none()
        return self if user.is_staff else self.filter(owner=user)


class OrderQuerySet(models.QuerySet):
    def live(self) -> Self:
        """Orders that may still fill, the lost ones included."""
        return self.filter(status__in=LIVE_ORDER_STATUSES)

    def openings(self) -> Self:
        """Opening intents: no children, no replacements."""
        return self.filter(intent="open", parent__isnull=True)

    def reserved_dollars(self):
        """What live openings may still cost at their worst permitted price, USD."""
        cost = ExpressionWrapper(
            (F("quantity") - F("filled_quantity")) * F("worst_price") * F("contract__multiplier"), output_field=MONEY
        )
        return self.live().openings().aggregate(total=Coalesce(Sum(cost), 0, output_field=MONEY))["total"]


class PositionQuerySet(models.QuerySet):
    def held(self) -> Self:
        """Positions with contracts left, those past their expiration included."""
        return self.filter(quantity_open__gt=0)
