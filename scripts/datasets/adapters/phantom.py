"""The embedded data set: prostate-like volumes made from a seed, in PROMISE12's own layout.

Expected tree: none; it is written where it is missing::

    <dataset_dir>/Case00.mhd                Case00.raw
    <dataset_dir>/Case00_segmentation.mhd   Case00_segmentation.zraw
    <dataset_dir>/phantom.json              the settings it was made with

Labels: 0 background, 1 prostate. A demonstration, not data: a result on it says nothing about patients.
"""

from __future__ import annotations

import json
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import UserError
from ...storage.atomic_folders import holds_anything, make_folder
from ..cases import Case
from ..threads import run_in_threads
from .phantom_anatomy import FIELD_OF_VIEW, draw_volume
from .promise12 import find_promise12

_VERSION = 1  # of the drawing; raised whenever the same seed gives other voxels
_SETTINGS = "phantom.json"
_ELEMENT_TYPES = {"int16": "MET_SHORT", "uint8": "MET_UCHAR"}


def find_phantom(
    dataset_dir: str | Path,
    num_cases: int = 20,
    size: tuple[int, int, int] = (160, 160, 12),
    seed: int = 0,
) -> list[Case]:
    """Return the phantom's cases under ``dataset_dir``, written first where it is not there.

    A folder with anything else in it, a phantom of other settings among them, is refused, never overwritten.

    Args:
        dataset_dir: folder of the phantom; absent, empty, or written by an earlier call with equal settings.
        num_cases: number of cases, 1 to 10,000; case i does not depend on it.
        size: voxels along x, y and z; the field of view stays the same.
        seed: of all chance.

    Raises:
        ValueError: an argument is out of its range, or the folder holds something else.
    """
    size = _check_settings(num_cases, size, seed)
    root = Path(dataset_dir).expanduser().resolve()
    settings = {"version": _VERSION, "num_cases": num_cases, "size": list(size), "seed": seed}
    if root.exists() and not root.is_dir():
        raise UserError(f"dataset_dir {root} is a file; name a folder for the phantom")
    if not holds_anything(root):
        make_folder(root, lambda folder: _write_phantom(folder, settings))
    _refuse_other_content(root, settings)
    return find_promise12(root)


def _check_settings(num_cases: int, size: tuple[int, int, int], seed: int) -> tuple[int, int, int]:
    if not 1 <= num_cases <= 10_000:
        raise UserError(f"num_cases of the phantom must be 1 to 10,000, got {num_cases}")
    if len(size) != 3 or min(size[0], size[1]) < 32 or size[2] < 4:
        raise UserError(f"size of the phantom must be at least (32, 32, 4), got {tuple(size)}")
    if seed < 0:
        raise UserError(f"seed of the phantom must be >= 0, got {seed}")
    return int(size[0]), int(size[1]), int(size[2])


def _refuse_other_content(root: Path, settings: dict[str, Any]) -> None:
    try:
        found = json.loads((root / _SETTINGS).read_text())
    except (OSError, ValueError):
        raise UserError(f"dataset_dir {root} holds files that are not the phantom's; name an empty folder") from None
    if found != settings:
        raise UserError(
            f"dataset_dir {root} holds a phantom made with {found}, asked for is {settings}; "
            "delete the folder or name another"
        )


def _write_phantom(folder: Path, settings: dict[str, Any]) -> None:
    write = partial(_write_case, folder=folder, size=tuple(settings["size"]), seed=settings["seed"])
    run_in_threads(write, range(settings["num_cases"]), title="writing the phantom")
    (folder / _SETTINGS).write_text(json.dumps(settings, indent=2) + "\n")


def _write_case(index: int, *, folder: Path, size: tuple[int, int, int], seed: int) -> None:
    rng = np.random.default_rng([seed, index])
    image, label = draw_volume(rng, size)
    geometry = _draw_geometry(rng, size)
    _write_metaimage(folder / f"Case{index:02d}.mhd", image, geometry, compress=False)
    _write_metaimage(folder / f"Case{index:02d}_segmentation.mhd", label, geometry, compress=True)


def _draw_geometry(rng: np.random.Generator, size: tuple[int, ...]) -> str:
    """Header lines of a grid that is tilted as an axial oblique series is, its middle near the scanner's."""
    tilt, turn = rng.uniform(0.1, 0.3), rng.uniform(-0.06, 0.06)  # rad, about x and about z
    about_x = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    about_z = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    direction = about_x @ about_z  # columns are the axes of the grid in LPS
    spacing = np.array(FIELD_OF_VIEW) / size
    middle = rng.normal(0.0, 10.0, 3)
    origin = middle - direction @ (spacing * (np.array(size) - 1) / 2)
    numbers = {"TransformMatrix": direction.T.ravel(), "Offset": origin, "ElementSpacing": spacing}
    return "".join(f"{key} = {' '.join(f'{v:.10g}' for v in values)}\n" for key, values in numbers.items())


def _write_metaimage(path: Path, array: NDArray[Any], geometry: str, *, compress: bool) -> None:
    """Write ``array`` (X, Y, Z) as a header and a file of little-endian numbers, x fastest."""
    data = array.astype(array.dtype.newbyteorder("<")).tobytes(order="F")
    data = zlib.compress(data) if compress else data
    data_path = path.with_suffix(".zraw" if compress else ".raw")
    size = f"CompressedDataSize = {len(data)}\n" if compress else ""
    path.write_text(
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
        f"CompressedData = {compress}\n{size}{geometry}CenterOfRotation = 0 0 0\nAnatomicalOrientation = RAI\n"
        f"DimSize = {' '.join(map(str, array.shape))}\nElementType = {_ELEMENT_TYPES[array.dtype.name]}\n"
        f"ElementDataFile = {data_path.name}\n"
    )
    data_path.write_bytes(data)
