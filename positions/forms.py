"""The form that opens a portfolio."""

from datetime import datetime
from decimal import Decimal

from django import forms
from django.core.exceptions import ValidationError

from accounts.models import User
from positions.models import Portfolio
from positions.services.portfolio import create_portfolio


class PortfolioCreateForm(forms.ModelForm):
    """A portfolio on the live clock with its starting cash, all of it settled. Its system is its profile's."""

    class Meta:
        model = Portfolio
        fields = ["name", "slug", "owner", "profile", "mode", "broker", "quote_source", "cash"]
        labels = {"cash": "Starting cash, USD"}

    def clean_cash(self) -> Decimal:
        cash = self.cleaned_data["cash"]
        if cash <= 0:
            raise ValidationError(f"A portfolio starts with cash; you entered {cash}.")
        return cash

    def create(self, *, actor: User, now: datetime) -> Portfolio:
        data = self.cleaned_data
        return create_portfolio(**data, system=data["profile"].system, actor=actor, now=now)
