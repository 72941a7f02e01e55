from __future__ import annotations

import itertools

import numpy as np

from scripts.palette import CLASS_COLOURS, CONFUSED, INVENTED, MISSED, as_rgb, class_colours


def _lab(colour: str) -> np.ndarray:
    """CIELAB (D65) of a colour, from the definition of sRGB."""
    value = np.array(as_rgb(colour)) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    matrix = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    x, y, z = np.cbrt(np.array(matrix) @ linear / np.array([0.95047, 1.0, 1.08883]))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_every_two_colours_can_be_told_apart() -> None:
    assert len(CLASS_COLOURS) >= 20
    distances = [np.linalg.norm(_lab(a) - _lab(b)) for a, b in itertools.combinations(CLASS_COLOURS, 2)]
    assert min(distances) > 20  # 2.3 is just noticeable side by side
    errors = [np.linalg.norm(_lab(a) - _lab(b)) for a, b in itertools.combinations([MISSED, INVENTED, CONFUSED], 2)]
    assert min(errors) > 60


def test_each_class_of_a_street_has_a_colour_of_its_own() -> None:
    classes = [f"class {number}" for number in range(19)]
    assert len(set(class_colours(classes))) == 19
    assert class_colours(["Background", *classes])[1:] == class_colours(classes)
