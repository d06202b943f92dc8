"""Settings that make no sense are found before the first request, each with an id and the way out."""

from collections.abc import Iterator
from importlib.util import find_spec
from sys import platform
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, register

EMBEDDED = "betsizing.embedded.backend"


@register(checks.Tags.security)
def check_exposure(**_: Any) -> Iterator[CheckMessage]:
    """A product on a network must not run as on a desk."""
    if len(settings.SECRET_KEY) < 50:
        yield Error(
            "SECRET_KEY has fewer than 50 characters.",
            hint="Leave it unset and one is generated, or give a long random one.",
            id="betsizing.E001",
        )
    if settings.DEBUG and not settings.LOOPBACK_ONLY:
        yield Error(
            f"DEBUG shows the program's inside to everyone who can reach {', '.join(settings.ALLOWED_HOSTS)}.",
            hint="Unset DEBUG, or leave ALLOWED_HOSTS to this machine.",
            id="betsizing.E002",
        )
    if "*" in settings.ALLOWED_HOSTS:
        yield Error("ALLOWED_HOSTS accepts every name.", hint="Name the hosts that are yours.", id="betsizing.E003")
    if not settings.LOOPBACK_ONLY and not settings.SESSION_COOKIE_SECURE:
        yield checks.Warning(
            "The session cookie also travels over plain http, where it can be read on the way.",
            hint="Serve by https and unset COOKIE_SECURE.",
            id="betsizing.W001",
        )
    if settings.ALERTS_ALLOW_PRIVATE_TARGETS and not settings.DEBUG:
        yield Error(
            "ALERTS_ALLOW_PRIVATE_TARGETS lets alerts be sent into the network this program runs in.",
            hint="Unset it: it is for tests and for a desk with DEBUG.",
            id="betsizing.E007",
        )
    if settings.PROVIDERS_ALLOW_PRIVATE_ADDRESSES and not settings.DEBUG:
        yield checks.Warning(
            "PROVIDERS_ALLOW_PRIVATE_ADDRESSES lets whoever configures a provider ask inside the network this runs in.",
            hint="Unset it, unless a gateway of your own brings the market data.",
            id="betsizing.W002",
        )


@register()
def check_database(**_: Any) -> Iterator[CheckMessage]:
    """One database everywhere: row locks, advisory locks and COPY are PostgreSQL's. Never connects."""
    engine = settings.DATABASES["default"]["ENGINE"]
    if engine not in {EMBEDDED, "django.db.backends.postgresql"}:
        yield Error(
            f"DATABASE_URL leads to {engine}, and only PostgreSQL 15 or newer will do.",
            hint="Use postgres://user:password@host/name, or unset DATABASE_URL for the embedded one.",
            id="betsizing.E004",
        )
    if engine == EMBEDDED and not platform.startswith(("linux", "darwin")):
        yield Error(
            f"There is no embedded database for {platform}.",
            hint="Point DATABASE_URL to a PostgreSQL server.",
            id="betsizing.E005",
        )
    if find_spec("psycopg"):
        yield Error(
            "psycopg 3 is installed, and Django silently prefers it to the psycopg2 that this code is written for.",
            hint="Uninstall psycopg.",
            id="betsizing.E006",
        )
