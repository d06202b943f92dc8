"""Settings of a batch command: the product's, without the apps that only pages and the API need.

Loading those takes half a second of processor time, which a replay of one position would spend on nothing (manage.py).
"""

from betsizing.settings import *  # noqa: F403

INSTALLED_APPS = ["accounts", "positions", "riskengine", "django.contrib.auth", "django.contrib.contenttypes"]
