"""Looking into folders of data: what storage systems leave there is left out, in one place for all readers.

Macs write names with letters and their marks apart (NFD), most other systems together (NFC). Both spell one name.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path

# Of Synology, QNAP, NetApp, macOS archives and Windows; whatever begins with a dot is left out too.
_LEFT_BY_STORAGE = frozenset(
    (
        "@eadir", "@recycle", "@recently-snapshot", "@snapshot", "@tmp", "#recycle", "#snapshot", "~snapshot",
        "__macosx", "lost+found", "$recycle.bin", "system volume information", "thumbs.db", "ehthumbs.db",
        "desktop.ini",
    )
)  # fmt: skip


def is_left_by_storage(path: Path) -> bool:
    """Whether a file or folder is hidden, or one that a storage system or file browser leaves behind.

    >>> [is_left_by_storage(Path(name)) for name in ("@eaDir", ".DS_Store", "Thumbs.db", "scan.dcm")]
    [True, True, True, False]
    """
    return path.name.startswith(".") or path.name.casefold() in _LEFT_BY_STORAGE


def list_folder(folder: Path) -> list[Path]:
    """What lies in a folder, in order of name, without what storage systems leave."""
    return sorted(path for path in folder.iterdir() if not is_left_by_storage(path))


def walk_folder(folder: Path) -> Iterator[Path]:
    """Every file below a folder, without what storage systems leave and whatever lies below that."""
    for path in list_folder(folder):
        if not path.is_dir():
            yield path
        elif not path.is_symlink():  # a link may lead back up
            yield from walk_folder(path)


def spell(name: str) -> str:
    """The one spelling of a name by which files are paired.

    >>> spell("Mu\u0308ller") == "M\u00fcller"
    True
    """
    return unicodedata.normalize("NFC", name)


def find_spelled(path: Path) -> Path:
    """The file of that name in whatever spelling; the path itself where there is none."""
    if path.exists() or not path.parent.is_dir():
        return path
    return next((twin for twin in path.parent.iterdir() if spell(twin.name) == spell(path.name)), path)
