"""Pages and API: synchronous. asgi.py serves this on threads beside the live streams."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "betsizing.settings")

application = get_wsgi_application()
