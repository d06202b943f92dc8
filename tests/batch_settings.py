"""The settings of a batch command, on the cluster of the tests."""

import os

from betsizing.batch_settings import INSTALLED_APPS as INSTALLED_APPS
from tests.settings import *  # noqa: F403
from tests.settings import DATABASES

# A process that a test starts works on that test's database.
if name := os.environ.get("BETSIZING_TEST_DATABASE"):
    DATABASES["default"]["NAME"] = name
