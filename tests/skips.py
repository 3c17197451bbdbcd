"""Tests that need more than Python: skipped with a reason, but where nothing may be skipped unseen."""

import os
from typing import NoReturn

import pytest


def skip(reason: str) -> NoReturn:
    """Skips the test, or fails it where STEPLADDER_SKIP_NOTHING is set, as .ci/run does once all is installed."""
    (pytest.fail if os.environ.get("STEPLADDER_SKIP_NOTHING") else pytest.skip)(reason)
