"""The header of a MetaImage volume (.mhd), read strictly."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from ..errors import MissingFileError, UserError

_BYTES = {
    "MET_CHAR": 1,
    "MET_UCHAR": 1,
    "MET_SHORT": 2,
    "MET_USHORT": 2,
    "MET_INT": 4,
    "MET_UINT": 4,
    "MET_FLOAT": 4,
    "MET_DOUBLE": 8,
}
_MAX_HEADER_BYTES = 65_536
_MAX_DATA_BYTES = 2**31  # far beyond a scanner's volume, and still less than a workstation's memory
_REQUIRED = ("NDims", "DimSize", "ElementType", "ElementSpacing", "ElementDataFile")
_FALSE, _TRUE = "false", "true"


@dataclass(frozen=True)
class MetaImageHeader:
    """What a header says of its numbers.

    Args:
        size: voxels along each axis.
        element_type: MetaImage's name of the number type.
        compressed: whether the data file is a zlib stream.
        data_path: the file of the numbers.
    """

    size: tuple[int, ...]
    element_type: str
    compressed: bool
    data_path: Path

    @property
    def num_bytes(self) -> int:
        """Bytes of the numbers when not compressed."""
        return math.prod(self.size) * _BYTES[self.element_type]


def read_header(path: str | Path) -> MetaImageHeader:
    """Read the header of ``path`` and check it by itself; of the data file only its presence.

    Raises:
        FileNotFoundError, PermissionError: the header or its data file is missing or may not be read.
        ValueError: the header contradicts itself or the format.
    """
    path = Path(path)
    fields = _read_fields(path)
    for key in _REQUIRED:
        if key not in fields:
            raise UserError(f"{path} has no {key}; write the volume again with a tool that keeps it")
    dims = _numbers(path, fields, "NDims", 1)[0]
    if dims not in (2, 3):
        raise UserError(f"{path}: NDims must be 2 or 3, got {fields['NDims']}; write one volume a file")
    header = MetaImageHeader(
        size=_check_size(path, fields, int(dims)),
        element_type=_check_element_type(path, fields),
        compressed=_flag(path, fields, "CompressedData"),
        data_path=_check_data_path(path, fields),
    )
    if header.num_bytes > _MAX_DATA_BYTES:
        raise UserError(
            f"{path}: DimSize {join_size(header.size)} of {header.element_type} would take {header.num_bytes} bytes, "
            f"at most {_MAX_DATA_BYTES} are read; correct DimSize"
        )
    _check_geometry(path, fields, int(dims))
    return header


def _refuse_unreadable(path: Path) -> None:
    """Refuse a file whose permissions keep this user out."""
    if not os.access(path, os.R_OK):
        raise UserError(f"{path} may not be read by this user; change its permissions")


def _read_fields(path: Path) -> dict[str, str]:
    if path.suffix.lower() != ".mhd":
        raise UserError(f"{path} is not a .mhd file; convert it to MetaImage (header .mhd, numbers .raw or .zraw)")
    if not path.is_file():
        raise MissingFileError(f"{path} does not exist; check the path")
    _refuse_unreadable(path)
    with path.open("rb") as file:
        raw = file.read(_MAX_HEADER_BYTES + 1)
    if len(raw) > _MAX_HEADER_BYTES or b"\0" in raw:
        raise UserError(f"{path} is not a MetaImage header: it must be text of at most {_MAX_HEADER_BYTES} bytes")
    fields: dict[str, str] = {}
    for line in filter(str.strip, raw.decode("latin-1").splitlines()):
        key, sign, value = (part.strip() for part in line.partition("="))
        if not sign or not key or key in fields:
            fault = "repeats" if key in fields else "has a line that is not 'key = value':"
            raise UserError(f"{path} {fault} {line.strip()[:60]!r}; correct the header")
        fields[key] = value
    return fields


def _check_size(path: Path, fields: dict[str, str], dims: int) -> tuple[int, ...]:
    size = _numbers(path, fields, "DimSize", dims)
    if any(n < 1 or n != int(n) for n in size):
        raise UserError(f"{path}: DimSize must be {dims} whole numbers >= 1, got {fields['DimSize']}; correct it")
    return tuple(int(n) for n in size)


def _check_element_type(path: Path, fields: dict[str, str]) -> str:
    element_type, channels = fields["ElementType"], fields.get("ElementNumberOfChannels", "1")
    if element_type not in _BYTES:
        raise UserError(f"{path}: ElementType must be one of {', '.join(_BYTES)}, got {element_type!r}; convert it")
    if channels != "1":
        raise UserError(f"{path}: ElementNumberOfChannels must be 1, got {channels}; write one channel a volume")
    if fields.get("HeaderSize", "0") != "0":
        raise UserError(f"{path}: HeaderSize must be 0, got {fields['HeaderSize']}; write the numbers alone")
    return element_type


def _check_data_path(path: Path, fields: dict[str, str]) -> Path:
    name = fields["ElementDataFile"]
    relative = PurePosixPath(name)
    if not name or name.upper() == "LOCAL" or name.upper().startswith("LIST") or "%" in name:
        raise UserError(f"{path}: ElementDataFile must name one .raw or .zraw file, got {name!r}; convert the volume")
    if relative.is_absolute() or ".." in relative.parts or "\\" in name or ":" in name:
        raise UserError(f"{path}: ElementDataFile {name!r} leaves the folder of the header; put the file beside it")
    data_path = path.parent / relative
    if not data_path.is_file():
        raise MissingFileError(f"{path}: its data file {data_path} does not exist; copy it beside the header")
    _refuse_unreadable(data_path)
    return data_path


def _check_geometry(path: Path, fields: dict[str, str], dims: int) -> None:
    if min(_numbers(path, fields, "ElementSpacing", dims)) <= 0:
        raise UserError(f"{path}: ElementSpacing must be > 0, got {fields['ElementSpacing']}; correct it")
    for key in ("Offset", "Position", "Origin"):
        if key in fields:
            _numbers(path, fields, key, dims)
    for key in ("TransformMatrix", "Rotation", "Orientation"):
        if key in fields:
            matrix = np.reshape(_numbers(path, fields, key, dims * dims), (dims, dims))
            # Headers are often written with few digits.
            if not np.allclose(matrix @ matrix.T, np.eye(dims), atol=1e-3):
                raise UserError(f"{path}: the axes of {key} must be of length 1 at right angles; correct it")


def _numbers(path: Path, fields: dict[str, str], key: str, count: int) -> list[float]:
    try:
        values = [float(text) for text in fields[key].split()]
    except ValueError:
        values = []
    if len(values) != count or not all(map(math.isfinite, values)):
        raise UserError(f"{path}: {key} must be {count} finite number(s), got {fields[key]!r}; correct it")
    return values


def _flag(path: Path, fields: dict[str, str], key: str) -> bool:
    value = fields.get(key, _FALSE).lower()
    if value not in (_FALSE, _TRUE):
        raise UserError(f"{path}: {key} must be True or False, got {fields[key]!r}; correct it")
    return value == _TRUE


def join_size(size: tuple[int, ...]) -> str:
    """The size as people write it, such as 160 x 160 x 12."""
    return " x ".join(map(str, size))
