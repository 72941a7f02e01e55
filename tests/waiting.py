"""Waiting for what another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable

SECONDS = 240  # that something may take before a test gives it up: a busy machine is tens of times as slow


def wait_until(true: Callable[[], object], seen: Callable[[], object], seconds: float = SECONDS) -> None:
    """Wait until something is true.

    Args:
        true: asked every few hundredths of a second.
        seen: what the message says when it does not happen.
        seconds: to wait at most.

    Raises:
        AssertionError: it did not happen.
    """
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"it did not happen within {seconds} s; seen: {seen()}")
        time.sleep(0.03)
