"""The guide's pictures, of the product's own pages: `python -m docs.screenshots`, or with a folder to write them to.

A scratch database gets the recorded morning of the demo and two bets, the product's checks judge it, and a browser
takes what is listed in tests/browser/test_screenshots.py. CI takes the same ones into a folder of its own.
"""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TAKEN_BY = ROOT / "tests/browser/test_screenshots.py"


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs/images"
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["BETSIZING_SCREENSHOTS"] = str(folder.resolve())
    return pytest.main(["-q", "-p", "no:randomly", f"--rootdir={ROOT}", str(TAKEN_BY)])


if __name__ == "__main__":
    sys.exit(main())
