"""A picture to look through: the slices of an image with its mask."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monai.transforms.transform import Transform
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ..evaluation.overlays import paint_classes
from ..palette import has_background
from ..storage.atomic_files import write_atomically
from .records import OVERLAYS, REPORT, CaseRecords

_COLUMNS, _TILES, _TILE = 6, 12, 180  # tiles in a row and in all; pixels of a tile's longer side


class DrawOverlay(Transform):  # type: ignore[misc]  # MONAI has no types
    """Draw slices with their mask as ``report/overlays/<case>.png``.

    Slices are spread evenly over those with foreground, over all where there is none; as they lie in the file, in their
    true proportions where the spacing is known.

    Args:
        records: of the folder of the outputs.
        labels: class names, index = class value.
    """

    def __init__(self, records: CaseRecords, labels: Sequence[str]) -> None:
        self.records = records
        self.labels = list(labels)

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Draw ``shown`` (C, X, Y, Z) and ``pred`` (X, Y, Z); ``result`` gets ``overlay``, a path below ``report``."""
        mask, shown = data["pred"], data["shown"]
        chosen = choose_slices(mask, empty=has_background(self.labels))
        tiles = [self._tile(shown[..., z], mask[..., z], z, data["volume"].spacing, len(chosen) > 1) for z in chosen]
        name = f"{OVERLAYS}/{data['case'].name}.png"
        path = self.records.output_dir / REPORT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = _montage(tiles)
        write_atomically(path, lambda temporary: _save(picture, temporary))
        return {**data, "result": {**data["result"], "overlay": name}}

    def _tile(
        self,
        image: NDArray[np.uint8],
        mask: NDArray[np.uint8],
        index: int,
        spacing: Sequence[float] | None,
        numbered: bool,
    ) -> Image.Image:
        """One slice, (C, X, Y) with its mask (X, Y)."""
        gray = image if len(image) == 3 else np.repeat(image[:1], 3, axis=0)
        picture = Image.fromarray(np.ascontiguousarray(gray.transpose(2, 1, 0)))  # (C, X, Y) -> rows
        painted = Image.fromarray(np.ascontiguousarray(paint_classes(mask.T, self.labels)))
        picture = picture.convert("RGBA")
        picture.alpha_composite(painted)
        steps = tuple(spacing[:2]) if spacing is not None else (1.0, 1.0)
        extent = [pixels * step for pixels, step in zip(picture.size, steps, strict=True)]
        scale = _TILE * (1 if numbered else 2) / max(extent)
        tile = picture.convert("RGB").resize((max(1, round(extent[0] * scale)), max(1, round(extent[1] * scale))))
        if numbered:
            ImageDraw.Draw(tile).text((3, 2), str(index + 1), fill="white", stroke_width=1, stroke_fill="black")
        return tile


def choose_slices(mask: NDArray[np.uint8], *, empty: bool) -> list[int]:
    """At most twelve slices of a mask (X, Y, Z), spread evenly over those with foreground.

    Args:
        mask: (X, Y, Z).
        empty: whether class 0 is no foreground.
    """
    drawn = [z for z in range(mask.shape[2]) if not empty or mask[..., z].any()] or list(range(mask.shape[2]))
    places = np.linspace(0, len(drawn) - 1, min(_TILES, len(drawn)))
    return [drawn[round(float(place))] for place in places]


def _montage(tiles: Sequence[Image.Image]) -> Image.Image:
    columns = min(_COLUMNS, len(tiles))
    width, height = tiles[0].size
    sheet = Image.new("RGB", (columns * (width + 2) - 2, math.ceil(len(tiles) / columns) * (height + 2) - 2), "white")
    for number, tile in enumerate(tiles):
        sheet.paste(tile, (number % columns * (width + 2), number // columns * (height + 2)))
    return sheet


def _save(picture: Image.Image, path: Path) -> None:
    picture.save(path, format="PNG", compress_level=4)  # a third of the time of 6, a tenth larger
