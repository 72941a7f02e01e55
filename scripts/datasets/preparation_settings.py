"""The settings of preparing: checked once, and with the cases a fingerprint."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..formats.listing import spell
from ..formats.reading import source_files
from ..palette import has_background
from .cases import Case
from .content_hashes import hash_content
from .slice_grid import PixelSpacing

HashFiles = Callable[[Sequence[Path]], list[str]]

FORMAT = 5  # of the prepared folder; raised whenever the same input gives other bytes
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Settings:
    """What a prepared data set depends on beside its cases; see ``prepare_dataset``. How it is split is not part of it.

    Raises:
        ValueError: a setting is out of its range.
    """

    name: str
    labels: tuple[str, ...]
    image_size: tuple[int, int]
    ignore_index: int | None
    in_channels: int
    pixel_spacing: PixelSpacing = None

    def __post_init__(self) -> None:
        if not _SAFE_NAME.fullmatch(self.name):
            raise UserError(f"name of the data set may hold letters, digits, '.', '_' and '-' only, got {self.name!r}")
        check_labels(self.labels)
        if self.ignore_index is not None and not len(self.labels) <= self.ignore_index <= 255:
            raise UserError(
                f"ignore_index must be {len(self.labels)} to 255, beside the classes, got {self.ignore_index}"
            )
        if self.in_channels not in (1, 3):
            raise UserError(f"in_channels must be 1 (gray) or 3 (colour), got {self.in_channels}")
        if self.pixel_spacing is not None and not has_background(self.labels):
            raise UserError(
                f"pixel_spacing makes what lies outside of an image background, and class 0 is {self.labels[0]!r}; "
                "leave --pixel_spacing out"
            )

    def record(self) -> dict[str, Any]:
        """The settings as ``dataset.json`` holds them."""
        return {
            "name": self.name,
            "labels": {str(value): label for value, label in enumerate(self.labels)},
            "image_size": list(self.image_size),
            "ignore_index": self.ignore_index,
            "in_channels": self.in_channels,
            # where there is none, data that was prepared before there could be one is known again
            **({} if self.pixel_spacing is None else {"pixel_spacing": list(self.pixel_spacing)}),
        }


def check_labels(labels: Sequence[str]) -> None:
    """Refuse labels that name no classes.

    Raises:
        ValueError: says what they must be. A text by itself would be as many classes as it has letters.
    """
    names = list(labels) if isinstance(labels, list | tuple) else labels
    good = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if not good or not 2 <= len(set(names)) == len(names) <= 256:
        raise UserError(f"labels must be 2 to 256 different names, background included, got {names!r}")


def check_size(image_size: int | Sequence[int]) -> tuple[int, int]:
    """The size as two numbers.

    Raises:
        ValueError: it is no size.
    """
    size = tuple(image_size) if isinstance(image_size, Sequence) else (image_size, image_size)
    if len(size) != 2 or not all(isinstance(n, int) and 16 <= n <= 4096 for n in size):
        raise UserError(f"image_size must be one or two whole numbers, 16 to 4096, got {image_size}")
    return size[0], size[1]


def fingerprint_cases(cases: Sequence[Case], settings: Settings, hash_files: HashFiles | None = None) -> str:
    """SHA-256 over the settings and the names, part, table and files (name and content) of every case.

    Args:
        cases: as they are published.
        settings: of preparing.
        hash_files: gives the hash of each file's content; None reads all of them.
    """
    sources = [[*source_files(case.image), *source_files(case.label)] for case in cases]
    files = [file for found in sources for file in found]
    hash_of = dict(zip(files, (hash_files or _read_all)(files), strict=True))
    digest = hashlib.sha256(json.dumps([FORMAT, settings.record()], sort_keys=True).encode())
    for case, found in zip(cases, sources, strict=True):
        nameless = replace(case, image="", label="")
        content = [[spell(file.name), hash_of[file]] for file in found]
        digest.update(json.dumps([repr(nameless), content]).encode())
    return digest.hexdigest()


def _read_all(files: Sequence[Path]) -> list[str]:
    return [hash_content(file) for file in files]
