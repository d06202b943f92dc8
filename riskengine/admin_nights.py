"""Reports of the night in the admin, to look at."""

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from accounts.admin import ReadOnlyAdmin
from riskengine.models import NightReport


@admin.register(NightReport)
class NightReportAdmin(ReadOnlyAdmin):
    """Made by themselves and never changed. A worst loss that is empty is not known."""

    list_display = ["made_at", "portfolio", "session_on", "moment", "positions", "worst_loss", "equity", "page"]
    list_filter = ["portfolio", "moment"]
    date_hierarchy = "session_on"
    ordering = ["-id"]
    list_select_related = ["portfolio"]

    @display(description="page")
    def page(self, report: NightReport) -> SafeString:
        address = reverse("night", args=[report.portfolio.slug])
        return format_html('<a href="{}?report={}">Open</a>', address, report.pk)
