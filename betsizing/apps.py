from django.apps import AppConfig


class BetsizingConfig(AppConfig):
    name = "betsizing"
    verbose_name = "Site"

    def ready(self) -> None:
        # Here and not in the package's __init__: the keeper of the database and the pure calculators need no Celery.
        from betsizing import celery, checks  # noqa: F401
