"""The product's settings, with a paper broker that can be told to fail."""

from betsizing.settings import *  # noqa: F403
from betsizing.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.crash.faulty_broker.FaultyBroker"]
