"""The contact sheet: one small overlay of image and mask a case, as people look at data."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from ..pairs import Pair

_SIDE, _CAPTION, _COLUMNS = 160, 14, 6
MAX_CASES = 24
_OPACITY = 0.45


def choose_cases(names: Sequence[str]) -> set[str]:
    """Choose the cases of the sheet, evenly among all."""
    places = np.linspace(0, len(names) - 1, min(MAX_CASES, len(names))).round().astype(int)
    return {names[place] for place in places}


def draw_thumbnail(pair: Pair, num_classes: int) -> Image.Image:
    """Draw the plane with the most foreground, its classes but the first in colour."""
    foreground = ((pair.label > 0) & (pair.label < num_classes)).sum(axis=(0, 1))
    plane = int(foreground.argmax())
    label = pair.label[:, :, plane].T  # (X, Y) -> rows, columns
    image = np.moveaxis(pair.image[..., plane], (0, 1, 2), (2, 1, 0))
    low, high = (0.0, 255.0) if pair.source.keep_intensities else np.percentile(pair.image, (0.5, 99.5))
    gray = np.clip((image - low) / max(high - low, 1e-6), 0, 1) * 255
    rgb = np.broadcast_to(gray, (*label.shape, 3)).copy()
    for value in range(1, num_classes):
        rgb[label == value] *= 1 - _OPACITY
        rgb[label == value] += _OPACITY * np.array(_colour(value))
    picture = Image.fromarray(rgb.astype(np.uint8))
    picture.thumbnail((_SIDE, _SIDE))
    return picture


def write_sheet(path: Path, thumbnails: Sequence[tuple[str, Image.Image]]) -> None:
    """Write the thumbnails as one PNG, each under its case's name."""
    rows = -(-len(thumbnails) // _COLUMNS)
    width, height = min(len(thumbnails), _COLUMNS) * (_SIDE + 4), rows * (_SIDE + _CAPTION + 4)
    sheet = Image.new("RGB", (max(width, 1), max(height, 1)), "white")
    draw = ImageDraw.Draw(sheet)
    for index, (name, picture) in enumerate(thumbnails):
        x, y = index % _COLUMNS * (_SIDE + 4) + 2, index // _COLUMNS * (_SIDE + _CAPTION + 4) + 2
        draw.text((x, y), name[:26], fill="black")
        sheet.paste(picture, (x, y + _CAPTION))
    sheet.save(path, compress_level=1)


def _colour(value: int) -> tuple[float, float, float]:
    """Colours that differ for as many classes as there are: steps of the golden ratio around the circle of hues."""
    red, green, blue = colorsys.hsv_to_rgb((0.08 + 0.618034 * (value - 1)) % 1.0, 0.9, 1.0)
    return red * 255, green * 255, blue * 255
