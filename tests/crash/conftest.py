"""`pytest tests/crash` kills ten times, `--long` a hundred times; `--crash-seed` plays a run again."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="crash tests: 100 kills in place of 10")
    parser.addoption("--crash-seed", type=int, default=None, help="crash tests: the seed of a run to be played again")
