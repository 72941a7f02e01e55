"""Images and masks that a program lists by their files, as a labelling server does with what its users have drawn.

Expected: MONAI's lists of ``{"image": FILE, "label": FILE}``, one for training and one for validation or none.
Labels: a value of a mask is the class's place among the labels.
Licence and number of cases: the user's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...errors import MissingFileError, UserError
from ..cases import Case
from .trees import stem_of

_EXAMPLE = '{"image": FILE, "label": FILE}'


def find_datalist(train: Sequence[Any], val: Sequence[Any] | None = None) -> list[Case]:
    """Turn the lists that a program hands over into cases, each of another patient.

    Args:
        train: images and masks to train on.
        val: those to validate on, which makes the lists the data set's official parts; None where folds part all of
            ``train`` into training, validation and test.

    Raises:
        FileNotFoundError: a file that is listed is not there.
        ValueError: a list is empty, or an entry names no image or no mask.
    """
    if not train:
        raise UserError("the list of images to train on is empty: no image has a final mask yet; draw some, save them")
    if val is not None and not val:
        raise UserError(
            "the list of images to validate on is empty; hand over one (in MONAI Label a val_split between 0 and 1, "
            "with two images at least), or none, for which folds are dealt (val_split -1)"
        )
    lists = (("train", train if val is not None else ()), ("val", val or ()), (None, train if val is None else ()))
    return [_case(entry, part) for part, entries in lists for entry in entries]


def _case(entry: Any, part: str | None) -> Case:
    files = [entry.get(key) if isinstance(entry, dict) else None for key in ("image", "label")]
    if not all(isinstance(file, str) and file for file in files):
        raise UserError(f"an entry of a list of images must be {_EXAMPLE}, got {entry!r}; correct it")
    image, label = (Path(str(file)).expanduser().resolve() for file in files)
    for path in (image, label):
        if not path.exists():
            raise MissingFileError("is listed and not there; put it back, or take it off the list", path=path)
    stem = stem_of(image)
    return Case(stem, str(image), str(label), stem, part, private=True)
