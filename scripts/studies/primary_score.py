"""The score that decides a study: its name, its columns in the tables of cases, and where it would mislead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import UserError
from .factors import Condition

ORIGINAL = "original/"  # before a score in the size of the files, see docs/scores.md
_OVERLAP = ("dice", "iou")
MEASURES = (*_OVERLAP, *(ORIGINAL + measure for measure in _OVERLAP))
_NAMES = {"dice": "Dice", "iou": "IoU"}
_GRID = ("image_size", "pixel_spacing")  # what decides which pixels slices are scored on


def split_score(score: str) -> tuple[str, str]:
    """Measure and class of a score; the class is empty where it is the mean of the scored classes.

    >>> split_score("original/dice"), split_score("dice/prostate")
    (('original/dice', ''), ('dice', 'prostate'))
    """
    if score in MEASURES:
        return score, ""
    measure, _, label = score.rpartition("/")
    return measure, label


def check_score(score: Any, labels: Any, conditions: Sequence[Condition]) -> str:
    """Refuse a score that there is not, or that conditions have on different pixels.

    Args:
        score: "dice", "iou", with "original/" before it in the size of the files, with "/<class>" behind it of one.
        labels: class names where they are known from the configuration alone.
        conditions: of the study.

    Raises:
        UserError: says which scores there are, or which one to take.
    """
    measure, label = split_score(str(score))
    known = (
        [*MEASURES] if not isinstance(labels, list) else [*MEASURES, *(f"{m}/{x}" for m in MEASURES for x in labels)]
    )
    there = measure in MEASURES and not str(score).endswith("/")
    if not there or (isinstance(labels, list) and label and label not in labels):
        raise UserError(f"score must be one of {', '.join(known)}, got {score!r}")
    for key in _GRID:
        if len({repr(each.settings.get(key)) for each in conditions}) > 1 and not measure.startswith(ORIGINAL):
            raise UserError(
                f"{key} is a factor, so each condition would be scored on pixels of its own; set score: "
                f"{ORIGINAL}{score}, in the size of the files"
            )
    return str(score)


def score_title(score: str, background: bool = False) -> str:
    """A score in words; ``background``: class 0 is one of the scored classes, as in street scenes.

    >>> score_title("original/dice"), score_title("iou/prostate"), score_title("iou", background=True)
    ('mean foreground Dice, in the size of the files', 'IoU of prostate', 'mean IoU')
    """
    measure, label = split_score(score)
    name = _NAMES[measure.removeprefix(ORIGINAL)]
    title = f"{name} of {label}" if label else f"mean {'' if background else 'foreground '}{name}"
    return f"{title}, in the size of the files" if measure.startswith(ORIGINAL) else title
