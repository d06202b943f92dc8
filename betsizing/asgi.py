"""One process, two ways: the live stream of the desk on the event loop, everything else on threads.

Synchronous views behind Django's ASGI handler were 3.7 times slower and leaked database connections; a stream on a
thread would hold that thread for hours. See docs/decisions/0004-web-hybrid.md.
"""

import os
from typing import Any

from a2wsgi import WSGIMiddleware
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "betsizing.settings")

THREADS = 10  # each keeps one database connection

get_asgi_application()  # sets Django up

from betsizing.wsgi import application as wsgi_application  # noqa: E402 (after the set-up above)
from riskengine.views.live import stream  # noqa: E402 (the same)

pages = WSGIMiddleware(wsgi_application, workers=THREADS)


async def application(scope: Any, receive: Any, send: Any) -> None:
    serve = stream if scope["path"] == "/sse/desk/" else pages
    await serve(scope, receive, send)
