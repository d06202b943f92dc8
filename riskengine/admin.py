"""What the guards remember, in the admin."""

from riskengine import admin_alerts

__all__ = ["admin_alerts"]
