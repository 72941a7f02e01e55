from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from scripts.storage.locks import file_lock


def test_a_lock_is_given_back_although_a_forked_process_has_its_file_open(tmp_path: Path) -> None:
    with file_lock(tmp_path / "lock"):
        child = os.fork()
        if child == 0:
            time.sleep(1000)
            os._exit(0)
    try:
        began = time.monotonic()
        with file_lock(tmp_path / "lock"):
            assert time.monotonic() - began < 60
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
