"""The content of ``dataset.json``: MONAI's datalist, the cases, the splits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import UserError
from .cases import Case
from .preparation_settings import FORMAT, Settings
from .slices import IMAGES, LABELS, slice_name
from .splits import Split

Counts = list[list[int]]  # of a case: for each slice, the pixels of each class


def describe(
    cases: Sequence[Case], counts: Sequence[Counts], settings: Settings, splits: Sequence[Split]
) -> dict[str, Any]:
    """Everything that a reader needs to know; nothing in it depends on the machine."""
    training = [
        {
            "image": f"{IMAGES}/{slice_name(case.name, index)}",
            "label": f"{LABELS}/{slice_name(case.name, index)}",
            "case": case.name,
            "slice": index,
        }
        for case, slices in zip(cases, counts, strict=True)
        for index in range(len(slices))
    ]
    return settings.record() | {
        "format": FORMAT,
        "tensorImageSize": "2D",
        "official_parts": any(case.part for case in cases),
        "splits": list(splits),
        "cases": [
            {
                "name": case.name,
                "patient": case.patient,
                "part": case.part,
                "slices": len(slices),
                "class_counts": [sum(column) for column in zip(*slices, strict=True)],
            }
            for case, slices in zip(cases, counts, strict=True)
        ],
        "numTraining": len(training),
        "training": training,
    }


def refuse_absent_class(counts: Sequence[Counts], settings: Settings) -> None:
    """A class without a pixel has no weight and no score; a list of labels that is too long shows here.

    Raises:
        ValueError: names the class.
    """
    for value, label in enumerate(settings.labels):
        if not any(plane[value] for slices in counts for plane in slices):
            raise UserError(
                f"no mask of {settings.name} holds the class {value} ({label}) at image_size "
                f"{list(settings.image_size)}; correct the masks or the labels, or raise image_size"
            )
