"""The settings of a batch command, on the cluster of the tests."""

import os

from betsizing import batch_settings
from tests.settings import *  # noqa: F403
from tests.settings import DATABASES

INSTALLED_APPS = batch_settings.INSTALLED_APPS

# A process that a test starts works on that test's database.
if name := os.environ.get("BETSIZING_TEST_DATABASE"):
    DATABASES["default"]["NAME"] = name
