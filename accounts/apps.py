from django.apps import AppConfig, apps


class AccountsConfig(AppConfig):
    """Who may do what, under which parameters."""

    name = "accounts"
    verbose_name = "Accounts and risk parameters"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        if apps.is_installed("drf_spectacular"):
            from accounts import schema  # noqa: F401 (drf-spectacular registers it on import)
