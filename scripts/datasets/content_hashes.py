"""Hashes of the content of raw files, kept so that no file is read twice for them.

A copy of a data set has other times and the same content, and must be known as the same data. Reading everything at
each start would take as long as the disk needs; a file whose size and time of change are known is not read again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from ..errors import UserError
from ..storage.atomic_files import write_text
from .threads import run_in_threads

HASHES_JSON = ".content-hashes.json"
_BLOCK = 1_048_576

logger = logging.getLogger(__name__)


class ContentHashes:
    """Hashes by file, with those of earlier starts where the files have not changed since.

    A file is known by its device and inode, so that what is kept holds no path.

    Args:
        folder: holds the file of earlier hashes, which need not be there.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / HASHES_JSON
        self._known = _read(self._path)
        self._used: dict[str, str] = {}

    def of(self, files: Sequence[Path], num_workers: int | None = None) -> list[str]:
        """The hash of each file; those that are not known are read, several at once.

        Raises:
            ValueError: a file can't be read.
        """
        keys = [_key(file) for file in files]
        unknown = {key: file for key, file in zip(keys, files, strict=True) if key not in self._known}
        if unknown:
            read = run_in_threads(
                hash_content, list(unknown.values()), title="reading for the fingerprint", num_workers=num_workers
            )
            self._known |= dict(zip(unknown, read, strict=True))
        self._used |= {key: self._known[key] for key in keys}
        return [self._known[key] for key in keys]

    def save(self) -> None:
        """Keep the hashes for the next start, as far as the folder lets itself be written to."""
        known = _read(self._path)
        if self._used.items() <= known.items():
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_text(self._path, json.dumps(known | self._used, indent=0, sort_keys=True) + "\n")
        except OSError as error:
            logger.debug("%s is not written (%s); the files will be read again", self._path.name, error)


def hash_content(path: Path) -> str:
    """A hash of a file's bytes, read a block at a time.

    Raises:
        ValueError: it can't be read.
    """
    digest = hashlib.blake2b(digest_size=16)
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise UserError(
            f"can't be read ({error.strerror}); correct its permissions or copy it again", path=path
        ) from None
    return digest.hexdigest()


def _key(path: Path) -> str:
    status = os.stat(path)
    return f"{status.st_dev}-{status.st_ino}-{status.st_size}-{status.st_mtime_ns}"


def _read(path: Path) -> dict[str, str]:
    """What was kept, empty where there is nothing or it can't be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) and all(isinstance(v, str) for v in content.values()) else {}
