"""What the admin pages of this room have in common."""

from typing import Any

from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from accounts.admin import ReadOnlyAdmin

__all__ = ["KeptAdmin", "ReadOnlyAdmin", "ReadOnlyInline"]


class ReadOnlyInline(TabularInline):
    extra = 0
    can_delete = False
    show_change_link = True
    tab = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class KeptAdmin(ModelAdmin):
    """Reference data: added and corrected by people and imports, never deleted (other rows refer to it)."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
