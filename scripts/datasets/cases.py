"""A case: one image with its mask, as every adapter hands it on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import UserError
from ..formats.label_table import LabelTable

PARTS = ("train", "val", "test")
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Case:
    """One image or volume with its mask.

    Args:
        name: unique in its data set and safe as a file name.
        image: absolute path of the image, or of the folder that holds a DICOM series.
        label: absolute path of the mask, or of the folder that holds one picture per frame.
        patient: whom the image shows; cases of one patient never part in a split.
        part: the data set's own "train", "val" or "test", or None where it has no parts.
        table: what the mask's values mean; None where a value is the class's place among the labels.
        channel: which channel of an image with several, or None.
        private: whether name and patient may name a person, and are hashed before they are written.
    """

    name: str
    image: str
    label: str
    patient: str
    part: str | None = None
    table: LabelTable | None = None
    channel: int | None = None
    private: bool = False


def check_cases(cases: Sequence[Case]) -> None:
    """Refuse cases whose names clash or cannot name a file, and parts that do not exist.

    Raises:
        ValueError: there is no case, or one of them breaks a rule of ``Case``.
    """
    if not cases:
        raise UserError("the list of cases is empty; an adapter must find at least one case")
    seen: dict[str, Case] = {}
    for case in cases:
        if not case.private and not _SAFE_NAME.fullmatch(case.name):
            raise UserError(
                f"{case.image}: the case name {case.name!r} may hold letters, digits, '.', '_' and '-' only"
            )
        if case.part is not None and case.part not in PARTS:
            raise UserError(f"{case.image}: the part must be one of {', '.join(PARTS)} or None, got {case.part!r}")
        # A file system may fold upper and lower case into one.
        twin = seen.setdefault(case.name.casefold(), case)
        if twin is not case:
            raise UserError(f"{case.image}: its case name {case.name} is also that of {twin.image}; rename one of them")
