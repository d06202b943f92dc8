"""A task that outlasts its limit ends its process and says where it hung."""

import subprocess
import sys

from betsizing.embedded.cluster import CHECKOUT

RUN = """
import sys, time
from betsizing.celery import app

@app.task(time_limit=0.5)
def task():
    time.sleep(float(sys.argv[1]))

task.push_request(called_directly=sys.argv[2] == "directly", is_eager=False)
task()
time.sleep(0.7)
print("goes on")
"""


def run(seconds: float, how: str = "by a worker") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", RUN, str(seconds), how]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False)


def test_a_task_that_hangs_ends_its_process_and_shows_the_line() -> None:
    ended = run(60)
    assert ended.returncode == 1
    assert "Timeout (0:00:00.5" in ended.stderr
    assert "in task" in ended.stderr


def test_a_task_in_time_leaves_no_watchdog_behind() -> None:
    ended = run(0.01)
    assert (ended.returncode, ended.stdout) == (0, "goes on\n"), ended.stderr


def test_a_task_called_as_a_function_has_no_limit() -> None:
    ended = run(0.8, "directly")
    assert (ended.returncode, ended.stdout) == (0, "goes on\n"), ended.stderr
