"""Can a mean Dice and a mean IoU be of the same images? A check of reported pairs.

For one image dice = 2 iou / (1 + iou), which is concave. So over the same images (or images and classes, with equal
weights in both means), m = mean iou gives m <= mean dice <= 2 m / (1 + m), by Jensen's inequality; the lower end is
reached when every iou is 0 or 1, the upper when all are equal.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import UserError


@dataclass(frozen=True)
class PairCheck:
    """Whether a reported pair is possible.

    Args:
        dice: mean Dice, 0 to 1.
        iou: mean IoU, 0 to 1.
        lowest: lowest mean Dice that the rounded IoU allows.
        highest: highest mean Dice that it allows.
        possible: some value that rounds to ``dice`` lies between them.
    """

    dice: float
    iou: float
    lowest: float
    highest: float
    possible: bool


def check_pair(dice: float, iou: float, step: float = 0.0001) -> PairCheck:
    """Check a mean Dice and a mean IoU over the same images.

    Args:
        dice: mean Dice, 0 to 1.
        iou: mean IoU, 0 to 1.
        step: unit of the last printed digit; both numbers may be off by half of it. 84.45 % has the step 0.0001.

    Raises:
        UserError: a value lies outside 0 to 1, or the step is negative.
    """
    for name, value in (("dice", dice), ("iou", iou)):
        if not 0 <= value <= 1:
            raise UserError(f"mean {name} must lie between 0 and 1, got {value:g}; give percentages as fractions")
    if step < 0:
        raise UserError(f"step must be >= 0, got {step:g}")
    half = step / 2 + 1e-12  # the last digits of a float do not decide
    least, most = max(0.0, iou - half), min(1.0, iou + half)
    highest = 2 * most / (1 + most)
    return PairCheck(dice, iou, least, highest, dice + half >= least and dice - half <= highest)
