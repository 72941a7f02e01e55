"""Reading configuration files as MONAI does, each once: YAML takes a tenth of a second for ``train.yaml``."""

from __future__ import annotations

import copy
import re
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from ..errors import UserError

TWICE = re.compile(r"Duplicate key: `(.*)`")  # MONAI's words
BASE_CONFIG = Path(__file__).resolve().parents[2] / "configs" / "train.yaml"


def load_config(path: str | Path = BASE_CONFIG) -> dict[str, Any]:
    """The top-level keys of a configuration file; a file that has changed is read again.

    Raises:
        OSError: it can't be read.
        UserError: it holds no keys, is no YAML or JSON, or has a key twice, of which the last alone would count.
    """
    path = Path(path)
    return copy.deepcopy(_load(path, path.stat().st_mtime_ns))


@lru_cache(maxsize=64)
def _load(path: Path, _changed: int) -> dict[str, Any]:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            config = ConfigParser.load_config_file(path)
        except OSError:
            raise
        except Exception as error:  # yaml, json and MONAI each raise their own
            raise UserError(f"{path} can't be read as a configuration: {' '.join(str(error).split())[:200]}") from error
    for warning in said:
        if twice := TWICE.match(str(warning.message)):
            raise UserError(f"{path} has the key '{twice[1]}' twice, and only the last would count; leave one of them")
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    if not isinstance(config, dict):
        raise UserError(f"{path} holds no keys of a configuration; write lines such as 'key: value'")
    return config
