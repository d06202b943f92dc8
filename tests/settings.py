"""The product's settings, except for what would make tests slow or depend on one another."""

import os
from pathlib import Path

os.environ.setdefault("BETSIZING_DATA", str(Path(__file__).resolve().parent.parent / ".data-test"))

from betsizing.settings import *  # noqa: F403 (below the line above, which they read)
from betsizing.settings import DATABASES, REST_FRAMEWORK

if "HOME" in DATABASES["default"]:
    DATABASES["default"]["THROWAWAY"] = True  # a cluster of its own that never waits for the disk

WHITENOISE_AUTOREFRESH = True  # a file is looked for when it is asked for, not all of them by each client
AXES_ENABLED = False  # a test of the throttle switches it on; the others sign in as often as they like
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
REST_FRAMEWORK = REST_FRAMEWORK | {"DEFAULT_THROTTLE_CLASSES": []}
