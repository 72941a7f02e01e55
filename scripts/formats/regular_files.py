"""What may be opened as a file: a regular file that this user may read, and no pipe, device or socket.

Opening a pipe waits for whoever writes into it, a device may never end, and both stand in folders under any name.
"""

from __future__ import annotations

import json
import os
import stat
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import MissingFileError, UserError
from .limits import MAX_JSON_BYTES


def check_regular_file(path: str | Path) -> None:
    """Refuse what can't be read to its end; a link to a regular file is one.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is a folder, pipe, device or socket, or this user may not read it.
    """
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise MissingFileError("does not exist; check the path", path=path) from None
    except OSError as error:  # a chain of links without end, a folder that may not be entered
        raise UserError(f"can't be looked at ({error.strerror}); check the path", path=path) from None
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe, device or socket"
        raise UserError(f"is {kind}, not a file; remove it or name a file", path=path)
    if not os.access(path, os.R_OK):
        raise UserError("may not be read by this user; change its permissions", path=path)


def read_json(path: str | Path, remedy: str) -> Any:
    """The content of a JSON file in UTF-8, -16 or -32, with or without a byte-order mark.

    Args:
        path: the file.
        remedy: what to do about a file that is no JSON.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no file, too long, no JSON, or gives one key twice, of which Python takes the last.
    """
    check_regular_file(path)
    if Path(path).stat().st_size > MAX_JSON_BYTES:
        raise UserError(f"has more than {MAX_JSON_BYTES} bytes; give the JSON file that is meant", path=path)
    try:
        return json.loads(Path(path).read_bytes(), object_pairs_hook=partial(_table, path), parse_constant=_refuse)
    except UserError:
        raise
    except (ValueError, RecursionError):
        raise UserError(f"is no readable JSON; {remedy}", path=path) from None


def _table(path: str | Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(f"holds the key {twice!r} twice; leave the right one", path=path)
    return table


def _refuse(word: str) -> Any:
    """NaN and Infinity, which no JSON has."""
    raise ValueError(word)
