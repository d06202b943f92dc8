"""Everything at once: database, migrations, demo, web, workers and beat. What ./run calls."""

import errno
import http.client
import os
import signal
import socket
import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import BaseCommand, CommandError, call_command
from django.db import OperationalError, connection

from betsizing.embedded.supervisor import Child, Supervisor, say
from positions.services.reconciliation import await_reconciliation

MIGRATION_LOCK = 0x626574  # any number of our own: several `up` on one database migrate one after another
QUEUES = ("exit", "orders", "risk", "work", "market")  # each its own worker: a slow task of one never delays another


class Command(BaseCommand):
    help = "Migrate, load the demo when the database is empty, and run web, workers and beat until Ctrl-C."
    requires_system_checks = "__all__"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
        parser.add_argument("--port", type=int, default=8000, help="port to listen on; 0 takes a free one")

    def handle(self, *, host: str, port: int, **_: Any) -> None:
        listener = listen(host, port)
        address, port = listener.getsockname()[:2]
        say("up", "preparing the database")
        try:
            prepare_database()
        except OperationalError as error:
            raise CommandError(f"The database cannot be used. {str(error).strip()}") from error
        connection.close()
        reason = Supervisor([web(listener), *queue_processes()], when_started=lambda: announce(address, port)).run()
        if reason:
            raise CommandError(reason)
        say("up", "stopped")


def listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(512)
    except (OSError, OverflowError) as error:
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            raise CommandError(
                f"Port {port} is taken by another program. Choose another: ./run --port {port + 1}"
            ) from error
        raise CommandError(f"Cannot listen on {host} port {port}: {error}") from error
    return listener


def prepare_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        try:
            call_command("migrate", verbosity=0, interactive=False)
            await_reconciliation()
            if get_user_model().objects.exists():
                call_command("restart_recordings")
            else:
                call_command("load_demo")
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])


def web(listener: socket.socket) -> Child:
    proxies = ",".join(settings.TRUSTED_PROXIES)
    command = ["-m", "betsizing.embedded.web", "--fd", str(listener.fileno()), "--trusted-proxies", proxies]
    return Child("web", [sys.executable, *command], pass_fds=[listener.fileno()])


def queue_processes() -> list[Child]:
    """Workers and beat, as soon as there is something periodic to do: without it they would only idle."""
    if not settings.CELERY_BEAT_SCHEDULE:
        return []
    # Celery warns against root; in a container root is the ordinary case, and only JSON is accepted as a message.
    hush = ["-W", "ignore:You're running the worker with superuser privileges"]
    celery = [sys.executable, *hush, "-m", "celery", "--app", "betsizing", "--quiet"]
    os.environ["CELERY_SKIP_CHECKS"] = "1"  # made when this command began; each worker would take a second for them
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING"]
    workers = [
        Child(queue, [*celery, "worker", "--queues", queue, "--hostname", f"{queue}@%h", *quiet]) for queue in QUEUES
    ]
    beat = [*celery, "beat", "--loglevel", "WARNING", "--pidfile", ""]
    # Celery's beat saves itself in its SIGTERM handler, under a lock that a second signal waits for within the first:
    # it would hang for good, alive and silent. It has nothing to save: a killed supervisor takes it along at once.
    return [*workers, Child("beat", beat, lives_by_the_clock=True, orphaned_by=signal.SIGKILL)]


def announce(address: str, port: int) -> None:
    """Say where, once it is true."""
    host = f"[{address}]" if ":" in address else address
    while True:
        request = http.client.HTTPConnection(address, port, timeout=5)
        try:
            request.request("GET", "/healthz", headers={"Host": settings.ALLOWED_HOSTS[0].lstrip(".")})
            if request.getresponse().status == http.client.OK:
                break
        except OSError:
            pass
        finally:
            request.close()
        time.sleep(0.1)
    say("up", f"ready on http://{host}:{port}/  (end with Ctrl-C)")
