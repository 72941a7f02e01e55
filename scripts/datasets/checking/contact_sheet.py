"""The contact sheet: one small overlay of image and mask per case, as people look at data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from ...palette import as_rgb, class_colours, has_background
from ..intensity import intensity_window
from ..pairs import Pair

_SIDE, _CAPTION, _COLUMNS = 160, 14, 6
_LEGEND = 164  # pixels for one class
MAX_CASES = 24
_OPACITY = 0.45


def choose_cases(names: Sequence[str]) -> set[str]:
    """Choose the cases of the sheet, evenly among all."""
    places = np.linspace(0, len(names) - 1, min(MAX_CASES, len(names))).round().astype(int)
    return {names[place] for place in places}


def draw_thumbnail(pair: Pair, labels: Sequence[str]) -> Image.Image:
    """Draw the plane with the most foreground, its classes but the background in colour."""
    num_classes = len(labels)
    foreground = ((pair.label > 0) & (pair.label < num_classes)).sum(axis=(0, 1))
    plane = int(foreground.argmax())
    label = pair.label[:, :, plane].T  # (X, Y) -> rows, columns
    image = np.moveaxis(pair.image[..., plane], (0, 1, 2), (2, 1, 0))
    low, high = intensity_window(pair.image, pair.source.full_scale)
    gray = np.clip((image - low) / max(high - low, 1e-6), 0, 1) * 255
    rgb = np.broadcast_to(gray, (*label.shape, 3)).copy()
    for value, colour in list(enumerate(class_colours(labels)))[has_background(labels) :]:
        rgb[label == value] *= 1 - _OPACITY
        rgb[label == value] += _OPACITY * np.array(as_rgb(colour))
    picture = Image.fromarray(rgb.astype(np.uint8))
    picture.thumbnail((_SIDE, _SIDE))
    return picture


def write_sheet(path: Path, thumbnails: Sequence[tuple[str, Image.Image]], labels: Sequence[str]) -> None:
    """Write the thumbnails as one PNG, each under its case's name, with a legend of the classes below."""
    rows = -(-len(thumbnails) // _COLUMNS)
    width, height = max(min(len(thumbnails), _COLUMNS), 2) * (_SIDE + 4), rows * (_SIDE + _CAPTION + 4)
    classes = list(zip(class_colours(labels), labels, strict=True))[has_background(labels) :]
    columns = max(width // _LEGEND, 1)
    sheet = Image.new("RGB", (width, height + -(-len(classes) // columns) * _CAPTION + 4), "white")
    draw = ImageDraw.Draw(sheet)
    for index, (colour, label) in enumerate(classes):
        x, y = index % columns * _LEGEND + 2, height + index // columns * _CAPTION + 2
        draw.rectangle((x, y + 1, x + 9, y + 10), fill=colour)
        draw.text((x + 14, y), label[:22], fill="black")
    for index, (name, picture) in enumerate(thumbnails):
        x, y = index % _COLUMNS * (_SIDE + 4) + 2, index // _COLUMNS * (_SIDE + _CAPTION + 4) + 2
        draw.text((x, y), name[:26], fill="black")
        sheet.paste(picture, (x, y + _CAPTION))
    sheet.save(path, compress_level=1)
