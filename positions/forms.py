"""The forms that open and edit a portfolio."""

from datetime import datetime
from decimal import Decimal

from django import forms
from django.core.exceptions import ValidationError

from accounts.models import RiskProfile, User
from accounts.selectors import latest_revision, numbers_of
from accounts.services import refusals_of_held_limits
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
    """A portfolio's settings. Another profile must not loosen a limit that the profile so far holds (A-03)."""

    def clean_profile(self) -> RiskProfile:
        profile: RiskProfile = self.cleaned_data["profile"]
        so_far = self.instance.profile
        if profile != so_far:
            refusals = refusals_of_held_limits(latest_revision(so_far), numbers_of(latest_revision(profile)))
            if refusals:
                raise ValidationError([f"“{profile}” would loosen a limit. {refusal}" for refusal in refusals.values()])
        return profile
