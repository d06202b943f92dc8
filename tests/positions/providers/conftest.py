"""What tests of providers stand on: a server that plays them, and permission to reach it."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.positions.providers.played import Stage, stage


@pytest.fixture
def played(settings: Any) -> Iterator[Stage]:
    settings.PROVIDERS_ALLOW_PRIVATE_ADDRESSES = True
    with stage() as here:
        yield here
