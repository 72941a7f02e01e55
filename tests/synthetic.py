"""Small made-up data in the layouts that the adapters read. Written independently of the code under test."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ELEMENT_TYPES = {
    "int8": "MET_CHAR",
    "uint8": "MET_UCHAR",
    "int16": "MET_SHORT",
    "uint16": "MET_USHORT",
    "int32": "MET_INT",
    "uint32": "MET_UINT",
    "float32": "MET_FLOAT",
    "float64": "MET_DOUBLE",
}


def write_mhd(path: Path, array: NDArray[Any], *, compress: bool = False, **header: str | None) -> Path:
    """Write ``array`` (X, Y, Z) as .mhd with .raw or .zraw; ``header`` replaces lines, None leaves one out."""
    data = np.ascontiguousarray(array.T).tobytes()
    data_path = path.with_suffix(".zraw" if compress else ".raw")
    lines: dict[str, str | None] = {
        "ObjectType": "Image",
        "NDims": str(array.ndim),
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "CompressedData": str(compress),
        "TransformMatrix": "1 0 0 0 1 0 0 0 1",
        "Offset": "0 0 0",
        "ElementSpacing": "0.5 0.5 3",
        "DimSize": " ".join(map(str, array.shape)),
        "ElementType": ELEMENT_TYPES[array.dtype.name],
        "ElementDataFile": data_path.name,
    }
    lines |= header
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{key} = {value}\n" for key, value in lines.items() if value is not None))
    data_path.write_bytes(zlib.compress(data) if compress else data)
    return path


def random_volume(seed: int, size: tuple[int, int, int] = (40, 32, 5)) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    """Draw an image of noise with a brighter box in it, and the mask of the box; the last slice holds none of it."""
    rng = np.random.default_rng(seed)
    mask = np.zeros(size, dtype=np.uint8)
    x, y = rng.integers(4, size[0] // 2), rng.integers(4, size[1] // 2)
    mask[x : x + 9, y : y + 7, :-1] = 1
    return (rng.integers(0, 800, size) + np.int16(600) * mask).astype(np.int16), mask


def write_promise12(folder: Path, num_cases: int, *, empty: tuple[int, ...] = (), **volume: Any) -> Path:
    """Write ``CaseXX.mhd`` with masks; the masks of the cases in ``empty`` hold no foreground."""
    for index in range(num_cases):
        image, mask = random_volume(index, **volume)
        write_mhd(folder / f"Case{index:02d}.mhd", image)
        write_mhd(folder / f"Case{index:02d}_segmentation.mhd", mask * (index not in empty), compress=True)
    return folder
