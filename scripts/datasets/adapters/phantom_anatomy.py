"""Voxels of a prostate-like T2 MR volume, drawn from a random generator.

Not a simulation of MR physics: it has what makes the real task hard (a small gland of two zones, neighbours of the same
brightness, a coil's uneven gain, noise), so that a training on it can go right or wrong in the same ways.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter

Array = NDArray[np.float32]

FIELD_OF_VIEW = (144.0, 144.0, 43.2)  # mm, right to left, front to back, feet to head
GLAND_FRACTION = (0.023, 0.046)  # of all voxels

# Mean T2 brightness; the peripheral zone looks like fat and seminal vesicles, the transition zone like the rectal wall.
FAT, MUSCLE, BONE, FLUID, WALL = 560.0, 190.0, 330.0, 850.0, 330.0
PERIPHERAL_ZONE, TRANSITION_ZONE, CAPSULE, VESICLE, GAS = 640.0, 390.0, 220.0, 640.0, 60.0


@dataclass(frozen=True)
class Ellipsoid:
    """Centre and half axes in mm."""

    center: ArrayLike
    axes: ArrayLike

    def radius(self, grid: Array) -> Array:
        """Distance from the centre of each point of ``grid`` (3, X, Y, Z), 1 on the surface."""
        center, axes = (np.asarray(v, dtype=np.float32).reshape(3, 1, 1, 1) for v in (self.center, self.axes))
        return np.asarray(np.sqrt((((grid - center) / axes) ** 2).sum(axis=0)), dtype=np.float32)


def draw_volume(rng: np.random.Generator, size: tuple[int, int, int]) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    """Draw one volume and its mask.

    Args:
        rng: source of all chance.
        size: voxels along x (right to left), y (front to back) and z (feet to head).

    Returns:
        Brightness and mask (0 background, 1 gland), each (X, Y, Z).
    """
    grid = _warp(rng, _grid(size))
    center = rng.normal((0.0, -2.0, -1.0), (5.0, 5.0, 1.2))
    shape = np.array([1.0, 0.8, 0.56]) * rng.uniform(0.9, 1.1, 3)
    radius = Ellipsoid(center, shape).radius(grid)
    # The rectum dents the gland from behind.
    behind = np.clip((grid[1] - center[1]) / 20.0, 0.0, 1.0) * np.exp(-(((grid[0] - center[0]) / 11.0) ** 2))
    radius = radius * (1.0 + rng.uniform(0.1, 0.3) * behind)
    scale = float(np.quantile(radius, rng.uniform(*GLAND_FRACTION)))
    gland, axes = radius / scale, shape * scale

    image = _surroundings(rng, grid, center, axes)
    image = _paint(image, gland, CAPSULE * _gain(rng), soft=0.06)
    image = _paint(image, gland / 0.95, PERIPHERAL_ZONE * _gain(rng) + _texture(rng, size, 45.0, 1.0), soft=0.05)
    inner = Ellipsoid(center - (0.0, 0.18 * axes[1], 0.0), axes * (0.76, 0.68, 0.82)).radius(grid)
    zone = TRANSITION_ZONE * _gain(rng) + _texture(rng, size, 85.0, 2.6) + _texture(rng, size, 40.0, 1.0)
    image = _paint(image, np.maximum(inner, gland / 0.9), zone, soft=0.06)
    return _acquire(rng, image, size), (gland < 1.0).astype(np.uint8)


def _surroundings(
    rng: np.random.Generator, grid: Array, center: NDArray[np.float64], axes: NDArray[np.float64]
) -> Array:
    """Everything but the gland, placed around it."""
    size = grid.shape[1:]
    (x, y, z), (a, b, c) = center, axes
    side = rng.normal(0.0, 2.0, 8)
    image = FAT * _gain(rng) + _texture(rng, size, 70.0, 4.0) + _texture(rng, size, 30.0, 1.0)
    organs: list[tuple[Ellipsoid, float, float]] = [
        (Ellipsoid((-62 + side[0], y - 6, 0), (17, 42, 60)), MUSCLE, 20.0),
        (Ellipsoid((62 + side[1], y - 6, 0), (17, 42, 60)), MUSCLE, 20.0),
        (Ellipsoid((x, y - b - 27 + side[2], -8), (24, 11, 26)), BONE, 45.0),
        (Ellipsoid((x - a - 9 + side[3], y + 10, z - 12), (4, 19, 22)), MUSCLE, 20.0),
        (Ellipsoid((x + a + 9 + side[3], y + 10, z - 12), (4, 19, 22)), MUSCLE, 20.0),
        (Ellipsoid((x - 42 + side[4], y - 36, 4 * side[5]), (9, 7, 12)), TRANSITION_ZONE, 60.0),
        (Ellipsoid((x + 40 + side[6], y + 46, 4 * side[7]), (11, 9, 14)), PERIPHERAL_ZONE, 60.0),
        # The bulb of the penis below the apex and the bladder above the base: where the gland's ends deceive.
        (Ellipsoid((x, y + 2, z - c - 9), (15, 12, 9)), TRANSITION_ZONE, 50.0),
        (Ellipsoid((x + side[0], y - 8, z + c + 19), (34, 25, 18)), WALL, 30.0),
        (Ellipsoid((x + side[0], y - 8, z + c + 19), (31, 22, 15.5)), FLUID, 15.0),
        (Ellipsoid((x - 15, y + b * 0.9, z + c + 3), (15, 6, 6)), VESICLE, 120.0),
        (Ellipsoid((x + 15, y + b * 0.9, z + c + 3), (15, 6, 6)), VESICLE, 120.0),
    ]
    for organ, brightness, roughness in organs:
        value = brightness * _gain(rng) + _texture(rng, size, roughness, 1.8)
        image = _paint(image, organ.radius(grid), value, soft=0.08)
    wide, deep = rng.uniform(13, 20), rng.uniform(10, 15)
    bowel = Ellipsoid((x + side[2], y + b + deep - 1.0, 0), (wide, deep, 90))
    content = GAS if rng.random() < 0.4 else rng.uniform(250.0, 520.0)
    image = _paint(image, bowel.radius(grid), WALL * _gain(rng) + _texture(rng, size, 30.0, 1.0), soft=0.08)
    return _paint(image, bowel.radius(grid) / 0.72, content + _texture(rng, size, 40.0, 2.0), soft=0.1)


def _acquire(rng: np.random.Generator, image: Array, size: tuple[int, int, int]) -> NDArray[np.int16]:
    """The scanner's part: blur of the voxel, uneven gain of the coil, noise of a magnitude image."""
    x, y, z = (np.linspace(-1, 1, n, dtype=np.float32) for n in size)
    slope = rng.uniform(-0.22, 0.22, 6)
    log_gain = slope[0] * x[:, None, None] + slope[1] * y[None, :, None] + 0.4 * slope[2] * z[None, None, :]
    log_gain = log_gain + slope[3] * (x**2)[:, None, None] + slope[4] * (y**2)[None, :, None]
    log_gain = log_gain + slope[5] * x[:, None, None] * y[None, :, None]
    signal = gaussian_filter(np.clip(image, 0.0, None), (0.6, 0.6, 0.0)) * np.exp(log_gain)
    sigma = rng.uniform(28.0, 48.0)
    real, imaginary = rng.normal(0.0, sigma, (2, *size))
    magnitude = np.hypot(signal + real, imaginary) * rng.uniform(0.6, 1.4)
    return np.asarray(np.clip(np.rint(magnitude), 0, 32767), dtype=np.int16)


def _grid(size: tuple[int, int, int]) -> Array:
    """Voxel centres in mm from the middle of the volume, (3, X, Y, Z)."""
    axes = [(np.arange(n) + 0.5) / n * extent - extent / 2 for n, extent in zip(size, FIELD_OF_VIEW, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij")).astype(np.float32)


def _warp(rng: np.random.Generator, grid: Array) -> Array:
    """Bend space by a few long waves, so that no organ is an exact ellipsoid."""
    bent = grid.copy()
    for wavelength, height in ((110.0, 3.2), (60.0, 1.0), (35.0, 0.4)):
        for axis in range(3):
            wave = np.clip(rng.normal(0.0, 2 * np.pi / wavelength, 3), -0.15, 0.15)
            path = np.tensordot(wave.astype(np.float32), grid, axes=1)
            bent[axis] += np.float32(height) * np.sin(path + np.float32(rng.uniform(0, 2 * np.pi)))
    return bent


def _gain(rng: np.random.Generator) -> float:
    """How much brighter or darker than its mean a tissue is in this patient."""
    return float(np.exp(rng.normal(0.0, 0.09)))


def _texture(rng: np.random.Generator, size: Sequence[int], height: float, grain: float) -> Array:
    """Smooth noise of standard deviation ``height`` with grains of about ``grain`` voxels in plane."""
    field = gaussian_filter(rng.standard_normal(tuple(size), dtype=np.float32), (grain, grain, 0.4 * grain))
    return np.asarray(field * (height / max(float(field.std()), 1e-6)), dtype=np.float32)


def _paint(image: Array, radius: Array, value: Array | float, soft: float) -> Array:
    """Lay ``value`` over the inside (radius < 1) with an edge of relative width ``soft``."""
    inside = 1.0 / (1.0 + np.exp(np.clip((radius - 1.0) * (4.0 / soft), -30.0, 30.0)))
    return np.asarray(image + inside * (value - image), dtype=np.float32)
