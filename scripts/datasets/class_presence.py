"""The one rule for classes that no mask holds, for the check and for preparing alike."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import UserError


def check_classes(
    counts: Sequence[Sequence[Sequence[int]]], *, name: str, labels: Sequence[str], image_size: tuple[int, int]
) -> list[str]:
    """Tell which classes no mask holds, and refuse masks that hold one class alone.

    A class without a pixel is trained like the others and has no score; in a subset of a public data set that is as it
    should be. Masks of one class alone teach nothing.

    Args:
        counts: of each case, of each of its slices, the pixels of each class at ``image_size``.
        name: of the data set.
        labels: names of the classes.
        image_size: pixels along x and y.

    Returns:
        A warning, or nothing.

    Raises:
        ValueError: the masks hold fewer than two classes.
    """
    held = [any(plane[value] for planes in counts for plane in planes) for value in range(len(labels))]
    absent = [f"{value} ({label})" for value, label in enumerate(labels) if not held[value]]
    if not absent:
        return []
    kind = "class" if len(absent) == 1 else "classes"
    found = f"no mask of {name} holds the {kind} {', '.join(absent)} at image_size {list(image_size)}"
    if sum(held) < 2:
        raise UserError(f"{found}; correct the masks or the labels, or raise image_size")
    return [f"{found}: trained like the others, without a score; correct the labels where that is not meant"]
