"""Timing on one core: wall and CPU, best and median of several runs."""

import gc
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of one call."""

    best: float
    median: float
    cpu: float

    def __str__(self) -> str:
        return f"best {shown(self.best)}, median {shown(self.median)}, CPU (best) {shown(self.cpu)}"


def shown(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def pin_to_one_core() -> str:
    """Keep this process on one core where the system can. Says what was done."""
    if not hasattr(os, "sched_setaffinity"):
        return "not pinned: this system cannot"
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return f"pinned to core {core}"


def machine() -> str:
    return f"Python {platform.python_version()}, numpy {np.__version__}, {platform.machine()}, {os.cpu_count()} cores"


def measure(call: Callable[[], Any], *, runs: int, calls: int = 1) -> Timing:
    """Time `runs` times `calls` calls, after one call that is not counted. The garbage collector is left on."""
    call()
    walls, cpus = [], []
    for _ in range(runs):
        gc.collect()
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(calls):
            call()
        cpus.append((time.process_time() - cpu) / calls)
        walls.append((time.perf_counter() - wall) / calls)
    return Timing(min(walls), statistics.median(walls), min(cpus))
