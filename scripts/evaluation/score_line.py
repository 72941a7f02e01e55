"""The scores of an evaluation in one line that fits a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

FEW = 3  # foreground classes that are all shown
LOWEST = 3  # classes shown of many


def score_line(scores: Mapping[str, float], labels: Sequence[str]) -> str:
    """The mean over the scored classes, then each class or, of many, those with the lowest Dice.

    Args:
        scores: ``dice/mean``, ``iou/mean`` and ``dice/<class>``, ``iou/<class>`` of the classes that were seen.
        labels: class names, index = class value; class 0 is shown only where there are many.

    >>> scores = {"dice/mean": 0.75, "iou/mean": 0.6, "dice/prostate": 0.75, "iou/prostate": 0.6}
    >>> score_line(scores, ["background", "prostate"])
    'prostate Dice 0.750 IoU 0.600'
    """
    mean = f"mean Dice {scores['dice/mean']:.3f} IoU {scores['iou/mean']:.3f}"
    seen = [label for label in labels if f"dice/{label}" in scores]
    if len(labels) - 1 > FEW:
        lowest = sorted(seen, key=lambda label: scores[f"dice/{label}"])[:LOWEST]
        shown = ", ".join(f"{label} {scores[f'dice/{label}']:.3f}" for label in lowest)
        return f"{mean} of {len(seen)} classes, lowest {shown}"
    each = [f"{n} Dice {scores[f'dice/{n}']:.3f} IoU {scores[f'iou/{n}']:.3f}" for n in seen if n != labels[0]]
    return each[0] if len(labels) == 2 and each else f"{mean} ({', '.join(each)})"
