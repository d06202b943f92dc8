"""The forms that open and edit a portfolio."""

from datetime import datetime
from decimal import Decimal

from django import forms
from django.core.exceptions import ValidationError

from accounts.models import RiskProfile, User
from accounts.selectors import holds_in_force
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


class PortfolioChangeForm(forms.ModelForm):
    """A portfolio's settings. While a breaker holds a limit of its profile there is no other one (A-03): it would hold
    nothing there, and could be loosened."""

    def clean_profile(self) -> RiskProfile:
        profile: RiskProfile = self.cleaned_data["profile"]
        so_far = self.instance.profile
        holders = sorted({hold.held_by for hold in holds_in_force(so_far)}) if profile != so_far else []
        if holders:
            raise ValidationError(
                f"A limit of “{so_far}” is held by: {', '.join(holders)}. The portfolio can be given another profile "
                "once that has cleared."
            )
        return profile
