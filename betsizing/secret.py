"""Secrets that the product makes for itself: random text in a file that only its owner can read."""

import os
import secrets
import tempfile
from pathlib import Path


def read_or_create(path: Path) -> str:
    """The secret kept in `path`, made on the first call. Simultaneous first calls all get the same one."""
    try:
        return path.read_text()
    except FileNotFoundError:
        pass
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # mkstemp gives mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(64))
        # A link appears whole or not at all and never replaces: whoever comes second reads the winner's secret.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        Path(draft).unlink()
    return path.read_text()
