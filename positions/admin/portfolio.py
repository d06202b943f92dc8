"""Portfolios: their settings, state, clock, cash and equity."""

from functools import partial
from typing import Any

from django.contrib import admin
from django.forms import ModelForm, modelform_factory
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from positions import models
from positions.admin.base import ReadOnlyAdmin, ReadOnlyInline
from positions.forms import PortfolioChangeForm, PortfolioCreateForm
from positions.models import Portfolio, State

STATE_COLOURS = {State.ACTIVE: "success", State.REDUCING: "warning", State.HALTED: "danger", State.FLATTENING: "danger"}


class MarketClockInline(ReadOnlyInline):
    model = models.MarketClock


class HeartbeatInline(ReadOnlyInline):
    model = models.Heartbeat


class EquitySnapshotInline(ReadOnlyInline):
    model = models.EquitySnapshot
    ordering = ["-session_on"]
    per_page = 20


class StateChangeInline(ReadOnlyInline):
    model = models.PortfolioStateChange
    fields = ["changed_at", "from_state", "to_state", "actor_name", "cause", "reason", "value", "limit"]
    ordering = ["-changed_at", "-id"]
    per_page = 20


@admin.register(Portfolio)
class PortfolioAdmin(ModelAdmin):
    """Name, owner, profile and feed are edited here; state, mode and cash only by services, which write why."""

    list_display = ["name", "system", "mode", "state_label", "cash", "owner", "profile", "is_demo"]
    list_filter = ["system", "mode", "state", "is_demo"]
    search_fields = ["name", "slug", "owner__username"]
    ordering = ["slug"]
    autocomplete_fields = ["owner", "profile"]
    list_select_related = ["owner", "profile"]
    fields = [
        ("name", "slug"),
        ("owner", "profile"),
        ("system", "is_demo"),
        ("mode", "state"),
        ("broker", "broker_account"),
        ("quote_source", "reconciled_at"),
        "paper_extra_ticks",
        ("cash", "settled_cash"),
        "created_at",
    ]
    written_by_services = [
        "slug", "system", "mode", "state", "broker", "cash", "settled_cash", "reconciled_at", "is_demo", "created_at",
    ]  # fmt: skip
    form = PortfolioChangeForm
    inlines = [MarketClockInline, HeartbeatInline, EquitySnapshotInline, StateChangeInline]

    @display(description="state", ordering="state", label=STATE_COLOURS)
    def state_label(self, portfolio: Portfolio) -> str:
        return portfolio.state

    def has_delete_permission(self, request: HttpRequest, obj: Portfolio | None = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Portfolio | None = None) -> list[str]:
        return self.written_by_services if obj else []

    def get_inlines(self, request: HttpRequest, obj: Portfolio | None) -> list[type[TabularInline]]:
        return self.inlines if obj else []

    def get_prepopulated_fields(self, request: HttpRequest, obj: Portfolio | None = None) -> dict[str, list[str]]:
        return {} if obj else {"slug": ["name"]}

    def get_fields(self, request: HttpRequest, obj: Portfolio | None = None) -> list:
        return self.fields if obj else PortfolioCreateForm.Meta.fields

    def get_fieldsets(self, request: HttpRequest, obj: Portfolio | None = None) -> list[tuple[None, dict]]:
        return [(None, {"fields": self.get_fields(request, obj)})]

    def get_form(
        self, request: HttpRequest, obj: Portfolio | None = None, change: bool = False, **kwargs: Any
    ) -> type[ModelForm]:
        themed = partial(self.formfield_for_dbfield, request=request)
        if obj is None:
            return modelform_factory(Portfolio, form=PortfolioCreateForm, formfield_callback=themed)
        return super().get_form(request, obj, change, **kwargs)

    def save_form(self, request: HttpRequest, form: ModelForm, change: bool) -> Portfolio:
        return super().save_form(request, form, change) if change else form.instance

    def save_model(self, request: HttpRequest, obj: Portfolio, form: ModelForm, change: bool) -> None:
        if change:
            obj.save(update_fields=form.changed_data)
        else:
            obj.pk = form.create(actor=request.user, now=timezone.now()).pk

    def save_related(self, request: HttpRequest, form: ModelForm, formsets: list, change: bool) -> None:
        """The rows of a portfolio are written by services."""

    def construct_change_message(
        self, request: HttpRequest, form: ModelForm, formsets: list | None, add: bool = False
    ) -> list:
        return super().construct_change_message(request, form, None, add)


@admin.register(models.PortfolioStateChange)
class PortfolioStateChangeAdmin(ReadOnlyAdmin):
    list_display = ["changed_at", "portfolio", "from_state", "to_state", "actor_name", "cause", "value", "limit"]
    list_filter = ["portfolio", "to_state", "cause"]
    search_fields = ["reason", "actor_name"]
    ordering = ["-changed_at", "-id"]
    list_select_related = ["portfolio"]


@admin.register(models.PortfolioModeChange)
class PortfolioModeChangeAdmin(ReadOnlyAdmin):
    list_display = ["changed_at", "portfolio", "from_mode", "to_mode", "actor_name", "reason"]
    list_filter = ["portfolio"]
    ordering = ["-changed_at", "-id"]
    list_select_related = ["portfolio"]


@admin.register(models.CashMovement)
class CashMovementAdmin(ReadOnlyAdmin):
    list_display = ["moved_at", "portfolio", "kind", "amount", "settles_on", "note"]
    list_filter = ["portfolio", "kind"]
    ordering = ["-moved_at", "-id"]
    list_select_related = ["portfolio"]


@admin.register(models.EquitySnapshot)
class EquitySnapshotAdmin(ReadOnlyAdmin):
    list_display = ["portfolio", "session_on", "equity_start_of_day", "net_deposits", "equity_end_of_day", "taken_at"]
    list_filter = ["portfolio"]
    date_hierarchy = "session_on"
    ordering = ["-session_on"]
    list_select_related = ["portfolio"]
