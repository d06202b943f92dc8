"""Settings that make no sense are named before the first request."""

from typing import Any

import pytest
from django.core.checks import run_checks

from betsizing.checks import check_database, check_exposure


def ids(check: Any) -> list[str]:
    return [message.id for message in check()]


def test_default_settings_pass() -> None:
    assert not run_checks()


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"SECRET_KEY": "short"}, ["betsizing.E001"]),
        ({"DEBUG": True, "LOOPBACK_ONLY": False, "SESSION_COOKIE_SECURE": True}, ["betsizing.E002"]),
        ({"ALLOWED_HOSTS": ["*"]}, ["betsizing.E003"]),
        ({"LOOPBACK_ONLY": False, "SESSION_COOKIE_SECURE": False}, ["betsizing.W001"]),
        ({"ALERTS_ALLOW_PRIVATE_TARGETS": True}, ["betsizing.E007"]),
        ({"PROVIDERS_ALLOW_PRIVATE_ADDRESSES": True}, ["betsizing.W002"]),
    ],
)
def test_exposure_is_named(settings: Any, changed: dict[str, Any], expected: list[str]) -> None:
    settings.DEBUG = False
    for name, value in changed.items():
        setattr(settings, name, value)
    assert ids(check_exposure) == expected


def test_database_other_than_postgresql_is_named(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", "django.db.backends.sqlite3")
    assert ids(check_database) == ["betsizing.E004"]


def test_platform_without_embedded_database_is_named(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", "betsizing.embedded.backend")
    monkeypatch.setattr("betsizing.checks.platform", "win32")
    assert ids(check_database) == ["betsizing.E005"]


def test_psycopg_3_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("betsizing.checks.find_spec", lambda name: object())
    assert ids(check_database) == ["betsizing.E006"]
