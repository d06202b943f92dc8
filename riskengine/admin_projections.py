"""Projections in the admin: another row is entered, none is changed; and the base rates, to look at."""

from typing import Any

from django import forms
from django.contrib import admin
from django.forms.models import model_to_dict
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import display

from accounts.models import System
from positions.admin.base import ReadOnlyAdmin
from riskengine.models import Projection, ZeroEdgeRun
from riskengine.models.projection import FIGURES

PAIRS = [(f"{name}_low", f"{name}_high") for name in FIGURES]
ENTERED = ["system", "source", *(name for pair in PAIRS for name in pair), "reason"]


class ProjectionForm(forms.ModelForm):
    class Meta:
        model = Projection
        fields = ENTERED
        widgets = {
            "source": forms.Textarea(attrs={"rows": 2, "cols": 80}),
            "reason": forms.Textarea(attrs={"rows": 2, "cols": 80}),
        }


@admin.register(Projection)
class ProjectionAdmin(ModelAdmin):
    """The newest row of a system is in force. Correcting one means entering another, with its source and a reason."""

    form = ProjectionForm
    list_display = [
        "system", "annual_return", "max_drawdown", "sharpe", "win_rate", "average_win", "average_loss", "source",
        "in_force_from", "author_name",
    ]  # fmt: skip
    list_filter = ["system"]
    ordering = ["system", "-id"]

    def get_fields(self, request: HttpRequest, obj: Projection | None = None) -> list[Any]:
        written = ["in_force_from", "author_name"] if obj else []
        return ["system", "source", *PAIRS, "reason", *written]

    def get_readonly_fields(self, request: HttpRequest, obj: Projection | None = None) -> list[str]:
        return [*ENTERED, "in_force_from", "author_name"] if obj else []

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """The figures in force, so that one of them can be changed alone."""
        system = request.GET.get("system", "")
        system = system if system in System.values else System.values[0]
        before = Projection.objects.filter(system=system).order_by("-id").first()
        return {"system": system} | ({} if before is None else model_to_dict(before, [*ENTERED[2:-1], "source"]))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Projection, form: forms.ModelForm, change: bool) -> None:
        obj.author, obj.author_name = request.user, request.user.get_username()
        obj.in_force_from = timezone.now()
        obj.save(force_insert=True)

    @display(description="annual return")
    def annual_return(self, row: Projection) -> str:
        return _percents(row.annual_return_low, row.annual_return_high)

    @display(description="max drawdown")
    def max_drawdown(self, row: Projection) -> str:
        return _percents(row.max_drawdown_low, row.max_drawdown_high)

    @display(description="Sharpe")
    def sharpe(self, row: Projection) -> str:
        return f"{row.sharpe_low:.1f} to {row.sharpe_high:.1f}"

    @display(description="win rate")
    def win_rate(self, row: Projection) -> str:
        return _percents(row.win_rate_low, row.win_rate_high)

    @display(description="average win")
    def average_win(self, row: Projection) -> str:
        return _percents(row.average_win_low, row.average_win_high)

    @display(description="average loss")
    def average_loss(self, row: Projection) -> str:
        return _percents(row.average_loss_low, row.average_loss_high)


def _percents(low: Any, high: Any) -> str:
    return f"{low:.0%} to {high:.0%}"


@admin.register(ZeroEdgeRun)
class ZeroEdgeRunAdmin(ReadOnlyAdmin):
    """Computed by itself for exits that are new, and never changed."""

    list_display = [
        "system", "entry", "win_rate", "average_win", "average_loss", "expectancy", "expectancy_before_costs", "paths",
        "computed_at",
    ]  # fmt: skip
    list_filter = ["system", "entry"]
    exclude = ["sample"]
    ordering = ["-id"]
