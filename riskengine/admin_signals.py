"""Signals in the admin: who may send them and what is done with them; the signals themselves are to be looked at."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from positions.admin.base import ReadOnlyAdmin, ReadOnlyInline
from riskengine.models import Signal, SignalEvent, SignalSource, SignalState, SourceKind, TierReview
from riskengine.services.signals.webhook import new_secret, renew_secret

STATE_COLOURS = {
    SignalState.NEW: "info",
    SignalState.ACCEPTED: "success",
    SignalState.TRADED: "success",
    SignalState.DROPPED: "warning",
    SignalState.EXPIRED: "warning",
}
FIXED = ["portfolio", "slug", "kind"]  # what was sent refers to them
MADE_BY_HAND = [each for each in SourceKind.choices if each[0] != SourceKind.DEMO]  # the demo makes its own


class SignalSourceForm(forms.ModelForm):
    """A new source chooses its kind; afterwards only its name, what is done with its signals, and whether it is on."""

    class Meta:
        model = SignalSource
        fields = ("name", "portfolio", "slug", "kind", "handling", "enabled")

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        if "kind" in self.fields:
            self.fields["kind"].choices = [("", "---------"), *MADE_BY_HAND]
            self.fields["kind"].help_text = "A webhook gets a secret, which is shown once. Fixed from then on."
            self.fields["slug"].help_text = "By which programs name it; of a webhook, the end of its address."
        if "handling" in self.fields:
            self.fields["handling"].help_text = "Entering by itself passes every gate and limit, and asks nobody."


@admin.register(SignalSource)
class SignalSourceAdmin(ModelAdmin):
    """Never deleted, since signals refer to it: switched off. Its account and kind never change: what it sent before
    would read as another's."""

    form = SignalSourceForm
    list_display = ["name", "portfolio", "kind", "handling", "enabled", "slug", "created_at"]
    list_filter = ["kind", "handling", "enabled", "portfolio"]
    search_fields = ["name", "slug"]
    ordering = ["portfolio__slug", "name"]
    list_select_related = ["portfolio"]
    actions = ["another_secret"]

    def get_fields(self, request: HttpRequest, obj: SignalSource | None = None) -> list[Any]:
        fields: list[Any] = [("name", "enabled"), ("portfolio", "kind"), ("slug", "handling")]
        return [*fields, "created_at"] if obj else fields

    def get_readonly_fields(self, request: HttpRequest, obj: SignalSource | None = None) -> list[str]:
        return [*FIXED, "created_at"] if obj else []

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: SignalSource, form: forms.ModelForm, change: bool) -> None:
        if change:
            obj.save(update_fields=["name", "handling", "enabled"])
            return
        obj.created_at = timezone.now()
        secret = ""
        if obj.kind == SourceKind.WEBHOOK:
            secret, obj.secret_hash = new_secret()
        obj.save()
        if secret:
            _show(request, obj, secret)

    @action(description="New secret (webhooks): the old one ends at once", permissions=["change"])
    def another_secret(self, request: HttpRequest, sources: QuerySet[SignalSource]) -> None:
        for source in sources.order_by("name"):
            if source.kind != SourceKind.WEBHOOK:
                messages.error(request, f"{source.name} is no webhook: it has no secret.")
                continue
            _show(request, source, renew_secret(source))
            self.log_change(request, source, "New secret.")


def _show(request: HttpRequest, source: SignalSource, secret: str) -> None:
    messages.warning(
        request,
        f"The secret of {source.name}, shown this once: {secret} "
        f"(its address: /api/v1/signals/webhook/{source.slug}/).",
    )


class SignalEventInline(ReadOnlyInline):
    model = SignalEvent
    fields = ["happened_at", "state", "actor_name", "detail"]
    ordering = ["id"]


@admin.register(Signal)
class SignalAdmin(ReadOnlyAdmin):
    """What was said, what the selection saw, what became of it."""

    list_display = [
        "as_of", "portfolio", "source", "underlying", "direction", "confidence", "state_label", "dropped_code",
        "expires_at", "decision",
    ]  # fmt: skip
    list_filter = ["state", "dropped_code", "portfolio", "source", "direction"]
    search_fields = ["external_id", "underlying__symbol", "dropped_sentence"]
    ordering = ["-id"]
    list_select_related = ["portfolio", "source", "underlying", "decision"]
    inlines = [SignalEventInline]

    @display(description="state", ordering="state", label=STATE_COLOURS)
    def state_label(self, signal: Signal) -> tuple[str, str]:
        return signal.state, signal.get_state_display()


@admin.register(TierReview)
class TierReviewAdmin(ReadOnlyAdmin):
    """Made on the page of confidence or over the API, and never changed."""

    list_display = ["reviewed_at", "portfolio", "tier", "trades", "wins", "reviewed_by_name", "reason"]
    list_filter = ["portfolio"]
    search_fields = ["reason", "reviewed_by_name"]
    ordering = ["-id"]
    list_select_related = ["portfolio"]
