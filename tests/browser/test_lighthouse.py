"""What Lighthouse says of the desk and the ticket: 95 or more of 100, on a computer and on a phone.

It measures, so nothing else may run beside it: `./test -n 0 tests/browser/test_lighthouse.py`. It is a node program of
its own (Apache-2.0, nothing of it is shipped), fetched by npm into the environment on first use.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser import market
from tests.browser.conftest import sign_in
from tests.browser.test_size import ASKED

ALONE = "Lighthouse measures: nothing may run beside it. ./test -n 0 tests/browser/test_lighthouse.py"
pytestmark = [pytest.mark.browser, pytest.mark.skipif("PYTEST_XDIST_WORKER" in os.environ, reason=ALONE)]
ROOT = Path(__file__).resolve().parent.parent.parent

VERSION = "12.8.2"
LOWEST = 0.95
FLAGS = "--headless=new --no-sandbox --disable-gpu"


@pytest.fixture(scope="module")
def lighthouse() -> Path:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("Lighthouse needs node with npm, and there is none on the path.")
    folder = ROOT / ".venv" / f"lighthouse-{VERSION}"
    program = folder / "node_modules" / ".bin" / "lighthouse"
    if not program.exists():
        wanted = ["install", "--no-audit", "--no-fund", "--prefix", str(folder), f"lighthouse@{VERSION}"]
        subprocess.run([npm, *wanted], check=True, capture_output=True, timeout=300)
    return program


@pytest.fixture(scope="module")
def cookies(chromium: Browser, site: str) -> str:
    state: Any = sign_in(chromium, site, "demo", market.PASSWORD)
    return "; ".join(f"{cookie['name']}={cookie['value']}" for cookie in state["cookies"])


def run(asked: list[str], environment: dict[str, str]) -> None:
    """Once more where it ends without a report: its browser did not come up. A low score is a report."""
    for _ in range(2):
        done = subprocess.run(asked, capture_output=True, text=True, timeout=180, env=environment)
        if done.returncode == 0:
            return
        print(done.stderr)
    pytest.fail("Lighthouse ended twice without a report; what it said stands above.")


@pytest.mark.parametrize("device", ["computer", "phone"])
@pytest.mark.parametrize("path", ["/desk/", ASKED])
def test_the_desk_and_the_ticket_are_fast_accessible_and_sound(
    lighthouse: Path, cookies: str, site: str, chromium_path: str, tmp_path: Path, path: str, device: str
) -> None:
    report = tmp_path / "report.json"
    asked = [
        str(lighthouse),
        f"{site}{path}",
        "--quiet",
        "--output=json",
        f"--output-path={report}",
        "--only-categories=performance,accessibility,best-practices",
        f"--chrome-flags={FLAGS}",
        f"--extra-headers={json.dumps({'Cookie': cookies})}",
        *(["--preset=desktop"] if device == "computer" else []),
    ]
    run(asked, os.environ | {"CHROME_PATH": chromium_path})
    said = json.loads(report.read_text())
    assert said["finalDisplayedUrl"].startswith(f"{site}{path.partition('?')[0]}"), "it saw the page, not the sign-in"
    scores = {name: category["score"] for name, category in said["categories"].items()}
    wrong = [
        f"{audit['title']}: {audit.get('displayValue', '')}"
        for audit in said["audits"].values()
        if audit["score"] is not None and audit["score"] < 0.9
    ]
    print(f"Lighthouse {VERSION}, {path.partition('?')[0]} on a {device}: {scores}")
    assert set(scores) == {"performance", "accessibility", "best-practices"}
    assert min(scores.values()) >= LOWEST, f"{scores}; {'; '.join(wrong)}"
