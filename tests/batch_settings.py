"""The settings of a batch command, on the cluster of the tests."""

from betsizing.batch_settings import INSTALLED_APPS as INSTALLED_APPS
from tests.settings import *  # noqa: F403
