"""Positions in the admin, with the person's opt-in to a stop for what was adopted from the broker."""

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
from unfold.decorators import display

from positions.admin.trading import PositionAdmin
from positions.market.calendar import new_york
from positions.models import Origin, Position
from riskengine.forms import ReasonForm
from riskengine.services.decide.entries import PortfolioBusy
from riskengine.services.watch.opting_in import NotProtectable, Proposal, give_stop, may_protect, proposal

LIST = "admin:positions_position_changelist"

admin.site.unregister(Position)


@admin.register(Position)
class AdoptedPositionAdmin(PositionAdmin):
    list_display = [*PositionAdmin.list_display, "act"]

    @display(description="stop")
    def act(self, position: Position) -> SafeString | str:
        if position.origin != Origin.MANUAL or position.initial_stop is not None or not position.quantity_open:
            return "–"
        return format_html(
            '<a href="{}">Give it a stop…</a>', reverse("admin:riskengine_give_stop", args=[position.pk])
        )

    def get_urls(self) -> list:
        wrap = self.admin_site.admin_view
        return [
            path("<int:position_id>/give-stop/", wrap(self.stop_view), name="riskengine_give_stop"),
            *super().get_urls(),
        ]

    def stop_view(self, request: HttpRequest, position_id: int) -> HttpResponse:
        position = self.get_object(request, str(position_id))
        if position is None:
            return redirect(LIST)
        if not may_protect(position, request.user):
            raise PermissionDenied
        form, now = ReasonForm(request.POST or None), timezone.now()
        try:
            proposed = proposal(position, now=now)
            if request.method == "POST" and form.is_valid():
                given = give_stop(position=position, actor=request.user, reason=form.cleaned_data["reason"], now=now)
                messages.success(request, f"{position}: its stop stands at {given.stop.normalize():f}.")
                return redirect(LIST)
        except (NotProtectable, PortfolioBusy) as problem:
            messages.error(request, f"{position}: {problem}")
            return redirect(LIST)
        except ValidationError as problem:
            form.add_error("reason", ErrorList(problem.messages))
        context = {
            "title": f"Give it a stop: {position}",
            "form": form,
            "lines": _lines(position, proposed),
            "button": "Give it this stop",
            "media": form.media,
            "back": reverse(LIST),
            "back_label": "Back to the positions",
        }
        return TemplateResponse(request, "riskengine/admin/act.html", self.admin_site.each_context(request) | context)


def _lines(position: Position, proposed: Proposal) -> list[str]:
    entry = position.average_entry_price.normalize()
    said = (
        f"Bought at the broker at {entry:f} on average. By the rules of its system the stop is "
        f"{proposed.stop.normalize():f}, for all {position.quantity_open:,} contracts, from now on."
    )
    lines = [said]
    if proposed.bid is None or proposed.bid_at is None:
        return [*lines, "Nobody bids for it at the moment, or there is no quote."]
    lines.append(
        f"Its last bid was {proposed.bid.normalize():f}, at {new_york(proposed.bid_at):%H:%M:%S} New York time."
    )
    if proposed.sells_at_once:
        lines.append("That is at or under the stop: the next checks will sell it.")
    return lines
