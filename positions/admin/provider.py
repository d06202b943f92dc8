"""Providers of market data: configured by staff; what they were asked and what came of it is to be looked at."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from unfold.admin import TabularInline
from unfold.decorators import display

from positions import models
from positions.admin.base import KeptAdmin, ReadOnlyAdmin
from positions.models import DataProvider, ProviderRun, RunOutcome
from positions.services.push import is_reserved
from positions.services.quotes import known_symbols

OUTCOME_COLOURS = {RunOutcome.OK: "success", RunOutcome.FAILED: "danger"}


class DataProviderForm(forms.ModelForm):
    """What only the database can say: whether the name is free to be written under, and the symbols are known."""

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"].strip()
        if is_reserved(name):
            raise ValidationError(
                f"“{name}” is a recording or a simulation, which no provider writes into. Choose another name.",
                code="reserved_source",
            )
        return name

    def clean_symbols(self) -> str:
        symbols = self.cleaned_data["symbols"].upper().split()
        unknown = sorted(set(symbols) - known_symbols(symbols))
        if unknown:
            raise ValidationError(f"{unknown[0]} is no instrument on record. Add it first.", code="unknown_symbol")
        return " ".join(dict.fromkeys(symbols))


class SupplyInline(TabularInline):
    model = models.Supply
    extra = 0
    fields = ["what", "interval_seconds", "next_at", "failures"]
    readonly_fields = ["next_at", "failures"]


@admin.register(DataProvider)
class DataProviderAdmin(KeptAdmin):
    """Never deleted, since rows and runs name it: switched off. Its name is fixed once it has written under it."""

    form = DataProviderForm
    list_display = ["name", "kind", "base_url", "enabled", "last_outcome"]
    list_filter = ["kind", "enabled"]
    search_fields = ["name"]
    ordering = ["name"]
    fields = [
        ("name", "kind"),
        "base_url",
        ("key_variable", "secret_variable"),
        "symbols",
        ("timeout_seconds", "requests_per_minute"),
        "enabled",
        "settings",
    ]
    inlines = [SupplyInline]

    def get_readonly_fields(self, request: HttpRequest, obj: DataProvider | None = None) -> list[str]:
        return ["name"] if obj is not None and obj.runs.exists() else []

    @display(description="last run")
    def last_outcome(self, provider: DataProvider) -> str:
        last = provider.runs.order_by("-id").first()
        if last is None:
            return "not asked yet"
        outcome = "answered" if last.outcome == RunOutcome.OK else last.code
        return f"{outcome}: {last.what}, {last.finished_at:%Y-%m-%d %H:%M:%S} UTC"


@admin.register(ProviderRun)
class ProviderRunAdmin(ReadOnlyAdmin):
    list_display = [
        "finished_at", "provider", "what", "outcome_label", "new", "changed", "known", "rejected", "late", "code",
    ]  # fmt: skip
    list_filter = ["provider", "what", "outcome", "code"]
    date_hierarchy = "finished_at"
    ordering = ["-id"]
    list_select_related = ["provider"]

    @display(description="outcome", ordering="outcome", label=OUTCOME_COLOURS)
    def outcome_label(self, run: ProviderRun) -> Any:
        return run.outcome
