#!/usr/bin/env python
"""Django's command line for this project."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import OperationalError, ProgrammingError

BATCH = (["replay"], ["run_stored_replay"])  # they draw no page
UNDEFINED_TABLE = "42P01"  # PostgreSQL's code


def main() -> None:
    settings = "betsizing.batch_settings" if sys.argv[1:2] in BATCH else "betsizing.settings"
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", settings)
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"betsizing: {error}")  # the sentence is for a person; a traceback through Django would bury it
    except ProgrammingError as error:
        if getattr(error.__cause__, "pgcode", "") != UNDEFINED_TABLE:
            raise
        sys.exit("betsizing: the database has no tables yet, or older ones. Make them: manage.py migrate (or ./run).")
    except OperationalError as error:
        sys.exit(f"betsizing: The database cannot be used. {str(error).strip()}")
    except KeyboardInterrupt:
        sys.exit(130)  # as shells report it


if __name__ == "__main__":
    main()
