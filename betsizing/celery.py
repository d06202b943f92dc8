"""The task queue. Settings are those of settings.py that begin with CELERY_; tasks live in each app's tasks.py."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "betsizing.settings")

app = Celery("betsizing")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
