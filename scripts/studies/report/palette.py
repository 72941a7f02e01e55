"""One colour and one marker a loss, the same in every figure, on white and on dark paper.

The twelve colours of a theme differ from one another by a CIELAB distance of at least 15 for normal sight and for
protanopia, deuteranopia and tritanopia as simulated by Machado, Oliveira and Fernandes (2009), and have a contrast of
at
least 3 to their paper. The marker tells losses apart where colour does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LIGHT = (
    *("#1660cb", "#ff5017", "#0ea776", "#bd6fa3", "#a75028", "#2895f8"),
    *("#4100b1", "#722173", "#7f9f25", "#003c40", "#5f4b30", "#576c6a"),
)
DARK = (
    *("#63b9ff", "#f66d1a", "#589d79", "#bb8bb3", "#ffc100", "#b5e9ff"),
    *("#8274ff", "#ad48b5", "#f3e97e", "#58ffd2", "#d37f4a", "#acc88a"),
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "d", "8")
KNOWN = ("ce", "adfl", "dfl", "wce", "fl", "acw_ce", "fl_alpha1", "dice_focal", "dice_ce")  # the bundle's own losses

# The page's other colours, as they stand in a figure; the page's style sheet gives each its value in the dark.
THEME = {
    "ink": ("#1b2127", "#e7eaee"),
    "muted": ("#5b646e", "#a4adb8"),
    "grid": ("#dfe3e8", "#343b44"),
    "shade": ("#e6edf6", "#243040"),
    "better": ("#12805c", "#4fd0a2"),
    "worse": ("#b3402e", "#f1917f"),
    "paper": ("#fefefe", "#15181c"),
}
INK, MUTED, GRID, SHADE, PAPER = (THEME[name][0] for name in ("ink", "muted", "grid", "shade", "paper"))
BETTER, WORSE = THEME["better"][0], THEME["worse"][0]


@dataclass(frozen=True)
class Style:
    """How a loss is drawn: its number among the colours, its colour on white paper, its marker."""

    number: int
    colour: str
    marker: str


def loss_styles(losses: Sequence[str]) -> dict[str, Style]:
    """Give every loss a style: the bundle's own ones always the same, others by their order.

    Up to 12 losses differ in colour; up to 156 in colour and marker together.
    """
    numbers = {loss: KNOWN.index(loss.lower()) for loss in losses if loss.lower() in KNOWN}
    free = (number for number in range(len(losses) + len(KNOWN)) if number not in set(numbers.values()))
    for loss in losses:
        if loss not in numbers:
            numbers[loss] = next(free)
    return {
        loss: Style(number, LIGHT[number % len(LIGHT)], MARKERS[number % len(MARKERS)])
        for loss, number in numbers.items()
    }


def css_variables(dark: bool) -> str:
    """The colours as CSS custom properties, for the page's style sheet."""
    losses = [f"--loss{i}: {colour};" for i, colour in enumerate(DARK if dark else LIGHT)]
    return " ".join([*losses, *(f"--{name}: {values[dark]};" for name, values in THEME.items())])
