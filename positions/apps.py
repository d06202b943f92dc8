from django.apps import AppConfig


class PositionsConfig(AppConfig):
    """What is held, what it is worth, how it trades."""

    name = "positions"
    verbose_name = "Positions and market data"
    default_auto_field = "django.db.models.BigAutoField"
