"""From a plane of a file to a slice of the network's size, and back: for preparing, inference and scores alike.

By default a slice shows the whole field of view, as in the paper. With ``pixel_spacing`` the field of view is resized
to pixels of that size, and the middle of it cropped or padded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from monai.transforms import Resize
from numpy.typing import NDArray
from torch.nn.functional import interpolate, pad

from ..errors import UserError

PixelSpacing = tuple[float, float] | None
_MOST_PIXELS = 8192  # along an edge of the resized field of view


@dataclass(frozen=True)
class SliceGrid:
    """Where the pixels of a slice lie in the plane of its file.

    Args:
        plane: pixels along x and y in the file.
        whole: pixels along x and y that the whole field of view is resized to.
        size: pixels along x and y of the slice, the middle of these.
    """

    plane: tuple[int, int]
    whole: tuple[int, int]
    size: tuple[int, int]

    @classmethod
    def of(
        cls,
        plane: Sequence[int],
        spacing: Sequence[float] | None,
        size: tuple[int, int],
        pixel_spacing: PixelSpacing,
        path: str | Path,
    ) -> SliceGrid:
        """The grid of a file's slices.

        Args:
            plane: pixels along x and y in the file, and perhaps more axes.
            spacing: millimetres along x and y in the file, and perhaps more axes; None where it tells none.
            size: pixels along x and y of a slice.
            pixel_spacing: millimetres along x and y of a slice's pixel; None shows the whole field of view. It is met
                as far as the field of view is a whole number of pixels: within half a pixel over all of it.
            path: the file, for the message.

        Raises:
            ValueError: a pixel spacing is asked for, and the file's own is unknown or makes too many pixels of it.
        """
        x, y = int(plane[0]), int(plane[1])
        if pixel_spacing is None:
            return cls((x, y), size, size)
        steps = () if spacing is None else tuple(spacing[:2])
        if len(steps) < 2 or not all(math.isfinite(step) and step > 0 for step in steps):
            raise UserError(
                "tells no spacing of its pixels, and pixel_spacing is set; give it one in a format that holds it, or "
                "train with --pixel_spacing null",
                path=path,
            )
        width, height = (max(1, round(n * s / w)) for n, s, w in zip((x, y), steps, pixel_spacing, strict=True))
        if max(width, height) > _MOST_PIXELS:
            raise UserError(
                f"would have {width} x {height} pixels of {_numbers(pixel_spacing)} mm, at most {_MOST_PIXELS} along "
                "an edge are made; set a greater --pixel_spacing",
                path=path,
            )
        return cls((x, y), (width, height), size)

    @property
    def margins(self) -> tuple[int, int, int, int]:
        """Pixels to add before and behind along x, and along y; negative ones are taken away.

        As MONAI's ``ResizeWithPadOrCrop`` has them. That class by itself can't be turned round: where the difference is
        odd, padding and cropping begin at different pixels.
        """
        before_x, before_y = (
            (n - w) // 2 if n >= w else n // 2 - w // 2 for n, w in zip(self.size, self.whole, strict=True)
        )
        (w, h), (whole_w, whole_h) = self.size, self.whole
        return before_x, w - whole_w - before_x, before_y, h - whole_h - before_y

    def image(self, planes: torch.Tensor) -> torch.Tensor:
        """Bring planes (N, X, Y) to slices (N, width, height); what lies outside the field of view is 0, black."""
        resize = Resize(self.whole, mode="bilinear", align_corners=False, anti_aliasing=True)
        return self._fit(torch.as_tensor(resize(planes)))

    def mask(self, label: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Bring a mask (X, Y, Z) to slices (width, height, Z); what lies outside the field of view is class 0.

        Each pixel takes the class of the voxel that its middle lies in.
        """
        planes = torch.from_numpy(label.astype(np.float32)).permute(2, 0, 1)  # (X, Y, Z) -> (Z, X, Y)
        slices = self._fit(torch.as_tensor(Resize(self.whole, mode="nearest-exact")(planes)))
        return np.asarray(slices.permute(1, 2, 0).cpu().numpy()).astype(np.uint8)

    def restore(self, probabilities: torch.Tensor) -> torch.Tensor:
        """Bring probabilities of slices (..., K, width, height) to the plane of the file, (..., K, X, Y).

        What was cropped away is class 0. Slices were made with the corners of the field of view in place, not the
        middles of the corner pixels, so the way back has them in place too.
        """
        shape = probabilities.shape
        planes = probabilities.reshape(-1, *shape[-3:])  # (..., K, w, h) -> (N, K, w, h)
        if any(self.margins):
            left, right, top, bottom = (-margin for margin in self.margins)
            around = (top, bottom, left, right)  # the last axis first
            planes = torch.cat([pad(planes[:, :1], around, value=1.0), pad(planes[:, 1:], around)], dim=1)
        planes = interpolate(planes, size=self.plane, mode="bilinear", align_corners=False)
        return planes.reshape(*shape[:-2], *self.plane)

    @property
    def seen(self) -> tuple[slice, slice]:
        """The pixels of the file, along x and y, whose middles lie in the slice."""
        before = self.margins[::2]
        ranges = []
        for n, whole, size, margin in zip(self.plane, self.whole, self.size, before, strict=True):
            first, last = (max(0, min(whole, edge)) * n / whole for edge in (-margin, size - margin))
            ranges.append(slice(math.ceil(first - 0.5), math.ceil(last - 0.5)))
        return ranges[0], ranges[1]

    def loses_objects(self, label: NDArray[np.uint8], num_classes: int) -> bool:
        """Whether a mask (X, Y, Z) has pixels of a class other than 0 that no slice shows."""
        objects = (label > 0) & (label < num_classes)
        return int(objects.sum()) > int(objects[self.seen].sum())

    def _fit(self, planes: torch.Tensor) -> torch.Tensor:
        left, right, top, bottom = self.margins
        return pad(planes, (top, bottom, left, right)) if any(self.margins) else planes


def check_pixel_spacing(pixel_spacing: float | Sequence[float] | None) -> PixelSpacing:
    """The size of a slice's pixel as two numbers, or None.

    Raises:
        ValueError: it is no size.
    """
    if pixel_spacing is None:
        return None
    steps = tuple(pixel_spacing) if isinstance(pixel_spacing, Sequence) else (pixel_spacing, pixel_spacing)
    if len(steps) != 2 or not all(_is_step(step) for step in steps):
        raise UserError(
            f"pixel_spacing must be null or one or two numbers of millimetres, 0.001 to 1000, got {pixel_spacing!r}"
        )
    return float(steps[0]), float(steps[1])


def _is_step(step: object) -> bool:
    return isinstance(step, int | float) and not isinstance(step, bool) and 1e-3 <= step <= 1e3


def _numbers(values: Sequence[float]) -> str:
    return " x ".join(f"{value:g}" for value in values)
