"""What adapters share: looking at a folder, and pairing files by name."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from ...errors import MissingFileError, UserError
from ...formats.listing import list_folder, spell

_ENDINGS = (".nii.gz",)
# Of images, wherever one of them is not wanted: left out, its case would be missing without a word.
_IMAGES = frozenset(
    (
        ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".jp2", ".j2k", ".heic",
        ".heif", ".avif", ".ico", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".nii", ".gz", ".bz2", ".xz", ".zst", ".hdr",
        ".img", ".mhd", ".mha", ".nrrd", ".nhdr", ".mgz", ".mgh", ".mnc", ".npy", ".npz", ".dcm", ".dicom", ".ima",
    )
)  # fmt: skip


def open_root(dataset_dir: str | Path, expected: str) -> Path:
    """The folder of a data set.

    Raises:
        FileNotFoundError: it is no folder; the message says what it should hold.
    """
    root = Path(dataset_dir).expanduser().resolve()
    if not root.is_dir():
        raise MissingFileError(f"dataset_dir {root} is not a folder; give the folder that holds {expected}")
    return root


def stem_of(path: Path) -> str:
    """A file's name without its ending, ``.nii.gz`` being one ending; a folder's whole name; in one spelling."""
    if path.is_dir():
        return spell(path.name)
    for ending in _ENDINGS:
        if path.name.lower().endswith(ending):
            return spell(path.name[: -len(ending)])
    return spell(path.stem)


def files_by_stem(folder: Path, wanted: Callable[[Path], bool], *, optional: bool = False) -> dict[str, Path]:
    """The wanted files of a folder by their stems, in order; what storage systems leave is not seen.

    Raises:
        FileNotFoundError: there is no such folder, or no wanted file in it and ``optional`` is False.
        ValueError: two files have one stem, so that no one can tell which is meant, or an image is of another format.
    """
    if not folder.is_dir():
        raise MissingFileError("is not a folder; the expected tree is in docs/datasets.md", path=folder)
    found: dict[str, Path] = {}
    for path in list_folder(folder):
        if not wanted(path):
            _refuse_image(path)
        elif found.setdefault(stem_of(path), path) is not path:
            raise UserError(f"{path} and {found[stem_of(path)].name} have the same stem; keep one of them")
    if not found and not optional:
        raise MissingFileError(f"{folder} holds no file of a known format; the expected tree is in docs/datasets.md")
    return found


def _refuse_image(path: Path) -> None:
    if path.suffix.lower() in _IMAGES and not path.is_dir():
        raise UserError("is of a format that is not read here (docs/datasets.md); convert it or remove it", path=path)


def refuse_lone(images: dict[str, Path], masks: dict[str, Path]) -> None:
    """Refuse images without a mask and masks without an image.

    Raises:
        FileNotFoundError: names the first that stands alone.
    """
    for stem, path in images.items():
        if stem not in masks:
            raise MissingFileError(f"{path} has no mask: none is called {stem}; add it or remove the image")
    for stem, path in masks.items():
        if stem not in images:
            raise MissingFileError(f"{path} has no image: none is called {stem}; add it or remove the mask")


def patient_of(stem: str, pattern: str | None) -> str:
    """Find whom a file shows: the whole stem, or what the group of a pattern finds in it.

    >>> patient_of("p07_left", "(p[0-9]+)_")
    'p07'

    Raises:
        ValueError: the pattern is no pattern, has not one group, or finds nothing.
    """
    if pattern is None:
        return stem
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UserError(f"patient_pattern {pattern!r} is no regular expression: {error}; correct it") from None
    match = compiled.search(stem)
    if compiled.groups != 1 or match is None or not match[1]:
        raise UserError(f"patient_pattern {pattern!r} must have one group and match {stem!r}; correct it")
    return match[1]
