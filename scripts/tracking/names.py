"""Names as MLflow takes them."""

from __future__ import annotations

import hashlib
import posixpath
import re

LONGEST = 250  # characters of the name of a metric, parameter or tag
_UNSAFE = re.compile(r"[^/\w.\- :]+")


def safe_name(name: str) -> str:
    """A name that MLflow takes: the same where it can be, else a readable one that no other name gets.

    MLflow takes letters and digits of any script, ``_ - . : /`` and spaces, at most 250 of them, and no empty or
    dotted part between slashes. Everything else becomes ``_``, and six hexadecimal digits of the name's SHA-256 tell
    names apart that would become equal.

    >>> safe_name("val/dice/prostate"), safe_name("val/dice/prostate (PZ+TZ)")
    ('val/dice/prostate', 'val/dice/prostate _PZ_TZ_-ee39e1')
    """
    parts = [part if part.strip(".") else "_" * max(len(part), 1) for part in name.split("/")]
    safe = _UNSAFE.sub("_", "/".join(parts))
    if safe == name and len(name) <= LONGEST and posixpath.normpath(name) == name:
        return name
    mark = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:6]
    return f"{safe[: LONGEST - 7]}-{mark}"
