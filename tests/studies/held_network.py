"""A network whose training waits until it is asked to stop, so that a test can stop it for certain."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from torch import Tensor

from tests.tiny_network import TinyNetwork

PATIENCE = 900  # seconds


class HeldNetwork(TinyNetwork):
    """``TinyNetwork`` that, while a file is there, lets no training iteration but the first pass.

    Args:
        hold: the file. It is waited until it is gone or the training has got a signal to stop.
    """

    def __init__(self, hold: str, in_channels: int = 1, num_classes: int = 2) -> None:
        super().__init__(in_channels, num_classes)
        self.hold = Path(hold)
        self.passed = 0

    def forward(self, image: Tensor) -> Tensor:
        if self.training:
            end = time.monotonic() + PATIENCE
            while self.passed and self.hold.is_file() and not _asked_to_stop() and time.monotonic() < end:
                time.sleep(0.02)
            self.passed += 1
        return super().forward(image)


def _asked_to_stop() -> bool:
    """Whether the training's own handler of SIGTERM has been called."""
    handler = signal.getsignal(signal.SIGTERM)
    return bool(getattr(getattr(handler, "__self__", None), "received", None))
