"""The guards in the admin: breakers and their history to look at, a clearing and the kill switch with a reason."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.forms.utils import ErrorList
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action, display

from accounts.admin import ReadOnlyAdmin
from positions.models import Portfolio
from riskengine import (  # noqa: F401 (they register their pages)
    admin_adopted,
    admin_alerts,
    admin_nights,
    admin_performance,
    admin_projections,
    admin_reviews,
    admin_signals,
)
from riskengine.forms import ReasonForm
from riskengine.models import Breaker, BreakerEvent, BreakerState, Reading
from riskengine.services.watch.clearing import CLEARS, NotClearable, clear_breaker
from riskengine.services.watch.kill import DEFAULT, HALTS, FlattenUnconfirmed, Verb, kill

STATE_COLOURS = {BreakerState.CLEAR: "success", BreakerState.TRIPPED: "danger"}
LIST = "admin:riskengine_breaker_changelist"


class KillForm(ReasonForm):
    portfolios = forms.ModelMultipleChoiceField(Portfolio.objects.order_by("slug"), widget=forms.CheckboxSelectMultiple)
    verbs = forms.MultipleChoiceField(
        choices=[
            (Verb.STOP_ENTRIES.value, "Stop entries: nothing is opened, exits go on"),
            (Verb.CANCEL_OPENINGS.value, "Cancel openings: what would still buy is taken back"),
            (Verb.FLATTEN.value, "Flatten: sell everything at what is bid, then halt"),
        ],
        initial=[each.value for each in DEFAULT],
        widget=forms.CheckboxSelectMultiple,
    )
    confirm_flatten = forms.BooleanField(
        required=False, label="Yes, sell every position of these portfolios", help_text="Needed to flatten."
    )


@admin.register(Breaker)
class BreakerAdmin(ReadOnlyAdmin):
    """States are written by checks; a person clears a tripped one here, with a reason."""

    list_display = [
        "portfolio", "code", "underlying", "state_label", "tripped_at", "value", "limit", "clears_at", "cleared_at",
        "cleared_by_name", "act",
    ]  # fmt: skip
    list_filter = ["state", "code", "portfolio"]
    ordering = ["-state", "portfolio__slug", "code"]
    list_select_related = ["portfolio", "underlying"]
    actions_list = ["to_the_kill_switch"]

    def has_halt_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        # Named with a dot the permission would be looked for by a check that runs before there are tables.
        return bool(request.user.has_perm(HALTS))

    @action(description="Kill switch…", url_path="to-the-kill-switch", permissions=["halt"])
    def to_the_kill_switch(self, request: HttpRequest) -> HttpResponse:
        return redirect("admin:riskengine_kill")

    @display(description="state", ordering="state", label=STATE_COLOURS)
    def state_label(self, breaker: Breaker) -> str:
        return breaker.state

    @display(description="clear")
    def act(self, breaker: Breaker) -> SafeString | str:
        if breaker.state != BreakerState.TRIPPED:
            return "–"
        return format_html('<a href="{}">Clear…</a>', reverse("admin:riskengine_breaker_clear", args=[breaker.pk]))

    def get_urls(self) -> list:
        wrap = self.admin_site.admin_view
        return [
            path("<int:breaker_id>/clear/", wrap(self.clear_view), name="riskengine_breaker_clear"),
            path("kill/", wrap(self.kill_view), name="riskengine_kill"),
            *super().get_urls(),
        ]

    def clear_view(self, request: HttpRequest, breaker_id: int) -> HttpResponse:
        if not request.user.has_perm(CLEARS):
            raise PermissionDenied
        breaker = self.get_object(request, str(breaker_id))
        if breaker is None:
            return redirect(LIST)
        form = ReasonForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                clear_breaker(
                    breaker=breaker, actor=request.user, reason=form.cleaned_data["reason"], now=timezone.now()
                )
            except NotClearable as problem:
                form.add_error(None, str(problem))
            except ValidationError as problem:
                form.add_error("reason", ErrorList(problem.messages))
            else:
                messages.success(request, f"{breaker} is clear.")
                return redirect(LIST)
        trips = breaker.events.filter(kind="tripped").order_by("-id")
        lines = [f"{breaker}.", *trips.values_list("reason", flat=True)[:1]]
        return self._page(request, f"Clear: {breaker}", form, lines, "Clear it")

    def kill_view(self, request: HttpRequest) -> HttpResponse:
        if not request.user.has_perm(HALTS):
            raise PermissionDenied
        form = KillForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            asked = form.cleaned_data
            try:
                done = kill(
                    portfolios=asked["portfolios"],
                    verbs=asked["verbs"],
                    reason=asked["reason"],
                    now=timezone.now(),
                    actor=request.user,
                    confirmed=asked["confirm_flatten"],
                )
            except FlattenUnconfirmed as problem:
                form.add_error("confirm_flatten", str(problem))
            except ValidationError as problem:
                form.add_error(None, ErrorList(problem.messages))
            else:
                for each in done:
                    said = each.error or f"{each.state}, {each.cancelled} openings are being cancelled."
                    (messages.error if each.error else messages.success)(request, f"{each.portfolio}: {said}")
                return redirect(LIST)
        lines = ["Stops, slices and forced closes go on in every state. Flattening asks again."]
        return self._page(request, "Kill switch", form, lines, "Do it")

    def _page(self, request: HttpRequest, title: str, form: forms.Form, lines: list[str], button: str) -> HttpResponse:
        given: dict[str, Any] = {"title": title, "form": form, "lines": lines, "button": button, "media": form.media}
        return TemplateResponse(request, "riskengine/admin/act.html", self.admin_site.each_context(request) | given)


@admin.register(Reading)
class ReadingAdmin(ReadOnlyAdmin):
    """What the last risk check found; entries are refused where it is unknown."""

    list_display = [
        "portfolio", "state", "judged_at", "equity", "day_pnl", "exposure", "effective_exposure", "delta", "gamma",
        "theta_per_day", "reason",
    ]  # fmt: skip
    list_filter = ["state"]
    ordering = ["portfolio__slug"]
    list_select_related = ["portfolio"]


@admin.register(BreakerEvent)
class BreakerEventAdmin(ReadOnlyAdmin):
    list_display = ["happened_at", "portfolio", "code", "kind", "value", "limit", "actor_name", "reason"]
    list_filter = ["portfolio", "code", "kind"]
    search_fields = ["reason", "actor_name"]
    ordering = ["-happened_at", "-id"]
    list_select_related = ["portfolio"]
