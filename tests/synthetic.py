"""Small made-up data in the layouts that the adapters read. Written independently of the code under test."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

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
    lines["ElementDataFile"] = lines.pop("ElementDataFile")  # the last line, wherever the others were added
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{key} = {value}\n" for key, value in lines.items() if value is not None))
    data_path.write_bytes(zlib.compress(data) if compress else data)
    return path


def write_mha(path: Path, array: NDArray[Any], *, compress: bool = False) -> Path:
    """Write ``array`` (X, Y, Z) as .mha, whose numbers follow the header."""
    draft = path.with_name(f"{path.stem}-draft.mhd")
    data = draft.with_suffix(".zraw" if compress else ".raw")
    write_mhd(draft, array, compress=compress)
    size = str(data.stat().st_size) if compress else None
    write_mhd(draft, array, compress=compress, CompressedDataSize=size, ElementDataFile="LOCAL")
    path.write_bytes(draft.read_bytes() + data.read_bytes())
    draft.unlink()
    data.unlink()
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


def write_picture(path: Path, array: NDArray[Any]) -> Path:
    """Write rows and columns, perhaps with channels, in the format of the path's ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.ascontiguousarray(array)).save(path)
    return path


def random_picture(seed: int, size: tuple[int, int] = (40, 32), num_classes: int = 2) -> tuple[Any, Any]:
    """Draw a colour picture (Y, X, 3) and an index mask (Y, X) that holds every class in a stripe of its own."""
    rng = np.random.default_rng(seed)
    mask = np.broadcast_to(np.arange(size[0]) * num_classes // size[0], (size[1], size[0])).astype(np.uint8)
    return rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8), mask


def write_folder(folder: Path, num_cases: int = 4, suffix: str = ".png") -> Path:
    """Write ``images`` and ``masks`` of two classes."""
    for index in range(num_cases):
        image, mask = random_picture(index)
        write_picture(folder / "images" / f"p{index}{suffix}", image)
        write_picture(folder / "masks" / f"p{index}.png", mask)
    return folder


def write_nifti(path: Path, array: NDArray[Any], affine: NDArray[Any] | None = None) -> Path:
    """Write (X, Y, Z) with a spacing of 0.5 x 0.5 x 3 mm."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, np.diag([0.5, 0.5, 3.0, 1.0]) if affine is None else affine), path)
    return path


def write_decathlon(folder: Path, num_cases: int = 4, labels: dict[str, str] | None = None) -> Path:
    """Write ``imagesTr`` and ``labelsTr``, and ``dataset.json`` where labels are given."""
    for index in range(num_cases):
        image, mask = random_volume(index)
        write_nifti(folder / "imagesTr" / f"v_{index:03d}.nii.gz", image)
        write_nifti(folder / "labelsTr" / f"v_{index:03d}.nii.gz", mask)
    if labels is not None:
        listed = [
            {"image": f"./imagesTr/v_{i:03d}.nii.gz", "label": f"./labelsTr/v_{i:03d}.nii.gz"} for i in range(num_cases)
        ]
        (folder / "dataset.json").write_text(json.dumps({"labels": labels, "training": listed}))
    return folder


def write_camvid(folder: Path, counts: dict[str, int] | None = None) -> Path:
    """Write the SegNet layout: index masks with all eleven classes and void."""
    for part, count in (counts or {"train": 4, "val": 2, "test": 2}).items():
        for index in range(count):
            image, mask = random_picture(index + 10 * len(part) + ord(part[0]), (48, 36), 12)
            write_picture(folder / part / f"0016E5_{part}{index}.png", image)
            write_picture(folder / f"{part}annot" / f"0016E5_{part}{index}.png", mask)
    return folder


def write_cityscapes(folder: Path, counts: dict[str, int] | None = None) -> Path:
    """Write the official layout: labelIds 0 to 33 in stripes."""
    cities = {"train": "aachen", "val": "lindau"}
    for part, count in (counts or {"train": 4, "val": 2}).items():
        for index in range(count):
            image, mask = random_picture(index + 100 * ord(part[0]), (136, 68), 34)
            stem = f"{cities[part]}_{index:06d}_000019"
            write_picture(folder / "leftImg8bit" / part / cities[part] / f"{stem}_leftImg8bit.png", image)
            write_picture(folder / "gtFine" / part / cities[part] / f"{stem}_gtFine_labelIds.png", mask)
    return folder
