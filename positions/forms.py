"""The form that opens a portfolio."""

from datetime import datetime
from decimal import Decimal

from django import forms

from accounts.models import User
from positions.models import Portfolio
from positions.services.portfolio import create_portfolio


class PortfolioCreateForm(forms.ModelForm):
    """A portfolio on the live clock with its starting cash, all of it settled. Its system is its profile's."""

    cash = forms.DecimalField(min_value=Decimal("0.01"), max_digits=15, decimal_places=2, label="Starting cash, USD")

    class Meta:
        model = Portfolio
        fields = ["name", "slug", "owner", "profile", "mode", "broker", "quote_source"]

    def create(self, *, actor: User, now: datetime) -> Portfolio:
        data = self.cleaned_data
        return create_portfolio(**data, system=data["profile"].system, actor=actor, now=now)
