"""What makes many small trainings quicker than users' are, where no test looks at it.

- A configuration file that has not changed is parsed once in a process: PyYAML takes a tenth of a second for a large
  one, which a start reads several times.
- Trainings of test files that say ``PICTURES = "small"`` write pictures of a few pixels: everything is drawn but the
  pixels, which take half of a training of a few steps. The pictures themselves are looked at in ``tests/evaluation``.
- Nobody waits for the disk: a training asks for it two hundred times, some milliseconds each. A killed process loses
  nothing by that, only a machine that loses its power does; ``tests/storage`` proves that it is asked.
- pytest listens to every logger. Torch writes its trace of each export and compilation where somebody listens to it.
"""

from __future__ import annotations

import copy
import functools
import logging
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

VARIABLE = "ADFL_TEST_SMALL_PICTURES"  # set for processes that tests start


def read_configs_once() -> None:
    """From now on this process parses a configuration file once, as long as the file stays as it is."""
    from monai.bundle import ConfigParser

    load = ConfigParser.load_config_file

    @functools.cache
    def parsed(path: str, _time: int, _size: int, _inode: int) -> Any:
        return load(path)

    def load_config_file(filepath: str | Path, **words: Any) -> Any:
        path = Path(filepath)
        if words or not path.is_file():
            return load(filepath, **words)
        status = path.stat()
        return copy.deepcopy(parsed(str(filepath), status.st_mtime_ns, status.st_size, status.st_ino))

    ConfigParser.load_config_file = staticmethod(load_config_file)  # type: ignore[method-assign]


def do_not_wait_for_the_disk() -> None:
    """From now on this process leaves it to the kernel when files and SQLite's databases come to the disk."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def hurry(connection: Any, _record: Any) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous=OFF").close()

    event.listen(Engine, "connect", hurry)
    os.fsync = lambda _descriptor: None


def small_pictures() -> Callable[..., None]:
    """What takes the place of ``Figure.savefig``: PNG files are written with a few pixels, all else as it is."""
    from matplotlib.figure import Figure
    from PIL import Image

    save = Figure.savefig

    def savefig(figure: Figure, path: Any, **words: Any) -> None:
        if words.get("format") == "png":
            Image.new("RGB", (4, 3), "white").save(path, format="png")
        else:
            save(figure, path, **words)

    return savefig


def draw_small_pictures() -> None:
    """From now on figures of this process are written as pictures of a few pixels."""
    from matplotlib.figure import Figure

    Figure.savefig = small_pictures()  # type: ignore[method-assign,assignment]


def be_quicker() -> None:
    """What a process does that a test has started."""
    read_configs_once()
    do_not_wait_for_the_disk()
    if os.environ.get(VARIABLE):
        draw_small_pictures()


def run_of_a_study(*args: Any) -> None:
    """In place of ``launch_local._child``: a run of a study that writes small pictures."""
    from scripts.studies.launch_local import _child

    os.environ[VARIABLE] = "1"
    be_quicker()
    _child(*args)


def leave_torchs_trace_alone() -> None:
    """Keep pytest from listening to torch's trace, which it does where a logger does not propagate."""
    logging.getLogger("torch.__trace").propagate = True
