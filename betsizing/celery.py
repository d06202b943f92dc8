"""The task queue. Settings are those of settings.py that begin with CELERY_; tasks live in each app's tasks.py."""

import faulthandler
import os
from typing import Any

from celery import Celery
from celery.contrib.django.task import DjangoTask

from betsizing.embedded import broker

STDERR = 2  # by number: a worker puts a logger in the place of sys.stderr

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "betsizing.settings")
broker.register()


class Task(DjangoTask):
    """A task that ends its process when it outlasts its `time_limit`, saying where it hung (docs/decisions/0015).

    A thread of the interpreter's own watches it, so that it ends also where no signal handler would come to run.
    """

    abstract = True

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        if not self.time_limit or self.request.called_directly or self.request.is_eager:
            return super().__call__(*arguments, **named)
        faulthandler.dump_traceback_later(self.time_limit, exit=True, file=STDERR)
        try:
            return super().__call__(*arguments, **named)
        finally:
            faulthandler.cancel_dump_traceback_later()


app = Celery("betsizing", task_cls=Task)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
