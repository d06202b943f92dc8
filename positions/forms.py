"""The forms that open and edit a portfolio."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from accounts.models import RiskProfile, User
from accounts.selectors import holds_in_force
from positions.models import Mode, Portfolio
from positions.services.portfolio import BEGINS, NO_BEGINNING, create_portfolio


class PortfolioCreateForm(forms.ModelForm):
    """A portfolio on the live clock with its starting cash, all of it settled. Its system is its profile's."""

    class Meta:
        model = Portfolio
        fields = ["name", "slug", "owner", "profile", "mode", "broker", "quote_source", "paper_extra_ticks", "cash"]
        labels = {"cash": "Starting cash, USD"}

    def __init__(self, *args: Any, initial: dict[str, Any] | None = None, **kwargs: Any) -> None:
        # The step to a broker asks for an extra tick (P-28), which cannot be set any more once the account trades.
        super().__init__(*args, initial={"paper_extra_ticks": 1, **(initial or {})}, **kwargs)

    def clean_mode(self) -> str:
        mode: str = self.cleaned_data["mode"]
        if mode not in BEGINS:
            raise ValidationError(NO_BEGINNING)
        return mode

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
    nothing there, and could be loosened. What paper fills cost changes while the account is off: its trades count from
    the step to paper on, and those at another cost would pass for trades at this one (P-28)."""

    def clean_paper_extra_ticks(self) -> int:
        ticks: int = self.cleaned_data["paper_extra_ticks"]
        if ticks != self.instance.paper_extra_ticks and self.instance.mode != Mode.OFF:
            raise ValidationError(
                f"This account is on {self.instance.mode}, and its trades so far paid "
                f"{self.instance.paper_extra_ticks} extra ticks. Step it back to off, change it, and step it forward."
            )
        return ticks

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
