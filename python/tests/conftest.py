"""The package is the one of these sources, with the module that `scripts/test-python` built."""

from __future__ import annotations

import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).parent))

import routefuse  # noqa: E402


@pytest.fixture(scope="session")
def engine():
    """One engine for all, without a cache on disk: what is counted was done here."""
    return routefuse.Engine()


def pytest_runtest_logreport(report):
    """A skipped test is counted among those of the whole project, where that is asked for."""
    counted = os.environ.get("ROUTEFUSE_SKIPS")
    if counted and report.skipped:
        _, _, reason = report.longrepr
        with open(counted, "a") as file:
            file.write(f"Python: {reason.removeprefix('Skipped: ')}\n")
