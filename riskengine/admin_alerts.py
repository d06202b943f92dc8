"""Alerts in the admin: targets are kept by staff, everything else is to be looked at."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from positions.admin.base import ReadOnlyAdmin, ReadOnlyInline
from riskengine.models import Alert, AlertDelivery, AlertEvent, AlertTarget, DeliveryState, Severity, TargetKind
from riskengine.services.notify import target
from riskengine.services.notify.address import TargetRefused
from riskengine.services.watch.alerts import acknowledge

SEVERITY_COLOURS = {Severity.CRITICAL: "danger", Severity.WARNING: "warning", Severity.INFO: "info"}
STATE_COLOURS = {DeliveryState.SENT: "success", DeliveryState.FAILED: "danger", DeliveryState.SENDING: "warning"}
KEPT = "Leave it empty to keep the one that is saved; it is not shown again."


class AlertTargetForm(forms.ModelForm):
    """Address and secret go in and never come out: left empty, the saved ones stay."""

    new_address = forms.CharField(
        label="Address",
        max_length=500,
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )
    new_secret = forms.CharField(
        label="Signing secret",
        max_length=200,
        required=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
    )
    unsigned = forms.BooleanField(required=False, label="Remove the signing secret")

    class Meta:
        model = AlertTarget
        fields = ("name", "kind", "minimum_severity", "portfolio", "daily_report", "enabled")

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.fields["new_address"].help_text = (
            "E-mail: the address. Webhook: https://… on the public internet. Service: an Apprise address such as "
            f"tgram://…, slack://… or pover://…. {KEPT if self.instance.pk else ''}"
        )
        self.fields[
            "new_secret"
        ].help_text = f"Webhooks: the body is signed with it in X-Alert-Signature. {KEPT if self.instance.pk else ''}"

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        kind, address = data.get("kind"), data.get("new_address") or self.instance.address
        if not address:
            raise ValidationError({"new_address": "Say where the alerts go."})
        if kind and (data.get("new_address") or "kind" in self.changed_data):
            try:
                target.check(kind, address)
            except TargetRefused as refused:
                raise ValidationError({"new_address": str(refused)}) from refused
        if data.get("new_secret") and kind != TargetKind.WEBHOOK:
            raise ValidationError({"new_secret": "Only webhooks are signed."})
        return data

    def save(self, commit: bool = True) -> AlertTarget:
        saved: AlertTarget = self.instance
        saved.address = self.cleaned_data["new_address"] or saved.address
        saved.signing_secret = self.cleaned_data["new_secret"] or saved.signing_secret
        if self.cleaned_data["unsigned"]:
            saved.signing_secret = ""
        return super().save(commit)


@admin.register(AlertTarget)
class AlertTargetAdmin(ModelAdmin):
    """Never deleted, since what was sent refers to it: switched off."""

    form = AlertTargetForm
    list_display = ["name", "kind", "leads_to", "minimum_severity", "portfolio", "daily_report", "is_signed", "enabled"]
    list_filter = ["kind", "enabled", "portfolio"]
    search_fields = ["name"]
    ordering = ["name"]
    list_select_related = ["portfolio"]
    fields = [
        ("name", "enabled"),
        ("kind", "new_address"),
        ("new_secret", "unsigned"),
        ("minimum_severity", "portfolio", "daily_report"),
        ("leads_to", "is_signed"),
    ]
    readonly_fields = ["leads_to", "is_signed"]

    @display(description="leads to")
    def leads_to(self, saved: AlertTarget) -> str:
        return target.shown(saved.kind, saved.address) if saved.address else ""

    @display(description="signed", boolean=True)
    def is_signed(self, saved: AlertTarget) -> bool:
        return bool(saved.signing_secret)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: AlertTarget, form: forms.ModelForm, change: bool) -> None:
        if not change:
            obj.created_at = timezone.now()
        obj.save()


class EventInline(ReadOnlyInline):
    model = AlertEvent
    fields = ["happened_at", "kind", "level", "actor_name", "detail"]
    ordering = ["id"]


class DeliveryInline(ReadOnlyInline):
    model = AlertDelivery
    fields = ["target", "level", "state", "attempts", "next_attempt_at", "finished_at", "answer"]
    ordering = ["id"]


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    list_display = ["raised_at", "severity_label", "portfolio", "title", "times_seen", "acknowledged_by", "resolved_at"]
    list_filter = ["severity", "code", "portfolio", ("resolved_at", admin.EmptyFieldListFilter)]
    search_fields = ["title", "happened"]
    ordering = ["-id"]
    list_select_related = ["portfolio", "acknowledged_by"]
    inlines = [EventInline, DeliveryInline]
    actions = ["acknowledge_them"]

    @action(description="Acknowledge", permissions=["view"])
    def acknowledge_them(self, request: HttpRequest, alerts: QuerySet[Alert]) -> None:
        now = timezone.now()
        done = sum(acknowledge(alert=alert, actor=request.user, now=now) for alert in alerts.order_by("id"))
        messages.success(request, f"{done} acknowledged; {len(alerts) - done} were before or have ended.")

    @display(description="severity", ordering="severity", label=SEVERITY_COLOURS)
    def severity_label(self, alert: Alert) -> tuple[str, str]:
        return alert.severity, alert.get_severity_display()


@admin.register(AlertDelivery)
class AlertDeliveryAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "alert", "target", "level", "state_label", "attempts", "next_attempt_at", "answer"]
    list_filter = ["state", "target"]
    ordering = ["-id"]
    list_select_related = ["alert", "target"]

    @display(description="state", ordering="state", label=STATE_COLOURS)
    def state_label(self, delivery: AlertDelivery) -> tuple[str, str]:
        return delivery.state, delivery.get_state_display()
