"""One process, two ways: live streams under /sse/ on the event loop, everything else on threads.

Synchronous views behind Django's ASGI handler were 3.7 times slower and leaked database connections; a stream on a
thread would hold that thread for hours. See docs/decisions/0004-web-hybrid.md.
"""

import os
from typing import Any

from a2wsgi import WSGIMiddleware
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "betsizing.settings")

THREADS = 10  # each keeps one database connection

streams = get_asgi_application()

from betsizing.wsgi import application as wsgi_application  # noqa: E402 (after the set-up above)

pages = WSGIMiddleware(wsgi_application, workers=THREADS)


async def application(scope: Any, receive: Any, send: Any) -> None:
    serve = streams if scope["path"].startswith("/sse/") else pages
    await serve(scope, receive, send)
