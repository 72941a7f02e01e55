"""A home for a process whose user has none, as a bare UID in a container."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path


def provide_home() -> None:
    """Where no home can be found, make ``HOME`` an empty folder that lasts as long as the process.

    MLflow can't be imported without one. A home that is there but can't be written is left as it is.
    """
    try:
        Path.home()
    except RuntimeError:
        home = tempfile.mkdtemp(prefix="home-")
        os.environ["HOME"] = home
        atexit.register(shutil.rmtree, home, ignore_errors=True)
        for name in [name for name in sys.modules if name.split(".")[0] == "mlflow"]:
            del sys.modules[name]  # what is left of MONAI's attempt to import it
