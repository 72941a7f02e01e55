"""One colour per class, the same in overlays, curves, contact sheet and comparison."""

from __future__ import annotations

from collections.abc import Sequence

BACKGROUND = "#000000"  # of class 0 in curves and legends where it is background; in overlays it is left clear
# Okabe and Ito's seven colours, told apart by people with any form of colour vision, then in turn the colour of sRGB
# that is farthest in CIELAB from all before it, from gray and from the red of errors. Least distance of any two: 26.
CLASS_COLOURS = (
    "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#0000FF", "#00FF00", "#FF00E1",
    "#694BD2", "#FF0078", "#4BA500", "#5A5A00", "#00FF96", "#873C2D", "#00FFFF", "#FFB487", "#C3E196", "#A50087",
    "#F087FF", "#FF6969", "#A5F000", "#B42DFF", "#A5A5FF", "#5A3C87", "#960F4B", "#0F5A4B", "#0F690F", "#A5000F",
    "#B4A53C", "#87C3B4",
)  # fmt: skip
# What is wrong in a prediction: foreground that it lacks, foreground that is not there, one class taken for another.
MISSED, INVENTED, CONFUSED = "#FF2020", "#2060FF", "#FFC000"


def has_background(labels: Sequence[str]) -> bool:
    """Whether class 0 is what lies around the objects, and not a class as the others are (a street's sky)."""
    return labels[0].casefold() == "background"


def class_colours(labels: Sequence[str]) -> list[str]:
    """The colour of each class as ``#rrggbb``; beyond 32 classes they repeat.

    >>> class_colours(["background", "prostate"]), class_colours(["sky", "road"])
    (['#000000', '#E69F00'], ['#E69F00', '#56B4E9'])
    """
    first = [BACKGROUND] if has_background(labels) else []
    count = len(labels) - len(first)
    return [*first, *(CLASS_COLOURS[index % len(CLASS_COLOURS)] for index in range(count))]


def as_rgb(colour: str) -> tuple[int, int, int]:
    """Red, green and blue, 0 to 255, of a colour ``#rrggbb``."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
