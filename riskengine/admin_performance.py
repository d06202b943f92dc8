"""What is kept of each account's record, to look at."""

from django.contrib import admin

from accounts.admin import ReadOnlyAdmin
from riskengine.models import DailyPerformance


@admin.register(DailyPerformance)
class DailyPerformanceAdmin(ReadOnlyAdmin):
    """Written by themselves when a session is over, and never changed."""

    list_display = ["session_on", "portfolio", "equity_start", "equity_end", "deposits", "profit", "trades", "wins"]
    list_filter = ["portfolio"]
    date_hierarchy = "session_on"
    ordering = ["-session_on", "portfolio"]
    list_select_related = ["portfolio"]
