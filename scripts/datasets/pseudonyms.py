"""Names that tell nothing of a person: salted hashes of what the files are called."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from .cases import Case

SALT_VARIABLE = "ADFL_SALT"
_SALT_FILE = ".salt"
_DIGITS = 12  # of the hash; 48 bits, so that ten thousand cases clash once in five million data sets


def publish(cases: Sequence[Case], folder: Path) -> list[Case]:
    """Give private cases and their patients hashed names; others keep theirs.

    Args:
        cases: what an adapter found.
        folder: holds the salt, which is drawn at the first call; ``ADFL_SALT`` comes first, and gives the same names on
            several machines.
    """
    if not any(case.private for case in cases):
        return list(cases)
    salt = _read_salt(folder)
    return [
        replace(case, name=f"case-{_hash(salt, case.name)}", patient=f"patient-{_hash(salt, case.patient)}")
        if case.private
        else case
        for case in cases
    ]


def _hash(salt: str, name: str) -> str:
    return hmac.new(salt.encode(), os.fsencode(name), hashlib.sha256).hexdigest()[:_DIGITS]


def _read_salt(folder: Path) -> str:
    """The salt of ``ADFL_SALT``, or else of the folder, drawn where there is none yet."""
    if os.environ.get(SALT_VARIABLE):
        return os.environ[SALT_VARIABLE]
    path = folder / _SALT_FILE
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f"{_SALT_FILE}.{os.getpid()}.{secrets.token_hex(4)}"
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_hex(16))
        try:
            os.link(draft, path)  # whole, and only where nobody was faster
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
