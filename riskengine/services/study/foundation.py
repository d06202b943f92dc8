"""What every replay begins with: tables, sessions of the exchange, daily closes, VIX, fundamentals, the two profiles.

It is put into a template database once for its content (`betsizing.scratch`). Quotes, bars and portfolios come with
the replay, so that nothing of a recorded day is there but what the caller gives.
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from django.apps import apps
from django.core.management import call_command
from django.db import transaction

from accounts.models import User
from betsizing.scratch import Template
from positions import recorded
from positions.services import demo
from positions.services.imports import cell

OWNER = "replay"
SEEDED_AT = datetime(2000, 1, 1, tzinfo=UTC)  # wall time of what a template holds: the same in every one
BASE = (recorded.SESSIONS, recorded.CLOSES, recorded.INDEX_CLOSES, recorded.VIX, recorded.FUNDAMENTALS)


def foundation() -> Template:
    """Another one without the tables of apps that a batch command leaves out: neither makes the other anew."""
    kind = "wholereplay" if apps.is_installed("django.contrib.admin") else "replay"
    return Template(kind=kind, digest=_digest(), fill=_fill)


def _digest() -> str:
    """By content: a changed migration, number, recording or way of reading one makes another template."""
    content = hashlib.sha256()
    for file in _sources():
        content.update(file.name.encode() + file.read_bytes())
    return content.hexdigest()[:12]


def _sources() -> Iterator[Path]:
    for config in apps.get_app_configs():
        yield from sorted((Path(config.path) / "migrations").glob("*.py"))
    project = Path(recorded.FOLDER).parent.parent
    yield from sorted((project / "accounts").glob("*.py"))
    yield from sorted(Path(cell.__file__).parent.glob("*.py"))
    yield from (Path(demo.__file__), Path(__file__), recorded.OVERRIDES, *BASE)


def _fill() -> None:
    call_command("migrate", verbosity=0, interactive=False)
    with transaction.atomic():
        demo.import_recordings(tuple(each for each in demo.RECORDINGS if each.path in BASE))
        demo.alias_goog_closes()
        demo.record_goog_earnings()
        demo.create_profiles(SEEDED_AT)
        User.objects.create_user(username=OWNER)  # without a password nobody signs in as it
