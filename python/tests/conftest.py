"""The package is the one of these sources, with the module that `scripts/test-python` built."""

from __future__ import annotations

import os
import pathlib
import sys

import pytest

if not os.environ.get("ROUTEFUSE_INSTALLED"):
    sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).parent))

import routefuse  # noqa: E402


@pytest.fixture(scope="session")
def engine():
    """One engine for all, without a cache on disk: what is counted was done here."""
    return routefuse.Engine()
